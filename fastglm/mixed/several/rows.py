"""Rows of a mixed model of several linear predictors: predictions and new responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import ModelError
from fastglm.inference.rows import new_rows as population_rows
from fastglm.mixed.prediction import (
    LEVELS,
    NEW_LEVELS,
    NewRows,
    conditional_part,
    effect_sd,
    new_rows,
    quadrature_nodes,
    split_options,
    with_effects,
)
from fastglm.mixed.simulation import draw_effects

__all__ = ["predict_several", "predictors_at", "several_rows", "simulate_several"]


def predict_several(
    fit: Any, exog: Any, level: str, which: str, new_levels: str, others: Mapping[str, Any]
) -> Any:
    """Predictions; arguments as for `MixedSeveralResults.predict`."""
    checked_choice("level", level, LEVELS)
    checked_choice("new_levels", new_levels, NEW_LEVELS)
    if level == "marginal" and which == "linear":
        raise ModelError("the marginal mean is one of the response: leave out which='linear'.")
    population, is_class = fit.population, which == "class"
    new, at = predictors_at(fit, exog, level, new_levels, others)
    if which == "linear":
        return new.label(next(at)[1][0])
    total: Any = 0.0
    for weight, etas in at:
        values, columns = population._prediction(etas, "prob" if is_class else which)
        total = total + weight * values
    if is_class:
        return new.label(population._most_probable(total), [])
    return new.label(total, columns)


def predictors_at(
    fit: Any,
    exog: Any,
    level: str,
    new_levels: str,
    others: Mapping[str, Any],
    rule: Callable[[], tuple[np.ndarray, np.ndarray]] = quadrature_nodes,
) -> tuple[population_rows.NewRows, Iterator[tuple[float, np.ndarray]]]:
    """The rows, and pairs of predictors, (K, n), and weights.

    One pair of weight 1, or those of a quadrature over normal random parts. Rows with unknown
    predictors are marked by ``nan_rows``.
    """
    new, rows = several_rows(fit, exog, level, others)
    etas = fit.population._predictors_of(new)
    if level == "marginal":
        return new, _around(etas, effect_sd(fit, rows), rule)
    if level == "conditional":
        part = conditional_part(fit, rows, new_levels)
        new = _marked(new, np.isnan(part))
        etas[0] += np.nan_to_num(part)
    return new, iter([(1.0, etas)])


def _around(
    etas: np.ndarray, sd: np.ndarray, rule: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[float, np.ndarray]]:
    """Predictors at the nodes of a rule for a standard normal variable, and its weights."""
    for node, weight in zip(*rule(), strict=True):
        moved = etas.copy()
        moved[0] += node * sd
        yield float(weight), moved


def several_rows(fit: Any, exog: Any, level: str, others: Mapping[str, Any]) -> tuple[Any, NewRows]:
    """The rows' designs of every predictor, their levels and their columns of effects."""
    given, of_effects = split_options(others, exog)
    population = fit.population
    if exog is None:
        return population_rows.fitted_designs(population), new_rows(fit, None, {})
    exog = population_rows.as_rows(population, exog)
    new = population_rows.new_designs(population, exog, **given)
    rows = with_effects(fit, new, exog, of_effects, level)
    return _marked(new, rows.nan_rows), rows


def _marked(new: population_rows.NewRows, rows: np.ndarray) -> population_rows.NewRows:
    """The rows, with further ones marked as having no prediction."""
    if not rows.any():
        return new
    return replace(new, nan_rows=rows if new.nan_rows is None else new.nan_rows | rows)


def simulate_several(fit: Any, n: int, seed: Any, use_u: bool) -> np.ndarray:
    """Responses of the fitted rows, (n rows, n draws); as `fastglm.mixed.simulation.simulate`."""
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n)]
    new, rows = several_rows(fit, None, "conditional", {})
    fixed = fit.population._predictors_of(new)
    drawn = np.empty((fixed.shape[1], n))
    for k, generator in enumerate(generators):
        etas = fixed.copy()
        for group, codes, columns in zip(fit.groups, rows.codes, rows.columns, strict=True):
            effects = draw_effects(group, use_u, generator)
            etas[0] += (effects[codes] * columns).sum(axis=1)
        drawn[:, k] = fit.population._draw(etas, generator)
    return drawn
