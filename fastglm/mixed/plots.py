"""Pictures of random effects: their modes with intervals, and against normal quantiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.inference.effects.counterfactual import Counterfactual
from fastglm.mixed.effects import GroupEffects
from fastglm.mixed.record import MixedFit
from fastglm.plots.effects import effect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_normality", "plot_ranef", "report_pictures"]

#: Levels up to this number have their names beside the picture.
MOST_NAMES = 60


def plot_ranef(fit: MixedFit, group: str | None, alpha: float) -> Figure:
    """Caterpillar plot: modes of every effect in order, with conditional intervals."""
    from matplotlib.figure import Figure

    effects = fit.groups[0] if group is None else fit.group(group)
    q, k = effects.modes.shape
    figure = Figure(figsize=(4.2 * k, min(2.0 + 0.18 * q, 12.0)), layout="constrained")
    for i, axis in enumerate(figure.subplots(1, k, squeeze=False)[0]):
        draw_modes(effects, i, alpha, axis, named=i == 0)
    figure.axes[0].set_ylabel(effects.group)
    return figure


def draw_modes(effects: GroupEffects, i: int, alpha: float, axis: Any, named: bool) -> None:
    """Modes of one effect with intervals, levels in the order of the first."""
    half = scipy.special.ndtri(1.0 - alpha / 2.0)
    q = len(effects.modes)
    order = np.argsort(effects.modes[:, 0], kind="stable")
    mode, reach = effects.modes[order, i], half * np.sqrt(effects.variances[order, i, i])
    axis.errorbar(mode, np.arange(q), xerr=reach, fmt="o", markersize=3, linewidth=0.8)
    axis.axvline(0.0, color="0.6", linewidth=0.8)
    axis.set_title(effects.columns[i])
    names = [str(effects.levels[j]) for j in order] if q <= MOST_NAMES and named else []
    axis.set_yticks(np.arange(len(names)), names, fontsize=7)


def plot_normality(fit: MixedFit, group: str | None) -> Figure:
    """Modes over their spread against quantiles of the normal distribution, by effect."""
    from matplotlib.figure import Figure

    effects = fit.groups[0] if group is None else fit.group(group)
    k = effects.modes.shape[1]
    figure = Figure(figsize=(3.6 * k, 3.4), layout="constrained")
    for i, axis in enumerate(figure.subplots(1, k, squeeze=False)[0]):
        draw_normality(effects, i, axis)
    return figure


def draw_normality(effects: GroupEffects, i: int, axis: Any) -> None:
    """Modes of one effect against normal quantiles, and the line that they should lie on."""
    q = len(effects.modes)
    quantiles = scipy.special.ndtri((np.arange(q) + 0.5) / q)
    modes = np.sort(effects.modes[:, i])
    axis.plot(quantiles, modes, "o", markersize=3)
    spread = float(modes.std()) or 1.0
    axis.plot(quantiles, modes.mean() + spread * quantiles, color="0.6", linewidth=0.8)
    axis.set(title=effects.columns[i], xlabel="normal quantiles", ylabel=effects.group)


def report_pictures(fit: MixedFit) -> Iterator[tuple[str, list[tuple[Callable, str]]]]:
    """Sections of a report, with what draws into given axes and its caption."""
    found: list[tuple[Callable, str]] = []
    for effects in fit.groups:
        for i, column in enumerate(effects.columns):
            of = f"{column} by level of {effects.group}"
            found.append((
                partial(draw_modes, effects, i, 0.05, named=True),
                f"Modes of {of}, with 95% intervals.",
            ))  # fmt: skip
            found.append((
                partial(draw_normality, effects, i), f"{of} against normal quantiles."
            ))  # fmt: skip
    yield "Random effects", found
    if fit.formula:
        names = Counterfactual(fit).names()
        yield (
            "Variables",
            [
                (partial(_draw_effect, fit, name), f"Mean by {name} at random effects of zero.")
                for name in names
            ],
        )


def _draw_effect(fit: MixedFit, variable: str, axis: Any) -> None:
    effect(fit, variable, ax=axis)
