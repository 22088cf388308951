"""Rows that are alike become one with a count: the numbers of single rows."""

import warnings

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm import streamed as streaming
from fastglm.errors import DataError, FastGLMWarning, ModelError, SeparationWarning
from fastglm.rows import cells

N = 20_000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    g, h = rng.choice(["north", "south", "east"], N), rng.integers(0, 5, N)
    age = rng.integers(18, 60, N) * 1.0
    rate = np.exp(-1.0 + 0.2 * (g == "east") + 0.01 * age)
    trials = rng.integers(1, 4, N)
    wins = rng.binomial(trials, 0.3 + 0.05 * h)
    return pa.table(
        {
            "g": pa.array(g).dictionary_encode(),
            # Numbers that are levels.
            "code": pa.array(rng.integers(3, 7, N)).dictionary_encode(),
            "h": h,
            "age": age,
            "flag": rng.random(N) < 0.4,
            "claims": rng.poisson(rate),
            "any": np.where(rng.random(N) < 1 / (1 + np.exp(-0.2 * h)), "yes", "no"),
            "wins": wins,
            "losses": trials - wins,
            "years": rng.choice([0.25, 0.5, 1.0], N),
            "w": rng.choice([0.5, 1.0, 2.0], N),
            "times": rng.integers(0, 4, N),
            "cost": rng.integers(1, 9, N) * 10.0,
            "share": rng.integers(1, 9, N) / 10.0,
            "size": rng.normal(size=N),
        }
    )


ALL = ("deviance", "null_deviance", "llf", "aic", "bic", "scale", "pearson_chi2", "nobs")
ALL = (*ALL, "df_resid", "sum_weights")


def assert_same(found, wanted, covariances=("HC0", "HC1", "HC2", "HC3", "HC4")):
    step = (found.params - wanted.params) / wanted.bse
    np.testing.assert_allclose(step, 0.0, atol=1e-10)
    np.testing.assert_allclose(found.bse, wanted.bse, rtol=1e-12)
    np.testing.assert_allclose(found.cov_params(), wanted.cov_params(), rtol=1e-11, atol=1e-15)
    for name in ALL:
        np.testing.assert_allclose(
            getattr(found, name), getattr(wanted, name), rtol=1e-12, err_msg=name
        )
    for name in covariances:
        robust = found.with_covariance(name).bse, wanted.with_covariance(name).bse
        np.testing.assert_allclose(*robust, rtol=1e-12, err_msg=name)


def both(formula, table, **options):
    source = fg.scan(table)
    found = fg.glm(formula, source, compress=True, tol=1e-12, **options)
    assert found.model.rows.cells.n_rows < 0.5 * N
    assert found.n_passes == 1
    return found, fg.glm(formula, source, compress=False, tol=1e-12, **options)


FITS = {
    "spline": ("claims ~ g + C(h) + bs(age, df=4)", {"family": "poisson"}),
    "whole column": ("claims ~ scale(age) + poly(h, 2) + code", {"family": "poisson"}),
    "exposure": ("claims ~ g * flag", {"family": "poisson", "exposure": "years"}),
    "offset": ("claims ~ g + offset(log(years))", {"family": "quasipoisson"}),
    "given offset": ("claims ~ g - 1", {"family": "poisson", "offset": "w"}),
    "frequencies": ("claims ~ g", {"family": "poisson", "freq_weights": "times"}),
    "weights": (
        "claims ~ g",
        {"family": "poisson", "freq_weights": "times", "var_weights": "w", "exposure": "years"},
    ),
    "a weight that is a column": ("claims ~ times", {"family": "poisson", "freq_weights": "times"}),
    "one frequency": ("claims ~ g", {"family": "poisson", "freq_weights": 3}),
    "levels": ("any ~ g + C(h)", {"family": "binomial"}),
    "truths": ("flag ~ g", {"family": "binomial", "link": "probit"}),
    "counts": ("cbind(wins, losses) ~ g + h", {"family": "binomial"}),
    "quasibinomial": ("share ~ h", {"family": "quasibinomial"}),
    "gaussian": ("cost ~ g + h", {}),
    "variance weights": ("cost ~ g + h", {"var_weights": "w"}),
    "gamma": ("cost ~ g + h", {"family": "gamma", "link": "log"}),
    "inverse gaussian": ("cost ~ g + h", {"family": "inverse_gaussian", "link": "log"}),
    "negative binomial": ("claims ~ g", {"family": fg.families.NegativeBinomial(alpha=0.5)}),
    "tweedie": ("cost ~ g", {"family": fg.families.Tweedie(var_power=1.5)}),
    "constant": ("claims ~ 1", {"family": "poisson"}),
}


@pytest.mark.parametrize("name", FITS)
def test_counts_give_the_numbers_of_single_rows(name, table):
    formula, options = FITS[name]
    assert_same(*both(formula, table, **options))


def test_rows_with_missing_values_are_left_out(table):
    rng = np.random.default_rng(1)
    for name in ("g", "age", "claims", "years"):
        place, column = table.schema.get_field_index(name), table.column(name)
        holes = pa.array(column.to_pylist(), table.field(name).type, mask=rng.random(N) < 0.05)
        table = table.set_column(place, name, holes)
    options = {"family": "poisson", "exposure": "years", "missing": "drop"}
    found, wanted = both("claims ~ g + age", table, **options)
    assert_same(found, wanted)
    assert found.n_dropped == wanted.n_dropped > 0
    assert found.missing == wanted.missing
    with pytest.raises(DataError, match="from row 0 on"):
        fg.glm("claims ~ age", fg.scan(table.drop_columns("g")), "poisson", compress=True)


def test_what_needs_single_rows_goes_back_to_them(table):
    found, wanted = both("claims ~ g + age", table, family="poisson", exposure="years")
    for ask in (
        lambda res: res.resid_pearson,
        lambda res: res.fittedvalues,
        lambda res: res.get_influence().hat_matrix_diag,
        lambda res: res.with_covariance("cluster", groups="h").bse,
    ):
        np.testing.assert_allclose(ask(found), ask(wanted), rtol=1e-9)
    small, whole = (res.anova().summary_frame().to_numpy() for res in (found, wanted))
    np.testing.assert_allclose(small[:, :4], whole[:, :4], rtol=1e-9)
    few = fg.glm("claims ~ g + age", fg.scan(table), "poisson", memory="300KB", compress=True)
    assert few.model.rows.cells is not None
    with pytest.raises(DataError, match=f"the {N:,} rows of the Table in memory"):
        _ = few.resid_pearson
    table = few.anova().summary_frame()
    np.testing.assert_allclose(table["Deviance"].sum(), few.null_deviance - few.deviance)


def test_separated_levels_are_found_and_their_rows_counted(table):
    claims = np.where(np.asarray(table.column("code")) == 5, 0, np.asarray(table.column("claims")))
    table = table.set_column(table.schema.get_field_index("claims"), "claims", pa.array(claims))
    source, results = fg.scan(table), []
    for compress in (True, False):
        with pytest.warns(SeparationWarning):
            results.append(fg.glm("claims ~ code + age", source, "poisson", compress=compress))
    assert results[0].model.rows.cells is not None
    assert results[0].n_separated == results[1].n_separated > 0
    assert results[0].infinite == results[1].infinite
    finite = [name not in results[0].infinite for name in results[0].names]
    np.testing.assert_allclose(results[0].bse[finite], results[1].bse[finite], rtol=1e-6)


def test_a_column_alone_in_nearly_every_row_leaves_them_as_they_are(table):
    with pytest.warns(FastGLMWarning, match="as they are: more than 50% of the rows are like no"):
        found = fg.glm("size ~ g", fg.scan(table), compress=True)
    assert found.model.rows.cells is None
    assert found.estimates.tobytes() == fg.glm("size ~ g", fg.scan(table)).estimates.tobytes()


def test_what_cannot_be_compared_is_not(table):
    half = table.append_column("half", table.column("age").cast(pa.float16()))
    half = half.append_column("nested", pa.array([[1.0]] * N))
    with pytest.warns(FastGLMWarning, match="compress=True leaves all rows as they are: "):
        found = fg.glm("claims ~ half", fg.scan(half), "poisson", compress=True)
    assert found.model.rows.cells is None


def test_unasked_where_there_are_many_rows_of_which_a_tenth_is_distinct(table, monkeypatch):
    def compressed(formula, rows=table, **options):
        return fg.glm(formula, fg.scan(rows), "poisson", **options).model.rows.cells is not None

    assert not compressed("claims ~ g")
    monkeypatch.setattr(streaming, "LEAST_ROWS", 10_000)
    assert compressed("claims ~ g")
    assert not compressed("claims ~ g", compress=False)
    assert not compressed("claims ~ size")
    # The first rows promise what the others do not hold.
    monkeypatch.setattr(cells, "PIECE_GRAINS", 1)
    late = np.where(np.arange(N) < 8_192, 0.0, np.asarray(table.column("size")))
    table = table.append_column("late", pa.array(late))
    assert not compressed("claims ~ late", table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fg.glm("claims ~ late", fg.scan(table), "poisson")
    assert found.n_passes > 1


def test_the_pass_ends_where_rows_promise_too_many(table, monkeypatch):
    monkeypatch.setattr(streaming, "LEAST_ROWS", 10_000)
    monkeypatch.setattr(cells, "PIECE_GRAINS", 1)
    pieces, read_pieces = [], cells.read_pieces

    def spy(*args):
        for piece in read_pieces(*args):
            pieces.append(piece)
            yield piece

    monkeypatch.setattr(cells, "read_pieces", spy)
    monkeypatch.setattr(cells._Collected, "add", lambda *args: pytest.fail("rows are compared"))
    fg.glm("claims ~ size", fg.scan(table), "poisson")
    assert len(pieces) == 1


def test_the_memory_bounds_the_distinct_rows(table):
    with pytest.warns(FastGLMWarning, match="the distinct rows take more than a third of memory="):
        found = fg.glm("claims ~ age + h", fg.scan(table), "poisson", memory="40KB", compress=True)
    assert found.model.rows.cells is None


def test_the_same_bits_however_rows_come(table, tmp_path):
    formula, options = "claims ~ g + C(h) + age", {"family": "poisson", "exposure": "years"}
    sources = [
        fg.scan(table),
        lambda: iter(table.to_batches(max_chunksize=4_321)),
        pl.from_arrow(table).lazy(),
    ]
    found = {
        np.concatenate([res.params, res.bse, [res.deviance, res.llf]]).tobytes()
        for source in sources
        for n_threads in (1, 2)
        for res in [fg.glm(formula, source, compress=True, n_threads=n_threads, **options)]
        if res.model.rows.cells is not None
    }
    assert len(found) == 1


def test_a_fit_goes_on_from_its_checkpoint(table, tmp_path):
    path, formula = tmp_path / "fit.ckpt", "claims ~ g + age"

    def stop(n_sweeps, deviance):
        raise KeyboardInterrupt

    source = fg.scan(table)
    with pytest.raises(KeyboardInterrupt):
        fg.glm(formula, source, "poisson", compress=True, checkpoint=path, progress=stop)
    with pytest.raises(DataError):
        fg.glm(formula, source, "poisson", compress=False, checkpoint=path)
    again = fg.glm(formula, source, "poisson", compress=True, checkpoint=path)
    whole = fg.glm(formula, source, "poisson", compress=True)
    assert again.estimates.tobytes() == whole.estimates.tobytes()
    assert not path.exists()


def test_errors_of_values_that_are_not_finite_name_their_rows(table):
    age = np.asarray(table.column("age")).copy()
    age[12_345] = np.inf
    table = table.set_column(table.schema.get_field_index("age"), "age", pa.array(age))
    with pytest.raises(DataError, match=r"12,?345|from row 8,192 on"):
        fg.glm("claims ~ age", fg.scan(table), "poisson", compress=True)


def test_frames_and_other_words_are_refused(table):
    with pytest.raises(ModelError, match=r"compress is for rows .* fastglm\.scan\(data\)"):
        fg.glm("claims ~ g", table.to_pandas(), "poisson", compress=True)
    with pytest.raises(ModelError, match="compress must be"):
        fg.glm("claims ~ g", fg.scan(table), "poisson", compress="yes")
