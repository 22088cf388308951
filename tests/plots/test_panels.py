from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fastglm as fg
from fastglm import plots


def points(ax):
    """Points that are drawn one by one."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]


def test_four_panels_hold_residuals_and_leverages(counts):
    axes = counts.plot(seed=2)
    assert axes.shape == (2, 2)
    (drawn,) = points(axes[0, 0])
    np.testing.assert_allclose(drawn[:, 0], counts.linear_predictor)
    np.testing.assert_allclose(drawn[:, 1], counts.resid_quantile(seed=2))
    (drawn,) = points(axes[1, 0])
    np.testing.assert_allclose(drawn[:, 1], np.sqrt(np.abs(counts.resid_quantile(seed=2))))
    (drawn,) = points(axes[1, 1])
    np.testing.assert_allclose(drawn[:, 0], counts.get_influence().hat_matrix_diag)
    largest = int(np.argmax(counts.get_influence().cooks_distance[0]))
    assert str(largest) in [text.get_text() for text in axes[1, 1].texts]


def test_the_envelope_is_that_of_order_statistics(counts):
    ax = plots.quantile_quantile(counts)
    n = counts.model.rows.n_rows
    band = ax.collections[0].get_paths()[0].vertices
    expected = stats.norm.ppf(stats.beta.ppf([0.025, 0.975], 1, n))
    first = np.isclose(band[:, 0], band[:, 0].min())
    np.testing.assert_allclose(np.unique(band[first, 1].round(9)), expected, rtol=1e-6)


def test_the_envelope_is_that_of_simulated_responses(counts):
    """Quantile residuals of counts drawn from the fitted means, by SciPy's distribution."""
    ax = plots.quantile_quantile(counts)
    band = ax.collections[0].get_paths()[0].vertices
    mean, rng = np.asarray(counts.fittedvalues), np.random.default_rng(5)
    n, draws = mean.size, rng.poisson(mean, (2000, mean.size))
    below, at = stats.poisson.cdf(draws - 1, mean), stats.poisson.pmf(draws, mean)
    simulated = np.sort(stats.norm.ppf(below + rng.random(draws.shape) * at), axis=1)
    low, high = np.quantile(simulated, [0.025, 0.975], axis=0)
    places = stats.norm.ppf((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    for k in (0, 1, n // 4, n // 2, n - 2, n - 1):
        drawn = band[np.isclose(band[:, 0], places[k]), 1]
        noise = 0.08 * (high[k] - low[k])
        assert drawn.min() == pytest.approx(low[k], abs=noise)
        assert drawn.max() == pytest.approx(high[k], abs=noise)


def test_families_without_a_distribution_show_deviance_residuals(frame):
    fit = fg.glm("claims ~ age", frame, "quasipoisson")
    ax = plots.residuals(fit)
    assert "deviance" in ax.get_ylabel()
    np.testing.assert_allclose(points(ax)[0][:, 1], fit.rstandard())


def test_many_points_are_counted_in_hexagons():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(20_000), rng.normal(size=20_000)])
    fit = fg.GLM(X[:, 1] + rng.normal(size=20_000), X).fit()
    ax = plots.residuals(fit)
    assert not points(ax)
    assert ax.collections[0].get_array().sum() == 20_000
    (drawn,) = points(plots.quantile_quantile(fit))
    assert len(drawn) <= 2_000
    assert drawn[-1, 1] == pytest.approx(fit.resid_quantile().max())


def test_contours_are_of_cooks_distance(frame):
    fit = fg.glm("claims ~ age", frame.head(12), "poisson")
    ax = plots.leverage(fit)
    contours = [line.get_xydata() for line in ax.lines if line.get_linestyle() == "--"]
    assert contours
    hat, residual = contours[0].T
    distance = residual**2 * hat / ((1 - hat) * fit.rank)
    np.testing.assert_allclose(distance, distance[0])
    assert min(abs(distance[0] - 0.5), abs(distance[0] - 1.0)) < 1e-9


def test_a_picture_without_contours_has_a_note(counts):
    ax = plots.leverage(counts)
    largest = float(np.max(counts.get_influence().cooks_distance[0]))
    assert f"all below 0.5, at most {largest:.2g}" in next(t.get_text() for t in ax.texts)


def test_names_of_points_do_not_lie_on_each_other(frame):
    twins = frame.head(200).copy()
    twins.loc[twins.index[-3:], ["age", "claims", "hours"]] = [79.0, 30.0, 1.0]
    ax = plots.leverage(fg.glm("claims ~ age", twins, "poisson"))
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text().isdigit()]
    assert len(boxes) == 3
    frame_box = ax.get_window_extent()
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert box.y1 <= frame_box.y1 + 12


def test_the_panels_have_a_title_and_do_not_write_themselves_out(counts):
    axes = counts.plot()
    assert "Poisson, log: claims ~ age + region" in axes[0, 0].figure.get_suptitle()
    assert "show()" in repr(axes)
    assert axes._repr_html_() == ""
