"""Anscombe's scale of any variance function, by quadrature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["anscombe_difference"]

#: Step and ends of the trapezoidal rule: weights underflow beyond them.
STEP = 1.0 / 16.0
FIRST, LAST = -56, 97
#: Share of the largest term that the last one has where the integral has no end.
ENDLESS = 0.01


def anscombe_difference(
    variance: Callable[[np.ndarray], np.ndarray], response: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Integral of ``variance**(-1/3)`` from each mean to its response.

    The double exponential rule, which takes the singularity that the integrand has where a response
    is an end of the domain: right to 1e-9 where the variance vanishes there like the distance,
    infinite where it vanishes like its cube or faster. Takahasi & Mori (1974), *Publications of the
    Research Institute for Mathematical Sciences* 9.

    Parameters
    ----------
    variance
        Of an array of means.
    response, mean
        (n,), the means inside the domain.
    """
    total, largest, last = (np.zeros(np.shape(mean)) for _ in range(3))
    for k in range(FIRST, LAST + 1):
        t = k * STEP
        odds = np.exp(-np.pi * np.sinh(t))
        share, rest = 1.0 / (1.0 + odds), odds / (1.0 + odds)
        spread = variance(mean * rest + response * share)
        weight = STEP * np.pi * np.cosh(t) * share * rest
        inside = spread > 0.0
        term = np.where(inside, weight * np.where(inside, spread, 1.0) ** (-1.0 / 3.0), 0.0)
        total += term
        largest, last = np.maximum(largest, term), np.where(inside, term, last)
    with np.errstate(invalid="ignore"):
        endless = (last > ENDLESS * largest) & (response != mean)
        return (response - mean) * np.where(endless, np.inf, total)
