"""Anscombe's scale: the integral of V**(-1/3), in closed form and, of any V, by quadrature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

__all__ = ["anscombe_difference", "power_integral", "proportion_integral"]

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


def power_integral(values: np.ndarray, power: float) -> np.ndarray:
    """Integral of V**(-1/3) where V is a power of the mean: Anscombe's scale."""
    if power == 3.0:
        return np.log(values)
    exponent = 1.0 - power / 3.0
    return values if exponent == 1.0 else values**exponent / exponent


def proportion_integral(values: np.ndarray, a: float) -> np.ndarray:
    """Integral of (t (1 - t))**(a - 1) from 0, Anscombe's scale for 1 - a = power of V / 3."""
    return scipy.special.beta(a, a) * scipy.special.betainc(a, a, values)
