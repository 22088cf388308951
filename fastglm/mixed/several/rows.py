"""Rows of a mixed model of several linear predictors: predictions and new responses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import ModelError
from fastglm.inference.rows import new_rows as population_rows
from fastglm.inference.rows.simulate import spawned_generators
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

__all__ = [
    "around",
    "effect_sds",
    "nodes_around",
    "predict_several",
    "predictors_at",
    "predictors_with_effects",
    "several_rows",
    "simulate_several",
]

#: Nodes of the quadrature over random parts of log odds.
N_NODES_OF_ODDS = 31


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
        return new, around(etas, effect_sds(fit, rows), rule)
    if level == "conditional":
        for k in predictors_with_effects(fit):
            part = conditional_part(fit, rows, new_levels, k)
            new = _marked(new, np.isnan(part))
            etas[k] += np.nan_to_num(part)
    return new, iter([(1.0, etas)])


def predictors_with_effects(fit: Any) -> list[int]:
    """Numbers of the linear predictors that have random effects, the first one among them."""
    return sorted({0, *(int(k) for group in fit.groups for k in group.predictors)})


def effect_sds(fit: Any, rows: NewRows) -> dict[int, np.ndarray]:
    """Standard deviations of the random parts of the rows, (n,), by predictor."""
    return {k: effect_sd(fit, rows, k) for k in predictors_with_effects(fit)}


def around(
    etas: np.ndarray,
    sds: Mapping[int, np.ndarray],
    rule: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[float, np.ndarray]]:
    """Predictors at the nodes of a rule for independent normal random parts, and its weights."""
    for weight, moved, _ in nodes_around(etas, sds, rule):
        yield weight, moved


def nodes_around(
    etas: np.ndarray,
    sds: Mapping[int, np.ndarray],
    rule: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[float, np.ndarray, tuple[float, ...]]]:
    """As `around`, with the nodes themselves; parts beside the first have few nodes."""
    rules = [rule() if k == 0 else _few_nodes() for k in sds]
    for at in itertools.product(*(zip(*each, strict=True) for each in rules)):
        moved, weight = etas.copy(), 1.0
        for (k, sd), (node, share) in zip(sds.items(), at, strict=True):
            moved[k] += node * sd
            weight *= float(share)
        yield weight, moved, tuple(float(node) for node, _ in at)


def _few_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for log odds, in which all means are smooth."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES_OF_ODDS)
    return nodes, weights / weights.sum()


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
    generators = spawned_generators(n, seed)
    new, rows = several_rows(fit, None, "conditional", {})
    fixed = fit.population._predictors_of(new)
    drawn = np.empty((fixed.shape[1], n))
    for k, generator in enumerate(generators):
        etas = fixed.copy()
        for group, codes, columns in zip(fit.groups, rows.codes, rows.columns, strict=True):
            effects = draw_effects(group, use_u, generator)
            part = effects[codes] * columns
            for predictor in set(group.predictors.tolist()):
                etas[predictor] += part[:, group.predictors == predictor].sum(axis=1)
        drawn[:, k] = fit.population._draw(etas, generator)
    return drawn
