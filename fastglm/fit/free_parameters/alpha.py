"""The negative binomial's alpha, estimated by maximum likelihood as R's ``glm.nb`` does.

Coefficients and alpha are orthogonal, so the profile score of log(alpha), which costs one fit of
the coefficients, is close to a straight line where the likelihood of alpha at given means is: a
Newton step and then secant steps find its root in a handful of fits. Lawless (1987), "Negative
binomial and mixed Poisson regression"; Venables & Ripley (2002), section 7.4.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import BoundaryWarning, Status, warn
from fastglm.families import Family
from fastglm.fit.free_parameters.problem import FreeParameterEstimate, Problem
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.passes.nb_alpha_derivatives import N_TERMS, nb_alpha_kernel
from fastglm.passes.products import RowPass
from fastglm.passes.source import RowSource
from fastglm.solve.solution import Solution

__all__ = ["estimate_alpha", "nb_alpha_sums"]

#: In log(alpha); a handful is usual.
MAX_STEPS = 50
#: Longest step in log(alpha).
LONGEST_STEP = 3.0
#: Of the coefficients while alpha is further than CLOSE standard errors from its estimate.
LOOSE_TOLERANCE = 1e-7
CLOSE = 0.1
#: Alpha in standard errors of a sample from which the estimate of all rows may begin.
FAR = 8.0


class _AlphaDerivatives:
    """Derivatives of the log-likelihood in alpha at the means of given coefficients."""

    def __init__(self, problem: Problem):
        self.problem = problem
        counted = problem.weights_by_count()
        # Weight of the rows whose response exceeds j, j = 0, 1, ..., max - 1.
        self.exceeding = counted[::-1].cumsum()[::-1][1:]

    def at(self, family: Family, solution: Solution) -> tuple[float, float, float]:
        """First and second derivative in the family's alpha >= 0, and the moment estimate.

        The latter is the alpha that matches the variance around the means.
        """
        problem = self.problem
        score, curvature, excess, squares = nb_alpha_sums(
            problem.source,
            family,
            solution.params,
            solution.constant is not None,
            problem.options.n_threads,
        )
        j = np.arange(self.exceeding.size, dtype=np.float64)
        ratio = j / (1.0 + family.parameter * j)
        return (
            float(self.exceeding @ ratio) + float(score),
            float(curvature) - float(self.exceeding @ (ratio * ratio)),
            float(excess / squares),
        )


def nb_alpha_sums(
    rows: RowSource, family: Family, params: np.ndarray, shifted: bool, n_threads: int
) -> np.ndarray:
    """Sums of `nb_alpha_kernel` over all rows, (4,); `shifted` as for `RowPass`."""
    over_rows = RowPass(rows.row_table, family, params, shifted)
    sums = np.empty((rows.count_partials(8 * N_TERMS), N_TERMS))
    over_rows.table.set(fields.N_CHUNKS, len(sums))
    over_rows.table.point(fields.OUTPUT, sums)
    rows.add_up(nb_alpha_kernel, over_rows.table, sums, n_threads)
    return sums.sum(axis=0)


def estimate_alpha(problem: Problem, start: np.ndarray | None) -> FreeParameterEstimate:
    """Estimate alpha and the coefficients.

    Parameters
    ----------
    problem
        With a `NegativeBinomial` family without alpha.
    start
        (p,) coefficients to start from, or None.

    Returns
    -------
    FreeParameterEstimate
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
    derivatives = _AlphaDerivatives(problem)
    sample = problem.sample()
    if sample is not None:
        first = _from_poisson(_AlphaDerivatives(sample), start)
        # Far from the boundary in a sample is further from it in all rows.
        if first.standard_error * FAR <= first.family.parameter:
            estimate = _find_alpha(derivatives, first.family.parameter, first.solution)
            if estimate.solution.status == Status.CONVERGED:
                return estimate
    estimate = _from_poisson(derivatives, start)
    if estimate.family.parameter == 0.0 and estimate.solution.status == Status.CONVERGED:
        _warn_of_boundary()
    return estimate


def _from_poisson(
    derivatives: _AlphaDerivatives, start: np.ndarray | None
) -> FreeParameterEstimate:
    """Estimate by way of a Poisson fit, which shows whether alpha is 0."""
    problem = derivatives.problem
    poisson = problem.family.with_estimate(0.0)
    solution = problem.solve(poisson, start, LOOSE_TOLERANCE)
    if solution.status == Status.CONVERGED:
        score, _, alpha = derivatives.at(poisson, solution)
        if score > 0.0:
            return _find_alpha(derivatives, max(alpha, 1e-8), solution)
    solution = problem.solve(poisson, start)
    return FreeParameterEstimate(poisson, problem.finish(solution, True), math.nan, 1.0)


def _find_alpha(
    derivatives: _AlphaDerivatives, alpha: float, solution: Solution
) -> FreeParameterEstimate:
    """Root of the profile score in log(alpha): a Newton step, then secant steps."""
    problem = derivatives.problem
    x, last = math.log(alpha), (math.nan, math.nan, math.nan)
    tol, converged = problem.options.tol, False
    loose_tolerance: float | None = LOOSE_TOLERANCE
    for _ in range(MAX_STEPS):
        family = problem.family.with_estimate(math.exp(x))
        # Steps in the coefficients go on where those at the last alpha ended.
        decrement = solution.decrement if loose_tolerance is None else math.inf
        solution = problem.solve(family, solution.params, loose_tolerance, decrement)
        if solution.status != Status.CONVERGED:
            break
        alpha = family.parameter
        first, second, _ = derivatives.at(family, solution)
        score = alpha * first
        information = -(alpha * alpha * second + score)
        step = _step((x, score, information), last)
        last = (x, score, information)
        distance = abs(step) * math.sqrt(max(information, 0.0))
        if loose_tolerance is None and abs(step) <= tol and distance <= math.sqrt(tol):
            converged = information > 0.0
            break
        if distance <= CLOSE:
            # Coefficients and alpha are orthogonal: loose ones were good enough so far.
            loose_tolerance = None
        x += step
    error = 1.0 / math.sqrt(-second) if converged and second < 0.0 else math.nan
    return FreeParameterEstimate(family, problem.finish(solution, converged), error, 1.0)


def _step(here: tuple[float, float, float], last: tuple[float, float, float]) -> float:
    """Step up from a point (log alpha, score, information at given means), knowing the last one.

    The secant is the mean slope of the profile score in between; the information, which is that
    slope but for a nearly constant term, gives how much steeper it is here.
    """
    (x, score, information), slope = here, here[2]
    if math.isfinite(last[0]) and x != last[0]:
        slope = (last[1] - score) / (x - last[0]) + 0.5 * (information - last[2])
    if not (0.0 < slope < math.inf):
        slope = information if information > 0.0 else abs(score)
    step = score / slope if slope > 0.0 else 0.0
    return min(max(step, -LONGEST_STEP), LONGEST_STEP)


def _warn_of_boundary() -> None:
    warn(
        "The counts vary no more than Poisson counts would: alpha is 0, on the boundary, and the "
        "fit is that of the Poisson family.",
        BoundaryWarning,
    )
