"""Dirichlet regression: several shares that add up to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.frames.missing import rows_text
from fastglm.errors import DataError
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.responses.log_likelihoods.proportions import dirichlet_rows
from fastglm.responses.model import ResponseModel
from fastglm.responses.models.beta import check_information
from fastglm.responses.record import PredictorBlock
from fastglm.responses.results import OutcomeResults
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.solve.rank_and_scaling import Columns

__all__ = ["DirichletModel", "DirichletResults"]

#: Largest distance of the sum of a row's shares from 1.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class DirichletResults(OutcomeResults):
    """A fitted Dirichlet regression: the coefficients of every share, one after the other.

    `predict` gives "mean", the expected shares, (n, K), "shape", the parameters of the
    distribution, or "precision", their sum, (n,).
    """

    kind: ClassVar[str] = "DirichletModel"
    title: ClassVar[str] = "Dirichlet Regression Results"
    predictions: ClassVar[tuple[str, ...]] = ("mean", "precision", "shape")

    def _ratio_of(self, component: str) -> str | None:
        return "ratio of shapes"

    @property
    def shares(self) -> tuple[str, ...]:
        """Names of the shares."""
        return tuple(self.settings["shares"])

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        shape = np.exp(etas)
        if which == "precision":
            return shape.sum(axis=0), []
        return (shape if which == "shape" else shape / shape.sum(axis=0)), self._prediction_names()

    def _prediction_names(self) -> list[Any]:
        return list(self.shares)

    of_densities: ClassVar[bool] = True

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        shape, gammaln = np.exp(etas), scipy.special.gammaln
        inside = np.all(response > 0.0, axis=1)[:, None]
        log_shares = np.log(np.where(inside, response, 1.0)).T
        constant = gammaln(shape.sum(axis=0)) - gammaln(shape).sum(axis=0)
        density = constant + ((shape - 1.0) * log_shares).sum(axis=0)
        return np.where(inside[:, 0], density, -np.inf)

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        drawn = np.maximum(generator.gamma(np.exp(etas)), np.finfo(np.float64).tiny)
        return (drawn / drawn.sum(axis=0)).T

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shape = np.exp(etas)
        precision = shape.sum(axis=0)
        mean = shape / precision
        return mean, mean * (1.0 - mean) / (1.0 + precision)


class DirichletModel(ResponseModel[DirichletResults]):
    """Dirichlet regression: shape_k = exp(x'b_k) for every share.

    Parameters
    ----------
    endog : array_like or data frame, shape (n, K)
        Shares, positive, that add up to 1 in every row.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns, taken as they are.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows.
    var_weights : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as R's ``weights``.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of every share.
        It multiplies the precision and leaves the expected shares alone.
    information : {"observed", "expected"}, default "observed"
        Which information standard errors come from.
    missing : {"raise", "drop"}, default "raise"

    Raises
    ------
    DataError
        If anything in the data cannot be used.

    Notes
    -----
    The common parametrisation of R's package DirichletReg. Hijazi & Jernigan (2009), "Modelling
    compositional data using Dirichlet regression models".

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"a": [0.2, 0.4, 0.5, 0.7], "b": [0.8, 0.6, 0.5, 0.3], "x": [0, 1, 3, 2]}
    >>> fg.DirichletModel.from_formula("cbind(a, b) ~ x", data).fit().shares
    ('y1', 'y2')
    """

    results_class = DirichletResults

    def __init__(
        self,
        endog: Any,
        exog: Any,
        freq_weights: Any = None,
        *,
        var_weights: Any = None,
        offset: Any = None,
        information: str = "observed",
        missing: str = "raise",
    ):
        columns = row_columns(offset, None, freq_weights, var_weights)
        rows = self._read(endog, {"exog": exog}, columns, missing)
        names = [str(name) for name in getattr(endog, "columns", ())]
        self._take(rows, names, information)

    def _take(self, rows: ModelRows, names: Sequence[str], information: str) -> None:
        y = rows.response
        if y.ndim != 2 or y.shape[1] < 2:
            raise DataError(f"the response has shape {y.shape}; it must be (n, K), K shares.")
        wrong = (y <= 0.0).any(axis=1) | (np.abs(y.sum(axis=1) - 1.0) > ROUNDING)
        if wrong.any():
            raise DataError(
                "DirichletModel needs positive shares that add up to 1: they do not in "
                f"{rows_text(wrong)}."
            )
        self.information = check_information(information)
        self.shares = tuple(names) or tuple(f"y{k}" for k in range(1, y.shape[1] + 1))
        self.rows = rows

    def _predictors(self) -> list[tuple[str, int]]:
        return [(f"{share}:", 0) for share in self.shares]

    def _respond(self) -> RowBlock:
        return dirichlet_rows

    def _extra(self) -> np.ndarray:
        return np.ascontiguousarray(np.log(self.rows.response).T)

    def _shape(self) -> Sequence[float]:
        return (float(self.information == "expected"),)

    def _settings(self) -> dict[str, Any]:
        return {"shares": list(self.shares), "information": self.information}

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """Constant shapes that match the means, and the variances all together."""
        y, weights = self.rows.response, self.rows.prior_weights
        mean = np.average(y, axis=0, weights=weights)
        variance = np.average((y - mean) ** 2, axis=0, weights=weights)
        precision = max(float((mean * (1.0 - mean)).sum() / variance.sum()) - 1.0, 0.1)
        return np.concatenate(
            [self._constant_on(0, float(np.log(m * precision)), column_info) for m in mean]
        )
