"""Newton's method for models with several linear predictors that may share coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastglm.errors import Status
from fastglm.kernels.math.cholesky import factorize_and_solve, invert, solve_factored
from fastglm.passes.several_predictors import LinearPredictors, PredictorSums
from fastglm.solve.conditioning import cholesky_error, inflation_of_inverse
from fastglm.solve.deviance_units import unit_of_weights
from fastglm.solve.newton.constants import (
    MAX_CONTRACTION,
    MAX_REUSE_CONTRACTION,
    PREDICTED_SHARE,
    STANDARD_ERROR_SLACK,
)
from fastglm.solve.newton.run import SolverOptions
from fastglm.solve.remaining_weight_change import variance_change

__all__ = ["PredictorSolution", "newton_maximize"]

#: A negative second derivative that is smaller than this share of the diagonal counts as zero.
RANK_TOLERANCE = 1e-12
SHORTEST_STEP = 2.0**-30
#: Limits of half the Newton decrement, relative to twice the log-likelihood, between which a step
#: reuses the information of the previous one, if computing it is costly.
KEEP_BELOW, KEEP_ABOVE = 1e-2, 1e-9
#: Weights of several predictors are sums and differences of products, whose roundings add to those
#: of the Gram matrix: at most 3.6 times, measured with condition numbers of 1e2 to 1e5.
WEIGHT_ROUNDINGS = 8.0
#: A rise of the log-likelihood by less than this share of it is rounding.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class PredictorSolution:
    """A maximum of the log-likelihood, or the best point reached.

    Attributes
    ----------
    params : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
        Inverse of the information at `params`.
    log_likelihood : float
    n_iter, n_sweeps : int
    status : Status
    contraction : float
        Half the decrement of a step over that of the step before, the larger of the last two; NaN
        where there was but one step.
    half_decrement : float
        Half the decrement of the last step, for weights of about one: over `unit`.
    unit : float
        Of the weights.
    boundary : str
        Sentence that names what lies on the boundary of the domain; empty if nothing does.
    numerical_error : float
        Bound on the relative error of standard errors by rounding.
    """

    params: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    n_iter: int
    n_sweeps: int
    status: Status
    contraction: float = math.nan
    half_decrement: float = math.nan
    boundary: str = ""
    numerical_error: float = math.nan
    unit: float = 1.0


class _NewtonDirections:
    """Directions by the factor of an information matrix, and its inverse."""

    def __init__(self, m: int):
        self.factor, self.scale, self.pivot = np.zeros((m, m)), np.zeros(m), np.zeros(m)

    def of_current_information(self, sums: PredictorSums) -> np.ndarray:
        """Newton direction; the modified one where the information is not positive definite."""
        step = np.empty_like(sums.score)
        failed = factorize_and_solve(
            sums.information,
            sums.score,
            self.factor,
            self.scale,
            self.pivot,
            RANK_TOLERANCE,
            step,
        )
        return step if failed == 0 else modified_newton_direction(sums)

    def of_last_information(self, sums: PredictorSums) -> np.ndarray:
        """Direction for a new score by the factor of the last information matrix."""
        step = np.empty_like(sums.score)
        solve_factored(self.factor, self.scale, self.pivot, sums.score, step)
        return step

    def inverse(self) -> np.ndarray:
        """Inverse of the last information matrix."""
        inverse, work = np.empty_like(self.factor), np.empty_like(self.factor)
        invert(self.factor, self.scale, self.pivot, inverse, work)
        return inverse

    @property
    def is_definite(self) -> bool:
        """Whether the last information matrix was positive definite."""
        return bool((self.pivot > 0.0).all())


def modified_newton_direction(sums: PredictorSums) -> np.ndarray:
    """Ascent direction: the information, scaled to unit diagonal, by its absolute eigenvalues."""
    diagonal = np.abs(np.diag(sums.information))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(sums.information * scale * scale[:, None])
    positive = np.maximum(np.abs(values), 1e-4 * np.abs(values).max())
    return scale * (vectors @ ((vectors.T @ (scale * sums.score)) / positive))


def newton_maximize(
    system: LinearPredictors,
    start: np.ndarray,
    options: SolverOptions,
    abort_on_halving: bool = False,
) -> PredictorSolution:
    """Maximise the log-likelihood by Newton's method with step halving.

    Parameters
    ----------
    system
        The log-likelihood and its derivatives.
    start
        (m,) coefficients inside the domain.
    options
        Tolerance on half the Newton decrement, relative to twice the log-likelihood; most steps.
    abort_on_halving
        Whether to stop at the first step that must be shortened: `start` was not close.

    Returns
    -------
    PredictorSolution
        Also where the fit did not converge: its status says why.
    """
    iterations = _NewtonIterations(system, start.astype(np.float64), options, abort_on_halving)
    status = iterations.run()
    m, directions = start.size, iterations.directions
    known = directions.is_definite and status in (Status.CONVERGED, Status.MAX_ITERATIONS)
    covariance = directions.inverse() if known else np.full((m, m), np.nan)
    information = np.diag(iterations.sums.information)
    return PredictorSolution(
        params=iterations.params,
        covariance=covariance / iterations.unit,
        log_likelihood=iterations.sums.log_likelihood * iterations.unit,
        n_iter=iterations.n_iter,
        n_sweeps=iterations.n_sweeps,
        status=status,
        # The larger of the last two: rounding may make the last one small.
        contraction=max(iterations.contractions[-2:], default=math.nan),
        half_decrement=iterations.half_decrement,
        unit=iterations.unit,
        numerical_error=WEIGHT_ROUNDINGS
        * cholesky_error(inflation_of_inverse(covariance, information)),
    )


class _NewtonIterations:
    """State of the iterations: coefficients, and log-likelihood and derivatives there."""

    def __init__(
        self,
        system: LinearPredictors,
        params: np.ndarray,
        options: SolverOptions,
        abort_on_halving: bool,
    ):
        self.system, self.params, self.options = system, params, options
        self.shortest = 1.0 if abort_on_halving else SHORTEST_STEP
        self.directions = _NewtonDirections(params.size)
        #: What the tolerance adds to the log-likelihood is for weights of about one.
        self.unit = unit_of_weights(system.weights)
        self.n_iter = self.n_sweeps = 0
        self.contractions: list[float] = []
        self.half_decrement = math.nan
        self.has_current_information = True
        self.sums = self._sweep(params, True)
        # The previous information matrix, and half the decrement of the step with it.
        self.last_information: np.ndarray | None = None
        self.last_half = math.nan

    def run(self) -> Status:
        """Iterate until there is a status."""
        if not math.isfinite(self.sums.log_likelihood):
            return Status.NO_START
        last = math.inf
        while self.n_iter < self.options.max_iter:
            sums = self.sums
            if not np.isfinite(sums.information).all() or not np.isfinite(sums.score).all():
                return Status.NOT_FINITE
            step = self._direction(sums)
            half = 0.5 * float(step @ sums.score)
            self._record(half, last)
            bound = 2.0 * abs(sums.log_likelihood) + 0.1
            definite = self.directions.is_definite
            done = self.has_current_information and definite and self._is_done(half, last, bound)
            if done and self._variances_converged(half, last):
                self.params = self.params + step
                return Status.CONVERGED
            if self.has_current_information and not definite and half <= ROUNDING * bound:
                # Separated rows have no information left. A step would consist of rounding errors
                # and not change the log-likelihood: no number of steps would be enough.
                return Status.MAX_ITERATIONS
            keeps = definite and self.system.is_information_costly
            keeps = keeps and not done and self._keeps_information(half, last, bound)
            if self.has_current_information:
                self.last_information, self.last_half = sums.information, half
            if not self._advance(step, bound, with_information=not keeps):
                return Status.CONVERGED if done else Status.STEP_TOO_SHORT
            last = half
        return Status.MAX_ITERATIONS

    def _direction(self, sums: PredictorSums) -> np.ndarray:
        if self.has_current_information:
            return self.directions.of_current_information(sums)
        return self.directions.of_last_information(sums)

    def _record(self, half: float, last: float) -> None:
        self.half_decrement = half
        if last < math.inf:
            self.contractions.append(half / last)

    def _is_done(self, half: float, last: float, bound: float) -> bool:
        """Whether half the decrement is negligible after this step, or steps no longer shrink."""
        tol = self.options.tol
        target, contraction = tol * tol * bound, half / last if last < math.inf else 1.0
        predicted = (
            half * contraction <= PREDICTED_SHARE * target
            and half <= self._final_half_decrement(bound)
        )
        stagnates = half <= tol * bound and contraction > MAX_CONTRACTION
        return half <= target or predicted or stagnates

    def _variances_converged(self, half: float, last: float) -> bool:
        """Whether the last step changes the variance of every contrast by an allowed amount only.

        The log-likelihood does not show this for a few influential rows; see
        `fastglm.solve.remaining_weight_change`.
        """
        allowed = STANDARD_ERROR_SLACK * self.options.tol
        # Steps that do not shrink are rounding errors, which another step does not reduce.
        if 2.0 * half <= allowed * allowed or half > MAX_CONTRACTION * last:
            return True
        if self.last_information is None:
            return False
        ratio = math.sqrt(half / self.last_half)
        left = variance_change(self.sums.information, self.last_information, ratio, allowed)
        return left <= allowed

    def _final_half_decrement(self, bound: float) -> float:
        """Half the decrement of a step that changes standard errors by no more than is allowed.

        They come from before the last step. Over few rows one more sweep is not worth the slack.
        """
        slack = STANDARD_ERROR_SLACK if self.system.has_many_rows else 1.0
        return (slack * self.options.tol) ** 2 * bound

    def _keeps_information(self, half: float, last: float, bound: float) -> bool:
        """Whether the next step may be one with this information: it will not be the last."""
        if self.has_current_information:
            return KEEP_ABOVE * bound < half <= KEEP_BELOW * bound
        contraction = half / last
        return (
            contraction <= MAX_REUSE_CONTRACTION
            and half * contraction > (STANDARD_ERROR_SLACK * self.options.tol) ** 2 * bound
        )

    def _advance(self, step: np.ndarray, bound: float, with_information: bool) -> bool:
        """Take the step, or a share of it that does not lower the likelihood, if there is one."""
        length = 1.0
        while length >= self.shortest:
            trial = self.params + length * step
            tried = self._sweep(trial, with_information)
            if tried.log_likelihood >= self.sums.log_likelihood - ROUNDING * bound:
                self.params, self.sums, self.has_current_information = (
                    trial,
                    tried,
                    with_information,
                )
                self.n_iter += 1
                if self.options.progress is not None:
                    self.options.progress(self.n_sweeps, -2.0 * tried.log_likelihood)
                return True
            length *= 0.5
        return False

    def _sweep(self, params: np.ndarray, information: bool) -> PredictorSums:
        self.n_sweeps += 1
        sums = self.system.sweep(params, information)
        if self.unit == 1.0:
            return sums
        return PredictorSums(
            sums.log_likelihood / self.unit, sums.score / self.unit, sums.information / self.unit
        )
