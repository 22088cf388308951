"""The negative binomial's alpha, estimated by maximum likelihood as R's ``glm.nb`` does.

Coefficients and alpha are orthogonal, so the profile score of log(alpha), which costs one fit of
the coefficients, is close to a straight line where the likelihood of alpha at given means is: a
Newton step and then secant steps find its root in a handful of fits. Lawless (1987), "Negative
binomial and mixed Poisson regression"; Venables & Ripley (2002), section 7.4.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from fastglm.errors import BoundaryWarning, DataError, Status
from fastglm.kernels.overdispersion import overdispersion_sums
from fastglm.responses.free_parameters import Estimate, Problem
from fastglm.solve.fit import Solution

__all__ = ["estimate_alpha"]

MAX_STEPS = 50
#: Longest step in log(alpha).
LONGEST_STEP = 3.0
#: Of the coefficients while alpha is further than CLOSE standard errors from its estimate.
ROUGH_TOLERANCE = 1e-7
CLOSE = 0.1
#: Counts are tabulated up to their maximum, which must be below this.
LARGEST_COUNT = 50_000_000


class _Overdispersion:
    """Derivatives of the log-likelihood in alpha at given means."""

    def __init__(self, problem: Problem):
        rows = problem.rows
        weights = rows.prior_weights
        self.y = rows.response.astype(np.float64)
        self.weights = np.ones_like(self.y) if weights is None else weights
        self.y = np.where(self.weights > 0, self.y, 0.0)
        whole = self.y == np.floor(self.y)
        if not whole.all() or self.y.max(initial=0.0) >= LARGEST_COUNT:
            row = int(np.argmin(whole & (self.y < LARGEST_COUNT)))
            raise DataError(
                f"alpha is estimated from counts below {LARGEST_COUNT:,}, but the response is "
                f"{self.y[row]:g} in row {row}: give NegativeBinomial(alpha=...), or use "
                "family='quasipoisson'."
            )
        counted = np.bincount(self.y.astype(np.int64), weights=self.weights)
        # Weight of the rows whose response exceeds j, j = 0, 1, ..., max - 1.
        self.exceeding = counted[::-1].cumsum()[::-1][1:]

    def derivatives(self, alpha: float, mu: np.ndarray) -> tuple[float, float]:
        """First and second derivative of the log-likelihood in alpha >= 0."""
        j = np.arange(self.exceeding.size, dtype=np.float64)
        ratio = j / (1.0 + alpha * j)
        score, curvature = overdispersion_sums(self.y, mu, self.weights, alpha)
        return (
            float(self.exceeding @ ratio) + score,
            curvature - float(self.exceeding @ (ratio * ratio)),
        )

    def moment_estimate(self, mu: np.ndarray) -> float:
        """Alpha that matches the variance around the means."""
        excess = self.weights @ np.where(self.weights > 0, (self.y - mu) ** 2 - mu, 0.0)
        return float(excess / (self.weights @ np.where(self.weights > 0, mu * mu, 0.0)))


def estimate_alpha(problem: Problem, start: np.ndarray | None) -> Estimate:
    """Estimate alpha and the coefficients.

    Parameters
    ----------
    problem
        With a `NegativeBinomial` family without alpha.
    start
        (p,) coefficients to start from, or None.

    Returns
    -------
    Estimate
        With alpha = 0, and a NaN standard error, where the likelihood falls from there on.

    Warns
    -----
    BoundaryWarning
        If alpha is 0.

    Raises
    ------
    DataError
        If the response does not hold counts.
    """
    family = problem.family
    overdispersion = _Overdispersion(problem)
    poisson = family.with_estimate(0.0)
    solution = problem.solve(poisson, start, ROUGH_TOLERANCE)
    mu = problem.means(poisson, solution.params)
    score, _ = overdispersion.derivatives(0.0, mu)
    if score <= 0.0 or solution.status != Status.CONVERGED:
        solution = problem.solve(poisson, start)
        if solution.status == Status.CONVERGED:
            _warn_of_boundary()
        return Estimate(poisson, problem.finish(solution, True), math.nan, 1.0)
    alpha = max(overdispersion.moment_estimate(mu), 1e-8)
    return _find_alpha(problem, overdispersion, alpha, solution)


def _find_alpha(
    problem: Problem, overdispersion: _Overdispersion, alpha: float, solution: Solution
) -> Estimate:
    """Root of the profile score in log(alpha): a Newton step, then secant steps."""
    x, last = math.log(alpha), (math.nan, math.nan)
    tol, converged = problem.options.tol, False
    rough: float | None = ROUGH_TOLERANCE
    for _ in range(MAX_STEPS):
        family = problem.family.with_estimate(math.exp(x))
        solution = problem.solve(family, solution.params, rough)
        if solution.status != Status.CONVERGED:
            break
        mu = problem.means(family, solution.params)
        alpha = family.parameter
        first, second = overdispersion.derivatives(alpha, mu)
        score = alpha * first
        information = -(alpha * alpha * second + score)
        step = _step(x, score, information, last)
        last = (x, score)
        distance = abs(step) * math.sqrt(max(information, 0.0))
        if rough is None and information > 0.0 and distance <= math.sqrt(tol) * 1e-3:
            converged = True
            break
        if distance <= CLOSE:
            # Coefficients and alpha are orthogonal: until here rough ones told alpha well enough.
            rough = None
        x += step
    error = 1.0 / math.sqrt(-second) if converged and second < 0.0 else math.nan
    return Estimate(family, problem.finish(solution, converged), error, 1.0)


def _step(x: float, score: float, information: float, last: tuple[float, float]) -> float:
    slope = (last[1] - score) / (x - last[0]) if math.isfinite(last[0]) else information
    if not (0.0 < slope < math.inf):
        slope = information if information > 0.0 else abs(score)
    step = score / slope if slope > 0.0 else 0.0
    return min(max(step, -LONGEST_STEP), LONGEST_STEP)


def _warn_of_boundary() -> None:
    warnings.warn(
        "The counts vary no more than Poisson counts would: alpha is 0, on the boundary, and the "
        "fit is that of the Poisson family.",
        BoundaryWarning,
        stacklevel=5,
    )
