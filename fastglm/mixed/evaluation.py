"""Evaluation of the predictions of a mixed model, on the rows of the fit or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.errors import DataError
from fastglm.inference.evaluation.evaluate import Evaluation, measures
from fastglm.inference.evaluation.groups import Observed, observed_at
from fastglm.inference.evaluation.new_rows import read_held_out
from fastglm.mixed.explained import intraclass_correlations, r_squared
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.record import MixedFit
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns

__all__ = ["EvaluationMethods"]


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
    """The rows whose mean is known, and their means, (n,); arguments as for `evaluate`."""
    if data is None:
        results._require_own_rows({"response": response, **columns})
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

    def r2(self) -> dict[str, float]:
        """R squared: "marginal" of the fixed effects, "conditional" with the random effects.

        Notes
        -----
        Method of Nakagawa, Johnson & Schielzeth (2017). The variance of the responses on the scale
        of the linear predictor is that of the latent variable for proportions and ordered
        categories, the log-normal approximation at the mean response for a log link, and by the
        delta method otherwise. It is not defined for counts with a model of their zeros.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> sorted(res.r2())
        ['conditional', 'marginal']
        """
        return r_squared(self)

    def icc(self) -> dict[str, float]:
        """Intraclass correlation: share of each grouping factor in the variance of the responses.

        The variance is that given the fixed effects, on the scale of the linear predictor.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> list(res.icc())
        ['g']
        """
        return intraclass_correlations(self)

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
        """Measure how well the fit predicts new rows, or those it was fitted to.

        Parameters
        ----------
        data, response, offset, exposure, freq_weights, var_weights, missing
            As for `fastglm.Results.evaluate`; `data` must be in memory.
        level, new_levels
            Which means are compared with the responses, as for `predict`. With
            ``new_levels="nan"`` rows of unknown levels, whose mean is NaN, are left out.
        **others
            ``groups`` and ``Z`` of a model given as arrays.

        Returns
        -------
        Evaluation
            As returned by `fastglm.Results.evaluate`.

        Raises
        ------
        DataError
            If the new rows cannot be used; the message names the column, row or argument.
        UnseenLevelError
            If a level is unknown, with ``new_levels="raise"``.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1.0, 2.2, 2.9, 4.1, 2.0, 3.2], "x": [0, 1, 2] * 2, "g": list("aaabbb")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> round(res.evaluate({"y": [2.0, 3.0], "x": [1, 1], "g": ["a", "b"]}).rmse, 2)
        0.37
        """
        rows, mean = _rows_and_means(
            *(self, data, response, level, new_levels),
            row_columns(offset, exposure, freq_weights, var_weights),
            missing,
            others,
        )
        weight = 1.0 if rows.prior_weights is None else rows.prior_weights
        deviance = self.family.deviance(rows.response, mean, weight)
        return measures(self, rows, _observed_at(self, rows, mean), deviance)

    def _observed_on(self, data: Any) -> Observed:
        """See `FitBase._observed_on`; means are conditional."""
        none = row_columns(None, None, None, None)
        found = _rows_and_means(self, data, None, "conditional", "raise", none, "raise", {})
        return _observed_at(self, *found)
