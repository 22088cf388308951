# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""Scalar functions that several families share; what each kind of function returns.

``<law>_sd(mu, complement, parameter)``
    the square root of the variance function; `complement` is 1 - mu, exact where mu is near one.
``<law>_unit_deviance(y, mu, complement, parameter)``
    twice the log-likelihood ratio of one row against the saturated model, at dispersion 1.
``<law>_start(y, weight, parameter)``
    a mean to start from, inside the domain: R's ``mustart``.
``valid_<domain>(y, mu, complement)``
    whether a mean is inside the domain. A mean that underflowed to 0 is, where the response is 0.
``<law>_difference(y, mu, complement)``
    y - mu without cancellation.
``<law>_log_density(y, mu, complement, weight, dispersion, parameter)``
    log-density of one row, its prior weight included, as R's ``logLik`` counts it. Each is the
    saddlepoint approximation, which is minus half the scaled deviance and a normalising term,
    corrected to be exact: no large terms cancel, whatever the size of y. Loader (2000), "Fast and
    accurate computation of binomial probabilities".
"""

from __future__ import annotations

import math

from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.math import elementary as vm

LOG_2PI = math.log(2.0 * math.pi)


@inline_any_precision
def valid_real(y, mu, complement):
    return (mu > -math.inf) & (mu < math.inf)


@inline_any_precision
def valid_positive(y, mu, complement):
    return (mu > 0.0) & (mu < math.inf)


@inline_any_precision
def valid_nonnegative(y, mu, complement):
    return ((mu > 0.0) | ((mu == 0.0) & (y == 0.0))) & (mu < math.inf)


@inline_any_precision
def valid_probability(y, mu, complement):
    above = (mu > 0.0) | ((mu == 0.0) & (y == 0.0))
    below = (complement > 0.0) | ((complement == 0.0) & (y == 1.0))
    return above & below


@inline_any_precision
def plain_difference(y, mu, complement):
    return y - mu


@inline_any_precision
def binomial_difference(y, mu, complement):
    return y * complement - (1.0 - y) * mu


@inline
def plain_start(y, weight, parameter):
    return y


@inline
def nudged_start(y, weight, parameter):
    return y if y > 0.0 else 0.1


@inline_any_precision
def no_unit_deviance(y, mu, complement, parameter):
    return 0.0


@inline
def binary_unit_deviance(y, mu, complement, parameter):
    # Within rounding of 1, where a mean next to its response counts as equal to it.
    return -2.0 * vm.log(mu if y > 0.5 else complement)


@inline_any_precision
def binary_difference(y, mu, complement):
    return complement if y > 0.5 else -mu


@inline
def stirling_error(x):
    """log(x!) minus Stirling's formula for it, for x > 0."""
    if x < 16.0:
        return math.lgamma(x + 1.0) - (x + 0.5) * math.log(x) + x - 0.5 * LOG_2PI
    u = 1.0 / (x * x)
    series = -691.0 / 360360.0
    series = series * u + 1.0 / 1188.0
    series = series * u - 1.0 / 1680.0
    series = series * u + 1.0 / 1260.0
    series = series * u - 1.0 / 360.0
    series = series * u + 1.0 / 12.0
    return series / x


@inline
def binomial_log_mass(successes, failures, half_deviance):
    """Log of the binomial probability at the given half deviance, continued to non-integers."""
    if (successes <= 0.0) | (failures <= 0.0):
        return -half_deviance
    trials = successes + failures
    correction = stirling_error(trials) - stirling_error(successes) - stirling_error(failures)
    spread = math.log(trials / successes) - math.log(failures) - LOG_2PI
    return -half_deviance + correction + 0.5 * spread


@inline
def undefined_log_density(y, mu, complement, weight, dispersion, parameter):
    return math.nan
