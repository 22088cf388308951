"""How a fit with several predictors does on rows, be they those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.entry import entry_points
from fastglm.inference.evaluation.discrimination import area_under_curve, gini
from fastglm.inference.evaluation.new_rows import read_new_responses
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.rows.new_rows import NewRows, new_designs
from fastglm.responses.null_likelihood import category_log_likelihood, constant_log_likelihood
from fastglm.responses.residuals import ResponseResiduals
from fastglm.rows.read import row_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OutcomeEvaluation",
    "ResponseEvaluation",
    "RowsWithPredictors",
    "evaluation_of",
    "offsets_of",
    "weight_of",
]

#: Predictors beyond it, such as minus infinity, are no place to start from.
LARGE = 30.0


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class OutcomeEvaluation(RenderedFrame):
    """How a fit does on some rows, outcome by outcome.

    Attributes
    ----------
    n_rows : int
    weight : float
        Sum of the prior weights: all means below are per unit of it.
    log_likelihood : float
        Of the rows, each times its weight; for the rows of the fit `llf`.
    deviance : float
        -2 log-likelihoods, as R has it for these models.
    d2 : float
        Of the fit against constant predictors of these rows, with their offsets: of categories and
        counts McFadden's 1 - deviance / null deviance, which is scikit-learn's
        ``d2_log_loss_score`` and statsmodels' ``prsquared``; of shares, whose densities have no
        upper end, Cox and Snell's 1 - exp((deviance - null deviance) / weight), which is R squared
        of normal responses. Negative where the fit is worse than constants.
    log_loss : float
        Of categories, the mean negative log-likelihood; NaN of other responses.
    brier : float
        Of categories, the mean of the squared errors of all probabilities, added up.
    accuracy : float
        Of categories, the share of rows whose most probable level was the one observed.
    outcomes : Table
        Of each outcome (a level, a share, or the response itself) actual and expected mean, their
        ratio, rmse and mae; of a level the area under the receiver operating characteristic,
        against all others, with DeLong's interval, and of numbers Gini's index.
    """

    n_rows: int
    weight: float
    log_likelihood: float
    deviance: float
    d2: float
    log_loss: float
    brier: float
    accuracy: float
    outcomes: Table

    def to_dict(self) -> dict[str, float]:
        """The measures of all outcomes together, those that the response has."""
        names = [field.name for field in fields(self) if field.name != "outcomes"]
        return {name: value for name in names if (value := getattr(self, name)) == value}

    def summary_frame(self) -> pd.DataFrame:
        """The table of outcomes, a pandas DataFrame."""
        return self.outcomes.summary_frame()

    def _heading(self) -> str:
        shown = [f"{k} {v:.4g}" for k, v in self.to_dict().items() if k not in ("n_rows", "weight")]
        return ", ".join([f"Evaluation on {self.n_rows} rows", *shown])


class ResponseEvaluation(ResponseResiduals):
    """Mixin of `ResponseResults`."""

    def evaluate(
        self,
        data: Any = None,
        response: Any = None,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        **designs: Any,
    ) -> OutcomeEvaluation:
        """Measure how well the fit predicts new rows, or those it was fitted to.

        Parameters
        ----------
        data, response, offset, exposure, freq_weights, var_weights, missing
            As for `fastglm.Results.evaluate`; `data` must be in memory.
        **designs
            Columns of further linear predictors, as for `predict`.

        Returns
        -------
        OutcomeEvaluation

        Raises
        ------
        DataError
            If the new rows cannot be used; the message names the column, row or argument.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> round(res.evaluate({"y": ["a", "c"], "x": [1, 3]}).log_loss, 3)
        0.865
        """
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        rows = self._rows_with_predictors(data, response, columns, missing, designs)
        return evaluation_of(
            self, rows, self._moments(rows.etas)[0], self._log_densities(rows.values, rows.etas)
        )

    def observed_and_expected(
        self,
        data: Any = None,
        response: Any = None,
        columns: Mapping[str, Any] | None = None,
        missing: str = "raise",
        designs: Mapping[str, Any] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Responses and means, (k, n) each, and prior weights, (n,); arguments as `evaluate`'s."""
        found = self._rows_with_predictors(data, response, columns, missing, designs)
        return (
            self._as_means(found.values),
            np.atleast_2d(self._moments(found.etas)[0]),
            found.weight,
        )

    def _as_means(self, response: np.ndarray) -> np.ndarray:
        """Responses in the shape of their means, (k, n)."""
        return np.atleast_2d(np.asarray(self._observed_of(response), np.float64))

    def _rows_with_predictors(
        self,
        data: Any,
        response: Any,
        columns: Mapping[str, Any] | None,
        missing: str,
        designs: Mapping[str, Any] | None,
    ) -> RowsWithPredictors:
        if data is None:
            self._require_own_rows({"response": response, **(columns or {}), **(designs or {})})
            rows = self._model_with_data("an evaluation on the rows of the fit").rows
            new, etas = self._fitted_rows("an evaluation on the rows of the fit")
            values, weight = rows.response, rows.prior_weights
        else:
            wanted = columns or row_columns(None, None, None, None)
            held = read_new_responses(self, data, response, wanted, missing, self._takes)
            given = held.columns["offset"], held.columns["exposure"]
            new = new_designs(self, held.data, *given, "raise", designs)
            etas, values, weight = self._predictors_of(new), held.values, held.prior_weights
        return RowsWithPredictors(
            values, etas, offsets_of(self, new, etas), weight_of(etas, weight)
        )


class RowsWithPredictors(NamedTuple):
    """Rows of a fit of several predictors.

    Attributes
    ----------
    values : ndarray, shape (n,) or (n, k)
        Responses, as the fit reads them.
    etas, offsets : ndarray, shape (K, n)
        Linear predictors, and the offsets in them.
    weight : ndarray, shape (n,)
    """

    values: np.ndarray
    etas: np.ndarray
    offsets: np.ndarray
    weight: np.ndarray

    def used(self) -> RowsWithPredictors:
        """Those of a weight above 0."""
        kept = self.weight > 0.0
        return RowsWithPredictors(
            self.values[kept], self.etas[:, kept], self.offsets[:, kept], self.weight[kept]
        )


def weight_of(etas: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Prior weights, (n,), of rows that may have none."""
    return np.ones(etas.shape[1]) if weight is None else weight


def offsets_of(fit: Any, new: NewRows, etas: np.ndarray) -> np.ndarray:
    """Offsets of the (K, n) predictors of rows, zeros where there is none."""
    offsets = np.zeros_like(etas)
    for k, block in enumerate(fit.blocks):
        given = new.offsets[block.design]
        if given is not None:
            offsets[k] = given
    return offsets


def null_log_likelihood(fit: Any, rows: RowsWithPredictors) -> float:
    """The largest log-likelihood of rows whose predictors are constants."""
    if fit.of_categories and not rows.offsets.any():
        return category_log_likelihood(rows.values, rows.weight)
    near = np.average(rows.etas - rows.offsets, axis=1, weights=rows.weight)
    return constant_log_likelihood(
        fit._log_densities,
        fit._constant_predictors,
        rows.values,
        rows.offsets,
        rows.weight,
        fit._constants_near(np.clip(near, -LARGE, LARGE)),
    )


def _explained(fit: Any, log_likelihood: float, null: float, total: float) -> float:
    """D2, as `OutcomeEvaluation` defines it."""
    if not np.isfinite(log_likelihood):
        return float("nan")
    if fit.of_densities:
        return float(-np.expm1(2.0 * (null - log_likelihood) / total))
    return 1.0 - log_likelihood / null if null < 0.0 else float("nan")


def evaluation_of(
    fit: Any, rows: RowsWithPredictors, mean: np.ndarray, log_density: np.ndarray
) -> OutcomeEvaluation:
    """Measures of rows from their means, (n,) or (k, n), and log-likelihoods, (n,)."""
    n_rows, kept = rows.weight.size, rows.weight > 0.0
    mean, log_density, rows = np.atleast_2d(mean)[:, kept], log_density[kept], rows.used()
    observed, weight = fit._as_means(rows.values), rows.weight
    total, is_category = float(weight.sum()), fit.of_categories
    log_likelihood = float(weight @ log_density)
    null = null_log_likelihood(fit, rows) if np.isfinite(log_likelihood) else float("nan")
    error, columns = observed - mean, _of_each(observed, mean, weight)
    loss = brier = accuracy = float("nan")
    pairs = list(zip(observed, mean, strict=True))
    if is_category:
        areas = [area_under_curve(y, mu, weight) for y, mu in pairs]
        columns["auc"] = np.array([area.area for area in areas])
        columns["auc_lower"], columns["auc_upper"] = np.transpose([a.interval() for a in areas])
        loss = -log_likelihood / total
        brier = float((error**2).sum(axis=0) @ weight / total)
        hit = observed.argmax(axis=0) == mean.argmax(axis=0)
        accuracy = float(hit @ weight / total)
    else:
        columns["gini"] = np.array([gini(y, mu, weight) for y, mu in pairs])
    names = tuple(str(name) for name in fit._prediction_names()) or (fit.response_name,)
    return OutcomeEvaluation(
        n_rows=n_rows,
        weight=total,
        log_likelihood=log_likelihood,
        deviance=-2.0 * log_likelihood,
        d2=_explained(fit, log_likelihood, null, total),
        log_loss=loss,
        brier=brier,
        accuracy=accuracy,
        outcomes=Table("Outcomes", names, columns),
    )


def _of_each(observed: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of each of k outcomes that all responses have."""
    total, error = weight.sum(), observed - mean
    actual, expected = observed @ weight / total, mean @ weight / total
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "actual": actual,
            "expected": expected,
            "actual_over_expected": actual / expected,
            "rmse": np.sqrt(error**2 @ weight / total),
            "mae": np.abs(error) @ weight / total,
        }
