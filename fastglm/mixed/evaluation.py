"""How a mixed model does on rows, be they those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.errors import DataError
from fastglm.inference.evaluation.evaluate import Evaluation, measures
from fastglm.inference.evaluation.groups import observed_at
from fastglm.inference.evaluation.new_rows import read_held_out
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.record import MixedFit

__all__ = ["evaluate_mixed"]


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
    family = results.family
    found = observed_at(rows, mean, results.sigma**2 * family.variance(mean))
    weight = 1.0 if rows.prior_weights is None else rows.prior_weights
    return measures(results, rows, found, family.deviance(rows.response, mean, weight))
