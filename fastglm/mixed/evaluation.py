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

__all__ = ["EvaluationMethods", "evaluate_mixed"]


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


def _observed_of(results: MixedFit, data: Any) -> Observed:
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


class EvaluationMethods(MixedFit):
    """Mixin of `MixedResults`."""

    def evaluate(
        self,
        data: Any = None,
        response: Any = None,
        level: str = "conditional",
        new_levels: str = "raise",
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        **others: Any,
    ) -> Evaluation:
        """How the fit does on rows it has not seen.

        Parameters
        ----------
        data : data frame or array_like, optional
            New rows, as for `predict`, with their responses. By default the rows of the fit.
        response : array_like or str, optional
            Responses of the new rows, or a column of the frame; by default the left side of the
            formula, computed from the frame.
        level, new_levels
            Which means, as for `predict`; rows whose mean is NaN are left out with "nan".
        offset, exposure, freq_weights, var_weights : array_like or str, optional
            For the new rows, or a column of the frame; by default the columns that the fit had.
        missing : {"raise", "drop"}, default "raise"
            What to do with rows that lack a value.
        **others
            ``groups`` and ``Z`` of a model given as arrays.

        Returns
        -------
        Evaluation
            As of `Results.evaluate`.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.
        UnseenLevelError
            For an unknown level, with ``new_levels="raise"``.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1.0, 2.2, 2.9, 4.1, 2.0, 3.2], "x": [0, 1, 2] * 2, "g": list("aaabbb")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> round(res.evaluate({"y": [2.0, 3.0], "x": [1, 1], "g": ["a", "b"]}).rmse, 2)
        0.24
        """
        columns = {
            "offset": offset,
            "exposure": exposure,
            "freq_weights": freq_weights,
            "var_weights": var_weights,
        }
        return evaluate_mixed(self, data, response, level, new_levels, columns, missing, others)

    def _observed_on(self, data: Any) -> Observed:
        return _observed_of(self, data)
