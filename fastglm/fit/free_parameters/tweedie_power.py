"""Power and dispersion of the Tweedie family, estimated by maximum likelihood.

At the maximum the coefficients are the family's at that power, so the profile likelihood is climbed
by turns: a Newton step in power and log dispersion at the fitted means, to which both are
orthogonal, and a fit of the coefficients. Dunn & Smyth (2005), "Series evaluation of Tweedie
exponential dispersion model densities", section 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastglm.errors import BoundaryWarning, Status, warn
from fastglm.families import Family
from fastglm.fit.free_parameters.problem import FreeParameterEstimate, Problem
from fastglm.fit.free_parameters.tweedie_likelihood import Derivatives, Likelihood
from fastglm.solve.solution import Solution

__all__ = ["estimate_power"]

#: Of the search for the power.
MAX_STEPS = 40
#: Distance of the differences that stand for derivatives, in the first coordinate below.
DIFFERENCE = 2e-3
#: Of the coefficients while the point is further than CLOSE standard errors from the top.
LOOSE_TOLERANCE = 1e-7
CLOSE = 0.1
#: Coordinates beyond which the power is taken to be on the boundary: 1.01 and 1.99, or 1.01 and 11.
LOWEST, HIGHEST_WITH_ZEROS, HIGHEST = -4.6, 4.6, 2.3
LONGEST_STEP = 1.0
#: Of steps so short that the curvature hardly changes along them: Newton's do not lead down.
SHORT_STEP = 0.1
FIRST_POWERS = (1.1, 1.3, 1.5, 1.7, 1.9)


class _Profile:
    """The likelihood in (z, log dispersion) at given coefficients, and the way from z to powers.

    The power is 1 + 1/(1 + exp(-z)) where there are zeros, else 1 + exp(z).
    """

    def __init__(self, problem: Problem, has_zeros: bool):
        rows = problem.vectors
        self.problem = problem
        self.likelihood = Likelihood(rows)
        self.has_zeros = has_zeros
        self.highest = HIGHEST_WITH_ZEROS if has_zeros else HIGHEST

    def power(self, z: float) -> float:
        return 1.0 + (1.0 / (1.0 + math.exp(-z)) if self.has_zeros else math.exp(z))

    def coordinate(self, power: float) -> float:
        return math.log((power - 1.0) / (2.0 - power) if self.has_zeros else power - 1.0)

    def slope(self, z: float) -> float:
        """Derivative of the power in z."""
        above = self.power(z) - 1.0
        return above * (1.0 - above) if self.has_zeros else above

    def family(self, z: float) -> Family:
        return self.problem.family.with_estimate(self.power(z))

    def look_at(self, solution: Solution) -> None:
        """Take the means of these coefficients."""
        self.likelihood.look_at(self.problem.means(self.problem.family, solution.params))

    def log_likelihood(self, point: np.ndarray) -> float:
        z, log_scale = point
        return self.likelihood(self.family(z), math.exp(log_scale))

    def step(self, point: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
        """Newton step up; at the end of the range of powers, in the dispersion alone."""
        step = _newton(gradient, hessian)
        leads_out = (point[0] <= LOWEST and step[0] < 0) or (
            point[0] >= self.highest and step[0] > 0
        )
        return np.array([0.0, gradient[1] / abs(hessian[1, 1])]) if leads_out else step

    def derivatives(self, point: np.ndarray) -> Derivatives:
        """Log-likelihood, gradient (2,) and Hessian (2, 2) in the coordinates."""
        slope, power = self.slope(point[0]), self.power(point[0])
        found = self.likelihood.derivatives(
            self.problem.family.with_estimate, power, math.exp(point[1]), DIFFERENCE * slope
        )
        scale = np.array([slope, 1.0])
        bend = slope * (3.0 - 2.0 * power) if self.has_zeros else slope
        hessian = found.hessian * np.outer(scale, scale)
        hessian[0, 0] += bend * found.gradient[0]
        return Derivatives(found.value, found.gradient * scale, hessian)


class _Top(NamedTuple):
    """Where the climb ended.

    Attributes
    ----------
    point : ndarray, shape (2,)
    solution : Solution
        Coefficients there.
    hessian : ndarray, shape (2, 2)
    converged : bool
    """

    point: np.ndarray
    solution: Solution
    hessian: np.ndarray
    converged: bool


def estimate_power(problem: Problem, start: np.ndarray | None) -> FreeParameterEstimate:
    """Estimate power, dispersion and coefficients.

    Parameters
    ----------
    problem
        With a `Tweedie` family without a power.
    start
        (p,) coefficients to start from, or None.

    Returns
    -------
    FreeParameterEstimate
        The family holds the maximum likelihood dispersion, for likelihood and distribution;
        standard errors take Pearson's, as they do at a power that is given.

    Warns
    -----
    BoundaryWarning
        If the likelihood rises up to the end of the range of powers.
    """
    has_zeros = problem.vectors.summary.minimum == 0.0
    profile = _Profile(problem, has_zeros)
    sample = problem.sample()
    # Close to the top for all rows, where every step costs passes over them.
    close = None if sample is None else _from_first_point(_Profile(sample, has_zeros), start, CLOSE)
    if close is not None and close.converged:
        point, solution, hessian, converged = _ascend(profile, close.point, close.solution)
    if close is None or not (close.converged and converged):
        point, solution, hessian, converged = _from_first_point(profile, start)
    error = math.nan
    if not LOWEST < point[0] < profile.highest:
        _warn_of_boundary(profile.power(point[0]))
    elif converged:
        error = profile.slope(point[0]) * math.sqrt(np.linalg.inv(-hessian)[0, 0])
    power, dispersion = profile.power(point[0]), math.exp(point[1])
    family = problem.family.with_estimate(power, dispersion=dispersion)
    return FreeParameterEstimate(family, problem.finish(solution, converged), error, None)


def _from_first_point(
    profile: _Profile, start: np.ndarray | None, enough: float | None = None
) -> _Top:
    """Top of the profile from the coefficients of the first power."""
    solution = profile.problem.solve(profile.problem.family, start)
    return _ascend(profile, _first_point(profile, solution), solution, enough)


def _ascend(
    profile: _Profile, point: np.ndarray, solution: Solution, enough: float | None = None
) -> _Top:
    """Top of the profile, from a point and coefficients close to those there.

    With `enough` the point after a step of as many standard errors, and the coefficients before it.
    """
    problem, hessian = profile.problem, np.full((2, 2), math.nan)
    loose_tolerance: float | None = LOOSE_TOLERANCE
    for _ in range(MAX_STEPS):
        if solution.status != Status.CONVERGED:
            break
        solution = problem.solve(profile.family(point[0]), solution.params, loose_tolerance)
        profile.look_at(solution)
        value, gradient, hessian = profile.derivatives(point)
        step = profile.step(point, gradient, hessian)
        distance = math.sqrt(abs(step @ hessian @ step))
        # The step in standard errors: far below them, and above the noise of the differences.
        if loose_tolerance is None and distance <= 0.1 * math.sqrt(problem.options.tol):
            return _Top(point, solution, hessian, True)
        if distance <= CLOSE:
            # Coefficients and point are orthogonal: loose ones were good enough so far.
            loose_tolerance = None
        point = _climb(profile, point, step, value)
        if enough is not None and distance <= enough:
            return _Top(point, solution, hessian, True)
    return _Top(point, solution, hessian, False)


def _first_point(profile: _Profile, solution: Solution) -> np.ndarray:
    """The best of a few powers, each with Pearson's dispersion, at the first fitted means."""
    problem = profile.problem
    profile.look_at(solution)
    mu = problem.means(problem.family, solution.params)
    y, weights = problem.vectors.response, problem.vectors.prior_weights
    squares = (
        (y - mu) ** 2 if weights is None else np.where(weights > 0, weights, 0) * (y - mu) ** 2
    )
    # Zeros whose means have gone to zero, as those of a separated group do, have no residual.
    apart = squares > 0.0
    squares, mu = squares[apart], mu[apart]
    points = [
        np.array(
            [
                profile.coordinate(power),
                math.log(float((squares / mu**power).sum()) / problem.vectors.nobs),
            ]
        )
        for power in FIRST_POWERS
    ]
    values = [profile.log_likelihood(point) for point in points]
    return points[int(np.argmax(values))]


def _newton(gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Newton step up, with the sign of each curvature turned where it points down."""
    values, vectors = np.linalg.eigh(hessian)
    return vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-8))


def _climb(profile: _Profile, point: np.ndarray, step: np.ndarray, before: float) -> np.ndarray:
    """The point after the longest share of the step that does not lower the likelihood."""
    longest = np.abs(step).max()
    step = step * min(1.0, LONGEST_STEP / longest)
    for _ in range(20):
        candidate = point + step
        candidate[0] = min(max(candidate[0], LOWEST), profile.highest)
        is_short = longest <= SHORT_STEP
        if is_short or profile.log_likelihood(candidate) >= before - 1e-12 * abs(before):
            return candidate
        step = 0.5 * step
    return point


def _warn_of_boundary(power: float) -> None:
    warn(
        f"The likelihood still rises at the end of the range of powers, {power:.3g}: the data do "
        "not look like those of a Tweedie family with a power in between.",
        BoundaryWarning,
    )
