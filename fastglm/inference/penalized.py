"""Tests and intervals of Firth's fits, by the likelihood times Jeffreys' prior.

Heinze & Schemper (2002), *Statistics in Medicine* 21: a coefficient is held at a value while the
others maximise the penalised likelihood, whose penalty stays that of the whole model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy

from fastglm.errors import ModelError, Status
from fastglm.inference.profile import CoefficientProfile
from fastglm.inference.tables import Table
from fastglm.solve.bias_reduction import BiasProblem, Reduced, reduce_bias
from fastglm.solve.fit import SolverOptions

if TYPE_CHECKING:
    from fastglm.results import Results

__all__ = ["PenalizedProfile", "PenalizedQuestions"]

#: In standard errors: the penalised deviance is then right to the square of a hundredth of that.
TOLERANCE = 1e-5
MAX_ITERATIONS = 500


class PenalizedProfile(CoefficientProfile):
    """Signed root of the penalised deviance's rise with one coefficient held fixed.

    Parameters
    ----------
    results
        The fit.
    column
        Number of the coefficient.

    Raises
    ------
    ModelError
        If the fit does not maximise a penalised likelihood.
    """

    def __init__(self, results: Results, column: int):
        self.results = results
        self.column = column
        self.problem = _problem(results)
        self.fixed = np.arange(results.estimates.size) == column
        self.best = _penalised_deviance(_at_estimates(results, self.problem))
        inverse = results.information_inverse
        self.slope = inverse[:, column] / inverse[column, column]

    def deviance(self, value: float) -> float:
        """Penalised deviance with the coefficient held; infinite where there is no such model."""
        distance = value - self.results.estimates[self.column]
        start = np.nan_to_num(self.results.estimates + self.slope * distance)
        start[self.column] = value
        reduced = reduce_bias(self.problem, _options(self.results), start, self.fixed)
        if reduced.solution.status != Status.CONVERGED:
            return math.inf
        return _penalised_deviance(reduced)

    def rise(self, value: float) -> float:
        """Rise of the penalised deviance from its minimum."""
        return self.deviance(value) - self.best


class PenalizedQuestions:
    """Methods of `fastglm.Results` for fits by Firth's method."""

    @property
    def penalized_llf(self) -> float:
        """Log-likelihood plus half the log-determinant of the information, Jeffreys' penalty.

        Raises
        ------
        ModelError
            If the fit does not maximise it: it takes ``bias_reduction="firth"``, a known dispersion
            and the canonical link.
        """
        fit = cast("Results", self)
        return fit.llf + _at_estimates(fit, _problem(fit)).half_log_determinant

    def penalized_tests(self) -> Table:
        """Penalised likelihood-ratio test of each coefficient being zero.

        Returns
        -------
        Table
            ``chi2``, ``df`` and ``pvalue`` of each coefficient; NaN where aliased. Equal to R's
            package logistf.

        Raises
        ------
        ModelError
            As for `penalized_llf`.
        """
        fit = cast("Results", self)
        rise = np.full(len(fit.names), np.nan)
        for column in np.flatnonzero(~np.isnan(fit.estimates)):
            rise[column] = PenalizedProfile(fit, int(column)).rise(0.0)
        columns = {
            "chi2": rise,
            "df": np.ones(rise.size),
            "pvalue": scipy.special.chdtrc(1.0, np.maximum(rise, 0.0)),
        }
        return Table("Penalised likelihood-ratio tests", fit.names, columns)


def _problem(results: Results) -> BiasProblem:
    family = results.family
    if results.bias_reduction != "firth" or not family.has_jeffreys_prior or results.scale != 1.0:
        raise ModelError(
            'a penalised likelihood takes a fit with bias_reduction="firth", a family of known '
            'dispersion and its canonical link; intervals can be had by method="wald".'
        )
    rows = results._model_with_data("a penalised likelihood").rows
    return BiasProblem(rows, family, "firth", 1.0)


def _options(results: Results) -> SolverOptions:
    return SolverOptions(TOLERANCE, MAX_ITERATIONS, results.n_threads)


def _at_estimates(results: Results, problem: BiasProblem) -> Reduced:
    return reduce_bias(problem, _options(results), np.nan_to_num(results.estimates))


def _penalised_deviance(reduced: Reduced) -> float:
    return reduced.solution.deviance - 2.0 * reduced.half_log_determinant
