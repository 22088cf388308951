"""Negative binomial regression with a choice of variance: NB1, NB2 and any other power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastglm.errors import DataError, ModelError, Status
from fastglm.families import Poisson
from fastglm.families.members.negative_binomial import negative_binomial_distribution
from fastglm.kernels.blocks.row_buffers import LOG_LIKELIHOOD
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.responses.count_density import log_count_density
from fastglm.responses.log_likelihoods.count_rows import negative_binomial_p_rows
from fastglm.responses.model import ResponseModel
from fastglm.responses.models.count_boundaries import (
    LOG_SMALL_EXCESS,
    NO_ALPHA,
    alpha_slope,
    no_alpha_in,
    without_parameter,
)
from fastglm.responses.record import PredictorBlock
from fastglm.responses.residuals import Tails
from fastglm.responses.results import ResponseResults
from fastglm.responses.separation import Part, part_of_design
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.rank_and_scaling import Columns
from fastglm.solve.several_predictors import PredictorSolution

__all__ = ["NegativeBinomialP", "NegativeBinomialPResults"]

#: Logarithm of a variance over a Poisson one, less 1, that is on its way to zero in a row.
LOG_NO_EXCESS = -14.0


@dataclass(frozen=True, eq=False, repr=False)
class NegativeBinomialPResults(ResponseResults):
    """A fitted negative binomial regression: coefficients of the mean, then of log alpha.

    `predict` gives "mean", "alpha", or "variance", of the response, (n,).
    """

    kind: ClassVar[str] = "NegativeBinomialP"
    title: ClassVar[str] = "Negative Binomial Regression Results"
    takes_exposure: ClassVar[bool] = True
    predictions: ClassVar[tuple[str, ...]] = ("mean", "alpha", "variance")

    def _ratio_of(self, component: str) -> str | None:
        return "rate ratio" if component == self.first_component else "ratio of alphas"

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

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        mean, alpha = np.exp(etas)
        return log_count_density(response, mean, alpha * mean ** (self.power - 2.0))

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        mean, alpha = np.exp(etas)
        counts = negative_binomial_distribution(alpha * mean ** (self.power - 2.0))
        return counts.drawn(mean, np.ones_like(mean), generator).astype(np.float64)

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        mean, alpha = np.exp(etas)
        one = np.ones_like(mean)
        counts = negative_binomial_distribution(alpha * mean ** (self.power - 2.0))
        return counts.tails(response, mean, one), counts.tails_below(response, mean, one)


class NegativeBinomialP(ResponseModel[NegativeBinomialPResults]):
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

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": [0, 7, 1, 0, 12, 3, 9, 0], "x": [0, 1, 0, 1, 2, 2, 3, 3]}
    >>> fg.NegativeBinomialP.from_formula("y ~ x", data).fit().names
    ('Intercept', 'x', 'log(alpha)-Intercept')
    """

    results_class = NegativeBinomialPResults

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
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        self._take(self._read(endog, exogs, columns, missing), power)

    @classmethod
    def of_rows(cls, rows: ModelRows, power: float) -> NegativeBinomialP:
        """The model of rows that are read already, with designs of the mean and of log alpha."""
        model = cls.__new__(cls)
        model._take(rows, power)
        return model

    def _take(self, rows: ModelRows, power: float) -> None:
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
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> PredictorSolution:
        solution = super()._estimate(blocks, column_info, start, options)
        log_alpha = solution.params[blocks[1].start :]
        if self.rows.designs[1].n_columns > 1 or column_info[1].constant is None:
            return solution
        # An alpha this small, or none, may be on the way to zero.
        excess = log_alpha[0] + (self.power - 1.0) * np.log(self.rows.response.mean())
        if solution.status == Status.CONVERGED and excess > LOG_SMALL_EXCESS:
            return solution
        return self._poisson_boundary(solution, blocks, options) or solution

    def _poisson_boundary(
        self, solution: PredictorSolution, blocks: Sequence[PredictorBlock], options: SolverOptions
    ) -> PredictorSolution | None:
        """The Poisson fit, if the likelihood falls from there on as alpha rises."""
        rows, reduced = self.rows, self.poisson_fit(options)
        mean = np.exp(self._etas(blocks[:1], reduced.params, options.n_threads)[0])
        slopes = alpha_slope(rows.response, mean) * mean ** (self.power - 2.0)
        if rows.offsets[1] is not None:
            slopes = slopes * np.exp(rows.offsets[1])
        slope = rows.weighted_sum(slopes)
        return without_parameter(solution, reduced, blocks[1].start, slope, NO_ALPHA)

    def poisson_fit(self, options: SolverOptions) -> PredictorSolution:
        """The fit with alpha 0, of nothing but the coefficients of the mean."""
        rows, row_table = self.rows, self.rows.row_table(0)
        fit = solve(row_table, Poisson(), options, safe_mean=lambda: rows.mean_response)
        alike = build_row_table(rows.designs[0], rows.response, None, rows.offsets[0])
        (terms,) = evaluate_rows(
            alike, Poisson(), fit.params, (LOG_LIKELIHOOD,), n_threads=options.n_threads
        )
        return PredictorSolution(
            params=fit.params,
            covariance=fit.information_inverse,
            log_likelihood=rows.weighted_sum(terms),
            n_iter=fit.n_iter,
            n_sweeps=fit.n_sweeps,
            status=fit.status,
            numerical_error=fit.numerical_error,
        )

    def _boundary_of_rows(
        self, blocks: Sequence[PredictorBlock], solution: PredictorSolution, n_threads: int
    ) -> str:
        etas = self._etas(blocks, solution.params, n_threads)
        n = int(np.count_nonzero(etas[1] + (self.power - 1.0) * etas[0] < LOG_NO_EXCESS))
        return no_alpha_in(n) if n else ""

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        # A count of zero gains as its mean falls.
        y, first = self.rows.response, slice(blocks[0].start, blocks[0].stop)
        side, counts = np.where(y == 0.0, -1, 0), np.ones(y.size, dtype=bool)
        yield part_of_design(first, self.rows.designs[0], side, counts, n_threads)

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """A Poisson fit, and the alpha that its Pearson statistic speaks for."""
        rows = self.rows
        options, mean = SolverOptions(tol=1e-4), rows.mean_response
        fit = solve(rows.row_table(0), Poisson(), options, safe_mean=lambda: mean)
        excess = max(fit.pearson_chi2 / rows.sum_weights - 1.0, 0.05)
        log_alpha = np.log(excess) - (self.power - 1.0) * np.log(mean)
        return np.concatenate(
            [np.nan_to_num(fit.params), self._constant_on(1, float(log_alpha), column_info)]
        )
