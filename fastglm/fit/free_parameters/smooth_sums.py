"""Sums over many points of smooth functions that are dear to evaluate.

Moments of the points in Chebyshev polynomials on equal pieces are summed once; with them, the
values of a function at the few nodes of the pieces give its sum to rounding. Trefethen (2013),
*Approximation Theory and Approximation Practice*.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastglm.kernels.math.chebyshev import N_POWERS, chebyshev_moments

__all__ = ["smooth_sums"]

#: Chebyshev coefficients of a piece, and how small its last ones must be relative to the function.
N_COEFFICIENTS = 18
ROUNDING = 3e-13
FIRST_WIDTH = 1.0


def smooth_sums(
    functions: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    weights: np.ndarray,
    factors: np.ndarray,
    floor: float = 0.0,
) -> np.ndarray:
    """Sums of weight times a power of the factor times each function of the point.

    Pieces are halved until the coefficients of each function vanish on each of them; where that
    takes as many values as there are points, those at the points themselves are added.

    Parameters
    ----------
    functions
        From (m,) points to the (k, m) values of k functions.
    points, weights, factors
        (n,) each.
    floor
        Function values below this need no more digits than one of this size.

    Returns
    -------
    ndarray, shape (k, N_POWERS)
        For the powers 0, 1, ... of the factor.
    """
    if points.size:
        low, high = float(points.min()), float(points.max())
        n_pieces = max(1, int(np.ceil((high - low) / FIRST_WIDTH)))
        degree = np.arange(N_COEFFICIENTS)
        angles = np.pi * (degree + 0.5) / N_COEFFICIENTS
        while n_pieces * N_COEFFICIENTS < points.size:
            width = (high - low) / n_pieces or 1.0
            centers = low + width * (np.arange(n_pieces) + 0.5)
            nodes = centers[:, None] + 0.5 * width * np.cos(angles)
            values = functions(nodes.reshape(-1)).reshape(-1, n_pieces, N_COEFFICIENTS)
            coefficients = (2.0 / N_COEFFICIENTS) * values @ np.cos(np.outer(angles, degree))
            coefficients[..., 0] *= 0.5
            size = np.maximum(np.abs(values).max(axis=2), floor)
            if (np.abs(coefficients[..., -2:]).max(axis=2) <= ROUNDING * size).all():
                moments = np.zeros((n_pieces, N_COEFFICIENTS, N_POWERS))
                chebyshev_moments(points, weights, factors, low, width, moments)
                return np.einsum("kpd,pdj->kj", coefficients, moments)
            n_pieces *= 2
    powers = np.vander(factors, N_POWERS, increasing=True)
    return functions(points) @ (weights[:, None] * powers)
