"""Pictures of random effects: their modes with intervals, and against normal quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from fastglm.mixed.record import MixedFit

__all__ = ["plot_normality", "plot_ranef"]

#: Levels up to this number have their names beside the picture.
MOST_NAMES = 60


def plot_ranef(fit: MixedFit, group: str | None, alpha: float) -> Any:
    """Caterpillar plot: modes of every effect in order, with conditional intervals."""
    from matplotlib.figure import Figure

    effects = fit.groups[0] if group is None else fit.group(group)
    half = scipy.special.ndtri(1.0 - alpha / 2.0)
    q, k = effects.modes.shape
    figure = Figure(figsize=(4.2 * k, min(2.0 + 0.18 * q, 12.0)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, k, squeeze=False)[0])
    order = np.argsort(effects.modes[:, 0], kind="stable")
    sd = np.sqrt(np.diagonal(effects.variances, axis1=1, axis2=2))
    for i, axis in enumerate(axes):
        mode, reach = effects.modes[order, i], half * sd[order, i]
        axis.errorbar(mode, np.arange(q), xerr=reach, fmt="o", markersize=3, linewidth=0.8)
        axis.axvline(0.0, color="0.6", linewidth=0.8)
        axis.set_title(effects.columns[i])
        names = [str(effects.levels[j]) for j in order] if q <= MOST_NAMES and i == 0 else []
        axis.set_yticks(np.arange(len(names)), names, fontsize=7)
    axes[0].set_ylabel(effects.group)
    return figure


def plot_normality(fit: MixedFit, group: str | None) -> Any:
    """Modes over their spread against quantiles of the normal distribution, by effect."""
    from matplotlib.figure import Figure

    effects = fit.groups[0] if group is None else fit.group(group)
    q, k = effects.modes.shape
    figure = Figure(figsize=(3.6 * k, 3.4), layout="constrained")
    quantiles = scipy.special.ndtri((np.arange(q) + 0.5) / q)
    for i, axis in enumerate(figure.subplots(1, k, squeeze=False)[0]):
        modes = np.sort(effects.modes[:, i])
        axis.plot(quantiles, modes, "o", markersize=3)
        spread = float(modes.std()) or 1.0
        axis.plot(quantiles, modes.mean() + spread * quantiles, color="0.6", linewidth=0.8)
        axis.set(title=effects.columns[i], xlabel="normal quantiles", ylabel=effects.group)
    return figure
