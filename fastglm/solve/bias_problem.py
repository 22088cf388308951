"""The problem of bias-reduced estimation: rows, a family, and a rule for the dispersion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.families import Family
from fastglm.families.dispersion import DispersionEvidence

if TYPE_CHECKING:
    from fastglm.rows.model_rows import ModelRows

__all__ = ["BiasProblem", "log_variance_slope", "off_the_boundary"]

#: Distance of the points from which a variance function is differentiated, as a share of the mean.
RELATIVE_STEP = 0.005


@dataclass(frozen=True, eq=False)
class BiasProblem:
    """A problem to be fitted with less bias.

    Attributes
    ----------
    rows : ModelRows
        Design, response, weights and offset.
    family : Family
        With its link, and its parameter.
    kind : {"firth", "median"}
        Which bias is reduced: of the mean, or of the median.
    dispersion : float or None
        Dispersion that is given; None to estimate it with less bias, or as 1 where it is known.
    """

    rows: ModelRows
    family: Family
    kind: str = "firth"
    dispersion: float | None = None

    @property
    def has_likelihood(self) -> bool:
        """Whether the root of the adjusted scores maximises a penalised likelihood."""
        return self.kind == "firth" and self.family.has_jeffreys_prior

    def dispersion_at(self, deviance: float, pearson_chi2: float, rank: int) -> float:
        """The dispersion given, 1 where it is known, or an estimate with less bias.

        Parameters
        ----------
        deviance, pearson_chi2
            At some coefficients.
        rank
            How many of these there are.
        """
        if self.dispersion is not None:
            return self.dispersion
        weights, counts = _dispersion_weights(self.rows)
        found = DispersionEvidence(
            deviance,
            pearson_chi2,
            self.rows.nobs - rank,
            rank,
            self.kind == "median",
            weights,
            counts,
        )
        return self.family.bias_reduced_dispersion(found)


def _dispersion_weights(rows: ModelRows) -> tuple[np.ndarray, np.ndarray]:
    """Weights that divide the dispersion, and the number of observations with each."""
    counts = np.ones(rows.response.size) if rows.frequencies is None else rows.frequencies
    if rows.variance_weights is None:
        return np.ones(1), np.array([counts.sum()])
    return rows.variance_weights, counts


def off_the_boundary(problem: BiasProblem) -> tuple[np.ndarray, np.ndarray]:
    """Responses and weights with a maximum of the likelihood: moved off the boundary."""
    y, domain = problem.rows.response.astype(np.float64), problem.family.domain
    n, p = y.size, problem.rows.design.n_columns
    weights = np.ones(n) if problem.rows.prior_weights is None else problem.rows.prior_weights
    present = weights > 0.0
    if math.isfinite(domain.upper):
        heavier = weights + np.where(present, p / n, 0.0)
        middle = 0.5 * (domain.lower + domain.upper) * (p / n)
        return np.where(present, (weights * y + middle) / (weights + p / n), y), heavier
    if math.isfinite(domain.lower) and domain.includes_lower:
        return np.where(present, y + 0.5 * p / n, y), weights
    return y, weights


def log_variance_slope(family: Family, mean: np.ndarray) -> np.ndarray:
    """Derivative of the logarithm of the variance function in the mean; 0 where the variance is.

    By central differences of the sixth order, for any family. The relative error is about 1e-13,
    over the distance from 1 for a probability close to 1, where weights are as small.
    """
    room = np.abs(mean)
    if math.isfinite(family.domain.upper):
        room = np.minimum(room, family.domain.upper - mean)
    h = RELATIVE_STEP * np.where(room > 0.0, room, 1.0)
    slope = sum(
        coefficient * (family.variance(mean + k * h) - family.variance(mean - k * h))
        for k, coefficient in ((1, 45.0), (2, -9.0), (3, 1.0))
    )
    variance = family.variance(mean)
    return np.divide(slope, 60.0 * h * variance, out=np.zeros_like(mean), where=variance > 0.0)
