# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""The scalar functions of every link, compiled into row blocks (`fastglm.families.links.base`).

For each link three functions:

``<link>_forward(mu, complement, parameter)``
    the linear predictor; `complement` is 1 - mu, exact where mu is near one.
``<link>_inverse(eta, parameter)``
    ``(mu, 1 - mu, d mu / d eta)``; mu is NaN where eta is outside the link's domain.
``<link>_curvature(eta, mu, complement, slope, parameter)``
    the second derivative of mu in eta, given the other three.
"""

from __future__ import annotations

import math

from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.math.normal import normal_density_and_tail, normal_quantile

INVERSE_PI = 1.0 / math.pi


@inline
def identity_forward(mu, complement, parameter):
    return mu


@inline_any_precision
def identity_inverse(eta, parameter):
    return eta, 1.0 - eta, 1.0


@inline
def identity_inverse_deriv2(eta, mu, complement, slope, parameter):
    return 0.0


@inline
def log_forward(mu, complement, parameter):
    return vm.log(mu)


@inline_any_precision
def log_inverse(eta, parameter):
    mu = vm.exp(eta)
    return mu, -vm.expm1(eta), mu


@inline
def log_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope


@inline
def logit_forward(mu, complement, parameter):
    return vm.log(mu) - vm.log(complement)


@inline_any_precision
def logit_inverse(eta, parameter):
    # exp of minus the absolute value: never overflows, and keeps the small tail exact.
    small = vm.exp(-abs(eta))
    near_one = 1.0 / (1.0 + small)
    near_zero = small * near_one
    mu = near_one if eta >= 0.0 else near_zero
    complement = near_zero if eta >= 0.0 else near_one
    return mu, complement, near_one * near_zero


@inline
def logit_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope * (complement - mu)


@inline
def probit_forward(mu, complement, parameter):
    return normal_quantile(mu, complement)


@inline
def probit_inverse(eta, parameter):
    slope, tail = normal_density_and_tail(eta)
    mu = 1.0 - tail if eta >= 0.0 else tail
    complement = tail if eta >= 0.0 else 1.0 - tail
    return mu, complement, slope


@inline
def probit_inverse_deriv2(eta, mu, complement, slope, parameter):
    # Beyond |eta| = 1e150 the product would be infinity times zero.
    return -max(min(eta, 1e150), -1e150) * slope


@inline
def cloglog_forward(mu, complement, parameter):
    hazard = -vm.log1p(-mu) if mu < 0.5 else -vm.log(complement)
    return vm.log(hazard)


@inline_any_precision
def cloglog_inverse(eta, parameter):
    hazard = vm.exp(eta)
    # One exponential of the difference: the product would be infinity times zero.
    return -vm.expm1(-hazard), vm.exp(-hazard), vm.exp(eta - hazard)


@inline
def cloglog_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope * (1.0 - vm.exp(min(eta, 700.0)))


@inline
def loglog_forward(mu, complement, parameter):
    return -cloglog_forward(complement, mu, parameter)


@inline_any_precision
def loglog_inverse(eta, parameter):
    complement, mu, slope = cloglog_inverse(-eta, parameter)
    return mu, complement, slope


@inline
def loglog_inverse_deriv2(eta, mu, complement, slope, parameter):
    return -cloglog_inverse_deriv2(-eta, complement, mu, slope, parameter)


@inline
def cauchit_forward(mu, complement, parameter):
    # The cotangent of the smaller tail keeps its precision.
    if mu < complement:
        return -1.0 / math.tan(math.pi * mu)
    return 1.0 / math.tan(math.pi * complement)


@inline
def cauchit_inverse(eta, parameter):
    tail = INVERSE_PI * vm.arc_cotangent(abs(eta))
    mu = 1.0 - tail if eta >= 0.0 else tail
    complement = tail if eta >= 0.0 else 1.0 - tail
    return mu, complement, INVERSE_PI / (1.0 + eta * eta)


@inline
def cauchit_inverse_deriv2(eta, mu, complement, slope, parameter):
    return -2.0 * (eta * slope) / (1.0 + eta * eta)


@inline
def inverse_forward(mu, complement, parameter):
    return 1.0 / mu


@inline_any_precision
def inverse_inverse(eta, parameter):
    mu = 1.0 / eta if eta != 0.0 else math.nan
    return mu, 1.0 - mu, -mu * mu


@inline
def inverse_inverse_deriv2(eta, mu, complement, slope, parameter):
    return -2.0 * mu * slope


@inline
def inverse_squared_forward(mu, complement, parameter):
    reciprocal = 1.0 / mu
    return reciprocal * reciprocal


@inline_any_precision
def inverse_squared_inverse(eta, parameter):
    mu = 1.0 / math.sqrt(eta) if eta > 0.0 else math.nan
    return mu, 1.0 - mu, -0.5 * mu / eta


@inline
def inverse_squared_inverse_deriv2(eta, mu, complement, slope, parameter):
    return -1.5 * slope / eta


@inline
def sqrt_forward(mu, complement, parameter):
    return math.sqrt(mu)


@inline_any_precision
def sqrt_inverse(eta, parameter):
    # The square is one-to-one on the positive half only.
    mu = eta * eta if eta > 0.0 else math.nan
    return mu, 1.0 - mu, 2.0 * eta


@inline
def sqrt_inverse_deriv2(eta, mu, complement, slope, parameter):
    return 2.0


@inline
def power_forward(mu, complement, parameter):
    return vm.power(mu, parameter)


@inline
def power_inverse(eta, parameter):
    mu = vm.power(eta, 1.0 / parameter)
    mu = mu if eta > 0.0 else math.nan
    return mu, 1.0 - mu, mu / (parameter * eta)


@inline
def power_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope * (1.0 / parameter - 1.0) / eta


@inline
def logc_forward(mu, complement, parameter):
    return vm.log(complement)


@inline_any_precision
def logc_inverse(eta, parameter):
    complement = vm.exp(eta)
    return -vm.expm1(eta), complement, -complement


@inline
def logc_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope


@inline
def negative_binomial_forward(mu, complement, parameter):
    return -vm.log1p(1.0 / (parameter * mu))


@inline
def negative_binomial_inverse(eta, parameter):
    mu = 1.0 / (parameter * vm.expm1(-eta)) if eta < 0.0 else math.nan
    return mu, 1.0 - mu, mu * (1.0 + parameter * mu)


@inline
def negative_binomial_inverse_deriv2(eta, mu, complement, slope, parameter):
    return slope * (1.0 + 2.0 * parameter * mu)
