"""How the fitted mean depends on one variable, and what the data say about that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.matrix.select import select_columns
from fastglm.errors import ModelError
from fastglm.inference.effects.average_effects import Counterfactual
from fastglm.inference.effects.marginal_means import marginal_means
from fastglm.inference.rows.residuals import working_residuals
from fastglm.inference.rows.term_contributions import model_terms, term_contributions
from fastglm.plots.style import (
    BLUE,
    GREY,
    VERMILION,
    cloud,
    level_ticks,
    new_axes,
    picture,
    smooth_line,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["effect", "partial_residuals"]

POINTS = 60
#: The range of a numeric variable that is drawn, as shares of its values.
SHARES = (0.005, 0.995)


@picture
def effect(fit: Fit, variable: str, alpha: float = 0.05, ax: Axes | None = None) -> Axes:
    """Mean response against one variable of the formula, with a pointwise band.

    Other numeric variables have their mean, and categorical ones are averaged over their levels on
    the scale of the link, as `Results.emmeans` does. Ticks at the bottom are deciles of the data.

    Parameters
    ----------
    fit : Fit
        Of a model from a formula.
    variable : str
    alpha : float, default 0.05
        The band is at level 1 - alpha.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If the model has no formula or no such variable.
    """
    rows = Counterfactual(fit)
    levels = rows.levels(variable)
    ax = new_axes(ax)
    response = fit.response_name
    if levels is not None:
        table = marginal_means(fit, variable, None).summary_frame(alpha)
        place = np.arange(len(levels))
        ax.vlines(place, table["response_lower"], table["response_upper"], color=BLUE, linewidth=2)
        ax.plot(place, table["response"], "o", color=BLUE, markersize=6)
        level_ticks(ax, [str(level) for level in levels])
        ax.set_xlim(-0.6, len(levels) - 0.4)
        return tidy(ax, f"Effect of {variable}", variable, f"mean of {response}")
    values = np.asarray(rows.column(variable), dtype=np.float64)
    least, most = np.quantile(values, SHARES)
    grid = np.linspace(least, most, POINTS)
    table = marginal_means(fit, variable, {variable: grid}).summary_frame(alpha)
    band = (table["response_lower"], table["response_upper"])
    ax.fill_between(grid, *band, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(grid, table["response"], color=BLUE, linewidth=2)
    _rug(ax, values)
    return tidy(ax, f"Effect of {variable}", variable, f"mean of {response}")


def _rug(ax: Axes, values: np.ndarray) -> None:
    """Deciles of the data along the bottom."""
    deciles = np.quantile(values, np.linspace(0.1, 0.9, 9))
    ax.plot(
        deciles, np.zeros(9), "|", color=GREY, markersize=10, transform=ax.get_xaxis_transform()
    )


@picture
def partial_residuals(fit: Fit, term: str, ax: Axes | None = None) -> Axes:
    """Component plus residual: a term's contribution, and working residuals around it.

    A smooth curve away from the line says that the term has the wrong shape. Landwehr, Pregibon &
    Shoemaker (1984).

    Parameters
    ----------
    fit : Fit
    term : str
        Of one numeric variable.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If there is no such term, or it has not one numeric variable.
    """
    names = [name for name, _ in model_terms(fit)]
    if term not in names:
        raise ModelError(f"there is no term {term!r}; the terms are {', '.join(names)}.")
    x, variable = _variable_of(fit, term)
    k = names.index(term)
    contribution = term_contributions(fit).values[:, k]
    values = contribution + working_residuals(fit)
    ax = new_axes(ax)
    shown = np.isfinite(values)
    # Working residuals may be huge where the mean is near its bounds.
    low, high = np.quantile(values[shown], [0.005, 0.995])
    shown &= (values >= low) & (values <= high)
    cloud(ax, x[shown], values[shown])
    order = np.argsort(x, kind="stable")
    order = order[np.linspace(0, order.size - 1, min(order.size, 500)).astype(int)]
    ax.plot(x[order], contribution[order], color=BLUE, linewidth=2, label="fitted")
    smooth_line(ax, x, values, label="smoothed residuals", color=VERMILION, linestyle="--")
    ax.legend(frameon=False, fontsize=8)
    return tidy(ax, f"Partial residuals of {term}", variable, "contribution + residual")


def _variable_of(fit: Fit, term: str) -> tuple[np.ndarray, str]:
    """The one numeric variable of a term."""
    rows = fit._model_with_data("partial residuals").rows
    if fit.fitted_formula is None or rows.frame is None:
        columns = dict(fit.terms)[term]
        return select_columns(rows.design, [columns.start]).to_dense()[:, 0], term
    factors = {factor.text: factor for factor in fit.fitted_formula.factors}
    used: dict[str, Any] = {}
    for scaled in fit.fitted_formula.terms:
        if scaled.name == term:
            texts = {factor.text for product in scaled.products for factor in product.factors}
            used = {name: None for text in texts for name in factors[text].columns}
    names = list(used)
    if len(names) != 1 or Counterfactual(fit).levels(names[0]) is not None:
        raise ModelError(f"the term {term!r} is not of one numeric variable.")
    return np.asarray(rows.frame_column(names[0]), dtype=np.float64), names[0]
