"""Evaluation of the predictions of a mixed model of several linear predictors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import DataError
from fastglm.inference.evaluation.new_rows import read_new_responses
from fastglm.mixed.prediction import LEVELS, NEW_LEVELS
from fastglm.mixed.several.rows import predictors_at
from fastglm.responses.evaluation import (
    OutcomeEvaluation,
    RowsWithPredictors,
    evaluation_of,
    offsets_of,
    weight_of,
)

__all__ = ["evaluate_several"]


#: Step and largest node of the trapezoidal rule, in standard deviations.
STEP, END = 0.05, 8.5


def fine_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the trapezoidal rule for a standard normal variable.

    For integrands with a narrow peak, as likelihoods of large counts: the error decreases
    exponentially with the square of the width of the peak over the step. Gauss-Hermite nodes are
    nine times as far apart and could miss the peak.
    """
    nodes = np.arange(-END, END + STEP / 2.0, STEP)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def evaluate_several(
    fit: Any,
    data: Any,
    response: Any,
    level: str,
    new_levels: str,
    columns: Mapping[str, Any],
    missing: str,
    others: Mapping[str, Any],
) -> OutcomeEvaluation:
    """Measures of the predictions of rows; arguments as for `MixedSeveralResults.evaluate`."""
    checked_choice("level", level, LEVELS)
    checked_choice("new_levels", new_levels, NEW_LEVELS)
    population = fit.population
    if data is None:
        fit._require_own_rows({"response": response, **columns})
        rows = fit._model_with_data("an evaluation on the rows of the fit").rows
        values, weight, exog, given = rows.response, rows.prior_weights, None, dict(others)
    else:
        held = read_new_responses(population, data, response, columns, missing, population._takes)
        values, weight, exog = held.values, held.prior_weights, held.data
        own = {name: held.columns[name] for name in ("offset", "exposure")}
        given = {name: value for name, value in own.items() if value is not None} | dict(others)
    new, at = predictors_at(fit, exog, level, new_levels, given)
    mean: Any = 0.0
    for share, etas in at:
        mean = mean + share * population._moments(etas)[0]
    density: Any = -np.inf
    for share, etas in predictors_at(fit, exog, level, new_levels, given, fine_nodes)[1]:
        density = np.logaddexp(density, np.log(share) + population._log_densities(values, etas))
        found = RowsWithPredictors(
            values, etas, offsets_of(population, new, etas), weight_of(etas, weight)
        )
    if new.nan_rows is not None and new.nan_rows.any():
        if missing != "drop" and new_levels != "nan":
            raise DataError(
                f"a grouping factor has no value in {np.count_nonzero(new.nan_rows)} rows: pass "
                'missing="drop" to leave them out.'
            )
        kept = ~new.nan_rows
        found = RowsWithPredictors(
            values[kept], found.etas[:, kept], found.offsets[:, kept], found.weight[kept]
        )
        mean, density = mean[..., kept], density[kept]
    return evaluation_of(population, found, mean, density)
