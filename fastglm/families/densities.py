# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""Log-densities of one row, its prior weight included, as R's ``logLik`` counts them.

``<law>_log_density(y, mu, complement, weight, dispersion, parameter)``. Each is the saddlepoint
approximation, which is minus half the scaled deviance and a normalising term, corrected to be
exact: no large terms cancel, whatever the size of y. Loader (2000), "Fast and accurate
computation of binomial probabilities".
"""

from __future__ import annotations

import math

from fastglm.families import response_functions as rf
from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import inlined

LOG_2PI = math.log(2.0 * math.pi)


@inlined
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


@inlined
def poisson_log_mass(y, mu):
    """Log of the Poisson probability, continued to y that are not integers."""
    correction = stirling_error(y) + 0.5 * (LOG_2PI + math.log(y)) if y > 0.0 else 0.0
    return -vm.relative_entropy(y, mu, y - mu) - correction


@inlined
def binomial_log_mass(successes, failures, half_deviance):
    """Log of the binomial probability at the given half deviance, continued to non-integers."""
    if (successes <= 0.0) | (failures <= 0.0):
        return -half_deviance
    trials = successes + failures
    correction = stirling_error(trials) - stirling_error(successes) - stirling_error(failures)
    spread = math.log(trials / successes) - math.log(failures) - LOG_2PI
    return -half_deviance + correction + 0.5 * spread


@inlined
def undefined_log_density(y, mu, complement, weight, dispersion, parameter):
    return math.nan


@inlined
def gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    variance = dispersion / weight
    return -0.5 * (LOG_2PI + math.log(variance) + (y - mu) * (y - mu) / variance)


@inlined
def binomial_log_density(y, mu, complement, weight, dispersion, parameter):
    # Prior weights are trials, rounded as R does.
    trials = vm.nearest_integer(weight)
    successes = vm.nearest_integer(weight * y)
    failures = trials - successes
    difference = successes * complement - failures * mu
    half_deviance = vm.relative_entropy(successes, trials * mu, difference) + vm.relative_entropy(
        failures, trials * complement, -difference
    )
    return binomial_log_mass(successes, failures, half_deviance)


@inlined
def poisson_log_density(y, mu, complement, weight, dispersion, parameter):
    return weight * poisson_log_mass(y, mu)


@inlined
def gamma_log_density(y, mu, complement, weight, dispersion, parameter):
    shape = 1.0 / dispersion
    deviance = rf.gamma_unit_deviance(y, mu, complement, parameter)
    spread = 0.5 * (math.log(shape) - LOG_2PI) - stirling_error(shape)
    return weight * (-0.5 * shape * deviance + spread - math.log(y))


@inlined
def inverse_gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    deviance = rf.inverse_gaussian_unit_deviance(y, mu, complement, parameter)
    spread = LOG_2PI + math.log(dispersion) + 3.0 * math.log(y)
    return -0.5 * weight * (spread + deviance / dispersion)


@inlined
def negative_binomial_log_density(y, mu, complement, weight, dispersion, parameter):
    half_deviance = 0.5 * rf.negative_binomial_unit_deviance(y, mu, complement, parameter)
    mass = binomial_log_mass(y, 1.0 / parameter, half_deviance)
    return weight * (mass - math.log1p(parameter * y))
