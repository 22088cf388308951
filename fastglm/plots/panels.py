"""The four panels of a fit: residuals, their distribution, their spread, and leverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.diagnostics.influence import Influence
from fastglm.inference.rows.residuals import quantile_residuals
from fastglm.kernels.blocks import row_buffers
from fastglm.plots.outcomes import outcome_panels
from fastglm.plots.residual_panels import draw_quantiles, draw_residuals, draw_sizes, new_panels
from fastglm.plots.style import (
    GREY,
    VERMILION,
    cloud,
    few_ticks,
    name_points,
    new_axes,
    picture,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = [
    "leverage",
    "panel_drawings",
    "panels",
    "quantile_quantile",
    "residuals",
    "scale_location",
]

COOKS = (0.5, 1.0)


@picture
def panels(fit: Any, seed: int = 0) -> np.ndarray:
    """Residuals against fitted, normal quantiles, scale-location, and leverage.

    Parameters
    ----------
    fit : Fit, or ResponseFit, whose panels `ResponseResults.plot` explains
    seed : int, default 0
        Of randomised quantile residuals.

    Returns
    -------
    ndarray of Axes, shape (2, 2)

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.panels(res).shape
    (2, 2)
    """
    if fit.has_several_predictors:
        return outcome_panels(fit, seed)
    axes = new_panels(fit, f"{type(fit.family).__name__}, {fit.family.link.name}")
    for draw, ax in zip(panel_drawings(fit, seed), axes.flat, strict=True):
        draw(ax)
    return axes


def panel_drawings(fit: Fit, seed: int = 0) -> list[Callable[[Axes], Axes]]:
    """What draws each of the four panels into axes; residuals are computed once."""
    values, name = _residuals(fit, seed)
    (eta,) = fit.row_values(row_buffers.LINEAR_PREDICTOR)
    return [
        lambda ax: draw_residuals(ax, eta, values, name),
        lambda ax: draw_quantiles(ax, values, name),
        lambda ax: draw_sizes(ax, eta, values, name),
        lambda ax: leverage(fit, ax),
    ]


def _residuals(fit: Fit, seed: int) -> tuple[np.ndarray, str]:
    """Quantile residuals; standardised deviance residuals where the family has no distribution."""
    try:
        fit.family.distribution(fit.response_dispersion)
    except ModelError:
        return np.asarray(Influence(fit).resid_standardized), "standardised deviance residual"
    return quantile_residuals(fit, seed), "quantile residual"


@picture
def residuals(fit: Fit, ax: Axes | None = None, seed: int = 0) -> Axes:
    """Quantile residuals against the linear predictor, with a smooth curve.

    Randomised quantile residuals have no bands where responses are discrete: Dunn & Smyth (1996).
    A curve that leaves zero is a sign of a wrong link or a missing term.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.residuals(res).get_title()
    'Residuals against fitted'
    """
    values, name = _residuals(fit, seed)
    (eta,) = fit.row_values(row_buffers.LINEAR_PREDICTOR)
    return draw_residuals(new_axes(ax), eta, values, name)


@picture
def quantile_quantile(fit: Fit, ax: Axes | None = None, seed: int = 0) -> Axes:
    """Ordered quantile residuals against normal quantiles, with a pointwise 95% envelope.

    The envelope is what simulation of ever more responses from the fitted model would give, without
    its noise: their quantile residuals are independent normal variables, whatever the family, so
    the k-th of n has the distribution of a normal quantile at a beta variable. Standardised
    deviance residuals, for families without a distribution, are only nearly normal.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.quantile_quantile(res).get_title()
    'Normal quantiles'
    """
    return draw_quantiles(new_axes(ax), *_residuals(fit, seed))


@picture
def scale_location(fit: Fit, ax: Axes | None = None, seed: int = 0) -> Axes:
    """Root of the size of quantile residuals against the linear predictor.

    A level curve means that the variance function is right. The grey line is the mean for normal
    residuals.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.scale_location(res).get_title()
    'Scale and location'
    """
    values, name = _residuals(fit, seed)
    (eta,) = fit.row_values(row_buffers.LINEAR_PREDICTOR)
    return draw_sizes(new_axes(ax), eta, values, name)


@picture
def leverage(fit: Fit, ax: Axes | None = None, n_named: int = 3) -> Axes:
    """Standardised Pearson residuals against leverage, with contours of Cook's distance.

    Parameters
    ----------
    fit : Fit
    ax : Axes, optional
    n_named : int, default 3
        The rows of largest Cook's distance that are named.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.leverage(res).get_title()
    'Leverage'
    """
    ax = new_axes(ax)
    fit._model_of_rows("influence")
    influence = Influence(fit)
    hat = np.asarray(influence.hat_matrix_diag)
    residual = np.asarray(influence.resid_studentized)
    distance = np.asarray(influence.cooks_distance[0])
    cloud(ax, hat, residual)
    ax.axhline(0.0, color=GREY, linewidth=1.0)
    ax.margins(y=0.12)
    limits = ax.get_ylim()
    right = min(1.1 * float(np.nanmax(hat)), 0.999)
    _cooks_contours(ax, fit.rank, right, limits, float(np.nanmax(distance)))
    ax.set_ylim(*limits)
    ax.set_xlim(0.0, right)
    few_ticks(ax)
    negative = np.nan_to_num(-distance)
    named = np.argpartition(negative, min(n_named, negative.size) - 1)[:n_named]
    order = named[np.argsort(negative[named])]
    index = fit._rows_beside_columns("the picture").index
    names = [str(row if index is None else index[row]) for row in order]
    name_points(ax, hat[order], residual[order], names)
    return tidy(ax, "Leverage", "leverage", "standardised Pearson residual")


def _cooks_contours(
    ax: Axes, rank: int, right: float, limits: tuple[float, float], largest: float
) -> None:
    """Contours of Cook's distance inside the picture, or a word that all are lower."""
    at = np.linspace(right * 1e-3, right, 300)
    drawn = False
    for level in COOKS:
        contour = np.sqrt(level * rank * (1.0 - at) / at)
        if contour.min() < max(map(abs, limits)):
            drawn = True
            for side in (contour, -contour):
                ax.plot(at, side, "--", color=VERMILION, linewidth=1.0)
            # A contour that ends at the upper edge has its name below it.
            is_high = contour[-1] > 0.93 * limits[1]
            ax.annotate(
                f"Cook {level:g}", (at[-1], contour[-1]), xytext=(-3, -12 if is_high else 3),
                ha="right", textcoords="offset points", color=VERMILION, fontsize=8,
            )  # fmt: skip
    if not drawn:
        text = f"Cook's distances: all below {COOKS[0]:g}, at most {largest:.2g}"
        ax.text(0.98, 0.02, text, ha="right", transform=ax.transAxes, color=VERMILION, fontsize=8)
