"""Does what was expected happen: binned residuals, calibration, and discrimination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.evaluation.discrimination import area_under_curve, roc_curve
from fastglm.inference.evaluation.groups import grouped, quantile_groups
from fastglm.plots.outcomes import outcome_calibration
from fastglm.plots.style import BLUE, GREY, VERMILION, few_ticks, new_axes, picture_of_any_fit, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["binned_residuals", "calibration", "roc"]

#: Most points of a curve.
CURVE_POINTS = 2_000


@picture_of_any_fit
def binned_residuals(
    fit: Fit, n_groups: int | None = None, ax: Axes | None = None, data: Any = None
) -> Axes:
    """Mean residual of groups of similar fitted mean, with two standard errors around zero.

    Gelman & Hill (2007), *Data Analysis Using Regression and Multilevel Models*, section 5.6.

    Parameters
    ----------
    fit : Fit
    n_groups : int, optional
        By default the root of the number of rows, at most 60.
    ax : Axes, optional
    data : data frame, optional
        New rows with their responses, as for `Results.evaluate`.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.binned_residuals(res).get_title()
    'Binned residuals, ± 2 standard errors'
    """
    found = fit._observed_on(data)
    ax = new_axes(ax)
    n = found.mean.size
    count = min(60, max(5, int(np.sqrt(n)))) if n_groups is None else n_groups
    group = quantile_groups(found.mean, found.weight, count)
    actual, expected, total = found.by(group, group.max() + 1)
    residual = found.weight * (found.response - found.mean)
    spread = np.sqrt(np.bincount(group, residual**2)) / total
    order = np.argsort(expected)
    ax.fill_between(
        expected[order], -2 * spread[order], 2 * spread[order], color=GREY, alpha=0.25, linewidth=0
    )
    ax.axhline(0.0, color=GREY, linewidth=1.0)
    ax.plot(expected, actual - expected, "o", color=BLUE, markersize=4.5)
    few_ticks(ax)
    title = "Binned residuals, ± 2 standard errors"
    return tidy(ax, title, "fitted mean", "mean residual")


@picture_of_any_fit
def calibration(fit: Any, n_groups: int = 10, ax: Axes | None = None, data: Any = None) -> Axes:
    """Observed mean against fitted mean of groups of equal weight.

    The band holds 95 of 100 observed means if the model is right: it is that of the family at the
    fitted means, and ends where means do.

    Parameters
    ----------
    fit : Fit
    n_groups : int, default 10
    ax : Axes, optional
    data : data frame, optional
        New rows with their responses, as for `Results.evaluate`.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.calibration(res).get_title()
    'Calibration'
    """
    if fit.has_several_predictors:
        return outcome_calibration(fit, n_groups, ax, data)
    found = fit._observed_on(data)
    ax = new_axes(ax)
    group = quantile_groups(found.mean, found.weight, n_groups)
    of = grouped(fit, found, group, int(group.max()) + 1)
    order = np.argsort(of.expected)
    middle = of.expected[order]
    band = (of.low[order], of.high[order])
    ax.fill_between(middle, *band, color=GREY, alpha=0.25, linewidth=0, label="95% if right")
    ends = [min(of.actual.min(), middle[0]), max(of.actual.max(), middle[-1])]
    ax.plot(ends, ends, color=GREY, linewidth=1.0)
    ax.plot(of.expected, of.actual, "o", color=BLUE, markersize=6, label="groups")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    few_ticks(ax)
    few_ticks(ax, "y")
    return tidy(ax, "Calibration", "fitted mean", "observed mean")


@picture_of_any_fit
def roc(fit: Fit, ax: Axes | None = None, data: Any = None) -> Axes:
    """Receiver operating characteristic of a binomial model, with the area under it.

    Parameters
    ----------
    fit : Fit
    ax : Axes, optional
    data : data frame, optional
        New rows with their responses, as for `Results.evaluate`.

    Raises
    ------
    ModelError
        If the family is not binomial.

    Notes
    -----
    The interval of the area is that of DeLong, DeLong & Clarke-Pearson (1988), *Biometrics* 44.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5, 6, 7], "y": [0, 0, 1, 0, 1, 0, 1, 1]}
    >>> res = fg.glm("y ~ x", data, family="binomial")
    >>> fg.plots.roc(res).get_title()
    'Receiver operating characteristic'
    """
    if not fit.family.takes_two_columns:
        raise ModelError("a receiver operating characteristic needs a binomial model.")
    found = fit._observed_on(data)
    false, true = roc_curve(found.response, found.mean, found.weight)
    area = area_under_curve(found.response, found.mean, found.weight)
    ax = new_axes(ax)
    shown = np.unique(np.linspace(0, false.size - 1, min(false.size, CURVE_POINTS)).astype(int))
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1.0)
    ax.fill_between(false[shown], true[shown], color=BLUE, alpha=0.12, linewidth=0)
    ax.plot(false[shown], true[shown], color=BLUE, linewidth=2)
    low, high = area.interval()
    text = f"AUC {area.area:.4f}\n95% {low:.4f} – {high:.4f}"
    ax.annotate(text, (0.97, 0.06), ha="right", color=VERMILION, fontsize=11)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    return tidy(
        ax, "Receiver operating characteristic", "false positive rate", "true positive rate"
    )
