"""What needs the rows of a streamed fit: one more pass brings them, to the same numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fastglm as fg

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
