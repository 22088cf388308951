"""How a mixed model does on rows, be they those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.errors import DataError
from fastglm.inference.evaluation.evaluate import Evaluation, measures
from fastglm.inference.evaluation.groups import Observed, observed_at
from fastglm.inference.evaluation.new_rows import read_held_out
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.record import MixedFit
from fastglm.rows.model_rows import ModelRows

__all__ = ["evaluate_mixed", "observed_of_mixed"]


def evaluate_mixed(
    results: MixedFit,
    data: Any,
    response: Any,
    level: str,
    new_levels: str,
    columns: Mapping[str, Any],
    missing: str,
    others: Mapping[str, Any],
) -> Evaluation:
    """Measures on new rows; arguments as for `MixedResults.evaluate`."""
    rows, mean = _rows_and_means(
        results, data, response, level, new_levels, columns, missing, others
    )
    weight = 1.0 if rows.prior_weights is None else rows.prior_weights
    deviance = results.family.deviance(rows.response, mean, weight)
    return measures(results, rows, _observed_at(results, rows, mean), deviance)


def observed_of_mixed(results: MixedFit, data: Any) -> Observed:
    """Responses beside conditional means, of the rows of the fit or of new ones."""
    columns = dict.fromkeys(("offset", "exposure", "freq_weights", "var_weights"))
    found = _rows_and_means(results, data, None, "conditional", "raise", columns, "raise", {})
    return _observed_at(results, *found)


def _observed_at(results: MixedFit, rows: ModelRows, mean: np.ndarray) -> Observed:
    return observed_at(rows, mean, results.sigma**2 * results.family.variance(mean))


def _rows_and_means(
    results: MixedFit,
    data: Any,
    response: Any,
    level: str,
    new_levels: str,
    columns: Mapping[str, Any],
    missing: str,
    others: Mapping[str, Any],
) -> tuple[ModelRows, np.ndarray]:
    """Rows with a mean, and the means, (n,)."""
    if data is None:
        rows = results._model_with_data("an evaluation on the rows of the fit").mixed_rows.fixed
        mean = predict_rows(results, None, level, "mean", new_levels, others)
    else:
        rows = read_held_out(results, data, response, columns, missing)
        parts = rows.offset_parts
        given = {"offset": parts.offset, "exposure": parts.exposure, **others}
        given = {name: values for name, values in given.items() if values is not None}
        new = data if rows.frame is None else rows.frame
        mean = predict_rows(results, new, level, "mean", new_levels, given)
    mean = np.asarray(mean, dtype=np.float64)
    known = ~np.isnan(mean)
    if not known.all():
        if missing != "drop" and new_levels != "nan":
            raise DataError(
                f"a grouping factor has no value in {np.count_nonzero(~known)} rows: pass "
                'missing="drop" to leave them out.'
            )
        rows, mean = rows.take(np.flatnonzero(known)), mean[known]
    return rows, mean
