from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError
from fastglm.inference.evaluation.groups import quantile_groups
from fastglm.inference.rows.added_variables import added_variable, ceres_residuals
from fastglm.plots.style import name_points


def test_the_line_of_an_added_variable_is_least_squares(counts):
    ax = plots.added_variable(counts, "age")
    x, y, _ = added_variable(counts, counts.names.index("age"))
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.column_stack([x, y]))
    ends = ax.lines[1].get_xydata()
    np.testing.assert_allclose(ends[:, 1], ends[:, 0] * (x @ y) / (x @ x))
    assert ax.get_xlabel() == "age | others"


def test_ceres_residuals_stand_around_the_fitted_line(counts):
    ax = plots.ceres_residuals(counts, "age")
    (line,) = [line for line in ax.lines if line.get_label() == "fitted"]
    (x0, y0), (x1, y1) = line.get_xydata()
    np.testing.assert_allclose((y1 - y0) / (x1 - x0), counts.params["age"])
    values, weight = ceres_residuals(counts, counts.names.index("age")), counts.fittedvalues
    middle = np.average(values, weights=weight)
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    # Of 800 rows, 20 in a group: the first is of those of least age.
    age = counts.model.rows.frame_column("age")
    first = np.argsort(age)[:20]
    expected = np.average(values[first] - middle, weights=weight.iloc[first])
    np.testing.assert_allclose(points.get_ydata()[0], expected)


def test_bubbles_are_as_large_as_cooks_distances(counts):
    ax = plots.influence(counts, n_named=2)
    distance = counts.get_influence().cooks_distance[0].to_numpy()
    (bubbles,) = ax.collections
    order = np.argsort(-distance, kind="stable")
    large = distance[order] > 0.02 * distance.max()
    sizes = bubbles.get_sizes()
    np.testing.assert_allclose(sizes[large] / sizes[0], distance[order][large] / distance.max())
    np.testing.assert_allclose(
        bubbles.get_offsets()[:, 0], counts.get_influence().hat_matrix_diag.iloc[order]
    )
    assert [text.get_text() for text in ax.texts] == [str(k) for k in order[:2]]


def test_many_rows_have_few_bubbles(frame):
    many = fg.glm("won ~ age", frame.loc[np.tile(frame.index, 5)].reset_index(), "binomial")
    ax = plots.influence(many)
    assert sorted(len(each.get_offsets()) for each in ax.collections)[0] == 50


def test_many_rows_are_means_of_groups(frame):
    many = fg.glm("won ~ age", frame.loc[np.tile(frame.index, 5)].reset_index(), "binomial")
    for kind in (None, "pearson"):
        ax = plots.added_variable(many, "age", kind=kind)
        x, y, weight = added_variable(many, 1, kind or "working")
        weight = np.ones(x.size) if kind else weight
        (points,) = [line for line in ax.lines if line.get_marker() == "o"]
        group = quantile_groups(x, np.ones(x.size), 40)
        total = np.bincount(group, weight)
        np.testing.assert_allclose(points.get_ydata(), np.bincount(group, weight * y) / total)
        np.testing.assert_allclose(points.get_xdata(), np.bincount(group, weight * x) / total)


def test_rows_of_little_exposure_do_not_lift_the_groups(frame):
    """Groups stand around the line whose slope is nearly the coefficient, whatever the exposure."""
    rng = np.random.default_rng(1)
    n = 4000
    years = rng.choice([0.01, 1.0], n)
    x = rng.normal(size=n)
    claims = rng.poisson(np.where(years < 0.1, 5.0, 1.0) * years * np.exp(0.1 * x))
    fit = fg.glm("claims ~ x", {"claims": claims, "x": x, "years": years}, "poisson",
                 exposure="years")  # fmt: skip
    ax = plots.added_variable(fit, "x")
    (line,) = [each for each in ax.lines if each.get_linewidth() == 1.8]
    (x0, y0), (x1, y1) = line.get_xydata()
    slope = fit.params[fit.names.index("x")]
    np.testing.assert_allclose((y1 - y0) / (x1 - x0), slope, rtol=0.05)
    (points,) = [each for each in ax.lines if each.get_marker() == "o"]
    off = points.get_ydata() - (y1 - y0) / (x1 - x0) * points.get_xdata()
    assert abs(off.mean()) < 0.02


def test_names_without_room_are_left_out():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    name_points(ax, np.full(9, 0.5), np.full(9, 0.5), [str(k) for k in range(9)])
    heights = [mark.xyann[1] for mark in ax.texts]
    assert 2 <= len(heights) == len(set(heights)) <= 5


def test_statsmodels_names_give_the_figure(counts):
    figure = counts.plot_added_variable("age")
    assert figure.axes[0].get_ylabel() == "deviance residual | others"
    figure = counts.plot_partial_residuals(counts.names.index("age"))
    assert figure.axes[0].get_title() == "Partial residuals of age"
    assert counts.plot_ceres_residuals("age").axes[0].get_title() == "CERES residuals of age"


def test_what_is_no_column(counts):
    with pytest.raises(ModelError, match="there is no column 'hours'"):
        plots.added_variable(counts, "hours")
    with pytest.raises(ModelError, match="kind"):
        plots.added_variable(counts, "age", kind="raw")


def test_what_has_no_such_picture():
    data = {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": [1, 3, 4, 9, 8, 20], "g": list("ababab")}
    with pytest.raises(ModelError, match="the only column"):
        plots.ceres_residuals(fg.glm("y ~ 0 + x", data, "poisson"), "x")
    with pytest.raises(ModelError, match="one linear predictor"):
        plots.influence(fg.MNLogit.from_formula("g ~ x", data).fit())
