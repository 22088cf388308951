"""Profile likelihood: how the deviance rises as one coefficient is held away from its estimate.

The ends of an interval are where the rise over the dispersion is the chi-squared quantile: found by
steps in all coefficients at once or, where these do not lead there, on refits that have converged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.errors import ConvergenceWarning, ModelError, Status, require_level, warn
from fastglm.inference.hypothesis_tests.refits import refit, require_unconstrained
from fastglm.inference.intervals.held_coefficient import HeldCoefficient, NotConvergedError
from fastglm.inference.intervals.inside_domain import InsideDomain, NoProgramError
from fastglm.inference.intervals.joint_end import (
    JointEnd,
    Optimum,
    deviance_inside,
    joint_end,
)
from fastglm.inference.intervals.penalized import PenalizedProfiles
from fastglm.inference.intervals.supremum import Supremum, find_supremum
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.solve.solution import Solution

__all__ = ["CoefficientProfile", "profile_intervals", "profiles_of"]

#: How a refit ends at its optimum.
REACHED = (Status.CONVERGED, Status.BOUNDARY)


class CoefficientProfile(HeldCoefficient):
    """A coefficient of a maximum likelihood fit that is held at values.

    Parameters
    ----------
    fit
        The fit.
    column
        Number of the coefficient.
    supremum
        Of the likelihood, by default looked for.
    """

    def __init__(self, fit: Fit, column: int, supremum: Supremum | None = None):
        self.fit = fit
        self.rows = fit._model_with_data("a profile likelihood").rows
        self.supremum = find_supremum(fit) if supremum is None else supremum
        self.place = int(np.flatnonzero(self.supremum.columns == column)[0])
        self.optimum: Optimum | None = None
        self.followers = np.delete(np.arange(self.supremum.columns.size), self.place)
        self.start: np.ndarray | None = None
        self.slope = np.zeros(0)
        apart = self.supremum.separated_by_others(self.place)
        self.weights = self.supremum.weights(~apart)
        self.apart = self.supremum.limiting_deviance(apart) if apart.any() else 0.0
        self._find_estimate(apart)
        #: Ends that were found by steps in all coefficients, by their targets.
        self.ends: dict[float, JointEnd] = {}
        if self.optimum is None:
            spread = float(np.std(self.values)) or float(np.abs(self.values).max())
            self.unit = 1.0 / spread

    @cached_property
    def design(self) -> Design | None:
        """The columns of the other coefficients; None where there are none."""
        others = self.followers
        return select_columns(self.supremum.design, others) if others.size else None

    @cached_property
    def values(self) -> np.ndarray:
        """The held column, (n,): times its coefficient it is an offset."""
        unit = np.zeros(self.supremum.design.n_columns)
        unit[self.place] = 1.0
        (values,) = evaluate_rows(
            build_row_table(self.supremum.design),
            self.fit.family,
            unit,
            (row_buffers.LINEAR_PREDICTOR,),
            n_threads=self.fit.n_threads,
        )
        return values

    def _find_estimate(self, apart: np.ndarray) -> None:
        """The estimate, and how the others follow it where it is finite."""
        supremum = self.supremum
        separation = supremum.separation
        if separation is None:
            self._start_from_maximum()
        elif (apart != separation.rows).any():
            self.estimate = math.copysign(math.inf, separation.direction[self.place])
        elif supremum.rest is not None and supremum.is_told(self.place):
            self._start_from(supremum.rest.params, supremum.rest)
        else:
            self.estimate = math.nan

    def _start_from_maximum(self) -> None:
        """Take the estimate of a fit that has one, with its information unless that is unbounded.

        Raises
        ------
        NotConvergedError
            If the fit has not converged.
        """
        results = self.fit
        if results.status != Status.BOUNDARY:
            if not results.converged:
                raise NotConvergedError
            self._start_from(results.estimates, results)
            return
        params = results.estimates[self.supremum.columns]
        self.followers = self.followers[~np.isnan(params[self.followers])]
        self.estimate, self.start = float(params[self.place]), params[self.followers]

    def _start_from(self, params: np.ndarray, fit: Fit | Solution) -> None:
        """Take a finite estimate from a fit."""
        results, supremum, place = self.fit, self.supremum, self.place
        # Aliased columns have no place among the others.
        self.followers = self.followers[~np.isnan(params[self.followers])]
        inverse = fit.information_inverse
        self.estimate = float(params[place])
        self.unit = math.sqrt(results.scale * inverse[place, place])
        self.start = params[self.followers]
        self.slope = inverse[self.followers, place] / inverse[place, place]
        self.optimum = Optimum(
            results.family,
            build_row_table(supremum.design, self.rows.response, self.weights, self.rows.offset),
            params,
            supremum.deviance - self.apart,
            fit.inverse_information_factor,
            fit.centering,
            results.has_intercept,
            results.scale,
            results.n_threads,
            self.rows.summary.binary,
        )

    def deviance(self, value: float) -> float:
        """Deviance with the coefficient held; infinite where there is no such model.

        Raises
        ------
        NotConvergedError
            If a refit did not converge.
        """
        offset = self.values * value
        if self.rows.offset is not None:
            offset += self.rows.offset
        results, response = self.fit, self.rows.response
        if self.design is None:
            row_table = build_row_table(self.supremum.design, response, self.weights, offset)
            zero = np.zeros(self.supremum.design.n_columns)
            return self.apart + deviance_inside(row_table, results.family, zero, results.n_threads)
        row_table = build_row_table(self.design, response, self.weights, offset)
        start = self.start
        if start is not None and self.slope.size:
            start = start + self.slope * (value - self.estimate)
        params, deviance, status = refit(results, row_table, start, tol=1e-12)
        if status not in REACHED and not results.family.is_unbounded:
            params, deviance, status = self._refit_inside(row_table, offset)
        if status in (Status.NO_START, Status.NOT_FINITE):
            return math.inf
        if status not in REACHED:
            raise NotConvergedError
        if self.optimum is None:
            self.start = params
        return deviance + self.apart

    def _refit_inside(
        self, row_table: RowTable, offset: np.ndarray
    ) -> tuple[np.ndarray, float, Status]:
        """As `refit`, from a start inside the domain."""
        assert self.design is not None
        try:
            inside = InsideDomain(self.design, self.fit.family, self.weights, offset)
            start = inside.start()
        except NoProgramError:
            raise NotConvergedError from None
        if start is None:
            return np.zeros(self.followers.size), math.inf, Status.NO_START
        return refit(self.fit, row_table, start, tol=1e-12)

    def rise(self, value: float) -> float:
        """Rise of the deviance over the dispersion with the coefficient held."""
        if value == self.estimate:
            # On the boundary there may be nothing inside with the coefficient held here.
            return 0.0
        return (self.deviance(value) - self.supremum.deviance) / self.fit.scale

    def end(self, target: float) -> float:
        """As for every held coefficient, by steps in all coefficients where these lead there."""
        found = None
        if self.optimum is not None:
            found = joint_end(self.optimum, self.place, target, self.ends.get(-target))
        if found is None:
            return super().end(target)
        self.ends[target] = found
        return found.value


def profile_intervals(fit: Fit, alpha: float) -> np.ndarray:
    """Profile-likelihood intervals, (p, 2); NaN for aliased coefficients.

    Parameters
    ----------
    results
        A converged fit with the dispersion that the deviance is measured in.
    alpha
        Intervals are at level 1 - alpha.

    Warns
    -----
    ConvergenceWarning
        If the profile of a coefficient did not converge: that end of its interval is then NaN.
    """
    require_level(alpha)
    if np.isnan(fit.scale):
        raise ModelError(
            f"there are {fit.nobs:g} observations for {fit.rank} coefficients: there is no "
            "dispersion to measure the deviance in. Give more rows, or scale= as a number."
        )
    root = float(scipy.special.ndtri(1.0 - alpha / 2.0))
    limits, lost = np.full((len(fit.names), 2), np.nan), []
    profiles = lru_cache(maxsize=1)(profiles_of(fit))
    for column in np.flatnonzero(~np.isnan(fit.estimates)):
        for side, target in enumerate((-root, root)):
            limits[column, side] = _end(profiles, int(column), target)
        if np.isnan(limits[column]).any():
            lost.append(fit.names[column])
    if lost:
        warn(
            f"The profile likelihood of {', '.join(lost)} did not converge: an end of its interval "
            "cannot be had from it, and is NaN. Another link may keep the means off the boundary.",
            ConvergenceWarning,
        )
    return limits


def _end(profiles: Callable[[int], HeldCoefficient], column: int, target: float) -> float:
    """One end of an interval, NaN where the profile is not known."""
    try:
        return profiles(column).end(target)
    except NotConvergedError:
        return math.nan


def profiles_of(fit: Fit) -> Callable[[int], HeldCoefficient]:
    """From the number of a coefficient to its profile: of the criterion that the fit maximises."""
    require_unconstrained(fit)
    if fit.bias_reduction != "none":
        return PenalizedProfiles(fit)
    supremum = find_supremum(fit)
    return lambda column: CoefficientProfile(fit, column, supremum)
