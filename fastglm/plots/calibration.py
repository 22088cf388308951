"""Does what was expected happen: binned residuals, calibration, and discrimination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from fastglm.errors import ModelError
from fastglm.inference.evaluation.groups import observed, quantile_groups
from fastglm.plots.style import BLUE, GREY, VERMILION, new_axes, picture, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["area_under_curve", "binned_residuals", "calibration", "roc"]

#: Most points of a curve.
POLYNOMIAL_POINTS = 2_000


@picture
def binned_residuals(fit: Fit, n_groups: int | None = None, ax: Axes | None = None) -> Axes:
    """Mean residual of groups of similar fitted mean, with two standard errors around zero.

    Gelman & Hill (2007), *Data Analysis Using Regression and Multilevel Models*, section 5.6.

    Parameters
    ----------
    fit : Fit
    n_groups : int, optional
        By default the root of the number of rows, at most 60.
    ax : Axes, optional
    """
    ax = new_axes(ax)
    data = observed(fit)
    n = data.mean.size
    count = min(60, max(5, int(np.sqrt(n)))) if n_groups is None else n_groups
    group = quantile_groups(data.mean, data.weight, count)
    actual, expected, total = data.by(group, group.max() + 1)
    residual = data.weight * (data.response - data.mean)
    spread = np.sqrt(np.bincount(group, residual**2)) / total
    order = np.argsort(expected)
    ax.fill_between(
        expected[order], -2 * spread[order], 2 * spread[order], color=GREY, alpha=0.25, linewidth=0,
        label="± 2 standard errors",
    )  # fmt: skip
    ax.axhline(0.0, color=GREY, linewidth=1.0)
    ax.plot(expected, actual - expected, "o", color=BLUE, markersize=4.5)
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    return tidy(ax, "Binned residuals", "fitted mean", "mean residual")


@picture
def calibration(fit: Fit, n_groups: int = 10, ax: Axes | None = None) -> Axes:
    """Observed mean against fitted mean of groups of equal weight, with 95% intervals.

    Parameters
    ----------
    fit : Fit
    n_groups : int, default 10
    ax : Axes, optional
    """
    ax = new_axes(ax, (5.2, 4.8))
    data = observed(fit)
    group = quantile_groups(data.mean, data.weight, n_groups)
    actual, expected, total = data.by(group, group.max() + 1)
    residual = data.weight * (data.response - data.mean)
    reach = special.ndtri(0.975) * np.sqrt(np.bincount(group, residual**2)) / total
    ends = [min(actual.min(), expected.min()), max(actual.max(), expected.max())]
    ax.plot(ends, ends, color=GREY, linewidth=1.0, label="observed = fitted")
    ax.errorbar(expected, actual, yerr=reach, fmt="o", color=BLUE, markersize=5, linewidth=1.5)
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    return tidy(ax, "Calibration", "fitted mean", "observed mean")


def _curve(
    response: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates as the threshold falls through all distinct means."""
    order = np.argsort(-mean, kind="stable")
    positive = np.cumsum((weight * response)[order])
    negative = np.cumsum((weight * (1.0 - response))[order])
    ordered = mean[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), ordered.size - 1)
    false = np.append(0.0, negative[last] / negative[-1])
    true = np.append(0.0, positive[last] / positive[-1])
    return false, true


def area_under_curve(fit: Fit) -> float:
    """Area under the receiver operating characteristic of a binomial model.

    The probability that a success has a larger fitted mean than a failure, ties counted half.
    Hanley & McNeil (1982), *Radiology* 143.

    Raises
    ------
    ModelError
        If the family is not binomial.
    """
    return _area(*_roc_curve(fit))


def _roc_curve(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    if not fit.family.takes_two_columns:
        raise ModelError("a receiver operating characteristic needs a binomial model.")
    data = observed(fit)
    return _curve(data.response, data.mean, data.weight)


def _area(x: np.ndarray, y: np.ndarray) -> float:
    """Trapezoidal rule."""
    return float(np.diff(x) @ (y[1:] + y[:-1]) / 2.0)


@picture
def roc(fit: Fit, ax: Axes | None = None) -> Axes:
    """Receiver operating characteristic of a binomial model, with the area under it.

    Raises
    ------
    ModelError
        If the family is not binomial.
    """
    false, true = _roc_curve(fit)
    area = _area(false, true)
    ax = new_axes(ax, (5.0, 4.8))
    shown = np.unique(
        np.linspace(0, false.size - 1, min(false.size, POLYNOMIAL_POINTS)).astype(int)
    )
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1.0)
    ax.fill_between(false[shown], true[shown], color=BLUE, alpha=0.12, linewidth=0)
    ax.plot(false[shown], true[shown], color=BLUE, linewidth=2)
    ax.annotate(f"AUC {area:.4f}", (0.95, 0.08), ha="right", color=VERMILION, fontsize=12)
    ax.set_aspect("equal")
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    return tidy(
        ax, "Receiver operating characteristic", "false positive rate", "true positive rate"
    )
