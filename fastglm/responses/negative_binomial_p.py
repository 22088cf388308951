"""Negative binomial regression with a choice of variance: NB1, NB2 and any other power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastglm.errors import DataError, ModelError, Status
from fastglm.families import Poisson
from fastglm.kernels.jit import RowBlock
from fastglm.kernels.planes import LOG_LIKELIHOOD, MEAN
from fastglm.responses.count_rows import negative_binomial_p_rows
from fastglm.responses.model import ResponseModel
from fastglm.responses.residuals import Tails, negative_binomial_tails
from fastglm.responses.results import Block, ResponseResults
from fastglm.responses.rows import JointRows, read_arrays, read_formulas
from fastglm.solve.ascent import JointSolution
from fastglm.solve.examine import Columns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.rows import evaluate_rows

__all__ = ["NegativeBinomialP", "NegativeBinomialPResults"]

#: Logarithm of a variance over a Poisson one, less 1, that may be on its way to zero.
LOG_SMALL_EXCESS = -7.0


@dataclass(frozen=True, eq=False, repr=False)
class NegativeBinomialPResults(ResponseResults):
    """A fitted negative binomial regression: coefficients of the mean, then of log alpha.

    `predict` gives "mean", "alpha", or "variance", of the response, (n,).
    """

    kind: ClassVar[str] = "NegativeBinomialP"
    title: ClassVar[str] = "Negative Binomial Regression Results"
    takes_exposure: ClassVar[bool] = True
    predictions: ClassVar[tuple[str, ...]] = ("mean", "alpha", "variance")

    @property
    def power(self) -> float:
        """The power of the mean in the variance."""
        return float(self.settings["power"])

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        header = super().header()
        header[2] = ("Variance", f"mu + alpha mu^{self.power:g}")
        return header

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        if which == "alpha":
            return np.exp(etas[1]), []
        mean, variance = self._moments(etas)
        return (mean if which == "mean" else variance), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, alpha = np.exp(etas)
        return mean, mean + alpha * mean**self.power

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        mean, alpha = np.exp(etas)
        alpha = alpha * mean ** (self.power - 2.0)
        below = negative_binomial_tails(response - 1.0, mean, alpha)
        return negative_binomial_tails(response, mean, alpha), below


class NegativeBinomialP(ResponseModel):
    """Counts of mean mu = exp(x'b) and variance mu + alpha mu**power, alpha = exp(z'c).

    Parameters
    ----------
    endog : array_like, shape (n,)
        Counts.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns of the mean, taken as they are.
    dispersion : array_like or data frame, shape (n, k), optional
        Columns of log alpha; by default it is a constant.
    power : float, default 1
        1 is NB1, 2 is NB2.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of the mean. An ``offset()`` in the formula of the
        dispersion is added to log alpha.
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
        If `power` is not a finite number.

    See Also
    --------
    fastglm.families.NegativeBinomial : NB2 with one alpha, as a GLM with any link.

    Notes
    -----
    Greene (2008), "Functional forms for the negative binomial model for count data". Standard
    errors are from the observed information. Where counts vary no more than Poisson counts, and
    alpha is a constant, it is 0 on the boundary: its logarithm is -inf, the other coefficients are
    those of a Poisson fit, and a `BoundaryWarning` says so.
    """

    results_class = NegativeBinomialPResults
    at_boundary = (
        "The counts vary no more than Poisson counts would: alpha is 0, on the boundary, and the "
        "fit is that of the Poisson family."
    )

    def __init__(
        self,
        endog: Any,
        exog: Any,
        dispersion: Any = None,
        power: float = 1.0,
        offset: Any = None,
        freq_weights: Any = None,
        *,
        exposure: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ):
        exogs = {"exog": exog, "dispersion": dispersion}
        columns = {
            "freq_weights": freq_weights,
            "var_weights": var_weights,
            "offset": offset,
            "exposure": exposure,
        }
        self._take(read_arrays(endog, exogs, columns, missing), power)

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        dispersion: str | None = None,
        power: float = 1.0,
        offset: Any = None,
        freq_weights: Any = None,
        *,
        exposure: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ) -> NegativeBinomialP:
        """A model given as formulas and a data frame.

        Parameters
        ----------
        formula : str
            Response and mean.
        data : data frame
        dispersion : str, optional
            Formula of log alpha, ``"~ z"``; by default it is a constant.
        power, missing
            As for `NegativeBinomialP`.
        offset, exposure, freq_weights, var_weights : str or array_like, optional
            As for `NegativeBinomialP`, or the name of a column.
        """
        model = cls.__new__(cls)
        columns = {
            "freq_weights": freq_weights,
            "var_weights": var_weights,
            "offset": offset,
            "exposure": exposure,
        }
        model._take(read_formulas(formula, (dispersion,), data, columns, missing), power)
        model.formula = formula
        return model

    def _take(self, rows: JointRows, power: float) -> None:
        if not np.isfinite(power):
            raise ModelError(f"power must be a finite number, not {power!r}")
        if not rows.counts().any():
            raise DataError("every response is zero: there is nothing to estimate.")
        self.rows, self.power = rows, float(power)

    def _predictors(self) -> list[tuple[str, int]]:
        return [("", 0), ("log(alpha)-", 1)]

    def _respond(self) -> RowBlock:
        return negative_binomial_p_rows

    def _shape(self) -> Sequence[float]:
        return (self.power,)

    def _settings(self) -> dict[str, Any]:
        return {"power": self.power, "exogs": ["dispersion"]}

    def _estimate(
        self,
        blocks: Sequence[Block],
        found: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> JointSolution:
        solution = super()._estimate(blocks, found, start, options)
        log_alpha = solution.params[blocks[1].start :]
        if self.rows.designs[1].n_columns > 1 or found[1].constant is None:
            return solution
        # An alpha this small, or none, may be on the way to zero.
        excess = log_alpha[0] + (self.power - 1.0) * np.log(self.rows.response.mean())
        if solution.status == Status.CONVERGED and excess > LOG_SMALL_EXCESS:
            return solution
        return self._poisson_boundary(solution, options) or solution

    def _poisson_boundary(
        self, solution: JointSolution, options: SolverOptions
    ) -> JointSolution | None:
        """The Poisson fit, if the likelihood falls from there on as alpha rises."""
        rows = self.rows
        layout = rows.layout(0)
        fit = solve(layout, Poisson(), options, safe_mean=lambda: rows.mean_response)
        mean, terms = evaluate_rows(
            layout, Poisson(), fit.params, (MEAN, LOG_LIKELIHOOD), n_threads=options.n_threads
        )
        times = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
        excess = ((rows.response - mean) ** 2 - rows.response) * mean ** (self.power - 2.0)
        if rows.offsets[1] is not None:
            excess = excess * np.exp(rows.offsets[1])
        if fit.status != Status.CONVERGED or times @ excess > 0.0:
            return None
        m = fit.params.size + 1
        covariance = np.full((m, m), np.nan)
        covariance[:-1, :-1] = fit.information_inverse
        return replace(
            solution,
            params=np.append(fit.params, -np.inf),
            covariance=covariance,
            log_likelihood=float(terms @ times),
            status=Status.BOUNDARY,
        )

    def _start(self, blocks: Sequence[Block], found: Sequence[Columns]) -> np.ndarray:
        """A Poisson fit, and the alpha that its Pearson statistic speaks for."""
        rows = self.rows
        options, mean = SolverOptions(tol=1e-4), rows.mean_response
        fit = solve(rows.layout(0), Poisson(), options, safe_mean=lambda: mean)
        excess = max(fit.pearson_chi2 / rows.sum_weights - 1.0, 0.05)
        log_alpha = np.log(excess) - (self.power - 1.0) * np.log(mean)
        return np.concatenate(
            [np.nan_to_num(fit.params), self._constant_on(1, float(log_alpha), found)]
        )
