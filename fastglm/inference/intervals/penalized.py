"""Tests and intervals of Firth's fits, by the likelihood times Jeffreys' prior.

Heinze & Schemper (2002), *Statistics in Medicine* 21: a coefficient is held at a value while the
others maximise the penalised likelihood, whose penalty stays that of the whole model.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.errors import ConvergenceWarning, ModelError, Status, warn
from fastglm.fit.record import Fit
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.intervals.held_coefficient import HeldCoefficient, NotConvergedError
from fastglm.solve.bias_problem import BiasProblem
from fastglm.solve.bias_reduction import Reduced, reduce_bias
from fastglm.solve.bias_search import BiasSearch, Climb, Point
from fastglm.solve.fit import SolverOptions

__all__ = ["PenalizedProfile", "PenalizedProfiles", "penalized_llf", "penalized_tests"]

#: In standard errors: the penalised deviance is then right to the square of a hundredth of that.
TOLERANCE = 1e-5
MAX_ITERATIONS = 500
#: Times that a higher maximum may be found at an end of an interval, which then lies further out.
MAX_ROUNDS = 8
#: What another maximum must be higher by, in units of the deviance.
HIGHER = 1e-9


class PenalizedProfiles:
    """Profiles of the penalised likelihood of one fit, by the number of a coefficient.

    Parameters
    ----------
    fit
        The fit.

    Raises
    ------
    ModelError
        If the fit does not maximise a penalised likelihood.
    """

    def __init__(self, fit: Fit):
        self.fit = fit
        self.problem = _problem(fit)
        search = BiasSearch(self.problem, _options(fit), None)
        start, _ = search.start(np.nan_to_num(fit.estimates))
        self.best = search.highest(start)

    def __call__(self, column: int) -> PenalizedProfile:
        """The profile of a coefficient.

        Raises
        ------
        NotConvergedError
            If the fit itself does not converge.
        """
        if self.best.point is None or self.best.status != Status.CONVERGED:
            raise NotConvergedError
        return PenalizedProfile(self.fit, self.problem, self.best.point, column)


class PenalizedProfile(HeldCoefficient):
    """A coefficient that is held while the others maximise the penalised likelihood.

    Parameters
    ----------
    results, problem
        The fit.
    best
        The maximum.
    column
        Number of the coefficient.
    """

    def __init__(self, fit: Fit, problem: BiasProblem, best: Point, column: int):
        self.column = column
        self.minimum = best.penalised_deviance
        self.estimate = float(best.params[column])
        self.unit = float(np.linalg.norm(best.factor[column]))
        fixed = np.arange(best.params.size) == column
        self.search = BiasSearch(problem, _options(fit), fixed)
        self.search.start(best.params)
        # Maxima at values that were held before: the nearest leads to the next.
        self.known = {self.estimate: best}

    def rise(self, value: float) -> float:
        """Rise of the penalised deviance from its minimum with the coefficient held.

        Raises
        ------
        NotConvergedError
            If the others did not converge.
        """
        found = self._keep(value, self.search.climb(self._start(value)))
        return found.penalised_deviance - self.minimum

    def highest(self, value: float) -> float:
        """The same, at the highest maximum that can be found."""
        found = self._keep(value, self.search.highest(self._start(value)))
        return found.penalised_deviance - self.minimum

    def _start(self, value: float) -> np.ndarray:
        """The others as they follow from the nearest value known."""
        nearest = min(self.known, key=lambda known: abs(known - value))
        point = self.known[nearest]
        along = point.factor @ point.factor[self.column]
        start = point.params + along * ((value - nearest) / along[self.column])
        start[self.column] = value
        return start

    def _keep(self, value: float, found: Climb) -> Point:
        if found.point is None or found.status != Status.CONVERGED:
            raise NotConvergedError
        self.known[value] = found.point
        return found.point

    def end(self, target: float) -> float:
        """As for every held coefficient; a higher maximum at an end moves it further out."""
        for _ in range(MAX_ROUNDS):
            found = super().end(target)
            if math.isinf(found):
                return found
            before = self.rise(found)
            if self.highest(found) >= before - HIGHER:
                return found
            # Of the maxima that led there, none is the highest: start from that.
            higher = self.known[found]
            self.known = {self.estimate: self.known[self.estimate], found: higher}
        raise NotConvergedError


def penalized_llf(fit: Fit) -> float:
    """Log-likelihood plus half the log-determinant of the information, for Firth's fits."""
    return fit.llf + _at_estimates(fit, _problem(fit)).half_log_determinant


def penalized_tests(fit: Fit) -> Table:
    """Penalised likelihood-ratio test of each coefficient being zero."""
    profiles = PenalizedProfiles(fit)
    rise, lost = np.full(len(fit.names), np.nan), []
    for column in np.flatnonzero(~np.isnan(fit.estimates)):
        rise[column] = _rise_at_zero(profiles, int(column))
        if np.isnan(rise[column]):
            lost.append(fit.names[column])
    if lost:
        warn(
            f"The penalised likelihood without {', '.join(lost)} did not converge: the test "
            "is NaN.",
            ConvergenceWarning,
        )
    columns = {
        "chi2": rise,
        "df": np.ones(rise.size),
        "pvalue": scipy.special.chdtrc(1.0, np.maximum(rise, 0.0)),
    }
    return Table("Penalised likelihood-ratio tests", fit.names, columns)


def _rise_at_zero(profiles: PenalizedProfiles, column: int) -> float:
    try:
        return profiles(column).highest(0.0)
    except NotConvergedError:
        return math.nan


def _problem(fit: Fit) -> BiasProblem:
    family = fit.family
    rows = fit._model_with_data("a penalised likelihood").rows
    problem = BiasProblem(rows, family, fit.bias_reduction, 1.0)
    if not problem.has_likelihood or fit.scale != 1.0:
        raise ModelError(
            'a penalised likelihood takes a fit with bias_reduction="firth", a family of known '
            'dispersion and its canonical link; intervals can be had by method="wald".'
        )
    return problem


def _options(fit: Fit) -> SolverOptions:
    return SolverOptions(TOLERANCE, MAX_ITERATIONS, fit.n_threads)


def _at_estimates(fit: Fit, problem: BiasProblem) -> Reduced:
    return reduce_bias(problem, _options(fit), np.nan_to_num(fit.estimates))
