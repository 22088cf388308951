"""Coefficients with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import ModelError
from fastglm.plots.style import BLUE, GREY, new_axes, picture, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["coefficients"]

#: Most coefficients in one picture.
MOST = 60


@picture
def coefficients(
    fit: Fit,
    names: Sequence[str] | None = None,
    alpha: float = 0.05,
    exponentiate: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Forest of coefficients: estimates and intervals, one row each.

    Parameters
    ----------
    fit : Fit
    names : sequence of str, optional
        Which coefficients; by default all but the intercept, and of more than 60 those of largest
        statistic.
    alpha : float, default 0.05
        Intervals are at level 1 - alpha.
    exponentiate : bool, default False
        Odds ratios or rate ratios on a logarithmic axis instead.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If a name is not that of a coefficient.
    """
    chosen = _chosen(fit, names)
    estimate = fit.estimates[chosen]
    low, high = np.asarray(fit._wald_intervals(alpha))[chosen].T
    if exponentiate:
        estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
    ax = new_axes(ax, (6.5, 1.2 + 0.28 * max(len(chosen), 3)))
    place = np.arange(len(chosen))[::-1]
    ax.axvline(1.0 if exponentiate else 0.0, color=GREY, linewidth=1.0)
    ax.hlines(place, low, high, color=BLUE, linewidth=2.0)
    ax.plot(estimate, place, "o", color=BLUE, markersize=6)
    ax.set_yticks(place, [fit.names[k] for k in chosen], fontsize=9)
    ax.set_ylim(-0.7, len(chosen) - 0.3)
    if exponentiate:
        ax.set_xscale("log")
        _plain_ticks(ax)
    label = "exp(coefficient)" if exponentiate else "coefficient"
    return tidy(ax, f"Coefficients with {1 - alpha:.0%} intervals", label, "")


def _plain_ticks(ax: Axes) -> None:
    """Ratios as numbers, not as powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    low, high = ax.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low > 8.0 else tuple(range(1, 10))
    ax.xaxis.set_major_locator(LogLocator(subs=steps))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _chosen(fit: Fit, names: Sequence[str] | None) -> np.ndarray:
    """Positions of the coefficients to draw; aliased ones are left out."""
    if names is not None:
        unknown = [name for name in names if name not in fit.names]
        if unknown:
            raise ModelError(f"there is no coefficient {unknown[0]!r}.")
        return np.array([fit.names.index(name) for name in names])
    present = ~np.isnan(fit.estimates)
    if fit.rank > 1:
        present &= ~np.isin(fit.names, ("Intercept", "const", "(Intercept)"))
    chosen = np.flatnonzero(present)
    if chosen.size > MOST:
        size = np.abs(np.asarray(fit.tvalues))[chosen]
        chosen = np.sort(chosen[np.argsort(-size)[:MOST]])
    return chosen
