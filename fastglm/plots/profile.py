"""Profile likelihood of one coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from fastglm.errors import ModelError, require_level
from fastglm.inference.intervals.held_coefficient import HeldCoefficient, NotConvergedError
from fastglm.inference.intervals.profile import profiles_of
from fastglm.plots.style import BLUE, GREY, ORANGE, VERMILION, few_ticks, new_axes, picture, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["profile_likelihood"]

POINTS = 25
REACH = 3.2


@picture
def profile_likelihood(fit: Fit, name: str, alpha: float = 0.05, ax: Axes | None = None) -> Axes:
    """Profile log-likelihood of a coefficient, its interval, and the Wald approximation.

    Where the two curves part, Wald tests and intervals mislead.

    Parameters
    ----------
    fit : Fit
    name : str
        Of a coefficient that is not aliased.
    alpha : float, default 0.05
        The interval is at level 1 - alpha.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If there is no such coefficient, it is aliased, or its profile did not converge.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.profile_likelihood(res, "x").get_title()
    'Profile likelihood of x, 95% interval'
    """
    if name not in fit.names or name in fit.aliased:
        raise ModelError(f"there is no estimated coefficient {name!r}.")
    require_level(alpha)
    column = fit.names.index(name)
    root = float(special.ndtri(1.0 - alpha / 2.0))
    try:
        profile = profiles_of(fit)(column)
        ends = np.array([profile.end(-root), profile.end(root)])
        at = _values(profile, ends, root)
        fall = -0.5 * np.array([profile.rise(float(value)) for value in at])
    except NotConvergedError:
        raise ModelError(
            f"the profile likelihood of {name} did not converge, and has no picture: another link "
            "may keep the means off the boundary."
        ) from None
    ax = new_axes(ax)
    shown = np.isfinite(fall)
    if np.isfinite(profile.estimate):
        wald = -0.5 * ((at - profile.estimate) / profile.unit) ** 2
        ax.plot(at, wald, "--", color=ORANGE, label="Wald", zorder=3)
    ax.plot(at[shown], fall[shown], "-", color=BLUE, linewidth=2, label="profile")
    ax.axhline(-0.5 * root**2, color=GREY, linewidth=1.0)
    finite = ends[np.isfinite(ends)]
    ax.vlines(finite, -0.5 * REACH**2, -0.5 * root**2, color=VERMILION, linewidth=1.2)
    for end, side in zip(ends, ("right", "left"), strict=True):
        if np.isfinite(end):
            ax.annotate(
                f" {end:.4g} ", (end, -0.5 * REACH**2), ha=side, color=VERMILION, fontsize=9
            )
    ax.set_ylim(-0.55 * REACH**2, 0.4)
    ax.legend(frameon=False, loc="upper right", fontsize=8)
    few_ticks(ax)
    title = f"Profile likelihood of {name}, {1 - alpha:.0%} interval"
    return tidy(ax, title, name, "log-likelihood below its maximum")


def _values(profile: HeldCoefficient, ends: np.ndarray, root: float) -> np.ndarray:
    """Values about a finite estimate, or from the finite end of an interval towards infinity."""
    if np.isfinite(profile.estimate):
        return profile.estimate + profile.unit * np.linspace(-REACH, REACH, POINTS)
    finite = ends[np.isfinite(ends)]
    if not finite.size:
        return profile.unit * np.linspace(-REACH, REACH, POINTS)
    # Half way up, by the signed root, shows how fast the likelihood nears its supremum.
    inward = profile.end(-0.5 * np.copysign(root, profile.estimate))
    return finite[0] + (inward - finite[0]) * np.linspace(-1.0, REACH, POINTS)
