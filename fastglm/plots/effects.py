"""How the fitted mean depends on one variable, and the data beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import Categories, categorize
from fastglm.design.matrix.select import select_columns
from fastglm.errors import ModelError
from fastglm.inference.effects.counterfactual import Counterfactual
from fastglm.inference.effects.marginal_means import marginal_means
from fastglm.inference.evaluation.groups import quantile_groups
from fastglm.inference.number_format import format_levels
from fastglm.inference.rows.residuals import working_residuals
from fastglm.inference.rows.term_contributions import model_terms, term_contributions
from fastglm.kernels.blocks import row_buffers
from fastglm.plots.outcomes import outcome_effect
from fastglm.plots.style import (
    BLUE,
    GREY,
    VERMILION,
    few_ticks,
    legend_above,
    level_ticks,
    new_axes,
    per_exposure,
    picture,
    picture_of_any_fit,
    strip_below,
    tidy,
    weighted_means,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["effect", "partial_residuals"]

POINTS = 60
#: The range of a numeric variable that is drawn, as shares of its values.
SHARES = (0.005, 0.995)
#: Bars of the strip below, and groups of partial residuals.
BINS, MOST_GROUPS = 40, 40


@picture_of_any_fit
def effect(fit: Any, variable: str, alpha: float = 0.05, ax: Axes | None = None) -> Axes:
    """Mean response against one variable of the formula, with a pointwise band.

    Other numeric variables have their mean, and categorical ones are averaged over their levels on
    the scale of the link, as `Results.emmeans` does. Of a model with an exposure it is the mean for
    one unit of exposure. The strip below counts rows. Levels that have no order are sorted by their
    means. Random effects are zero.

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

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.effect(res, "x").get_title()
    'Effect of x'
    """
    fit = fit.without_random_effects()
    if fit.has_several_predictors:
        return outcome_effect(fit, variable, alpha, ax)
    rows = Counterfactual(fit)
    levels = rows.levels(variable)
    ax = new_axes(ax)
    if levels is not None:
        return _effect_of_levels(ax, rows, variable, alpha)
    values = np.asarray(rows.column(variable), dtype=np.float64)
    least, most = np.quantile(values, SHARES)
    grid = np.linspace(least, most, POINTS)
    table, unit = _means(rows, variable, {variable: grid}, alpha)
    band = (table["response_lower"], table["response_upper"])
    ax.fill_between(grid, *band, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(grid, table["response"], color=BLUE, linewidth=2)
    tidy(ax, f"Effect of {variable}", "", unit)
    ax.set_xlim(least, most)
    few_ticks(ax, "y")
    strip = strip_below(ax, "rows")
    inside = values[(values >= least) & (values <= most)]
    strip.hist(
        inside, bins=min(BINS, max(np.unique(inside[:10_000]).size, 2)), color=GREY, alpha=0.6
    )
    few_ticks(strip)
    strip.set_xlabel(variable)
    return ax


def _means(
    rows: Counterfactual, variable: str, at: dict[str, Any] | None, alpha: float
) -> tuple[Any, str]:
    """Marginal means with their limits, for a unit of exposure, and what they are."""
    fit: Any = rows.fit
    table = marginal_means(fit, variable, at).summary_frame(alpha)
    exposure = rows.rows.offset_parts.exposure
    if exposure is None:
        return table, f"mean of {fit.response_name}"
    # Marginal means are at the mean of the offset; the link of a rate is the logarithm.
    typical = np.exp(np.average(np.log(exposure), weights=rows.rows.frequencies))
    shown = ["response", "response_lower", "response_upper"]
    return table.assign(**{name: table[name] / typical for name in shown}), per_exposure(fit)


def _effect_of_levels(ax: Axes, rows: Counterfactual, variable: str, alpha: float) -> Axes:
    """Means by level: in the order of an ordered factor and of numbers, others by their means."""
    column = rows.column(variable)
    levels = rows.levels(variable) or ()
    table, unit = _means(rows, variable, None, alpha)
    counts = _rows_by_level(column, levels)
    in_order = not isinstance(column, Categories) or column.ordered
    order = np.arange(len(levels)) if in_order else np.argsort(table["response"], kind="stable")
    order = np.asarray(order)
    place, table = np.arange(len(levels)), table.iloc[order]
    ax.vlines(place, table["response_lower"], table["response_upper"], color=BLUE, linewidth=2)
    ax.plot(place, table["response"], "o", color=BLUE, markersize=6)
    tidy(ax, f"Effect of {variable}", "", unit)
    ax.set_xlim(-0.6, len(levels) - 0.4)
    few_ticks(ax, "y")
    strip = strip_below(ax, "rows")
    strip.bar(place, counts[order], color=GREY, alpha=0.6, width=0.8)
    level_ticks(strip, [str(levels[k]) for k in order])
    strip.set_xlabel(variable)
    return ax


def _rows_by_level(column: Any, levels: Sequence[Any]) -> np.ndarray:
    if isinstance(column, Categories):
        return np.bincount(column.codes, minlength=len(levels))[: len(levels)]
    return np.array([np.count_nonzero(column == level) for level in levels])


@picture
def partial_residuals(fit: Fit, term: str, ax: Axes | None = None) -> Axes:
    """Component plus residual: a term's contribution, and means of working residuals around it.

    A smooth curve away from the line means that the term has the wrong shape. Landwehr, Pregibon &
    Shoemaker (1984).

    Parameters
    ----------
    fit : Fit
    term : str
        Of one variable, or that variable.
    ax : Axes, optional

    Raises
    ------
    ModelError
        If there is no such term, or it has more than one variable.

    Notes
    -----
    Working residuals of single rows may be far out, of binary responses as two bands. The points
    are means of groups of equally many rows, weighted as in the fit, with two standard errors.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.partial_residuals(res, "x").get_title()
    'Partial residuals of x'
    """
    names = [name for name, _ in model_terms(fit)]
    term = _term_named(fit, term, names)
    x, variable = _variable_of(fit, term)
    contribution = term_contributions(fit).values[:, names.index(term)]
    (weight,) = fit.row_values(row_buffers.WEIGHT)
    values = contribution + working_residuals(fit)
    ax = new_axes(ax)
    tidy(ax, f"Partial residuals of {term}", variable, "contribution + residual")
    if isinstance(x, Categories):
        group, centre = np.asarray(x.codes, np.intp), np.arange(float(len(x.levels)))
    else:
        group = quantile_groups(x, np.ones(x.size), MOST_GROUPS)
        centre = np.bincount(group, x) / np.bincount(group)
    level, error = weighted_means(values, weight, group)
    ax.errorbar(
        centre, level, yerr=2.0 * error, fmt="o", color=VERMILION, markersize=4.5, linewidth=1.0,
        label="mean residuals, ± 2 standard errors",
    )  # fmt: skip
    if isinstance(x, Categories):
        first = np.unique(group, return_index=True)[1]
        ax.plot(centre, contribution[first], "_", color=BLUE, markersize=18, mew=2, label="fitted")
        level_ticks(ax, format_levels(x.levels))
    else:
        order = np.argsort(x, kind="stable")
        order = order[np.linspace(0, order.size - 1, min(order.size, 500)).astype(int)]
        ax.plot(x[order], contribution[order], color=BLUE, linewidth=2, label="fitted")
        few_ticks(ax)
    few_ticks(ax, "y")
    legend_above(ax)
    return ax


def _term_named(fit: Fit, term: str, names: Sequence[str]) -> str:
    """The term of that name, or the one term of the variable of that name."""
    if term in names:
        return term
    of_variable = [name for name in names if _variables_of(fit, name) == [term]]
    if len(of_variable) != 1:
        raise ModelError(f"there is no term {term!r}; the terms are {', '.join(names)}.")
    return of_variable[0]


def _variables_of(fit: Fit, term: str) -> list[str]:
    formula = fit.fitted_formula
    if formula is None:
        return []
    factors = {factor.text: factor for factor in formula.factors}
    used: dict[str, None] = {}
    for scaled in formula.terms:
        if scaled.name == term:
            texts = {factor.text for product in scaled.products for factor in product.factors}
            used = {name: None for text in texts for name in factors[text].columns}
    return list(used)


def _variable_of(fit: Fit, term: str) -> tuple[Any, str]:
    """The one variable of a term: numbers, or categories."""
    rows = fit._model_with_data("partial residuals").rows
    if fit.fitted_formula is None or rows.frame is None:
        columns = dict(fit.terms)[term]
        return select_columns(rows.design, [columns.start]).to_dense()[:, 0], term
    names = _variables_of(fit, term)
    if len(names) != 1:
        raise ModelError(f"the term {term!r} is not of one variable.")
    column = rows.frame_column(names[0])
    if isinstance(column, Categories) or Counterfactual(fit).levels(names[0]) is not None:
        found = categorize(column, names[0])
        codes, kept = np.unique(np.asarray(found.codes), return_inverse=True)
        return Categories(kept, tuple(found.levels[k] for k in codes)), names[0]
    return np.asarray(column, dtype=np.float64), names[0]
