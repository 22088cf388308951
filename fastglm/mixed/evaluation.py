"""How a mixed model does on rows, be they those of the fit or new ones."""

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

    def r2(self) -> dict[str, float]:
        """R squared, "marginal" of the fixed part and "conditional" with the random one.

        Notes
        -----
        Nakagawa, Johnson & Schielzeth (2017): for proportions with the variance of the latent
        variable, for a log link by the log-normal approximation at the mean of the responses.
        Ordered categories have that of their latent variable; shares by the delta method, as any
        other link. Counts with a model of their zeros have none.
        """
        return r_squared(self)

    def icc(self) -> dict[str, float]:
        """Share of each grouping factor in the variance that the fixed part leaves."""
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
