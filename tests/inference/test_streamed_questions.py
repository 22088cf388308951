"""What needs the rows of a streamed fit: one more pass brings them, to the same numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib import pyplot

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.families.links import Power
from fastglm.inference.diagnostics.added_columns import other_fit

N = 30_000
FORMULA = "claims ~ x + g + bs(year, df=4)"
OPTIONS = {"family": "poisson", "exposure": "years", "missing": "drop"}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    x, year = rng.normal(size=N), rng.integers(1990, 2020, N).astype(float)
    g, years = rng.choice(["east", "north", "west"], N), rng.uniform(0.2, 1.0, N)
    claims = rng.poisson(years * np.exp(-1.0 + 0.3 * x + 0.2 * (g == "west")))
    x[rng.random(N) < 0.01] = np.nan
    columns = {"x": x, "year": year, "g": g, "years": years, "claims": claims}
    return pa.table(columns | {"other": rng.choice(["a", "b"], N)})


@pytest.fixture(scope="module")
def both(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(table, path, row_group_size=7_000)
    return fg.glm(FORMULA, path, **OPTIONS), fg.glm(FORMULA, table, **OPTIONS)


def numbers(found):
    """All numbers of a table, a frame or some arrays, in a row."""
    if isinstance(found, pa.Table):
        found = [column for column in found.to_pydict().values() if isinstance(column[0], float)]
    elif isinstance(getattr(found, "columns", None), dict):
        found = list(found.columns.values())
    elif isinstance(found, pd.DataFrame):
        found = [found[name] for name in found.select_dtypes("float")]
    return np.concatenate([np.ravel(np.asarray(column, dtype=float)) for column in found])


ASKED = {
    "anova": lambda res: res.anova(),
    "anova 2": lambda res: res.anova(type=2),
    "Rao": lambda res: res.anova(type=3, test="Rao"),
    "drop1": lambda res: res.drop1(),
    "lack of fit": lambda res: res.lack_of_fit(),
    "residuals": lambda res: [res.resid_deviance, res.resid_pearson, res.fittedvalues],
    "influence": lambda res: [res.get_influence().cooks_distance[0]],
    "augment": lambda res: res.augment(),
    "averages": lambda res: [res.avg_predictions().estimate],
    "dispersion": lambda res: [[res.dispersion_test().statistic]],
    "bootstrap": lambda res: [res.bootstrap(20, seed=1).bse],
    "groups": lambda res: [res.with_covariance("cluster", groups="other").bse],
    "evaluation": lambda res: [[value for value in vars(res.evaluate()).values()
                                if isinstance(value, float)]],
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_answers_are_those_of_a_fit_in_memory(asked, both):
    streamed, whole = (numbers(ASKED[asked](res)) for res in both)
    assert streamed.size
    np.testing.assert_allclose(streamed, whole, rtol=1e-5, atol=1e-7)


WIDE = "claims ~ x * g + bs(year, df=12) + lx * g + I(lx**2)"


@pytest.fixture(scope="module")
def wide(table):
    """Rows whose columns do not fit into memory, though a few numbers of each row do."""
    lx = pa.array(np.random.default_rng(4).normal(size=N))
    table = table.append_column("lx", lx)
    streamed = fg.glm(WIDE, fg.scan(table), memory="3MB", **OPTIONS)
    assert not streamed.model.rows.fits
    return streamed, fg.glm(WIDE, table, **OPTIONS)


def drawn(ax):
    """Heights of all lines of a picture, which is closed."""
    pyplot.close(ax.figure)
    return [line.get_ydata() for line in ax.lines]


BESIDE_COLUMNS = {
    **{name: ASKED[name] for name in ("residuals", "influence", "dispersion", "evaluation")},
    "calibration": lambda res: drawn(fg.plots.calibration(res)),
    "lift": lambda res: drawn(fg.plots.lift(res)),
    "double lift": lambda res: drawn(fg.plots.double_lift(res, res)),
    "levels": lambda res: drawn(fg.plots.actual_expected(res, "g")),
    "numbers": lambda res: drawn(fg.plots.actual_expected(res, "lx")),
    "column beside": lambda res: drawn(fg.plots.actual_expected(res, "other")),
    "groups": lambda res: [res.evaluate().groups()["actual"], res.evaluate().groups()["upper"]],
    "zero inflation": lambda res: [[res.zero_inflation_test().statistic]],
    "outliers": lambda res: list(res.get_influence().outlier_test().columns.values()),
    "quantiles": lambda res: [res.resid_quantile(seed=1)],
    "deviations": lambda res: drawn(fg.plots.coefficients(res, standardize=True)),
    "effect": lambda res: drawn(fg.plots.effect(res, "x")),
    "effect of levels": lambda res: drawn(fg.plots.effect(res, "g")),
    "marginal means": lambda res: [res.emmeans("g").estimate, res.emmeans("g").standard_error],
    "tariff": lambda res: [res.rating_table().summary_frame().iloc[:, 3:].to_numpy()],
}


@pytest.mark.parametrize("asked", BESIDE_COLUMNS)
def test_a_few_numbers_of_each_row_take_no_columns_into_memory(asked, wide):
    streamed, whole = (numbers(BESIDE_COLUMNS[asked](res)) for res in wide)
    assert streamed.size
    np.testing.assert_allclose(streamed, whole, rtol=1e-7, atol=1e-9)
    assert wide[0].model._in_memory is None


@pytest.fixture(scope="module")
def narrow(wide):
    """Rows of which not even a few numbers fit into memory."""
    whole = wide[1]
    table = whole.model.source[0]
    streamed = fg.glm(WIDE, fg.scan(table), memory="2MB", **OPTIONS)
    assert streamed.model.rows.memory < 96 * N
    return streamed, whole


BY_PASSES = {
    "link": lambda res: [[res.link_test().statistic]],
    "tails of the link": lambda res: [[res.goodness_of_link().statistic]],
    "lack of fit": lambda res: list(res.lack_of_fit().columns.values()),
    "lack of fit of one": lambda res: list(res.lack_of_fit(["year"], df=6).columns.values()),
    "add1": lambda res: list(res.add1(["other", "I(x**2)"]).columns.values()),
    "add1 Rao": lambda res: list(res.add1(["x:lx"], test="Rao").columns.values()),
    "Rao in order": lambda res: list(res.anova(test="Rao").columns.values()),
    "Rao of type 3": lambda res: list(res.anova(type=3, test="Rao").columns.values()),
    "drop1 Rao": lambda res: list(res.drop1("Rao").columns.values()),
    "search": lambda res: [[res.step(direction="backward", max_steps=1).results.deviance]],
    "predictions": lambda res: averages(res.avg_predictions()),
    "predictions by group": lambda res: averages(res.avg_predictions({"x": [0, 1]}, by="other")),
    "predictions of levels": lambda res: averages(res.avg_predictions("g", by="year")),
    "slopes": lambda res: averages(res.avg_slopes(by="g")),
    "comparisons": lambda res: averages(res.avg_comparisons("lx", step=0.5)),
    "effects": lambda res: averages(res.get_margeff()),
    "effects at means": lambda res: averages(res.get_margeff(at="mean", method="eyex")),
    "effects of steps": lambda res: averages(res.get_margeff(dummy=True, count=True)),
    "marginal means": lambda res: averages(res.emmeans("g")),
}  # fmt: skip


def averages(found):
    return [found.estimate, found.standard_error]


@pytest.mark.parametrize("asked", BY_PASSES)
def test_what_is_asked_of_the_rows_takes_passes_where_they_do_not_fit(asked, narrow):
    streamed, whole = (numbers(BY_PASSES[asked](res)) for res in narrow)
    assert streamed.size
    np.testing.assert_allclose(streamed, whole, rtol=1e-7, atol=1e-9)
    assert narrow[0].model._in_memory is None
    assert narrow[0].model.rows._gathered is None


def test_averages_by_a_column_with_gaps_are_refused(narrow):
    table = narrow[1].model.source[0]
    gaps = pa.array(np.where(np.arange(N) % 9, table["other"].to_numpy(zero_copy_only=False), None))
    table = table.append_column("gaps", gaps)
    streamed = fg.glm("claims ~ x + g", fg.scan(table), memory="1MB", **OPTIONS)
    assert not streamed.model.rows.fits
    with pytest.raises(fg.errors.DataError, match="'gaps' has no value in some rows"):
        streamed.avg_predictions(by="gaps")
    with pytest.raises(fg.errors.ColumnNotFoundError, match="other"):
        streamed.avg_predictions(by="others")


def test_another_link_is_fitted_by_passes(table):
    """What a profile of the power of the link is made of."""
    options = {"family": "gamma", "link": "log", "missing": "drop"}
    costs = table.append_column("cost", pa.array(np.random.default_rng(2).gamma(2.0, size=N)))
    streamed = fg.glm("cost ~ x + g", fg.scan(costs), memory="1MB", **options)
    assert not streamed.model.rows.fits
    whole = fg.glm("cost ~ x + g", costs, **options)
    family = whole.family.with_link(Power(0.5))
    others = [other_fit(res, family=family) for res in (streamed, whole)]
    assert others[0].deviance == pytest.approx(others[1].deviance, rel=1e-11)
    assert others[0].deviance != pytest.approx(whole.deviance, rel=1e-9)
    assert streamed.model._in_memory is None


def sections(fit, path):
    """Texts of a report by heading, of pictures what stands below them."""
    fit.report(path)
    page = re.sub(r'src="[^"]*"', "", path.read_text())
    found = re.findall(r"<section id=\"([^\"]*)\"><h2>.*?</h2>(.*?)</section>", page)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", text).split()) for name, text in found}


def test_a_report_has_all_of_rows_whose_columns_do_not_fit(wide, tmp_path):
    streamed, whole = (sections(fit, tmp_path / "report.html") for fit in wide)
    assert list(streamed) == list(whole)
    for name in ("fit-on-these-rows", "residuals", "variables", "relativities"):
        assert streamed[name] == whole[name], name
    assert "Left out of this page" not in streamed["what-to-know"]
    assert "Single rows" in streamed["checks"]
    assert "Shape of x" in streamed["checks"]
    assert "could not be drawn" not in " ".join(streamed.values())
    assert wide[0].model._in_memory is None


def test_a_report_without_room_for_a_number_of_each_row_has_its_tables(table, tmp_path):
    fit = fg.glm(FORMULA, fg.scan(table), memory="1800KB", **OPTIONS)
    assert fit.model.rows.memory < 96 * N
    found = sections(fit, tmp_path / "report.html")
    assert {"the-fit", "coefficients", "terms"} <= set(found)
    assert not {"residuals", "variables", "relativities"} & set(found)
    note = found["what-to-know"].partition("Left out of this page")[2]
    assert "Relativities" in note
    assert "test of the link" not in note
    assert "the picture of how far the model tells rows apart" in note


def test_weights_and_offsets_are_gathered_as_they_are_in_memory(table):
    rng = np.random.default_rng(5)
    table = table.append_column("w", pa.array(rng.uniform(0.5, 2.0, N)))
    table = table.append_column("times", pa.array(rng.integers(0, 3, N)))
    formula = "claims ~ x * g + bs(year, df=12) + offset(log(years)) + x:bs(year, df=5)"
    options = {"family": "poisson", "missing": "drop", "offset": "w", "var_weights": "w"}
    options["freq_weights"] = "times"
    streamed = fg.glm(formula, fg.scan(table), memory="3MB", **options)
    assert not streamed.model.rows.fits
    rows, whole = streamed.model.rows_beside_columns("it"), fg.glm(formula, table, **options)
    known = whole.model.rows
    for name in ("response", "offset", "prior_weights", "variance_weights", "frequencies"):
        assert np.array_equal(getattr(rows, name), getattr(known, name)), name
    for name in ("formula", "offset"):
        assert np.array_equal(getattr(rows.offset_parts, name), getattr(known.offset_parts, name))
    assert (rows.n_rows, rows.nobs, rows.summary) == (known.n_rows, known.nobs, known.summary)
    for ask in (lambda res: res.resid_deviance, lambda res: res.evaluate().d2):
        np.testing.assert_allclose(ask(streamed), ask(whole), rtol=1e-7, atol=1e-9)


def test_trials_are_gathered_as_they_are_in_memory(table):
    rng = np.random.default_rng(6)
    wins, losses = rng.integers(0, 4, N), rng.integers(1, 4, N)
    table = table.append_column("wins", pa.array(wins)).append_column("losses", pa.array(losses))
    formula = "cbind(wins, losses) ~ x * g + bs(year, df=12) + x:bs(year, df=5)"
    options = {"family": "binomial", "missing": "drop"}
    streamed = fg.glm(formula, fg.scan(table), memory="3MB", **options)
    assert not streamed.model.rows.fits
    whole = fg.glm(formula, table, **options)
    for ask in (
        lambda res: [res.evaluate().auc, res.evaluate().log_loss, res.evaluate().d2],
        lambda res: [res.hosmer_lemeshow()[0].statistic],
        lambda res: drawn(fg.plots.roc(res)),
    ):
        np.testing.assert_allclose(numbers(ask(streamed)), numbers(ask(whole)), rtol=1e-6)


def test_a_search_over_terms(both):
    streamed, whole = (res.step().results.formula for res in both)
    assert streamed == whole


def test_columns_that_the_model_has_not_are_there(both):
    streamed, whole = both
    found = streamed.model.in_memory("it").rows.frame_column("other").codes
    assert np.array_equal(found, whole.model.rows.frame_column("other").codes)


def test_report_and_pictures(both, tmp_path):
    pages, lines = [], []
    for name, fit in zip("ab", both, strict=True):
        fit.report(tmp_path / f"{name}.html")
        pages.append((tmp_path / f"{name}.html").read_text())
        figures = [fg.plots.lift(fit).figure, fg.plots.calibration(fit).figure]
        axes = [ax for figure in figures for ax in figure.axes]
        lines.append(np.concatenate([line.get_ydata() for ax in axes for line in ax.lines]))
    assert abs(len(pages[0]) - len(pages[1])) < 0.1 * len(pages[1])
    np.testing.assert_allclose(lines[0].astype(float), lines[1].astype(float), rtol=1e-5)


@pytest.mark.parametrize(
    ("formula", "memory"), [(FORMULA, "1800KB"), ("claims ~ x + g - 1", "1MB")]
)
def test_terms_are_tested_by_passes_where_rows_do_not_fit(formula, memory, table):
    streamed = fg.glm(formula, fg.scan(table), memory=memory, **OPTIONS)
    assert not streamed.model.rows.fits
    whole = fg.glm(formula, table, **OPTIONS)
    for ask in (lambda res: res.anova(), lambda res: res.anova(type=3), lambda res: res.drop1()):
        np.testing.assert_allclose(numbers(ask(streamed)), numbers(ask(whole)), rtol=1e-6)
    assert streamed.model._in_memory is None


def test_a_fit_is_made_again_with_a_change(both, table):
    streamed, whole = both
    for change, options in ((". ~ . - g", {}), (". ~ . + other", {"family": "quasipoisson"})):
        new, wanted = (res.update(change, **options) for res in both)
        assert type(new.model) is type(streamed.model)
        assert new.formula == wanted.formula
        assert new.family.same_kind(wanted.family)
        np.testing.assert_allclose(new.params, wanted.params, rtol=1e-6, atol=1e-9)
    robust = streamed.with_covariance("HC1").update(data=fg.scan(table.slice(0, 9_000)))
    wanted = whole.with_covariance("HC1").update(data=table.slice(0, 9_000))
    assert robust.cov_type == "HC1"
    np.testing.assert_allclose(robust.bse, wanted.bse, rtol=1e-6)
    with pytest.raises(ModelError, match="choose those of a source beforehand"):
        streamed.update(subset="x > 0")
