"""The actuary's charts: lift, double lift, and actual against expected by factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import Categories
from fastglm.errors import DataError
from fastglm.inference.evaluation.groups import observed, quantile_groups
from fastglm.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    level_ticks,
    new_axes,
    picture,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["actual_expected", "double_lift", "lift"]

#: Levels of a factor beyond these, those of least weight, are drawn as one.
MOST_LEVELS = 40


@picture
def lift(fit: Fit, n_groups: int = 10, ax: Axes | None = None) -> Axes:
    """Observed and fitted mean of groups of equal weight, from the least fitted mean to the most.

    Parameters
    ----------
    fit : Fit
    n_groups : int, default 10
    ax : Axes, optional
    """
    ax = new_axes(ax)
    data = observed(fit)
    group = quantile_groups(data.mean, data.weight, n_groups)
    actual, expected, _ = data.by(group, group.max() + 1)
    place = np.arange(1, actual.size + 1)
    ax.plot(place, actual, "o-", color=VERMILION, linewidth=2, label="observed")
    ax.plot(place, expected, "s--", color=BLUE, linewidth=2, label="fitted")
    ax.axhline(np.average(data.response, weights=data.weight), color=GREY, linewidth=1.0)
    ax.legend(frameon=False)
    ax.set_xticks(place)
    ratio = expected[-1] / expected[0]
    title = f"Lift: highest over lowest group {ratio:.3g}" if expected[0] > 0 else "Lift"
    return tidy(ax, title, "group by fitted mean", "mean response")


@picture
def double_lift(
    first: Fit, second: Fit, n_groups: int = 10, ax: Axes | None = None,
    labels: tuple[str, str] = ("first", "second"),
) -> Axes:  # fmt: skip
    """Observed mean and both models' by the ratio of their fitted means.

    The model closer to the observed curve at both ends is the better one.

    Parameters
    ----------
    first, second : Fit
        Two fits of the same rows.
    n_groups : int, default 10
    ax : Axes, optional
    labels : pair of str
        Names of the models.

    Raises
    ------
    DataError
        If the fits are not of the same rows.
    """
    one, two = observed(first), observed(second)
    if one.mean.size != two.mean.size or not np.allclose(one.response, two.response):
        raise DataError("a double lift compares two fits of the same rows and responses.")
    ax = new_axes(ax)
    with np.errstate(divide="ignore", invalid="ignore"):
        group = quantile_groups(one.mean / two.mean, one.weight, n_groups)
    actual, expected, _ = one.by(group, group.max() + 1)
    _, other, _ = two.by(group, group.max() + 1)
    place = np.arange(1, actual.size + 1)
    ax.plot(place, actual, "o-", color=VERMILION, linewidth=2, label="observed")
    ax.plot(place, expected, "s--", color=BLUE, linewidth=2, label=labels[0])
    ax.plot(place, other, "^:", color=GREEN, linewidth=2, label=labels[1])
    ax.legend(frameon=False)
    ax.set_xticks(place)
    ratio = f"group by fitted mean, {labels[0]} over {labels[1]}"
    return tidy(ax, "Double lift", ratio, "mean response")


@picture
def actual_expected(fit: Fit, by: Any, n_groups: int = 10, ax: Axes | None = None) -> Axes:
    """Actual against expected mean by level of a factor, over bars of exposure.

    Parameters
    ----------
    fit : Fit
    by : str or array_like, shape (n,)
        A column of the frame, in the model or not, or a value for each row. Numbers of more than
        40 values are cut into groups of equal weight.
    n_groups : int, default 10
        Such groups.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is not a value for each row.
    """
    data = observed(fit)
    labels, group, name = _levels(fit, by, data.weight, n_groups)
    actual, expected, total = data.by(group, len(labels))
    ax = new_axes(ax, (max(6.0, 1.5 + 0.32 * len(labels)), 4.4))
    bars = ax.twinx()
    place = np.arange(len(labels))
    bars.bar(place, total, color=ORANGE, alpha=0.35, width=0.8)
    bars.set_ylim(0.0, 3.0 * total.max())
    bars.set_ylabel(data.weight_name, color=GREY)
    bars.tick_params(axis="y", colors=GREY)
    bars.spines[["top", "left", "right"]].set_visible(False)
    ax.set_zorder(bars.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.plot(place, actual, "o-", color=VERMILION, linewidth=2, markersize=8, label="actual")
    ax.plot(place, expected, "s--", color=BLUE, linewidth=2, label="expected")
    ax.legend(frameon=False, loc="upper left", ncols=2)
    span = np.nanmax([actual, expected]) - np.nanmin([actual, expected])
    ax.set_ylim(
        np.nanmin([actual, expected]) - 0.5 * span, np.nanmax([actual, expected]) + 0.25 * span
    )
    level_ticks(ax, labels)
    return tidy(ax, f"Actual and expected by {name}", name, "mean response")


def _levels(
    fit: Fit, by: Any, weight: np.ndarray, n_groups: int
) -> tuple[list[str], np.ndarray, str]:
    """Labels of the levels, the level of each row, and the factor's name."""
    if isinstance(by, str):
        column, name = fit._model_with_data("actual responses").rows.frame_column(by), by
    else:
        column, name = np.asarray(by), str(getattr(by, "name", None) or "group")
        if column.shape != weight.shape:
            raise DataError(f"by has shape {column.shape}, but the fit has {weight.size} rows.")
    if isinstance(column, Categories):
        return *_largest(
            [str(v) for v in column.levels], np.asarray(column.codes, np.intp), weight
        ), name
    values, code = np.unique(column, return_inverse=True)
    if values.size <= MOST_LEVELS or values.dtype.kind not in "fiu":
        return *_largest([str(v) for v in values], code, weight), name
    group = quantile_groups(np.asarray(column, np.float64), weight, n_groups)
    ends = [(column[group == g].min(), column[group == g].max()) for g in range(group.max() + 1)]
    return [f"{low:.4g} – {high:.4g}" for low, high in ends], group, name


def _largest(
    labels: list[str], code: np.ndarray, weight: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """The levels of most weight; the others as one."""
    if len(labels) <= MOST_LEVELS:
        return labels, code
    total = np.bincount(code, weight, minlength=len(labels))
    kept = np.sort(np.argsort(-total)[: MOST_LEVELS - 1])
    new = np.full(len(labels), MOST_LEVELS - 1)
    new[kept] = np.arange(kept.size)
    return [*(labels[k] for k in kept), "others"], new[code]
