"""Profile likelihood: how the deviance rises as one coefficient is held away from its estimate.

Venzon & Moolgavkar (1988), *Applied Statistics* 37. The ends of an interval are where the rise over
the dispersion is the chi-squared quantile, found on refits that have converged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.design.columns import select_columns
from fastglm.design.layout import lay_out
from fastglm.errors import ModelError, Status
from fastglm.inference.submodels import refit
from fastglm.kernels import planes
from fastglm.solve.rows import evaluate_rows

if TYPE_CHECKING:
    from fastglm.results import Results

__all__ = ["CoefficientProfile", "profile_intervals"]

#: The root is known to this share of the standard error.
END_TOLERANCE = 1e-8
#: Doublings of the distance before an end counts as infinite.
MAX_DOUBLINGS = 12
#: Standard errors of the signed root beyond which there is nothing to find.
BEYOND = 1e3


class CoefficientProfile:
    """Signed root of the deviance's rise with one coefficient held fixed.

    Parameters
    ----------
    results
        The fit.
    column
        Number of the coefficient.
    """

    def __init__(self, results: Results, column: int):
        self.results = results
        self.column = column
        self.rows = results._model_with_data("a profile likelihood").rows
        design = self.rows.design
        others = np.flatnonzero(~np.isnan(results.estimates))
        self.others = others[others != column]
        self.design = select_columns(design, self.others) if self.others.size else None
        unit = np.zeros(design.n_columns)
        unit[column] = 1.0
        # The held column, times its coefficient, is an offset.
        (self.values,) = evaluate_rows(
            lay_out(design),
            results.family,
            unit,
            (planes.LINEAR_PREDICTOR,),
            n_threads=results.n_threads,
        )
        self.start = results.estimates[self.others]
        self.slope = self._slope()

    def _slope(self) -> np.ndarray:
        """How the other estimates follow the held coefficient, near its estimate."""
        inverse = self.results.information_inverse
        return inverse[self.others, self.column] / inverse[self.column, self.column]

    def deviance(self, value: float) -> float:
        """Deviance with the coefficient held; infinite where there is no such model."""
        offset = self.values * value
        if self.rows.offset is not None:
            offset += self.rows.offset
        results, rows = self.results, self.rows
        if self.design is None:
            layout = lay_out(rows.design, rows.response, rows.prior_weights, offset)
            zero = np.zeros(rows.design.n_columns)
            (unit,) = evaluate_rows(layout, results.family, zero, (planes.DEVIANCE,))
            return float(unit.sum())
        layout = lay_out(self.design, rows.response, rows.prior_weights, offset)
        distance = value - results.estimates[self.column]
        _, deviance, status = refit(results, layout, self.start + self.slope * distance, tol=1e-12)
        return deviance if status == Status.CONVERGED else math.inf

    def rise(self, value: float) -> float:
        """Rise of the deviance over the dispersion with the coefficient held."""
        return (self.deviance(value) - self.results.deviance) / self.results.scale

    def signed_root(self, value: float) -> float:
        """Root of the rise of the deviance over the dispersion, negative below the estimate."""
        distance = value - self.results.estimates[self.column]
        rise = self.rise(value)
        root = math.sqrt(max(rise, 0.0)) if math.isfinite(rise) else BEYOND
        return math.copysign(root, distance)

    def end(self, target: float) -> float:
        """Where the signed root is `target`; infinite if it never gets there."""
        estimate = self.results.estimates[self.column]
        unit = math.sqrt(
            self.results.scale * self.results.information_inverse[self.column, self.column]
        )
        near, far = estimate, estimate + target * unit
        for doubling in range(MAX_DOUBLINGS):
            value = self.signed_root(far)
            if abs(value) >= abs(target):
                break
            near, far = far, estimate + (far - estimate) * (1.25 if doubling < 2 else 2.0)
        else:
            return math.copysign(math.inf, target)
        return float(
            scipy.optimize.brentq(
                lambda b: self.signed_root(b) - target,
                near,
                far,
                xtol=END_TOLERANCE * unit,
                rtol=4 * np.finfo(float).eps,
            )
        )


def profile_intervals(results: Results, alpha: float) -> np.ndarray:
    """Profile-likelihood intervals, (p, 2); NaN for aliased coefficients.

    Parameters
    ----------
    results
        A converged fit with the dispersion that the deviance is measured in.
    alpha
        Intervals are at level 1 - alpha.
    """
    if not 0.0 < alpha < 1.0:
        raise ModelError(f"alpha must be between 0 and 1, not {alpha!r}")
    if np.isnan(results.scale):
        raise ModelError(
            f"there are {results.nobs:g} observations for {results.rank} coefficients: there is no "
            "dispersion to measure the deviance in. Give more rows, or scale= as a number."
        )
    root = float(scipy.special.ndtri(1.0 - alpha / 2.0))
    profile_of = CoefficientProfile
    if results.bias_reduction != "none":
        from fastglm.inference.penalized import PenalizedProfile

        profile_of = PenalizedProfile
    limits = np.full((len(results.names), 2), np.nan)
    for column in np.flatnonzero(~np.isnan(results.estimates)):
        profile = profile_of(results, int(column))
        limits[column] = profile.end(-root), profile.end(root)
    return limits
