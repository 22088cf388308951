"""Derivatives of the negative binomial log-likelihood in alpha, summed over the rows."""

from __future__ import annotations

import numpy as np

from fastglm.kernels import vector_math as vm
from fastglm.kernels.gram import sum_plane
from fastglm.kernels.jit import entry, inlined
from fastglm.kernels.planes import BLOCK_ROWS, PLANE

# Below this alpha mu, the closed form of the second derivative cancels and its series is used.
SERIES_BELOW = 1e-3


@inlined
def overdispersion_terms(y, mu, alpha):
    """One row's part of the first and of the second derivative."""
    a = alpha * mu
    rising = 1.0 + a
    # h = (log(1 + a) - a / (1 + a)) / a**2 and its derivative in a.
    excess = vm.relative_entropy(rising, 1.0, a) / rising
    small = a < SERIES_BELOW
    safe = 1.0 if small else a
    series = 0.5 + a * (-2.0 / 3.0 + a * (0.75 + a * (-0.8 + a * (5.0 / 6.0))))
    h = series if small else excess / (safe * safe)
    slope_series = -2.0 / 3.0 + a * (1.5 + a * (-2.4 + a * (10.0 / 3.0 - a * (30.0 / 7.0))))
    slope = slope_series if small else (1.0 / (rising * rising) - 2.0 * h) / safe
    first = mu * mu * h - y * mu / rising
    second = mu * mu * mu * slope + y * (mu / rising) * (mu / rising)
    return first, second


@entry
def overdispersion_sums(y, mu, weight, alpha):
    """Weighted sums of the part of d/d alpha and d2/d alpha2 that depends on the mean.

    The log-likelihood of a row is sum_{j < y} log(1 + alpha j) - (y + 1/alpha) log(1 + alpha mu)
    and terms without alpha; the first sum is left to the caller. y, mu, weight are (n,) float64,
    alpha >= 0; finite at alpha = 0, where the score is that of Dean (1992) for overdispersion.
    """
    # By blocks in one piece of memory, so that the terms are formed in vector registers.
    planes = np.zeros(2 * PLANE)
    score = 0.0
    curvature = 0.0
    for start in range(0, y.shape[0], BLOCK_ROWS):
        rows = min(BLOCK_ROWS, y.shape[0] - start)
        for i in range(rows):
            first, second = overdispersion_terms(y[start + i], mu[start + i], alpha)
            w = weight[start + i]
            planes[i] = w * first if w > 0.0 else 0.0
            planes[PLANE + i] = w * second if w > 0.0 else 0.0
        score += sum_plane(planes, rows)
        curvature += sum_plane(planes[PLANE:], rows)
    return score, curvature
