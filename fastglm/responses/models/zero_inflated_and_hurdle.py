"""Counts with a model of their own for the zeros: zero-inflated and hurdle regression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar

import numpy as np

from fastglm.errors import DataError, ModelError, Status
from fastglm.families import Binomial, Poisson
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.responses.log_likelihoods.count_rows import HURDLE_ROWS, ZERO_INFLATED_ROWS
from fastglm.responses.model import R, ResponseModel
from fastglm.responses.models.count_boundaries import (
    LOG_SMALL_EXCESS,
    NO_ALPHA,
    NO_INFLATION,
    SMALL_LOG_ODDS,
    alpha_slope_of_hurdle,
    alpha_slope_of_zero_inflated,
    inflation_slope,
    no_inflation_in,
    without_parameter,
)
from fastglm.responses.models.negative_binomial_p import NegativeBinomialP
from fastglm.responses.models.zero_results import (
    HurdleResults,
    ZeroInflatedResults,
    estimates_alpha,
    log_zero_count,
)
from fastglm.responses.record import PredictorBlock
from fastglm.responses.separation import Part, part_of_design
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.rank_and_scaling import Columns
from fastglm.solve.several_predictors import PredictorSolution

__all__ = ["Hurdle", "HurdleResults", "ZeroInflated", "ZeroInflatedResults"]

#: Log odds of extra zeros that are on their way to minus infinity in a row.
LOG_NO_INFLATION = -14.0


class _CountModel(ResponseModel[R]):
    """Base of both models: reading, names and starting values."""

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
        dispersion: Any = None,
    ):
        exogs = {"exog": exog, "zeros": zeros}
        if dispersion is not None:
            exogs["dispersion"] = dispersion
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        self._take(self._read(endog, exogs, columns, missing), family)

    def _take(self, rows: ModelRows, family: str) -> None:
        if family not in self.respond_rows:
            raise ModelError(
                f"family must be one of {', '.join(self.respond_rows)}, not {family!r}"
            )
        y = rows.counts()
        if (y > 0.0).all() or not y.any():
            raise DataError("the response needs zeros and positive counts.")
        self.family, self.has_columns_of_alpha = family, len(rows.designs) > 2
        if estimates_alpha(family) and not self.has_columns_of_alpha:
            rows = rows.with_constant_design()
        elif self.has_columns_of_alpha and not estimates_alpha(family):
            raise ModelError(f"dispersion= is for family='negative_binomial', not {family!r}.")
        self.rows = rows

    def _predictors(self) -> list[tuple[str, int]]:
        name = "log(alpha)-" if self.has_columns_of_alpha else "log(alpha)"
        alpha = [(name, 2)] if estimates_alpha(self.family) else []
        return [("", 0), ("zero-", 1), *alpha]

    def _names(
        self, blocks: Sequence[PredictorBlock], columns: Sequence[Sequence[str]]
    ) -> list[str]:
        if self.has_columns_of_alpha or len(blocks) < 3:
            return super()._names(blocks, columns)
        return [*super()._names(blocks[:2], columns), "log(alpha)"]

    def _respond(self) -> RowBlock:
        return self.respond_rows[self.family]

    def _settings(self) -> dict[str, Any]:
        dispersion = ["dispersion"] if self.has_columns_of_alpha else []
        return {"family": self.family, "exogs": ["zeros", *dispersion]}

    def _estimate(
        self,
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> PredictorSolution:
        solution = super()._estimate(blocks, column_info, start, options)
        return self._at_boundary(solution, blocks, column_info, options) or solution

    def _at_boundary(
        self,
        solution: PredictorSolution,
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        options: SolverOptions,
    ) -> PredictorSolution | None:
        """The fit without alpha, if its likelihood falls from there on as alpha rises."""
        rows = self.rows
        if self.family == "poisson" or not self._is_constant(2, column_info):
            return None
        excess = solution.params[-1] + np.log(rows.mean_response)
        if solution.status == Status.CONVERGED and excess > LOG_SMALL_EXCESS:
            return None
        poisson = copy(self)
        poisson.family = "poisson"
        poisson.rows = rows.with_designs(0, 1)
        reduced = poisson._estimate(blocks[:2], column_info[:2], None, options)
        etas = self._etas(blocks[:2], reduced.params, options.n_threads)
        slope = rows.weighted_sum(self._alpha_slope(rows.response, etas))
        return without_parameter(solution, reduced, blocks[2].start, slope, NO_ALPHA)

    def _is_constant(self, design: int, column_info: Sequence[Columns]) -> bool:
        """Whether a design is an intercept alone."""
        of_design = column_info[design].constant
        return self.rows.designs[design].n_columns == 1 and of_design is not None

    def _alpha_slope(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        """Derivative of each row's log-likelihood in alpha, at 0, (n,)."""
        raise NotImplementedError

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """A Poisson fit of the counts, a logistic fit of the zeros, and alpha = 1."""
        rows, quick = self.rows, SolverOptions(tol=1e-4, max_iter=10)
        counts = solve(rows.row_table(0), Poisson(), quick, safe_mean=lambda: rows.mean_response)
        one = (rows.response == 0.0) if self.models_zero else (rows.response > 0.0)
        zeros = solve(rows.row_table(1, one.astype(np.float64)), Binomial(), quick, binary=True)
        alpha = [self._constant_on(2, 0.0, column_info)] if len(blocks) > 2 else []
        return np.nan_to_num(np.concatenate([counts.params, zeros.params, *alpha]))


class ZeroInflated(_CountModel[ZeroInflatedResults]):
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
    dispersion : array_like or data frame, shape (n, k), optional
        Columns of the logarithm of alpha, with family "negative_binomial"; by default alpha is a
        constant.

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

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": [0, 0, 1, 4, 2, 0, 3, 5], "x": [0, 1, 0, 3, 2, 2, 3, 1]}
    >>> fg.ZeroInflated.from_formula("y ~ 1", data).fit().names
    ('Intercept', 'zero-Intercept')
    """

    results_class = ZeroInflatedResults
    respond_rows = ZERO_INFLATED_ROWS
    models_zero = True

    def _alpha_slope(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        return alpha_slope_of_zero_inflated(response, etas)

    def _at_boundary(
        self,
        solution: PredictorSolution,
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        options: SolverOptions,
    ) -> PredictorSolution | None:
        at_boundary = super()._at_boundary(solution, blocks, column_info, options)
        if at_boundary is not None or not self._is_constant(1, column_info):
            return at_boundary
        rows, zeros = self.rows, blocks[1]
        if solution.status == Status.CONVERGED and solution.params[zeros.start] > SMALL_LOG_ODDS:
            return None
        reduced, alpha = self._counts_alone(options)
        mean = np.exp(self._etas(blocks[:1], reduced.params, options.n_threads)[0])
        log_zero = log_zero_count(mean, alpha)
        slopes = inflation_slope(rows.response, log_zero)
        if rows.offsets[1] is not None:
            slopes = slopes * np.exp(rows.offsets[1])
        slope = rows.weighted_sum(slopes)
        return without_parameter(solution, reduced, zeros.start, slope, NO_INFLATION)

    def _counts_alone(self, options: SolverOptions) -> tuple[PredictorSolution, np.ndarray]:
        """The fit of all counts without extra zeros, and its alpha in every row, (n,)."""
        if self.family == "poisson":
            alone = NegativeBinomialP.of_rows(self.rows.with_designs(0, 1), power=2.0)
            return alone.poisson_fit(options), np.zeros(self.rows.n_rows)
        alone = NegativeBinomialP.of_rows(self.rows.with_designs(0, 2), power=2.0)
        blocks, column_info = alone._blocks(), alone._rank_and_scaling(options.n_threads)
        solution = alone._estimate(blocks, column_info, None, options)
        return solution, np.exp(alone._etas(blocks, solution.params, options.n_threads)[1])

    def _boundary_of_rows(
        self, blocks: Sequence[PredictorBlock], solution: PredictorSolution, n_threads: int
    ) -> str:
        etas = self._etas(blocks, solution.params, n_threads)
        n = int(np.count_nonzero(etas[1] < LOG_NO_INFLATION))
        return no_inflation_in(n) if n else ""

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        # A zero gains as the count's mean falls, and as an extra zero becomes more likely.
        rows, is_zero = self.rows, self.rows.response == 0.0
        every = np.ones(rows.n_rows, dtype=bool)
        for block, side in zip(
            blocks[:2], (np.where(is_zero, -1, 0), np.where(is_zero, 1, -1)), strict=True
        ):
            own = slice(block.start, block.stop)
            yield part_of_design(own, rows.designs[block.design], side, every, n_threads)


class Hurdle(_CountModel[HurdleResults]):
    """Hurdle counts: positive with probability logistic(z'c), then a count without its zeros.

    Parameters
    ----------
    endog, exog, family, offset, exposure, freq_weights, var_weights, missing, dispersion
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

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": [0, 0, 1, 4, 2, 0, 3, 1], "x": [0, 1, 0, 3, 2, 2, 3, 1]}
    >>> fg.Hurdle.from_formula("y ~ x", data).fit().names
    ('Intercept', 'x', 'zero-Intercept')
    """

    results_class = HurdleResults
    respond_rows = HURDLE_ROWS
    models_zero = False

    def _alpha_slope(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        return alpha_slope_of_hurdle(response, etas)

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        # A positive count of one gains as the mean before the cut falls; other counts bear no
        # change. Zeros do not depend on it.
        rows, y = self.rows, self.rows.response
        sides = np.where(y == 1.0, -1, 0), np.where(y > 0.0, 1, -1)
        for block, side, counts in zip(blocks[:2], sides, (y > 0.0, y >= 0.0), strict=True):
            own = slice(block.start, block.stop)
            yield part_of_design(own, rows.designs[block.design], side, counts, n_threads)
