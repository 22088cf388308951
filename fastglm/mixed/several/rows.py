"""Rows of a mixed model of several linear predictors: predictions and new responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.frames.frames import is_frame
from fastglm.errors import DataError, ModelError
from fastglm.inference.rows import new_rows as population_rows
from fastglm.mixed.prediction import (
    LEVELS,
    NEW_LEVELS,
    NewRows,
    codes_and_columns,
    conditional_part,
    effect_sd,
    new_rows,
    quadrature_nodes,
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
    given = dict(others)
    of_effects: dict[str, Any] = {
        name: given.pop(name) for name in ("groups", "Z") if name in given
    }
    population = fit.population
    if exog is None:
        if given or of_effects:
            raise ModelError(f"predict of the fitted rows takes no {', '.join(others)}=.")
        return population_rows.fitted_designs(population), new_rows(fit, None, {})
    if fit.fitted_formula is not None and not is_frame(exog):
        raise DataError(
            "the model was fitted to a data frame: predict needs a frame with its columns too, "
            f"not {type(exog).__name__}."
        )
    unknown = set(given) - {"offset", "exposure"}
    if unknown:
        raise ModelError(f"predict does not know {', '.join(sorted(unknown))}.")
    new = population_rows.new_designs(population, exog, unseen="raise", **given)
    n = new.design.n_rows
    nan_rows = np.zeros(n, dtype=bool) if new.nan_rows is None else new.nan_rows.copy()
    codes, columns = [], []
    if level != "population":
        for group in fit.groups:
            one = codes_and_columns(group.fitted_formula, exog, of_effects, n, nan_rows)
            codes.append(one[0])
            columns.append(one[1])
    new = _marked(new, nan_rows)
    return new, NewRows(new.design, None, codes, columns, nan_rows, new.labels)


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
