"""The Tweedie log-likelihood at given means, for one power and dispersion after another.

A density is exp(-unit deviance weight / (2 dispersion)) / y times a function h of
u = (2 - power) log(y) + log(weight / dispersion) alone, whatever the mean. That function is a long
sum or integral, but smooth: values at a few hundred points give it everywhere to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastglm.families import Family
from fastglm.rows.model_rows import ModelRows

__all__ = ["Likelihood", "interpolated"]

#: Chebyshev coefficients of a piece, and how small its last ones must be relative to the function.
N_COEFFICIENTS = 18
ROUNDING = 3e-13
FIRST_WIDTH = 1.0


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

        self._y = np.asarray(rows.response, dtype=np.float64)[self._present]
        self._weights, self._times = taken(rows.variance_weights), taken(rows.frequencies)
        positive = self._y > 0.0
        self._log_y = np.log(self._y[positive])
        self._log_weights = np.log(self._weights[positive])
        self._positive_times = self._times[positive]
        self._sum_log_y = float(self._positive_times @ self._log_y)
        self._deviances: dict[float, float] = {}

    def look_at(self, mean: np.ndarray) -> None:
        """Take (n,) means, until others are given."""
        self._mean = mean[self._present]
        self._deviances.clear()

    def __call__(self, family: Family, dispersion: float) -> float:
        """The sum at the family's power."""
        power = family.parameter
        if power not in self._deviances:
            unit = family.unit_deviance(self._y, self._mean)
            self._deviances[power] = float(unit @ (self._weights * self._times))
        u = (2.0 - power) * self._log_y + self._log_weights - np.log(dispersion)

        def h(points: np.ndarray) -> np.ndarray:
            return family.loglike_obs(1.0, 1.0, np.exp(points), 1.0)

        total = float(self._positive_times @ interpolated(h, u)) - self._sum_log_y
        return total - 0.5 * self._deviances[power] / dispersion


def interpolated(function: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """Values of a smooth function at (n,) points, by Chebyshev polynomials on equal pieces.

    Pieces are halved until the coefficients vanish; where that takes as many values as there are
    points, those at the points themselves. Trefethen (2013), *Approximation Theory and
    Approximation Practice*.
    """
    if not points.size:
        return np.empty(0)
    low, high = float(points.min()), float(points.max())
    n_pieces = max(1, int(np.ceil((high - low) / FIRST_WIDTH)))
    degree = np.arange(N_COEFFICIENTS)
    angles = np.pi * (degree + 0.5) / N_COEFFICIENTS
    while n_pieces * N_COEFFICIENTS < points.size:
        width = (high - low) / n_pieces
        centers = low + width * (np.arange(n_pieces) + 0.5)
        values = function(centers[:, None] + 0.5 * width * np.cos(angles))
        coefficients = (2.0 / N_COEFFICIENTS) * values @ np.cos(np.outer(angles, degree))
        coefficients[:, 0] *= 0.5
        if np.abs(coefficients[:, -2:]).max() <= ROUNDING * max(1.0, np.abs(values).max()):
            return _evaluate(
                coefficients, (points - low) / width if width else np.zeros_like(points)
            )
        n_pieces *= 2
    return function(points)


def _evaluate(coefficients: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Clenshaw's sums at places in units of a piece, from 0 on."""
    piece = np.minimum(places.astype(np.intp), len(coefficients) - 1)
    x = 2.0 * (places - piece) - 1.0
    later = next_ = np.zeros_like(x)
    by_degree = np.ascontiguousarray(coefficients.T)
    for row in by_degree[:0:-1]:
        later, next_ = next_, row[piece] + 2.0 * x * next_ - later
    return by_degree[0][piece] + x * next_ - later
