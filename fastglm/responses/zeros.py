"""Counts with a model of their own for the zeros: zero-inflated and hurdle regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from fastglm.errors import DataError, ModelError
from fastglm.families import Binomial, Poisson
from fastglm.kernels.jit import RowBlock
from fastglm.responses.count_rows import HURDLE_ROWS, ZERO_INFLATED_ROWS
from fastglm.responses.model import ResponseModel
from fastglm.responses.residuals import Tails, negative_binomial_tails
from fastglm.responses.results import Block, ResponseResults
from fastglm.responses.rows import JointRows, read_arrays, read_formulas
from fastglm.solve.examine import Columns
from fastglm.solve.fit import SolverOptions, solve

__all__ = ["Hurdle", "HurdleResults", "ZeroInflated", "ZeroInflatedResults"]


class _CountResults(ResponseResults):
    """What both kinds of results share; the coefficients of the count, of the zeros, log alpha."""

    takes_exposure: ClassVar[bool] = True
    predictions: ClassVar[tuple[str, ...]] = ("mean", "prob-zero", "mean-count")

    @property
    def alpha(self) -> float:
        """The negative binomial's alpha; 0 for Poisson counts."""
        has_alpha = self.settings["family"] == "negative_binomial"
        return float(np.exp(self.estimates[-1])) if has_alpha else 0.0

    @property
    def alpha_se(self) -> float:
        """Standard error of `alpha`, by the delta method."""
        return self.alpha * float(self.standard_errors[-1]) if self.alpha else float("nan")

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        header = super().header()
        header[2] = ("Counts", self.settings["family"])
        return header

    def notes(self) -> list[str]:
        """Alpha itself, beside its logarithm in the table."""
        return [f"alpha = {self.alpha:.6g} (std err {self.alpha_se:.4g})."] if self.alpha else []

    def _raw_moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of counts of the count distribution, and of their squares."""
        mean = np.exp(etas[0])
        return mean, mean + (1.0 + self.alpha) * mean**2

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        return self._tails_at(response, etas), self._tails_at(response - 1.0, etas)

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        """Tails at counts from -1 on."""
        raise NotImplementedError

    def _count(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the count distribution, and the logarithm of its probability of zero."""
        mean = np.exp(etas[0])
        return mean, -np.log1p(self.alpha * mean) / self.alpha if self.alpha else -mean


@dataclass(frozen=True, eq=False, repr=False)
class ZeroInflatedResults(_CountResults):
    """A fitted zero-inflated regression.

    `predict` gives "mean", the mean of the response, "prob-zero", the probability that it is zero,
    or "mean-count", the mean of the count distribution alone.
    """

    kind: ClassVar[str] = "ZeroInflated"
    title: ClassVar[str] = "Zero-Inflated Regression Results"

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        mean, log_zero = self._count(etas)
        rest = special.expit(-etas[1])
        if which == "prob-zero":
            return special.expit(etas[1]) + rest * np.exp(log_zero), []
        return (mean if which == "mean-count" else rest * mean), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, square = self._raw_moments(etas)
        rest = special.expit(-etas[1])
        return rest * mean, rest * square - (rest * mean) ** 2

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        rest = special.expit(-etas[1])
        lower, upper = negative_binomial_tails(count, np.exp(etas[0]), self.alpha)
        inflated = np.where(count < 0.0, 0.0, special.expit(etas[1]))
        return inflated + rest * lower, np.where(count < 0.0, 1.0, rest * upper)


@dataclass(frozen=True, eq=False, repr=False)
class HurdleResults(_CountResults):
    """A fitted hurdle regression.

    `predict` gives "mean", the mean of the response, "prob-zero", the probability that it is zero,
    or "mean-count", the mean of the count distribution before its zeros are cut off.
    """

    kind: ClassVar[str] = "Hurdle"
    title: ClassVar[str] = "Hurdle Regression Results"

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        mean, log_zero = self._count(etas)
        if which == "prob-zero":
            return special.expit(-etas[1]), []
        if which == "mean-count":
            return mean, []
        return special.expit(etas[1]) * mean / -np.expm1(log_zero), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, square = self._raw_moments(etas)
        share = special.expit(etas[1]) / -np.expm1(self._count(etas)[1])
        return share * mean, share * square - (share * mean) ** 2

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        mean, log_zero = self._count(etas)
        share = special.expit(etas[1]) / -np.expm1(log_zero)
        lower, upper = negative_binomial_tails(count, mean, self.alpha)
        zero = np.where(count < 0.0, 0.0, special.expit(-etas[1]))
        positive = share * np.maximum(lower - np.exp(log_zero), 0.0)
        return zero + positive, np.where(count < 0.0, 1.0, share * upper)


class _CountModel(ResponseModel):
    """What both models share: reading, names and starting values."""

    respond_rows: ClassVar[Mapping[str, RowBlock]]
    #: Whether the zero part models a zero, or a positive count.
    models_zero: ClassVar[bool]

    def __init__(
        self,
        endog: Any,
        exog: Any,
        zeros: Any = None,
        family: str = "poisson",
        offset: Any = None,
        freq_weights: Any = None,
        *,
        exposure: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ):
        exogs = {"exog": exog, "zeros": zeros}
        columns = {
            "freq_weights": freq_weights,
            "var_weights": var_weights,
            "offset": offset,
            "exposure": exposure,
        }
        self._take(read_arrays(endog, exogs, columns, missing), family)

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        zeros: str | None = None,
        family: str = "poisson",
        offset: Any = None,
        freq_weights: Any = None,
        *,
        exposure: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ) -> Any:
        """A model given as formulas and a data frame.

        Parameters
        ----------
        formula : str
            Response and mean of the counts.
        data : data frame
        zeros : str, optional
            Formula of the zero part, ``"~ z"``; by default it is a constant.
        family, missing
            As for the class.
        offset, exposure, freq_weights, var_weights : str or array_like, optional
            As for the class, or the name of a column.
        """
        model = cls.__new__(cls)
        columns = {
            "freq_weights": freq_weights,
            "var_weights": var_weights,
            "offset": offset,
            "exposure": exposure,
        }
        model._take(read_formulas(formula, (zeros,), data, columns, missing), family)
        model.formula = formula
        return model

    def _take(self, rows: JointRows, family: str) -> None:
        if family not in self.respond_rows:
            raise ModelError(
                f"family must be one of {', '.join(self.respond_rows)}, not {family!r}"
            )
        y = rows.counts()
        if (y > 0.0).all() or not y.any():
            raise DataError("the response needs zeros and positive counts.")
        self.family = family
        if family == "negative_binomial":
            rows = rows.with_constant_design()
        self.rows = rows

    def _predictors(self) -> list[tuple[str, int]]:
        alpha = [("log(alpha)", 2)] if self.family == "negative_binomial" else []
        return [("", 0), ("zero-", 1), *alpha]

    def _names(self, blocks: Sequence[Block], columns: Sequence[Sequence[str]]) -> list[str]:
        names = super()._names(blocks[:2], columns)
        return [*names, "log(alpha)"] if len(blocks) > 2 else names

    def _respond(self) -> RowBlock:
        return self.respond_rows[self.family]

    def _settings(self) -> dict[str, Any]:
        return {"family": self.family, "exogs": ["zeros"]}

    def _start(self, blocks: Sequence[Block], found: Sequence[Columns]) -> np.ndarray:
        """A Poisson fit of the counts, a logistic fit of the zeros, and alpha = 1."""
        rows, quick = self.rows, SolverOptions(tol=1e-4, max_iter=10)
        counts = solve(rows.layout(0), Poisson(), quick, safe_mean=lambda: rows.mean_response)
        one = (rows.response == 0.0) if self.models_zero else (rows.response > 0.0)
        zeros = solve(rows.layout(1, one.astype(np.float64)), Binomial(), quick, binary=True)
        alpha = np.zeros(len(blocks) - 2)
        return np.nan_to_num(np.concatenate([counts.params, zeros.params, alpha]))


class ZeroInflated(_CountModel):
    """Zero-inflated counts: zero with probability logistic(z'c), else a count of mean exp(x'b).

    Parameters
    ----------
    endog : array_like, shape (n,)
        Counts, some of them zero.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns of the counts, taken as they are.
    zeros : array_like or data frame, shape (n, k), optional
        Columns of the inflation; by default it is a constant.
    family : {"poisson", "negative_binomial"}, default "poisson"
        Distribution of the counts; the negative binomial's alpha is estimated.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of the counts. An ``offset()`` in the formula of the zeros
        enters theirs.
    exposure : array_like, shape (n,), optional
        Its logarithm is added to that linear predictor.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows.
    var_weights : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as R's ``weights``.
    missing : {"raise", "drop"}, default "raise"

    Raises
    ------
    DataError
        If anything in the data cannot be used.
    ModelError
        If there is no such family.

    Notes
    -----
    Lambert (1992), "Zero-inflated Poisson regression, with an application to defects in
    manufacturing"; Zeileis, Kleiber & Jackman (2008), "Regression models for count data in R": the
    theta of its ``zeroinfl`` is 1/alpha.
    """

    results_class = ZeroInflatedResults
    respond_rows = ZERO_INFLATED_ROWS
    models_zero = True


class Hurdle(_CountModel):
    """Hurdle counts: positive with probability logistic(z'c), then a count without its zeros.

    Parameters
    ----------
    endog, exog, family, offset, exposure, freq_weights, var_weights, missing
        As for `ZeroInflated`.
    zeros : array_like or data frame, shape (n, k), optional
        Columns of the hurdle, the log odds of a positive count; by default it is a constant.

    Raises
    ------
    DataError
        If anything in the data cannot be used.
    ModelError
        If there is no such family.

    Notes
    -----
    Mullahy (1986); Zeileis, Kleiber & Jackman (2008), "Regression models for count data in R".
    """

    results_class = HurdleResults
    respond_rows = HURDLE_ROWS
    models_zero = False
