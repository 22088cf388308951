"""Pictures of fits of several predictors: what was observed of each outcome, and what expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from fastglm.errors import ModelError
from fastglm.inference.effects.counterfactual import Counterfactual
from fastglm.inference.effects.outcome_means import outcome_means
from fastglm.inference.evaluation.groups import quantile_groups
from fastglm.inference.number_format import format_levels
from fastglm.plots.residual_panels import draw_quantiles, draw_residuals, draw_sizes, new_panels
from fastglm.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    level_ticks,
    new_axes,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["outcome_calibration", "outcome_effect", "outcome_panels"]

#: Of outcomes, one after the other; more than these share colours.
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, "#CC79A7", "#56B4E9", "#F0E442", "#000000")
POINTS = 60
SHARES = (0.005, 0.995)


class Outcome(NamedTuple):
    """What was observed of one outcome, and expected, row by row, (n,) each."""

    name: str
    response: np.ndarray
    mean: np.ndarray
    weight: np.ndarray
    colour: str


def _outcomes(fit: Any, data: Any = None) -> list[Outcome]:
    response, mean, weight = fit.observed_and_expected(data)
    names = [str(name) for name in fit._prediction_names()] or [""]
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(names))]
    cells = zip(names, response, mean, colours, strict=True)
    return [Outcome(name, y, mu, weight, colour) for name, y, mu, colour in cells]


def outcome_calibration(
    fit: Any, n_groups: int = 10, ax: Axes | None = None, data: Any = None
) -> Axes:
    """See `fastglm.plots.calibration`: one colour for each outcome."""
    ax, ends = new_axes(ax, (5.2, 4.8)), []
    for outcome in _outcomes(fit, data):
        group = quantile_groups(outcome.mean, outcome.weight, n_groups)
        total = np.bincount(group, outcome.weight)
        actual = np.bincount(group, outcome.weight * outcome.response) / total
        expected = np.bincount(group, outcome.weight * outcome.mean) / total
        residual = outcome.weight * (outcome.response - outcome.mean)
        reach = special.ndtri(0.975) * np.sqrt(np.bincount(group, residual**2)) / total
        ax.errorbar(
            expected, actual, yerr=reach, fmt="o", color=outcome.colour, markersize=5,
            linewidth=1.5, label=outcome.name or None,
        )  # fmt: skip
        ends += [actual.min(), actual.max(), expected.min(), expected.max()]
    line = [min(ends), max(ends)]
    ax.plot(line, line, color=GREY, linewidth=1.0, label="observed = fitted", zorder=0)
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    return tidy(ax, "Calibration", "fitted mean", "observed mean")


def outcome_effect(
    fit: Any, variable: str, alpha: float = 0.05, ax: Axes | None = None, which: str = "mean"
) -> Axes:
    """See `fastglm.plots.effect`: one line for each outcome, of `emmeans`."""
    rows = Counterfactual(fit, which)
    levels, ax = rows.levels(variable), new_axes(ax)
    at, place = None, np.arange(len(levels or ()), dtype=np.float64)
    if levels is None:
        values = np.asarray(rows.column(variable), dtype=np.float64)
        least, most = np.quantile(values, SHARES)
        place = np.linspace(least, most, POINTS)
        at = {variable: place}
    means = outcome_means(fit, variable, at, which)
    limits = means.conf_int(alpha).reshape(len(means.outcomes), -1, 2)
    for k, name in enumerate(means.outcomes):
        colour = COLOURS[k % len(COLOURS)]
        estimate = means.estimate.reshape(len(means.outcomes), -1)[k]
        if levels is None:
            ax.fill_between(place, *limits[k].T, color=colour, alpha=0.2, linewidth=0)
            ax.plot(place, estimate, color=colour, linewidth=2, label=name or None)
            continue
        beside = place + 0.12 * (k - 0.5 * (len(means.outcomes) - 1))
        ax.vlines(beside, *limits[k].T, color=colour, linewidth=2)
        ax.plot(beside, estimate, "o", color=colour, markersize=6, label=name or None)
    if levels is not None:
        level_ticks(ax, format_levels(levels))
        ax.set_xlim(-0.6, len(levels) - 0.4)
    if any(means.outcomes):
        ax.legend(frameon=False, fontsize=8)
    return tidy(ax, f"Effect of {variable}", variable, f"{which} of {fit.response_name}")


def outcome_panels(fit: Any, seed: int = 0) -> np.ndarray:
    """Four panels; see `ResponseResults.plot`."""
    axes = new_panels(fit, fit.kind)
    try:
        residuals = np.asarray(fit.resid_quantile(seed), np.float64)
    except ModelError:
        _draw_unordered(fit, axes)
        return axes
    _, etas = fit._fitted_rows("a picture")
    name = "quantile residual"
    draw_residuals(axes[0, 0], etas[0], residuals, name)
    draw_quantiles(axes[0, 1], residuals, name)
    draw_sizes(axes[1, 0], etas[0], residuals, name)
    counts = fit.expected_counts()
    if counts is None:
        outcome_calibration(fit, ax=axes[1, 1])
    else:
        _draw_counts(axes[1, 1], *counts)
    return axes


def _draw_counts(ax: Axes, observed: np.ndarray, expected: np.ndarray) -> None:
    """Frequencies of counts: observed as bars, expected as a line, on the scale of roots."""
    place = np.arange(observed.size)
    ax.bar(place, np.sqrt(observed), color=GREY, alpha=0.5, label="observed")
    ax.plot(place, np.sqrt(expected), "o-", color=BLUE, markersize=4, label="expected")
    ax.legend(frameon=False, fontsize=8)
    tidy(ax, "Frequencies of counts", "count", "root of the number of rows")


def _draw_unordered(fit: Any, axes: np.ndarray) -> None:
    """Panels for responses without quantiles: categories in no order, and shares."""
    outcomes = _outcomes(fit)
    outcome_calibration(fit, ax=axes[0, 0])
    for o in outcomes:
        n_groups = min(60, max(5, int(np.sqrt(o.mean.size))))
        group = quantile_groups(o.mean, o.weight, n_groups)
        total = np.bincount(group, o.weight)
        residual = np.bincount(group, o.weight * (o.response - o.mean)) / total
        at = np.bincount(group, o.weight * o.mean) / total
        axes[0, 1].plot(at, residual, "o", color=o.colour, markersize=4)
    axes[0, 1].axhline(0.0, color=GREY, linewidth=1.0)
    tidy(axes[0, 1], "Binned residuals", "fitted mean", "mean residual")
    place, names = np.arange(len(outcomes)), [o.name for o in outcomes]
    totals = [(o.weight @ o.response, o.weight @ o.mean) for o in outcomes]
    axes[1, 0].bar(place, [y for y, _ in totals], color=GREY, alpha=0.5, label="observed")
    axes[1, 0].plot(place, [mu for _, mu in totals], "o", color=BLUE, label="expected")
    level_ticks(axes[1, 0], names)
    axes[1, 0].legend(frameon=False, fontsize=8)
    tidy(axes[1, 0], "Totals", "", "sum over the rows")
    pearson = np.atleast_2d(np.asarray(fit.resid_pearson, np.float64).T)
    edges = np.linspace(-4.0, 4.0, 41)
    for o, values in zip(outcomes, pearson, strict=True):
        axes[1, 1].hist(
            np.clip(values, -4.0, 4.0), edges, weights=o.weight, histtype="step", color=o.colour,
            label=o.name,
        )  # fmt: skip
    axes[1, 1].legend(frameon=False, fontsize=8)
    tidy(axes[1, 1], "Residuals", "Pearson residual, at most 4", "rows")
