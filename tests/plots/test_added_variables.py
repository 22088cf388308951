from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError
from fastglm.inference.evaluation.groups import quantile_groups
from fastglm.inference.rows.added_variables import added_variable, ceres_residuals


def test_the_line_of_an_added_variable_is_least_squares(counts):
    ax = plots.added_variable(counts, "age")
    x, y = added_variable(counts, counts.names.index("age"))
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
    ax = plots.added_variable(many, "age")
    x, y = added_variable(many, 1)
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    group = quantile_groups(x, np.ones(x.size), 40)
    np.testing.assert_allclose(points.get_ydata(), np.bincount(group, y) / np.bincount(group))


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
