"""Panels of residuals of any fit, and the figure that holds four panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.plots.style import BLUE, GREY, cloud, smooth_line, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panels", "draw_quantiles", "draw_residuals", "draw_sizes", "new_panels"]

#: Points of a quantile-quantile plot; those in the tails are all drawn.
MOST_QUANTILES = 2_000
TAIL = 200
#: Level of the pointwise envelope.
ENVELOPE = 0.95
#: Letters of a formula in a title.
LONGEST = 110


class Panels(np.ndarray):
    """An array of axes that a notebook does not write out beside the picture of them."""

    def __repr__(self) -> str:
        return f"<{self.size} panels; in a script matplotlib.pyplot.show() shows them>"

    def _repr_html_(self) -> str:
        return ""


def new_panels(fit: Any, kind: str) -> np.ndarray:
    """Four axes below the kind of model and its formula."""
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(h_pad=0.1, hspace=0.04)
    figure, axes = pyplot.subplots(2, 2, figsize=(11.0, 8.4), layout=layout)
    model = str(fit.formula or fit.response_name)
    model = model if len(model) <= LONGEST else f"{model[: LONGEST - 2]} …"
    figure.suptitle(f"{kind}: {model}", fontsize=10)
    return axes.view(Panels)


def draw_residuals(ax: Axes, eta: np.ndarray, values: np.ndarray, name: str) -> Axes:
    """Residuals against a linear predictor, with a smooth curve."""
    cloud(ax, eta, values)
    ax.axhline(0.0, color=GREY, linewidth=1.0)
    smooth_line(ax, eta, values)
    return tidy(ax, "Residuals against fitted", "linear predictor", name)


def draw_quantiles(ax: Axes, values: np.ndarray, name: str) -> Axes:
    """Ordered residuals against normal quantiles, with an envelope."""
    values = np.sort(values[np.isfinite(values)])
    n = values.size
    rank = np.arange(1, n + 1)
    if n > MOST_QUANTILES:
        # Evenly spaced on the axis, where evenly spaced ranks would leave gaps.
        reach = float(special.ndtri(1.0 - TAIL / n))
        places = special.ndtr(np.linspace(-reach, reach, MOST_QUANTILES - 2 * TAIL))
        middle = np.rint(places * n).astype(int)
        rank = np.unique(np.concatenate([rank[:TAIL], middle, rank[-TAIL:]]))
    expected = special.ndtri((rank - 0.375) / (n + 0.25))
    outside = 0.5 * (1.0 - ENVELOPE)
    low = special.ndtri(special.betaincinv(rank, n + 1 - rank, outside))
    high = special.ndtri(special.betaincinv(rank, n + 1 - rank, 1.0 - outside))
    ax.fill_between(expected, low, high, color=GREY, alpha=0.3, linewidth=0, label="95% envelope")
    ax.plot(expected, expected, color=GREY, linewidth=1.0)
    ax.plot(expected, values[rank - 1], "o", color=BLUE, markersize=3, markeredgewidth=0)
    ax.legend(frameon=False, loc="upper left", fontsize=8)
    return tidy(ax, "Normal quantiles", "normal quantile", name)


def draw_sizes(ax: Axes, eta: np.ndarray, values: np.ndarray, name: str) -> Axes:
    """Root of the size of residuals against a linear predictor."""
    size = np.sqrt(np.abs(values))
    cloud(ax, eta, size)
    expected = 2.0**0.25 * special.gamma(0.75) / np.sqrt(np.pi)
    ax.axhline(expected, color=GREY, linewidth=1.0)
    smooth_line(ax, eta, size)
    return tidy(ax, "Scale and location", "linear predictor", f"√|{name}|")
