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

from fastglm.kernels.compiler.decorators import formula, inlined
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.math.normal import normal_density_and_tail, normal_quantile

INVERSE_PI = 1.0 / math.pi


@inlined
def identity_forward(mu, complement, parameter):
    return mu


@formula
def identity_inverse(eta, parameter):
    return eta, 1.0 - eta, 1.0


@inlined
def identity_curvature(eta, mu, complement, slope, parameter):
    return 0.0


@inlined
def log_forward(mu, complement, parameter):
    return vm.log(mu)


@formula
def log_inverse(eta, parameter):
    mu = vm.exp(eta)
    return mu, -vm.expm1(eta), mu


@inlined
def log_curvature(eta, mu, complement, slope, parameter):
    return slope


@inlined
def logit_forward(mu, complement, parameter):
    return vm.log(mu) - vm.log(complement)


@formula
def logit_inverse(eta, parameter):
    # exp of minus the absolute value: never overflows, and keeps the small tail exact.
    small = vm.exp(-abs(eta))
    near_one = 1.0 / (1.0 + small)
    near_zero = small * near_one
    mu = near_one if eta >= 0.0 else near_zero
    complement = near_zero if eta >= 0.0 else near_one
    return mu, complement, near_one * near_zero


@inlined
def logit_curvature(eta, mu, complement, slope, parameter):
    return slope * (complement - mu)


@inlined
def probit_forward(mu, complement, parameter):
    return normal_quantile(mu, complement)


@inlined
def probit_inverse(eta, parameter):
    slope, tail = normal_density_and_tail(eta)
    mu = 1.0 - tail if eta >= 0.0 else tail
    complement = tail if eta >= 0.0 else 1.0 - tail
    return mu, complement, slope


@inlined
def probit_curvature(eta, mu, complement, slope, parameter):
    # Beyond |eta| = 1e150 the product would be infinity times zero.
    return -max(min(eta, 1e150), -1e150) * slope


@inlined
def cloglog_forward(mu, complement, parameter):
    hazard = -vm.log1p(-mu) if mu < 0.5 else -vm.log(complement)
    return vm.log(hazard)


@formula
def cloglog_inverse(eta, parameter):
    hazard = vm.exp(eta)
    # One exponential of the difference: the product would be infinity times zero.
    return -vm.expm1(-hazard), vm.exp(-hazard), vm.exp(eta - hazard)


@inlined
def cloglog_curvature(eta, mu, complement, slope, parameter):
    return slope * (1.0 - vm.exp(min(eta, 700.0)))


@inlined
def loglog_forward(mu, complement, parameter):
    return -cloglog_forward(complement, mu, parameter)


@formula
def loglog_inverse(eta, parameter):
    complement, mu, slope = cloglog_inverse(-eta, parameter)
    return mu, complement, slope


@inlined
def loglog_curvature(eta, mu, complement, slope, parameter):
    return -cloglog_curvature(-eta, complement, mu, slope, parameter)


@inlined
def cauchit_forward(mu, complement, parameter):
    # The cotangent of the smaller tail keeps its precision.
    if mu < complement:
        return -1.0 / math.tan(math.pi * mu)
    return 1.0 / math.tan(math.pi * complement)


@inlined
def cauchit_inverse(eta, parameter):
    tail = INVERSE_PI * vm.arc_cotangent(abs(eta))
    mu = 1.0 - tail if eta >= 0.0 else tail
    complement = tail if eta >= 0.0 else 1.0 - tail
    return mu, complement, INVERSE_PI / (1.0 + eta * eta)


@inlined
def cauchit_curvature(eta, mu, complement, slope, parameter):
    return -2.0 * (eta * slope) / (1.0 + eta * eta)


@inlined
def inverse_forward(mu, complement, parameter):
    return 1.0 / mu


@formula
def inverse_inverse(eta, parameter):
    mu = 1.0 / eta if eta != 0.0 else math.nan
    return mu, 1.0 - mu, -mu * mu


@inlined
def inverse_curvature(eta, mu, complement, slope, parameter):
    return -2.0 * mu * slope


@inlined
def inverse_squared_forward(mu, complement, parameter):
    reciprocal = 1.0 / mu
    return reciprocal * reciprocal


@formula
def inverse_squared_inverse(eta, parameter):
    mu = 1.0 / math.sqrt(eta) if eta > 0.0 else math.nan
    return mu, 1.0 - mu, -0.5 * mu / eta


@inlined
def inverse_squared_curvature(eta, mu, complement, slope, parameter):
    return -1.5 * slope / eta


@inlined
def sqrt_forward(mu, complement, parameter):
    return math.sqrt(mu)


@formula
def sqrt_inverse(eta, parameter):
    # The square is one-to-one on the positive half only.
    mu = eta * eta if eta > 0.0 else math.nan
    return mu, 1.0 - mu, 2.0 * eta


@inlined
def sqrt_curvature(eta, mu, complement, slope, parameter):
    return 2.0


@inlined
def power_forward(mu, complement, parameter):
    return vm.power(mu, parameter)


@inlined
def power_inverse(eta, parameter):
    mu = vm.power(eta, 1.0 / parameter)
    mu = mu if eta > 0.0 else math.nan
    return mu, 1.0 - mu, mu / (parameter * eta)


@inlined
def power_curvature(eta, mu, complement, slope, parameter):
    return slope * (1.0 / parameter - 1.0) / eta


@inlined
def logc_forward(mu, complement, parameter):
    return vm.log(complement)


@formula
def logc_inverse(eta, parameter):
    complement = vm.exp(eta)
    return -vm.expm1(eta), complement, -complement


@inlined
def logc_curvature(eta, mu, complement, slope, parameter):
    return slope


@inlined
def negative_binomial_forward(mu, complement, parameter):
    return -vm.log1p(1.0 / (parameter * mu))


@inlined
def negative_binomial_inverse(eta, parameter):
    mu = 1.0 / (parameter * vm.expm1(-eta)) if eta < 0.0 else math.nan
    return mu, 1.0 - mu, mu * (1.0 + parameter * mu)


@inlined
def negative_binomial_curvature(eta, mu, complement, slope, parameter):
    return slope * (1.0 + 2.0 * parameter * mu)
