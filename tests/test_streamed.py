"""Fits of rows that are read a few at a time: the numbers of fits in memory, however rows come."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from streamed_cases import (
    FORMULA,
    MODELS,
    SOURCES,
    N,
    assert_alike,
    bits,
    make_gaps,
    make_table,
    write_folder,
)

import fastglm as fg
from fastglm.errors import ColumnNotFoundError, DataError, MissingValueError, ModelError
from fastglm.rows import window_sizes
from fastglm.solve import streamed as solving


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def gaps():
    return make_gaps()


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    return write_folder(table, tmp_path_factory.mktemp("rows"))


def test_the_same_bits_however_the_rows_are_stored_and_read(folder, table):
    fit = {"family": "poisson", "exposure": "years"}
    found = {}
    for name, make in SOURCES.items():
        # So little memory that windows have one grain, and none is kept.
        for memory, threads in (("1GB", 2), ("4MB", 1), ("4MB", 2)):
            results = fg.glm(FORMULA, make(folder, table), memory=memory, n_threads=threads, **fit)
            found[name, memory, threads] = bits(results)
    # A sample, from which a fit starts, takes a part of the memory.
    for memory in ("1GB", "4MB"):
        first = found["memory", memory, 2]
        assert all(value == first for (_, m, _), value in found.items() if m == memory)


@pytest.mark.parametrize("model", MODELS)
def test_the_numbers_are_those_of_a_fit_in_memory(model, table):
    formula, options = MODELS[model]
    source = fg.scan(lambda: iter(table.to_batches(max_chunksize=9_000)))
    assert_alike(
        fg.glm(formula, source, memory="20MB", **options), fg.glm(formula, table, **options)
    )


@pytest.mark.parametrize("model", ["poisson", "levels", "counts", "weights", "splines", "truths"])
def test_rows_with_missing_values_are_left_out_as_in_memory(model, gaps):
    formula, options = MODELS[model]
    options = options | {"missing": "drop"}
    streamed = fg.glm(formula, fg.scan(gaps), memory="20MB", **options)
    assert streamed.n_dropped > 10_000 or "x" not in formula
    assert_alike(streamed, fg.glm(formula, gaps, **options))


@pytest.mark.parametrize("name", ["x", "g", "h", "flag", "claims", "years"])
def test_missing_values_are_refused_where_they_are(name, gaps, table):
    place = table.schema.get_field_index(name)
    # Far from any sample's rows, all but one are there.
    valid = np.ones(N, dtype=bool)
    valid[41_234] = False
    column = pa.array(table.column(name).to_pylist(), table.field(name).type, mask=~valid)
    source = fg.scan(table.set_column(place, name, column))
    with pytest.raises((MissingValueError, DataError)) as caught:
        fg.glm(FORMULA, source, family="poisson", exposure="years", memory="4MB")
    first = int(re.search(r"from row ([\d,]+) on", str(caught.value))[1].replace(",", ""))
    row = int(re.search(r"1 row \((\d+)", str(caught.value))[1])
    assert first + row == 41_234


def test_a_level_that_only_the_last_row_group_has(table, tmp_path):
    last = table.column("g").to_pylist()
    last[-20:] = ["arctic"] * 20
    table = table.set_column(2, "g", pa.array(last))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=3_000)
    options = {"family": "poisson", "exposure": "years"}
    streamed = fg.glm("claims ~ x + g", tmp_path, memory="4MB", **options)
    assert "g[T.east]" in streamed.names
    whole = fg.glm("claims ~ x + g", table, **options)
    # All others are compared with these few rows, which no diagonal of a Gram matrix shows.
    X, years = whole.model.exog, table.column("years").to_numpy()
    mean = years * np.exp(X @ streamed.params)
    exact = np.sqrt(np.diag(np.linalg.inv(X.T @ (X * mean[:, None]))))
    np.testing.assert_allclose(streamed.bse, exact, rtol=1e-7)
    assert_alike(streamed, whole)


@pytest.mark.parametrize("order", ["g", "claims"])
def test_sorted_rows(order, table):
    table = table.sort_by(order)
    options = {"family": "poisson", "exposure": "years"}
    streamed = fg.glm("claims ~ x + g", fg.scan(table), memory="4MB", **options)
    assert_alike(streamed, fg.glm("claims ~ x + g", table, **options))


def test_large_fits_take_few_passes(table):
    # With windows of one grain nothing is kept.
    source = fg.scan(make_table(300_000))
    dense = fg.glm("any ~ x + year", source, family="binomial", memory="20MB")
    assert dense.n_passes <= 3
    # Weights do not depend on coefficients: after a pass there is nothing to be learned.
    linear = fg.glm("size ~ x + year", source, memory="20MB")
    assert linear.n_passes == 1
    assert_alike(linear, fg.glm("size ~ x + year", make_table(300_000), exact=True))
    assert dense.timings["decode"] >= 0.0


def test_the_sample_has_rows_of_every_grain_where_it_has_a_good_part(monkeypatch):
    # Sorted by their levels, whose rates differ by far: whole grains would have few of these.
    rng = np.random.default_rng(3)
    g = np.sort(rng.integers(0, 12, N))
    x, claims = rng.normal(size=N), rng.poisson(np.exp(rng.normal(0.0, 2.0, 12))[g])
    table = pa.table({"g": g.astype(str), "x": x, "claims": claims})
    monkeypatch.setattr(window_sizes, "SAMPLE_GRAINS", 2)
    passes = []
    for thinnest in (4, 0):
        monkeypatch.setattr(window_sizes, "THINNEST", thinnest)
        streamed = fg.glm("claims ~ x + g", fg.scan(table), family="poisson")
        assert_alike(streamed, fg.glm("claims ~ x + g", table, family="poisson"))
        passes.append(streamed.n_passes)
    assert passes[0] <= 3 < passes[1]


def test_the_sample_leads_to_the_end_of_a_long_way(monkeypatch):
    # A tail so long that weights double on the way from the sample's estimates.
    rng, n = np.random.default_rng(5), 200_000
    x, g = rng.lognormal(0.0, 0.7, n), rng.integers(0, 30, n)
    claims = rng.poisson(0.02 * np.exp(0.2 * np.minimum(x, 8.0)))
    source, left = fg.scan(pa.table({"x": x, "g": g, "claims": claims})), []
    for most in (solving.MOST_CORRECTIONS, 1):
        monkeypatch.setattr(solving, "MOST_CORRECTIONS", most)
        found = []
        streamed = fg.glm(
            "claims ~ x + C(g)",
            source,
            "poisson",
            memory="6MB",
            progress=lambda n_sweeps, deviance, found=found: found.append(deviance),
        )
        left.append(found[1] - streamed.deviance)
    assert 50.0 * left[0] < left[1]


@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_a_linear_fit_takes_a_second_pass_only_where_digits_need_it(shift):
    table = make_table(100_000)
    size = table.column("size").to_numpy() + shift
    far = table.append_column("far", pa.array(size)).append_column(
        "near", pa.array(table.column("year").to_numpy() + 1e-2 * table.column("x").to_numpy())
    )
    for formula in ("far ~ x + year", "far ~ year + near"):
        # So small a sample that a fit starts some standard errors from its end.
        streamed = fg.glm(formula, fg.scan(far), memory="3MB")
        assert_alike(streamed, fg.glm(formula, far, exact=True))


def test_the_sample_improves_steps_of_canonical_links(monkeypatch):
    # A long tail, of which a sixteenth of the rows has its share.
    rng = np.random.default_rng(2)
    n = 500_000
    x, g = rng.lognormal(0.0, 0.7, n), rng.integers(0, 30, n)
    claims = rng.poisson(0.02 * np.exp(0.2 * np.minimum(x, 8.0)))
    source = fg.scan(pa.table({"x": x, "g": g.astype(str), "claims": claims}))
    found = []
    for correct in (solving._correct_step, lambda run, options: None):
        monkeypatch.setattr(solving, "_correct_step", correct)
        streamed = fg.glm("claims ~ x + g", source, "poisson", memory="12MB")
        found.append(streamed)
    with_it, without = found
    assert with_it.n_passes < without.n_passes
    np.testing.assert_allclose((with_it.params - without.params) / without.bse, 0, atol=1e-7)
    np.testing.assert_allclose(with_it.bse, without.bse, rtol=1e-7)


@pytest.mark.parametrize("formula", ["claims ~ poly(x, 3) + g", "claims ~ bs(x, df=6)"])
def test_functions_have_the_same_bits_in_windows_of_any_size(formula):
    source, found = fg.scan(make_table(200_000)), set()
    for n_threads, memory in ((1, "256MB"), (2, "256MB"), (2, "2GB")):
        streamed = fg.glm(formula, source, "poisson", memory=memory, n_threads=n_threads)
        grains = streamed.model.rows.row_source(n_threads).windows.window_grains
        found.add((grains, *bits(streamed)))
    assert len({grains for grains, *_ in found}) > 1
    assert len({tuple(rest) for _, *rest in found}) == 1


@pytest.mark.parametrize("formula", ["claims ~ poly(k, 3)", "claims ~ bs(k, df=6)"])
@pytest.mark.parametrize("order", ["mixed", "sorted"])
def test_functions_of_about_as_many_values_as_are_coded_have_the_same_bits(formula, order):
    rng, n = np.random.default_rng(0), 150_000
    # One row in ten thousand has one of the values above 115, which most windows do not have.
    k = np.where(rng.random(n) < 1e-4, rng.integers(115, 130, n), rng.integers(0, 115, n)) / 8.0
    k = np.sort(k) if order == "sorted" else k
    table = pa.table({"k": k, "claims": rng.poisson(np.exp(0.1 * k))})
    found = set()
    for memory, n_threads in (("256MB", 2), ("20MB", 2), ("2GB", 1)):
        streamed = fg.glm(formula, fg.scan(table), "poisson", memory=memory, n_threads=n_threads)
        design = [
            window.rows.design.to_dense()
            for window in streamed.model.rows.row_source(n_threads).windows.read(0, 19)
        ]
        found.add((len(design), np.concatenate(design).tobytes()))
    assert len({n_windows for n_windows, _ in found}) > 1
    assert len({values for _, values in found}) == 1


def test_samples_do_not_depend_on_the_memory():
    for n_rows, columns in ((10**7, 5), (10**8, 20), (10**6, 300), (10**6, 5)):
        few, many = (
            window_sizes.sampled_rows(n_rows, columns, memory) for memory in (256 * 10**6, 10**11)
        )
        assert few == many


def test_what_needs_rows_that_do_not_fit_into_memory_is_an_error(table):
    results = fg.glm("claims ~ x", fg.scan(table), family="poisson", memory="600KB")
    for ask in (
        lambda: results.fittedvalues,
        lambda: results.resid_deviance,
        lambda: results.get_influence().hat_matrix_diag,
        lambda: results.model.row_table,
    ):
        with pytest.raises(
            DataError,
            match=rf"needs? (a few numbers of each of )?the {N:,} rows of .* in memory, about",
        ):
            ask()
    assert results.predict({"x": [0.0]}).shape == (1,)
    assert "Intercept" in str(results.summary())


def test_what_sums_of_products_cannot_do_is_done_in_memory(table):
    source = fg.scan(lambda: iter(table.to_batches(max_chunksize=9_000)))
    formula = "claims ~ x + I(x + 1e-9 * year)"
    streamed, whole = (fg.glm(formula, data, "poisson") for data in (source, table))
    assert np.array_equal(streamed.params, whole.params, equal_nan=True)
    assert np.array_equal(streamed.cov_params(), whole.cov_params(), equal_nan=True)


def test_saved_and_loaded(table, tmp_path):
    results = fg.glm(FORMULA, fg.scan(table), family="poisson", exposure="years")
    results.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    for name in ("params", "bse", "llf", "null_deviance", "deviance", "nobs", "n_passes"):
        assert np.array_equal(getattr(loaded, name), getattr(results, name)), name
    new = {"x": [0.3], "year": [2003.0], "g": ["west"], "h": [2], "flag": [True], "years": [0.5]}
    assert loaded.predict(new) == results.predict(new)


LITTLE = {"memory": "700KB"}
BAD = {
    "absent column": ("claims ~ z", {}, ColumnNotFoundError, "no column 'z'"),
    "absent weights": ("claims ~ x", {"var_weights": "v"}, ColumnNotFoundError, "no column 'v'"),
    "weights in an array": ("claims ~ x", {"var_weights": np.ones(N)}, ModelError, "the name of a"),
    "no response": ("~ x", {}, DataError, "has no response"),
    "negative response": ("x ~ year", {}, DataError, "needs a response at least 0"),
    "separation": ("claims ~ x", {"separation": "drop"}, ModelError, "separation="),
    "bias": ("claims ~ x", {"bias_reduction": "firth"}, ModelError, "bias_reduction needs"),
    "exact": ("claims ~ x", {"exact": True}, ModelError, "exact=True needs"),
    "memory": ("claims ~ x", {"memory": "much"}, ModelError, "memory must be a number"),
    "little memory": ("claims ~ x", {"memory": 100}, ModelError, "is too little for sums"),
    "spline": ("claims ~ bs(x, df=4)", {"memory": "400KB"}, ModelError, "read as a whole"),
    "start": ("claims ~ x", {"start_params": [1.0]}, DataError, "start_params has shape"),
    "nearly the same": ("claims ~ x + I(x + 1e-9 * year)", LITTLE, DataError, "combinations"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_fitted(kind, table):
    formula, options, error, match = BAD[kind]
    options = {"family": "poisson"} | options
    with pytest.raises(error, match=match):
        fg.glm(formula, fg.scan(table), **options)


def test_windows_are_kept_where_they_fit_and_small_where_memory_is(table):
    for memory, grains, kept in (("1GB", 32, True), ("4MB", 1, False)):
        results = fg.glm(FORMULA, fg.scan(table), "poisson", memory=memory)
        rows = results.model.rows.row_source(results.n_threads)
        assert rows.windows.window_grains == grains
        assert bool(rows._kept) == kept
        assert results.model.rows.source.batch_rows <= max(grains * 8_192, 8_192)


def test_estimates_that_grow_without_end_are_named_after_few_passes():
    rng = np.random.default_rng(0)
    n = 30_000
    x, g = rng.normal(size=n), rng.choice(["a", "b", "c"], n, p=[0.5, 0.4995, 0.0005])
    claims = rng.poisson(np.exp(0.2 * x))
    claims[g == "c"] = 0
    # A number, of which nobody counts the levels.
    table = pa.table({"x": x, "b": (g == "b") * 1.0, "c": (g == "c") * 1.0, "claims": claims})
    with (
        pytest.warns(fg.errors.ConvergenceWarning),
        pytest.warns(fg.errors.SeparationWarning, match="The estimates of c go on growing"),
    ):
        streamed = fg.glm("claims ~ x + b + c", fg.scan(table), "poisson", memory="700KB")
    assert not streamed.converged
    assert streamed.n_passes <= 18
    # What is finite is what the other rows give.
    rest = fg.glm("claims ~ x + b", table.filter(pa.array(g != "c")), "poisson")
    np.testing.assert_allclose(streamed.params[:3], rest.params, rtol=1e-5)
    np.testing.assert_allclose(streamed.bse[:3], rest.bse, rtol=1e-5)


def test_rare_levels_with_events_converge():
    rng = np.random.default_rng(1)
    n = 30_000
    g = rng.choice(["a", "b", "c"], n, p=[0.5, 0.4997, 0.0003])
    claims = rng.poisson(0.02, n)
    claims[np.flatnonzero(g == "c")[:1]] = 1
    table = pa.table({"g": g, "claims": claims})
    assert_alike(
        fg.glm("claims ~ g", fg.scan(table), "poisson"), fg.glm("claims ~ g", table, "poisson")
    )


def test_splines_of_a_column_of_any_name(table):
    named = table.append_column("my x", table.column("x"))
    for formula in ("size ~ bs(`my x`, df=5)", "size ~ poly(`my x`, 2)"):
        assert_alike(fg.glm(formula, fg.scan(named)), fg.glm(formula, named))


@pytest.mark.parametrize("first", [9_000, N - 3_000])
@pytest.mark.parametrize("formula", ["claims ~ x + g", "claims ~ bs(x, df=4) + g"])
def test_files_that_begin_with_incomplete_rows(first, formula, table):
    # Neither the first grain nor, in the longer case, a sample has a row that is complete.
    holes = np.arange(N) < first
    x = pa.array(table.column("x").to_numpy(), mask=holes)
    gaps = table.set_column(table.schema.get_field_index("x"), "x", x)
    options = {"family": "poisson", "missing": "drop"}
    streamed = fg.glm(formula, fg.scan(gaps), memory="2MB", **options)
    assert streamed.n_dropped == first
    whole = fg.glm(formula, gaps, **options)
    bse = np.asarray(whole.bse)
    np.testing.assert_allclose((streamed.params - np.asarray(whole.params)) / bse, 0, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, bse, rtol=1e-7)
    np.testing.assert_allclose(streamed.deviance, whole.deviance, rtol=1e-12)


@pytest.mark.parametrize("kind", [pa.string(), pa.null(), pa.float64()])
@pytest.mark.parametrize("term", ["g", "C(g)"])
def test_a_column_of_nulls_alone(kind, term, table):
    nulls = table.set_column(table.schema.get_field_index("g"), "g", pa.nulls(N, kind))
    with pytest.raises(MissingValueError, match=r"Missing values: 'g' in .* Pass missing=.drop"):
        fg.glm(f"claims ~ x + {term}", fg.scan(nulls), family="poisson")
    with pytest.raises(DataError, match=r"No row of .* by column are \{'g': \d+\}. Leave out"):
        fg.glm(f"claims ~ x + {term}", fg.scan(nulls), family="poisson", missing="drop")


def test_a_number_that_is_missing_has_no_level(table):
    place = table.schema.get_field_index("year")
    year = pa.array(table.column("year").to_numpy(), mask=np.arange(N) == 41_234)
    source = fg.scan(table.set_column(place, "year", year))
    with pytest.raises(MissingValueError, match="Missing values: 'year' in 1 row"):
        fg.glm("claims ~ C(year)", source, family="poisson")


def test_an_exposure_beside_another_link_is_refused_before_rows_are_read(table):
    rows = pa.concat_tables([table] * 3)
    assert rows.num_rows > 16_384  # more than a piece, of which errors tell the rows
    with pytest.raises(ModelError, match=r"^exposure needs a log link, but the link is Sqrt"):
        fg.glm("claims ~ x", fg.scan(rows), "poisson", exposure="x", link="sqrt")


def test_memory_beside_a_frame_is_refused(table):
    with pytest.raises(ModelError, match=r"memory is for rows that are read from a source"):
        fg.glm("claims ~ x", table, "poisson", memory="400MB")


def test_memory_that_is_no_size_is_refused_before_rows_are_opened():
    def rows():
        raise AssertionError("opened")

    with pytest.raises(ModelError, match="memory must be a number of bytes"):
        fg.glm("claims ~ x", rows, "poisson", memory="much")
