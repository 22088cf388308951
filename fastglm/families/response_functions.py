# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""The scalar functions of every family, except the log-densities (`fastglm.families.densities`).

``<law>_sd(mu, complement, parameter)``
    the square root of the variance function.
``<law>_unit_deviance(y, mu, complement, parameter)``
    twice the log-likelihood ratio of one row against the saturated model, at dispersion 1.
``<law>_start(y, weight, parameter)``
    a mean to start from, inside the domain: R's ``mustart``.
``valid_<domain>(y, mu, complement)``
    whether a mean is inside the domain. A mean that underflowed to 0 is, where the response is 0.
``<law>_difference(y, mu, complement)``
    y - mu without cancellation.
"""

from __future__ import annotations

import math

from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import formula, inlined

# R's package gnm keeps the logarithm of Wedderburn's deviance finite at 0 and 1 with this.
WEDDERBURN_EPSILON = 0.0005


@formula
def valid_real(y, mu, complement):
    return (mu > -math.inf) & (mu < math.inf)


@formula
def valid_positive(y, mu, complement):
    return (mu > 0.0) & (mu < math.inf)


@formula
def valid_nonnegative(y, mu, complement):
    return ((mu > 0.0) | ((mu == 0.0) & (y == 0.0))) & (mu < math.inf)


@formula
def valid_probability(y, mu, complement):
    above = (mu > 0.0) | ((mu == 0.0) & (y == 0.0))
    below = (complement > 0.0) | ((complement == 0.0) & (y == 1.0))
    return above & below


@formula
def plain_difference(y, mu, complement):
    return y - mu


@formula
def binomial_difference(y, mu, complement):
    return y * complement - (1.0 - y) * mu


@inlined
def plain_start(y, weight, parameter):
    return y


@inlined
def nudged_start(y, weight, parameter):
    return y if y > 0.0 else 0.1


@formula
def no_unit_deviance(y, mu, complement, parameter):
    return 0.0


@formula
def gaussian_sd(mu, complement, parameter):
    return 1.0


@inlined
def gaussian_unit_deviance(y, mu, complement, parameter):
    return (y - mu) * (y - mu)


@formula
def poisson_sd(mu, complement, parameter):
    return math.sqrt(mu)


@inlined
def poisson_unit_deviance(y, mu, complement, parameter):
    return 2.0 * vm.relative_entropy(y, mu, y - mu)


@inlined
def poisson_start(y, weight, parameter):
    return y + 0.1


@formula
def gamma_sd(mu, complement, parameter):
    return mu


@inlined
def gamma_unit_deviance(y, mu, complement, parameter):
    return 2.0 * vm.relative_entropy(mu, y, mu - y) / mu


@inlined
def quasi_mu_squared_unit_deviance(y, mu, complement, parameter):
    # R lets a response of 0 count as 1 inside the logarithm, and cuts the result off at 0.
    at_zero = max(2.0 * (vm.log(mu) - 1.0), 0.0)
    positive = gamma_unit_deviance(y if y > 0.0 else 1.0, mu, complement, parameter)
    return positive if y > 0.0 else at_zero


@formula
def inverse_gaussian_sd(mu, complement, parameter):
    return mu * math.sqrt(mu)


@inlined
def inverse_gaussian_unit_deviance(y, mu, complement, parameter):
    relative = (y - mu) / mu
    return relative * relative / y


@formula
def binomial_sd(mu, complement, parameter):
    return math.sqrt(mu * complement)


@inlined
def binomial_unit_deviance(y, mu, complement, parameter):
    difference = binomial_difference(y, mu, complement)
    successes = vm.relative_entropy(y, mu, difference)
    failures = vm.relative_entropy(1.0 - y, complement, -difference)
    return 2.0 * (successes + failures)


@inlined
def binary_unit_deviance(y, mu, complement, parameter):
    # Within rounding of 1, where a mean next to its response counts as equal to it.
    return -2.0 * vm.log(mu if y > 0.5 else complement)


@formula
def binary_difference(y, mu, complement):
    return complement if y > 0.5 else -mu


@inlined
def binomial_start(y, weight, parameter):
    return (weight * y + 0.5) / (weight + 1.0)


@formula
def wedderburn_sd(mu, complement, parameter):
    return mu * complement


@inlined
def wedderburn_unit_deviance(y, mu, complement, parameter):
    fraction = (y + WEDDERBURN_EPSILON) / (1.0 - y + WEDDERBURN_EPSILON)
    log_odds_ratio = vm.log(fraction) + vm.log(complement) - vm.log(mu)
    return 2.0 * (y / mu + (1.0 - y) / complement - 2.0 + (2.0 * y - 1.0) * log_odds_ratio)


@inlined
def wedderburn_start(y, weight, parameter):
    return max(0.001, min(0.99, y))


@formula
def negative_binomial_sd(mu, complement, parameter):
    # Two roots: the variance mu + alpha mu**2 would overflow first.
    return math.sqrt(mu) * math.sqrt(1.0 + parameter * mu)


@inlined
def negative_binomial_unit_deviance(y, mu, complement, parameter):
    # A binomial deviance of y successes and 1/alpha failures; the excess is y's over its share.
    rising = 1.0 + parameter * mu
    excess = (y - mu) / rising
    share = (1.0 + parameter * y) / rising
    size = 1.0 / parameter
    successes = vm.relative_entropy(y, mu * share, excess)
    failures = vm.relative_entropy(size, size * share, -excess)
    return 2.0 * (successes + failures)


@inlined
def negative_binomial_start(y, weight, parameter):
    return y if y > 0.0 else 1.0 / 6.0
