"""Special functions that keep their digits where the textbook forms subtract large equal numbers.

Every log density and every Kullback–Leibler divergence of the members is put together from three
Bregman divergences that are never negative: of -log, of x log x, and of the log gamma function
less its Stirling leading terms. So nothing cancels, at any size of parameter (the idea of
Loader (2000), "Fast and accurate computation of binomial probabilities").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray[Any, Any]

# Half-width of the region in which differences are taken by series or by an integral.
_CLOSE = 0.5
# Where the Stirling series takes over from the gamma function: its terms reach 1e-17 here.
_LARGE = 10.0
_ATANH_TERMS = 1.0 / np.arange(39, 1, -2)
# Bernoulli numbers B2, B4, ..., B16.
_BERNOULLI = np.array([1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510])
_ORDERS = 2.0 * np.arange(1, 9)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# The same rule on the unit interval.
UNIT_NODES, UNIT_WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def log_excess(x: Any, ratio: Any) -> Array:
    """Return x - log(1 + x), where 1 + x is also given as `ratio` > 0; they broadcast.

    Accurate for x near 0, where x counts, and for a ratio near 0, where the ratio does.
    """
    x = np.asarray(x, dtype=float)
    near = np.abs(x) < _CLOSE
    small = np.where(near, x, 0.0)
    u = small / (2 + small)
    # log(1 + x) = 2 atanh(u), and x - 2u = x u.
    series = small * u - 2 * u**3 * np.polyval(_ATANH_TERMS, u * u)
    return np.where(near, series, x - np.log(np.where(near, 1.0, ratio)))


def product_excess(x: Any, y: Any, ratio: Any) -> Array:
    """Return (1 + x) (1 + y) - 1, where the product is also given as `ratio` > 0.

    The sum x + y + x y is best when both are small, the ratio when one undoes the other.
    """
    small = (np.abs(x) < _CLOSE) & (np.abs(y) < _CLOSE)
    return np.where(small, x + y + x * y, ratio - 1.0)


def poisson_divergence(y: Any, mean: Any, log_mean: Any = None) -> Array:
    """Return y log(y / mean) - y + mean, half the Poisson unit deviance.

    Parameters
    ----------
    y, mean : array_like
        Non-negative; `mean` may have underflown to 0 when `log_mean` is given. They broadcast.
    log_mean : array_like, optional
        The logarithm of `mean`, used where y and mean are far apart; default log(mean).
    """
    y, mean = np.asarray(y, dtype=float), np.asarray(mean, dtype=float)
    log_mean = np.log(mean) if log_mean is None else log_mean
    near = np.abs(mean - y) < _CLOSE * y
    base = np.where(near, y, 1.0)
    close = base * log_excess(np.where(near, (mean - y) / base, 0.0), 1.0)
    positive = np.where(y > 0, y, 1.0)
    far = mean - y - y * (np.where(y > 0, log_mean, 0.0) - np.log(positive))
    return np.where(near, close, far)


def gamma_excess(x: Any) -> Array:
    """Return g(x) = log Γ(x) - x log x + x for x > 0; about log(2π / x) / 2 for large x."""
    x = np.asarray(x, dtype=float)
    large = x >= _LARGE
    big, little = np.where(large, x, _LARGE), np.where(large, 1.0, x)
    coefficients = _BERNOULLI / (_ORDERS * (_ORDERS - 1))
    series = np.polyval(coefficients[::-1], big**-2.0) / big
    return np.where(
        large,
        0.5 * np.log(2 * np.pi / big) + series,
        special.gammaln(little) - special.xlogy(little, little) + little,
    )


def gamma_excess_slope(x: Any) -> Array:
    """Return g'(x) = ψ(x) - log x for x > 0."""
    x = np.asarray(x, dtype=float)
    large = x >= _LARGE
    big, little = np.where(large, x, _LARGE), np.where(large, 1.0, x)
    series = np.polyval((_BERNOULLI / _ORDERS)[::-1], big**-2.0) / big**2
    return np.where(large, -0.5 / big - series, special.digamma(little) - np.log(little))


def gamma_excess_curvature(x: Any) -> Array:
    """Return g''(x) = ψ'(x) - 1 / x for x > 0."""
    x = np.asarray(x, dtype=float)
    large = x >= _LARGE
    big, little = np.where(large, x, _LARGE), np.where(large, 1.0, x)
    series = np.polyval(_BERNOULLI[::-1], big**-2.0) / big**3
    return np.where(large, 0.5 / big**2 + series, special.polygamma(1, little) - 1 / little)


def _gap(function: Any, derivative: Any, x: Any, step: Any) -> Array:
    """Return function(x + step) - function(x) for positive x and step, which broadcast."""
    x, step = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(step, dtype=float))
    near = step < _CLOSE * x
    start, delta = np.where(near, x, 1.0)[..., None], np.where(near, step, 0.0)[..., None]
    # The step itself counts: x + step has lost the digits of a small one.
    close = (delta * derivative(start + UNIT_NODES * delta) * UNIT_WEIGHTS).sum(-1)
    return np.where(near, close, function(x + step) - function(x))


def gamma_excess_gap(x: Any, step: Any) -> Array:
    """Return g(x + step) - g(x) for positive x and step, g being `gamma_excess`."""
    return _gap(gamma_excess, gamma_excess_slope, x, step)


def gamma_excess_slope_gap(x: Any, step: Any) -> Array:
    """Return g'(x + step) - g'(x) for positive x and step, g being `gamma_excess`."""
    return _gap(gamma_excess_slope, gamma_excess_curvature, x, step)


def gamma_excess_divergence(y: Any, x: Any) -> Array:
    """Return g(y) - g(x) - g'(x) (y - x), g being `gamma_excess`; y and x positive, broadcast."""
    y, x = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(x, dtype=float))
    difference = y - x
    near = np.abs(difference) < _CLOSE * x
    start = np.where(near, x, 1.0)[..., None]
    delta = np.where(near, difference, 0.0)[..., None]
    # Taylor's remainder as an integral: a sum of positive terms.
    curvature = gamma_excess_curvature(start + UNIT_NODES * delta)
    close = (delta**2 * curvature * ((1 - UNIT_NODES) * UNIT_WEIGHTS)).sum(-1)
    far = gamma_excess(y) - gamma_excess(x) - gamma_excess_slope(x) * difference
    return np.where(near, close, far)


def log_gamma_divergence(y: Any, x: Any) -> Array:
    """Return log Γ(y) - log Γ(x) - ψ(x) (y - x) for positive y and x."""
    return gamma_excess_divergence(y, x) + poisson_divergence(y, x)


def log_factorial_gap(y: Any) -> Array:
    """Return y log y - y - log y! for y >= 0 (0 at 0): the saturated Poisson log-likelihood."""
    y = np.asarray(y, dtype=float)
    positive = np.where(y > 0, y, 1.0)
    return np.where(y > 0, -gamma_excess(positive) - np.log(positive), 0.0)


def log_one_minus_exp(x: Any) -> Array:
    """Return log(1 - exp(x)) for x < 0, accurate at both ends (Mächler 2012)."""
    x = np.asarray(x, dtype=float)
    near = x > -np.log(2)
    return np.where(
        near, np.log(-np.expm1(np.where(near, x, -1.0))), np.log1p(-np.exp(np.where(near, -1.0, x)))
    )


def inverse_digamma_start(value: Any) -> Array:
    """Return x with ψ(x) roughly `value`: within a third of x (Minka 2000, appendix C)."""
    value = np.asarray(value, dtype=float)
    right = value >= -2.22
    return np.where(
        right,
        np.exp(np.where(right, value, 0.0)) + 0.5,
        -1 / (np.where(right, -3.0, value) - special.digamma(1.0)),
    )


def scaled_exponential_integral(z: Any) -> Array:
    """Return exp(z) E1(z) for z > 0 without overflow (Abramowitz & Stegun 5.1.51 for large z)."""
    z = np.asarray(z, dtype=float)
    large = z >= 50
    big, little = np.where(large, z, 50.0), np.where(large, 1.0, z)
    coefficients = special.factorial(np.arange(19, -1, -1)) * (-1.0) ** np.arange(19, -1, -1)
    series = np.polyval(coefficients, 1 / big) / big
    return np.where(large, series, np.exp(little) * special.exp1(little))
