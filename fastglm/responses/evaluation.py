"""How a fit with several predictors does on rows, be they those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.entry import entry_points
from fastglm.inference.evaluation.discrimination import area_under_curve, gini
from fastglm.inference.evaluation.new_rows import read_new_responses
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.rows.new_rows import new_designs
from fastglm.responses.residuals import ResponseResiduals
from fastglm.rows.read import row_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OutcomeEvaluation", "ResponseEvaluation"]


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class OutcomeEvaluation(RenderedFrame):
    """How a fit does on some rows, outcome by outcome.

    Attributes
    ----------
    n_rows : int
    weight : float
        Sum of the prior weights: all means below are per unit of it.
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
    log_loss: float
    brier: float
    accuracy: float
    outcomes: Table

    def to_dict(self) -> dict[str, float]:
        """The measures of all outcomes together, those that the response has."""
        names = ("n_rows", "weight", "log_loss", "brier", "accuracy")
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
        """How the fit does on rows it has not seen.

        Parameters
        ----------
        data : data frame or array_like, optional
            New rows, as for `predict`, with their responses. By default the rows of the fit.
        response : array_like or str, optional
            Responses of the new rows, or a column of the frame; by default the left side of the
            formula, computed from the frame.
        offset, exposure, freq_weights, var_weights : array_like or str, optional
            For the new rows, or a column of the frame; by default the columns that the fit had.
        missing : {"raise", "drop"}, default "raise"
            What to do with rows that lack a value.
        **designs
            Columns of further predictors, as for `predict`.

        Returns
        -------
        OutcomeEvaluation

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> round(res.evaluate({"y": ["a", "c"], "x": [1, 3]}).log_loss, 3)
        0.848
        """
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        found = self.observed_and_expected(data, response, columns, missing, designs)
        return _evaluation(self, *found)

    def observed_and_expected(
        self,
        data: Any = None,
        response: Any = None,
        columns: Mapping[str, Any] | None = None,
        missing: str = "raise",
        designs: Mapping[str, Any] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Responses and means, (k, n) each, and prior weights, (n,); arguments as `evaluate`'s."""
        if data is None:
            rows = self._model_with_data("an evaluation on the rows of the fit").rows
            _, etas = self._fitted_rows("an evaluation on the rows of the fit")
            values, weight = rows.response, rows.prior_weights
        else:
            wanted = columns or row_columns(None, None, None, None)
            held = read_new_responses(self, data, response, wanted, missing, self._takes)
            given = held.columns["offset"], held.columns["exposure"]
            new = new_designs(self, held.data, *given, "raise", designs)
            etas, values, weight = self._predictors_of(new), held.values, held.prior_weights
        mean = np.atleast_2d(self._moments(etas)[0])
        observed = np.atleast_2d(np.asarray(self._observed_of(values), np.float64))
        return observed, mean, np.ones(mean.shape[1]) if weight is None else weight


def _evaluation(
    fit: Any, observed: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> OutcomeEvaluation:
    """Measures of (k, n) responses and their means."""
    used = weight > 0.0
    observed, mean, weight = observed[:, used], mean[:, used], weight[used]
    total, is_category = weight.sum(), fit.of_categories
    error = observed - mean
    actual, expected = observed @ weight / total, mean @ weight / total
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "actual": actual,
            "expected": expected,
            "actual_over_expected": actual / expected,
            "rmse": np.sqrt(error**2 @ weight / total),
            "mae": np.abs(error) @ weight / total,
        }
    pairs = list(zip(observed, mean, strict=True))
    loss = brier = accuracy = float("nan")
    if is_category:
        areas = [area_under_curve(y, mu, weight) for y, mu in pairs]
        columns["auc"] = np.array([area.area for area in areas])
        columns["auc_lower"], columns["auc_upper"] = np.transpose([a.interval() for a in areas])
        loss = float(-scipy.special.xlogy(observed, mean).sum(axis=0) @ weight / total)
        brier = float((error**2).sum(axis=0) @ weight / total)
        hit = observed.argmax(axis=0) == mean.argmax(axis=0)
        accuracy = float(hit @ weight / total)
    else:
        columns["gini"] = np.array([gini(y, mu, weight) for y, mu in pairs])
    names = tuple(str(name) for name in fit._prediction_names()) or (fit.response_name,)
    table = Table("Outcomes", names, columns)
    return OutcomeEvaluation(int(used.size), float(total), loss, brier, accuracy, table)
