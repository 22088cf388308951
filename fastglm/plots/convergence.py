"""How a fit came to its optimum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import FastGLMWarning
from fastglm.plots.style import BLUE, GREY, new_axes, picture, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["convergence"]

#: Differences below this share of the deviance are rounding.
ROUNDING = 1e-16


@picture
def convergence(fit: Fit, ax: Axes | None = None) -> Axes:
    """Deviance above the optimum after each step of the fit, on a logarithmic axis.

    The model is fitted again with ever more steps, since a fit does not keep its history.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.convergence(res).get_title()
    'Convergence: converged'
    """
    from matplotlib.ticker import MaxNLocator

    model = fit._model_with_data("the course of the fit")
    steps = np.arange(1, max(fit.n_iter, 1) + 1)
    with warnings.catch_warnings():
        # That these fits stop early is the purpose.
        warnings.simplefilter("ignore", FastGLMWarning)
        fits = [model.fit(max_iter=int(k), n_threads=fit.n_threads) for k in steps]
    deviance = np.array([fit.deviance for fit in fits])
    least = min(float(np.nanmin(deviance)), fit.deviance)
    floor = ROUNDING * max(abs(least), 1.0)
    ax = new_axes(ax)
    ax.semilogy(steps, np.maximum(deviance - least, floor), "o-", color=BLUE, linewidth=2)
    ax.axhline(floor, color=GREY, linewidth=1.0)
    across = ax.get_yaxis_transform()
    ax.text(0.02, floor, "rounding", color=GREY, transform=across, va="bottom", fontsize=8)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = f"Convergence: {fit.status.name.lower().replace('_', ' ')}"
    return tidy(ax, title, "steps", "deviance above the optimum")
