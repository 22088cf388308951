"""How a fit came to its optimum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import FastGLMWarning
from fastglm.plots.style import BLUE, GREY, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.results import Results

__all__ = ["convergence"]

#: Differences below this share of the deviance are rounding.
ROUNDING = 1e-16


def convergence(results: Results, ax: Axes | None = None) -> Axes:
    """Deviance above the optimum after each sweep over the rows, on a logarithmic axis.

    The model is fitted once more, since a fit does not keep its history.
    """
    model = results._model_with_data("the course of the fit")
    sweeps: list[tuple[int, float]] = []
    with warnings.catch_warnings():
        # Whatever there is to say about the fit was said when it was made.
        warnings.simplefilter("ignore", FastGLMWarning)
        model.fit(n_threads=results.n_threads, progress=lambda k, d: sweeps.append((k, d)))
    ax = new_axes(ax)
    title = f"Convergence: {results.status.name.lower().replace('_', ' ')}"
    if sweeps:
        number, deviance = np.array(sweeps).T
        least = min(float(np.nanmin(deviance)), results.deviance)
        floor = ROUNDING * max(abs(least), 1.0)
        ax.semilogy(number, np.maximum(deviance - least, floor), "o-", color=BLUE, linewidth=2)
        ax.axhline(floor, color=GREY, linewidth=1.0)
        where = {"transform": ax.get_yaxis_transform(), "va": "bottom", "fontsize": 8}
        ax.text(0.02, floor, "rounding", color=GREY, **where)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return tidy(ax, title, "sweep over the rows", "deviance above the optimum")
