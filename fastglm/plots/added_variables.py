"""What one column adds to a fit: added-variable and CERES plots; and influence as bubbles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import ModelError
from fastglm.inference.diagnostics.influence import Influence
from fastglm.inference.evaluation.groups import quantile_groups
from fastglm.inference.rows.added_variables import (
    added_variable as added,
)
from fastglm.inference.rows.added_variables import (
    ceres_residuals as residuals_by_ceres,
)
from fastglm.inference.rows.added_variables import column_named, values_of_column
from fastglm.inference.rows.residuals import RESIDUALS
from fastglm.kernels.blocks import row_buffers
from fastglm.plots.style import (
    BLUE,
    GREY,
    MOST_POINTS,
    ORANGE,
    VERMILION,
    cloud,
    few_ticks,
    legend_above,
    name_points,
    new_axes,
    picture,
    short_label,
    tidy,
    weighted_means,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["added_variable", "ceres_residuals", "influence"]

#: Groups of equally many rows whose means are drawn.
MOST_GROUPS = 40
#: Rows of largest Cook's distance that have a bubble where single rows have no points.
BUBBLES, LARGEST_BUBBLE = 50, 700.0


@picture
def added_variable(
    fit: Fit, column: str | int, ax: Axes | None = None, kind: str | None = None
) -> Axes:
    """What a column adds beside the others: residuals without it against what is its own.

    Both axes are what the other columns leave: of the column, by a regression with the weights of
    the fit, and of the response, by the model without it. The line is the least-squares line; rows
    far to either side decide what the coefficient is. Many rows are drawn as means of groups, with
    two standard errors: of working residuals with the weights of the fit, unless `kind` says
    otherwise, so that the slope is the coefficient to first order, and rows of little exposure
    count for little. R's package car calls it ``avPlots``.

    Parameters
    ----------
    fit : Fit
    column : str or int
        A coefficient, by its name or number.
    ax : Axes, optional
    kind : {"pearson", "deviance", "response", "working", "anscombe"}, optional
        Of the residuals of the response: by default "pearson" for points, "working" for groups;
        statsmodels takes "deviance".

    Raises
    ------
    ModelError
        If there is no such coefficient, or it has no estimate.

    Notes
    -----
    Wang (1985), *Technometrics* 27.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.added_variable(res, "x").get_title()
    'Added variable x'
    """
    number = column_named(fit, column)
    are_points = fit._model_with_data("an added variable").rows.n_rows <= MOST_POINTS
    kind = ("pearson" if are_points else "working") if kind is None else kind
    checked_choice("kind", kind, RESIDUALS)
    x, y, weight = added(fit, number, kind)
    ax = new_axes(ax)
    use = np.isfinite(x) & np.isfinite(y)
    x, y, weight = x[use], y[use], weight[use] if kind == "working" else np.ones(int(use.sum()))
    if are_points:
        cloud(ax, x, y)
    else:
        _means_by(ax, x, y, weight)
    slope = float((weight * x) @ y / ((weight * x) @ x))
    ends = np.array([x.min(), x.max()])
    ax.plot(ends, slope * ends, color=VERMILION, linewidth=1.8)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    few_ticks(ax)
    few_ticks(ax, "y")
    name = short_label(fit.names[number])
    return tidy(ax, f"Added variable {name}", f"{name} | others", f"{kind} residual | others")


@picture
def ceres_residuals(fit: Fit, column: str | int, ax: Axes | None = None) -> Axes:
    """Partial residuals that show the shape of a column's effect where others bend with it.

    The points are means of groups of equally many rows, with two standard errors, and the line is
    what the fit says, both less their means. A curve through the points that bends says that the
    column's effect does. Where other columns are no straight functions of this one, partial
    residuals (`partial_residuals`) bend though the effect is straight; these do not.

    Parameters
    ----------
    fit : Fit
    column : str or int
        A coefficient, by its name or number.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If there is no such coefficient, it has no estimate, or the column has one value.

    Notes
    -----
    Cook (1993), "Exploring Partial Residual Plots", *Technometrics* 35, with means given the column
    by a natural spline of five columns.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": list(range(12)), "g": list("ababbaabbaba"), "y": [1, 2, 2, 4, 3, 5] * 2}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.ceres_residuals(res, "x").get_title()
    'CERES residuals of x'
    """
    number = column_named(fit, column)
    x, values = values_of_column(fit, number), residuals_by_ceres(fit, number)
    (weight,) = fit.row_values(row_buffers.WEIGHT)
    values = values - np.average(values, weights=weight)
    ax = new_axes(ax)
    _means_by(ax, x, values, weight)
    ends = np.array([x.min(), x.max()])
    line = float(fit.estimates[number]) * (ends - np.average(x, weights=weight))
    ax.plot(ends, line, color=BLUE, linewidth=2, label="fitted")
    few_ticks(ax)
    few_ticks(ax, "y")
    name = short_label(fit.names[number])
    tidy(ax, f"CERES residuals of {name}", name, "effect + residual")
    legend_above(ax)
    return ax


def _means_by(ax: Axes, x: np.ndarray, values: np.ndarray, weight: np.ndarray) -> None:
    """Means of groups of equally many rows by x, with two standard errors."""
    group = quantile_groups(x, np.ones(x.size), MOST_GROUPS)
    centre, _ = weighted_means(x, weight, group)
    level, error = weighted_means(values, weight, group)
    ax.errorbar(
        centre, level, yerr=2.0 * error, fmt="o", color=ORANGE, markersize=4.5, linewidth=1.0,
        label="mean residuals, ± 2 standard errors",
    )  # fmt: skip


@picture
def influence(fit: Fit, ax: Axes | None = None, n_named: int = 5) -> Axes:
    """Studentised residuals against leverage, bubbles as large as Cook's distances.

    The picture that statsmodels and R's package car call an influence plot. Of many rows those of
    largest Cook's distance have bubbles. `leverage` has contours of Cook's distance instead.

    Parameters
    ----------
    fit : Fit
    ax : Axes, optional
    n_named : int, default 5
        The rows of largest Cook's distance that are named.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.influence(res).get_title()
    'Influence'
    """
    if fit.has_several_predictors:
        raise ModelError("plots.influence is for models of one linear predictor.")
    fit._model_of_rows("influence")
    of = Influence(fit)
    hat, distance = np.asarray(of.hat_matrix_diag), np.nan_to_num(np.asarray(of.cooks_distance[0]))
    residual = np.asarray(of.resid_studentized_external)
    ax = new_axes(ax)
    if hat.size > MOST_POINTS:
        cloud(ax, hat, residual)
    n_bubbles = min(hat.size, hat.size if hat.size <= MOST_POINTS else BUBBLES)
    top = np.argsort(-distance, kind="stable")[:n_bubbles]
    size = LARGEST_BUBBLE * distance[top] / max(float(distance.max()), np.finfo(float).tiny)
    ax.scatter(hat[top], residual[top], s=np.maximum(size, 4.0), color=BLUE, alpha=0.4, lw=0)
    for bound in (-2.0, 0.0, 2.0):
        ax.axhline(bound, color=GREY, linewidth=0.8, linestyle="-" if bound == 0.0 else ":")
    ax.margins(x=0.08, y=0.12)
    few_ticks(ax)
    few_ticks(ax, "y")
    index: Any = fit._rows_beside_columns("the picture").index
    named = top[:n_named]
    names = [str(row if index is None else index[row]) for row in named]
    name_points(ax, hat[named], residual[named], names)
    return tidy(ax, "Influence", "leverage", "studentised residual")
