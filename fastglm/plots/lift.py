"""The actuary's charts: lift, double lift, and actual against expected by factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError
from fastglm.inference.evaluation.groups import (
    Observed,
    grouped,
    quantile_groups,
)
from fastglm.inference.evaluation.levels import is_factor, levels_of
from fastglm.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    few_ticks,
    legend_above,
    level_ticks,
    new_axes,
    per_exposure,
    picture_of_any_fit,
    short_label,
    strip_below,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["actual_expected", "double_lift", "lift"]

#: Cells of a map up to which each has its number written in.
MOST_NUMBERS = 120
#: Smallest actual over expected that has a colour of its own is one over this.
MOST_RATIO = 1e3


@picture_of_any_fit
def lift(fit: Fit, n_groups: int = 10, ax: Axes | None = None, data: Any = None) -> Axes:
    """Observed and fitted mean of groups of equal weight, from the least fitted mean to the most.

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
    >>> fg.plots.lift(res).get_title()
    'Lift: highest over lowest group 15'
    """
    ax = new_axes(ax)
    found = fit._observed_on(data)
    group = quantile_groups(found.mean, found.weight, n_groups)
    actual, expected, _ = found.by(group, group.max() + 1)
    place = np.arange(1, actual.size + 1)
    ax.plot(place, actual, "o-", color=VERMILION, linewidth=2, label="observed")
    ax.plot(place, expected, "s--", color=BLUE, linewidth=2, label="fitted")
    ax.axhline(np.average(found.response, weights=found.weight), color=GREY, linewidth=1.0)
    ax.legend(frameon=False)
    ax.set_xticks(place)
    few_ticks(ax, "y")
    ratio = expected[-1] / expected[0]
    title = f"Lift: highest over lowest group {ratio:.3g}" if expected[0] > 0 else "Lift"
    return tidy(ax, title, "group by fitted mean", _unit(fit, found))


@picture_of_any_fit
def double_lift(
    first: Fit, second: Fit, n_groups: int = 10, ax: Axes | None = None,
    labels: tuple[str, str] | None = None, data: Any = None,
) -> Axes:  # fmt: skip
    """Observed mean and both models' by the ratio of their fitted means.

    The model closer to the observed curve at both ends is the better one.

    Parameters
    ----------
    first, second : Fit
        Two fits of the same rows.
    n_groups : int, default 10
    ax : Axes, optional
    labels : pair of str, optional
        Names of the models; by default what their formulas have on the right.
    data : data frame, optional
        New rows with their responses, as for `Results.evaluate`.

    Raises
    ------
    DataError
        If the fits are not of the same rows.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.double_lift(res, fg.glm("y ~ x", data, family="poisson")).get_title()
    'Double lift'
    """
    one, two = first._observed_on(data), second._observed_on(data)
    if one.mean.size != two.mean.size or not np.allclose(one.response, two.response):
        raise DataError("a double lift compares two fits of the same rows and responses.")
    labels = _names(first, second) if labels is None else labels
    ax = new_axes(ax)
    with np.errstate(divide="ignore", invalid="ignore"):
        group = quantile_groups(one.mean / two.mean, one.weight, n_groups)
    actual, expected, _ = one.by(group, group.max() + 1)
    _, other, _ = two.by(group, group.max() + 1)
    place = np.arange(1, actual.size + 1)
    ax.plot(place, actual, "o-", color=VERMILION, linewidth=2, label="observed")
    ax.plot(place, expected, "s--", color=BLUE, linewidth=2, label=labels[0])
    ax.plot(place, other, "^:", color=GREEN, linewidth=2, label=labels[1])
    ax.legend(frameon=False, fontsize=8)
    ax.set_xticks(place)
    few_ticks(ax, "y")
    return tidy(ax, "Double lift", "group by ratio of both fitted means", _unit(first, one))


def _names(first: Fit, second: Fit) -> tuple[str, str]:
    """Right sides of two formulas, in few letters, or numbers where these are alike."""
    sides = [str(fit.formula or "").partition("~")[2].strip() for fit in (first, second)]
    if not all(sides) or sides[0] == sides[1]:
        sides = [f"{type(fit.family).__name__}, {fit.family.link.name}" for fit in (first, second)]
    if sides[0] == sides[1]:
        return "first", "second"
    one, two = (s if len(s) <= 40 else f"{s[:38]} …" for s in sides)
    return (one, two) if one != two else ("first", "second")


@picture_of_any_fit
def actual_expected(
    fit: Fit,
    by: Any,
    n_groups: int = 10,
    ax: Axes | None = None,
    data: Any = None,
) -> Axes:
    """Actual against expected mean by level of a factor, over bars of exposure; or of two factors.

    The line or mark of expected means has a band, in which 95 of 100 actual means are if the model
    is right.

    Parameters
    ----------
    fit : Fit
    by : str, array_like of shape (n,), or a list of two of these
        A column of the frame, in the model or not, or a value for each row. Numbers of more than
        40 values are cut into groups of equal weight. Of two, the picture is a map of actual over
        expected.
    n_groups : int, default 10
        Such groups.
    ax : Axes, optional
    data : data frame, optional
        New rows with their responses, as for `Results.evaluate`.

    Raises
    ------
    DataError
        If there is not a value for each row.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.actual_expected(res, "g").get_title()
    'Actual and expected by g'
    """
    found = fit._observed_on(data)
    if isinstance(by, list | tuple) and len(by) == 2 and all(map(is_factor, by)):
        return _map(found, by, n_groups, ax)
    labels, group, name, in_order = levels_of(found, by, n_groups)
    of = grouped(fit, found, group, len(labels))
    ax = new_axes(ax, (max(6.0, 1.5 + 0.32 * len(labels)), 4.4))
    place = np.arange(len(labels))
    if in_order:
        ax.fill_between(place, of.low, of.high, color=BLUE, alpha=0.15, linewidth=0)
        ax.plot(place, of.expected, "-", color=BLUE, linewidth=2, label="expected")
    else:
        ax.vlines(place, of.low, of.high, color=BLUE, alpha=0.25, linewidth=7)
        ax.plot(place, of.expected, "_", color=BLUE, markersize=16, mew=2.5, label="expected")
    ax.plot(
        place, of.actual, "o-" if in_order else "o", color=VERMILION, linewidth=1.0,
        markersize=7, markerfacecolor="white", markeredgewidth=1.8, label="actual",
    )  # fmt: skip
    few_ticks(ax, "y")
    tidy(ax, f"Actual and expected by {name}", "", _unit(fit, found))
    legend_above(ax)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    strip = strip_below(ax, found.weight_name)
    strip.bar(place, of.weight, color=ORANGE, alpha=0.6, width=0.8)
    level_ticks(strip, labels)
    strip.set_xlabel(name)
    return ax


def _unit(fit: Any, found: Observed) -> str:
    """What the means of a picture are, for its axis."""
    return per_exposure(fit) if found.weight_name == "exposure" else "mean response"


def _map(found: Observed, by: Sequence[Any], n_groups: int, ax: Axes | None) -> Axes:
    """Actual over expected for each combination of two factors."""
    first, code, one, _ = levels_of(found, by[0], n_groups)
    second, other, two, _ = levels_of(found, by[1], n_groups)
    shape = (len(second), len(first))
    actual, expected, _ = found.by(other * shape[1] + code, shape[0] * shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (actual / expected).reshape(shape)
    ax = new_axes(ax, (max(6.0, 2.5 + 0.45 * shape[1]), max(4.2, 1.5 + 0.32 * shape[0])))
    # Cells without events are of the darkest colour, whatever the others are.
    shown = np.log(np.maximum(ratio, 1.0 / MOST_RATIO))
    some = np.abs(shown[ratio > 0.0])
    reach = max(float(np.quantile(some, 0.9)) if some.size else 0.0, 0.05)
    drawn = ax.pcolormesh(shown, cmap="RdBu_r", vmin=-reach, vmax=reach, edgecolors="white")
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, aspect=30)
    ticks = np.linspace(-reach, reach, 5)
    bar.set_ticks(ticks.tolist(), labels=[f"{value:.2f}" for value in np.exp(ticks)])
    bar.set_label("actual / expected", fontsize=8)
    bar.outline.set_visible(False)
    if ratio.size <= MOST_NUMBERS:
        for (i, j), value in np.ndenumerate(ratio):
            if np.isfinite(value):
                dark = abs(shown[i, j]) > 0.7 * reach
                color = "white" if dark else "black"
                ax.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center",
                        fontsize=8, color=color)  # fmt: skip
    level_ticks(ax, first, shift=0.5)
    ax.set_yticks(np.arange(shape[0]) + 0.5, [short_label(name) for name in second], fontsize=8)
    tidy(ax, f"Actual over expected by {one} and {two}", one, two)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax
