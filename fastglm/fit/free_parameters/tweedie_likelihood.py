"""The Tweedie log-likelihood at given means, and its derivatives in power and dispersion.

A density is exp(-unit deviance weight / (2 dispersion)) / y times a function h of the power and
u = (2 - power) log(y) + log(weight / dispersion) alone, and the unit deviance is mu**(2 - power)
times a function of the power and log(y / mu). Both functions are smooth: sums over the rows of
them and their derivatives take one pass each (`smooth_sums`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastglm.families import Family
from fastglm.fit.free_parameters.smooth_sums import smooth_sums
from fastglm.rows.model_rows import ModelRows

__all__ = ["Derivatives", "Likelihood"]

#: Distance in log dispersion of the differences that stand for derivatives.
DIFFERENCE = 2e-3
#: Of first and second derivatives, to fourth order, from values at -2, -1, 0, 1, 2 distances.
FIRST = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
SECOND = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0
#: Steps in the power and in u: five along each, and the four corners of a mixed derivative.
ALONG = np.arange(-2, 3)
CORNERS = ((1, 1), (-1, -1), (1, -1), (-1, 1))


class Derivatives(NamedTuple):
    """A function of the power and the log dispersion.

    Attributes
    ----------
    value : float
    gradient : ndarray, shape (2,)
    hessian : ndarray, shape (2, 2)
    """

    value: float
    gradient: np.ndarray
    hessian: np.ndarray


class Likelihood:
    """Sum of the rows' log-likelihoods.

    Parameters
    ----------
    rows
        Response, variance weights and frequencies; rows of weight 0 count nothing.
    """

    def __init__(self, rows: ModelRows):
        n = rows.n_rows
        self._present = np.ones(n, bool) if rows.prior_weights is None else rows.prior_weights > 0.0

        def taken(values: np.ndarray | None) -> np.ndarray:
            return np.ones(n)[self._present] if values is None else values[self._present]

        y = np.asarray(rows.response, dtype=np.float64)[self._present]
        weights, times = taken(rows.variance_weights), taken(rows.frequencies)
        self._positive = positive = y > 0.0
        self._log_y, self._log_weights = np.log(y[positive]), np.log(weights[positive])
        self._times = times[positive].astype(np.float64)
        self._sum_log_y = float(self._times @ self._log_y)
        prior = weights * times
        self._prior, self._prior_of_zeros = prior[positive], prior[~positive]

    def look_at(self, mean: np.ndarray) -> None:
        """Take (n,) means, until others are given."""
        # The mean of a group of zeros may have gone to zero.
        log_mean = np.log(np.maximum(mean[self._present], np.finfo(float).tiny))
        self._log_mean = log_mean[self._positive]
        self._log_mean_of_zeros = log_mean[~self._positive]
        self._log_ratio = self._log_y - self._log_mean

    def __call__(self, family: Family, dispersion: float) -> float:
        """The sum at the family's power."""
        deviance = self._deviance_sums([family], family.parameter)[0]
        density = self._density_sums([(family, 0.0)], family.parameter, dispersion)[0]
        return float(density[0]) - self._sum_log_y - 0.5 * float(deviance[0]) / dispersion

    def derivatives(
        self, family_of: Callable[[float], Family], power: float, dispersion: float, step: float
    ) -> Derivatives:
        """The sum and its derivatives in the power and the log dispersion.

        Parameters
        ----------
        family_of
            The family of a power.
        power, dispersion
        step
            Distance of powers whose differences stand for derivatives, as small as the digits of
            densities allow.
        """
        families = {a: family_of(power + a * step) for a in ALONG.tolist()}
        value, gradient, hessian = self._density_derivatives(families, power, dispersion, step)
        half, first, second = self._deviance_derivatives(families, power, step) / (2.0 * dispersion)
        gradient = gradient + np.array([-first, half])
        hessian = hessian + np.array([[-second, first], [first, -half]])
        return Derivatives(value - self._sum_log_y - float(half), gradient, hessian)

    def _density_derivatives(
        self, families: dict[int, Family], power: float, dispersion: float, step: float
    ) -> Derivatives:
        """Of the sum of h, whose u falls by log(y) as the power rises by 1."""
        places = [(a, 0) for a in ALONG] + [(0, b) for b in ALONG] + list(CORNERS)
        sums = self._density_sums(
            [(families[int(a)], b * DIFFERENCE) for a, b in places], power, dispersion
        )
        in_power, in_u, corners = sums[:5], sums[5:10], sums[10:]
        p, pp = FIRST @ in_power / step, SECOND @ in_power / step**2
        u, uu = FIRST @ in_u / DIFFERENCE, SECOND @ in_u / DIFFERENCE**2
        pu = (corners[0] + corners[1] - corners[2] - corners[3]) / (4.0 * step * DIFFERENCE)
        mixed = uu[1] - pu[0]
        return Derivatives(
            float(in_power[2, 0]),
            np.array([p[0] - u[1], -u[0]]),
            np.array([[pp[0] - 2.0 * pu[1] + uu[2], mixed], [mixed, uu[0]]]),
        )

    def _density_sums(
        self, places: list[tuple[Family, float]], power: float, dispersion: float
    ) -> np.ndarray:
        """Sums of h, (k, 3), at powers of families and at u moved by so much, by log(y)**j."""

        def h(points: np.ndarray) -> np.ndarray:
            return np.array([f.loglike_obs(1.0, 1.0, np.exp(points + b), 1.0) for f, b in places])

        u = (2.0 - power) * self._log_y + self._log_weights - np.log(dispersion)
        return smooth_sums(h, u, self._times, self._log_y, floor=1.0)

    def _deviance_derivatives(
        self, families: dict[int, Family], power: float, step: float
    ) -> np.ndarray:
        """The deviance and its two derivatives in the power, (3,)."""
        sums = self._deviance_sums([families[int(a)] for a in ALONG], power)
        here, p, pp = sums[2], FIRST @ sums / step, SECOND @ sums / step**2
        return np.array([here[0], p[0] - here[1], pp[0] - 2.0 * p[1] + here[2]])

    def _deviance_sums(self, families: list[Family], power: float) -> np.ndarray:
        """Sums of deviances over mean**(2 - power) at powers of families, (k, 3).

        Weights are those of the deviance, times mean**(2 - power) log(mean)**j.
        """

        def over_mean(points: np.ndarray) -> np.ndarray:
            return np.array([f.unit_deviance(np.exp(points), 1.0) for f in families])

        sizes = self._prior * np.exp((2.0 - power) * self._log_mean)
        sums = smooth_sums(over_mean, self._log_ratio, sizes, self._log_mean)
        if self._prior_of_zeros.size:
            logs = self._log_mean_of_zeros
            sizes = self._prior_of_zeros * np.exp((2.0 - power) * logs)
            of_one = np.array([float(f.unit_deviance(0.0, 1.0)) for f in families])
            times_logs = sizes * logs
            sums = sums + np.outer(of_one, [sizes.sum(), times_logs.sum(), times_logs @ logs])
        return sums
