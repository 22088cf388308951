"""Pictures and pages of models of several predictors: what is drawn is what was computed."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
import response_cases as cases
from matplotlib import pyplot
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def fits():
    data = cases.frame()
    return {name: cases.model(name, data, "x + g", freq_weights="w").fit() for name in cases.MODELS}


@pytest.mark.parametrize("name", cases.MODELS)
def test_panels_show_the_residuals(fits, name):
    fit = fits[name]
    axes = fit.plot(seed=4)
    assert axes.shape == (2, 2)
    if name in ("MNLogit", "DirichletModel"):
        observed, expected = axes[1, 0].patches, axes[1, 0].lines[0].get_ydata()
        heights = [bar.get_height() for bar in observed]
        weights, values = cases.frame().w.to_numpy(), np.atleast_2d(fit._observed())
        np.testing.assert_allclose(heights, values @ weights, rtol=1e-12)
        # The score of an intercept is zero: totals of categories are those observed.
        if name == "MNLogit":
            np.testing.assert_allclose(heights, expected, rtol=1e-6)
        return
    drawn = axes[0, 1].lines[1].get_ydata()
    np.testing.assert_array_equal(drawn, np.sort(fit.resid_quantile(4)))
    np.testing.assert_array_equal(axes[0, 0].lines[0].get_ydata(), fit.resid_quantile(4))


def test_calibration_of_every_level(fits):
    fit, data = fits["OrderedModel"], cases.frame()
    ax = fg.plots.calibration(fit, n_groups=4)
    probability = np.asarray(fit.predict())
    lines = {c.get_label(): c.lines[0].get_xydata() for c in ax.containers}
    for level in (0, 1, 2):
        points = lines[str(level)]
        observed = (data.level == level).to_numpy()
        assert len(points) == 4
        assert points[0, 0] >= probability[:, level].min()
        assert points[:, 1].mean() == pytest.approx(np.average(observed, weights=data.w), abs=0.03)


@pytest.mark.parametrize("name", ["MNLogit", "Hurdle"])
def test_effects_are_marginal_means(fits, name):
    fit = fits[name]
    ax = fg.plots.effect(fit, "g")
    means = fit.emmeans("g").estimate.reshape(-1, 3)
    for line, expected in zip(ax.lines, means, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), expected)
    ax = fg.plots.effect(fit, "x")
    line = ax.lines[0].get_xydata()
    np.testing.assert_allclose(
        line[7, 1], fit.emmeans("x", at={"x": line[7, 0]}).estimate[0], rtol=1e-12
    )


def test_frequencies_of_counts():
    data = cases.frame()
    fit = cases.model("NegativeBinomialP", data, "x", freq_weights="w").fit()
    observed, expected = fit.expected_counts()
    mean = np.asarray(fit.predict())
    alpha = np.asarray(fit.predict(which="alpha")) * mean ** (1.5 - 2.0)
    size = 1.0 / alpha
    for count in (0, 1, 5):
        chance = stats.nbinom(size, size / (size + mean)).pmf(count)
        assert expected[count] == pytest.approx(data.w @ chance, rel=1e-10)
        assert observed[count] == data.w[data.counts == count].sum()
    hurdle = cases.model("Hurdle", data, "x").fit()
    _, expected = hurdle.expected_counts()
    assert expected[0] == pytest.approx((data.counts == 0).sum(), rel=1e-6)
    assert cases.model("BetaModel", data, "x").fit().expected_counts() is None


def test_table_of_predictions(fits):
    fit, data = fits["MNLogit"], cases.frame()
    table = fit.pred_table()
    best = np.asarray(fit.predict(which="class"))
    expected = pd.crosstab(data.level, best, values=data.w, aggfunc="sum").fillna(0.0)
    np.testing.assert_array_equal(table.loc[expected.index, expected.columns], expected)
    assert table.to_numpy().sum() == data.w.sum()
    arrays = fg.MNLogit(data.level.to_numpy(), data[["x"]].to_numpy()).fit().pred_table()
    assert isinstance(arrays, np.ndarray)
    assert arrays.sum() == cases.N


def test_coefficients_without_intercepts(fits):
    ax = fg.plots.coefficients(fits["BetaModel"])
    assert [tick.get_text() for tick in ax.get_yticklabels()][::-1] == [
        "x", "g[T.b]", "g[T.c]", "precision-x"
    ]  # fmt: skip
    with pytest.raises(ModelError, match="standardize"):
        fg.plots.coefficients(fits["BetaModel"], standardize=True)


@pytest.mark.parametrize("name", ["MNLogit", "ZeroInflated"])
def test_a_page_of_the_fit(fits, name, tmp_path):
    fit, done = fits[name], []
    fit.report(tmp_path / "page.html", progress=lambda k, n: done.append((k, n)))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") == 5
    assert "could not be drawn" not in page
    assert "Terms" in page
    assert fit.kind in page
    assert done[-1][0] == done[-1][1]
    statistic = fit.anova(type=2)["LR Chisq"][0]
    assert f"{statistic:.6g}" in page
