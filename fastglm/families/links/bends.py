# ruff: noqa: D103 -- the module docstring says what each function returns
"""Further derivatives of the inverse links, for `fastglm.families.derivative_templates`.

``<link>_bends(eta, mu, complement, slope, parameter)``
    second, third and fourth derivative of the mean in the linear predictor.
"""

from __future__ import annotations

from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.math import elementary as vm


@inline
def identity_bends(eta, mu, complement, slope, parameter):
    return 0.0, 0.0, 0.0


@inline
def log_bends(eta, mu, complement, slope, parameter):
    return mu, mu, mu


@inline
def logit_bends(eta, mu, complement, slope, parameter):
    tilt = complement - mu
    return slope * tilt, slope * (1.0 - 6.0 * slope), slope * tilt * (1.0 - 12.0 * slope)


@inline
def probit_bends(eta, mu, complement, slope, parameter):
    square = eta * eta
    return -eta * slope, (square - 1.0) * slope, eta * (3.0 - square) * slope


@inline
def cloglog_bends(eta, mu, complement, slope, parameter):
    e = vm.exp(min(eta, 700.0))
    inner = 1.0 - 3.0 * e + e * e
    last = 1.0 - 7.0 * e + 6.0 * e * e - e * e * e
    return slope * (1.0 - e), slope * inner, slope * last


@inline
def loglog_bends(eta, mu, complement, slope, parameter):
    e = vm.exp(min(-eta, 700.0))
    inner = 1.0 - 3.0 * e + e * e
    last = 1.0 - 7.0 * e + 6.0 * e * e - e * e * e
    return -slope * (1.0 - e), slope * inner, -slope * last


@inline
def cauchit_bends(eta, mu, complement, slope, parameter):
    over = 1.0 / (1.0 + eta * eta)
    second = -2.0 * eta * over * slope
    third = (6.0 * eta * eta - 2.0) * over * over * slope
    return second, third, 24.0 * eta * (1.0 - eta * eta) * over * over * over * slope


@inline
def inverse_power_bends(eta, mu, complement, slope, parameter):
    return 2.0 * mu * mu * mu, -6.0 * mu * mu * mu * mu, 24.0 * mu * mu * mu * mu * mu


@inline
def inverse_squared_bends(eta, mu, complement, slope, parameter):
    second = -1.5 * slope / eta
    third = -2.5 * second / eta
    return second, third, -3.5 * third / eta


@inline
def sqrt_bends(eta, mu, complement, slope, parameter):
    return 2.0, 0.0, 0.0


@inline
def power_bends(eta, mu, complement, slope, parameter):
    exponent = 1.0 / parameter
    second = slope * (exponent - 1.0) / eta
    third = second * (exponent - 2.0) / eta
    return second, third, third * (exponent - 3.0) / eta


@inline
def logc_bends(eta, mu, complement, slope, parameter):
    return slope, slope, slope


@inline
def negative_binomial_bends(eta, mu, complement, slope, parameter):
    tilt, twice = 1.0 + 2.0 * parameter * mu, 2.0 * parameter
    second = slope * tilt
    third = slope * (tilt * tilt + twice * slope)
    return second, third, slope * tilt * (tilt * tilt + 4.0 * twice * slope)
