# ruff: noqa: D103, F821 -- see the module docstring; templates name functions bound later
"""Derivatives of log-likelihoods in the linear predictor up to the fourth, over blocks of rows.

Two row blocks, one of the link and one of the family. The link gives the mean and its four
derivatives; with those of the variance function the family forms Q = (y - mu) mu' / V and its
derivatives by the quotient rule: the score of a row is s Q with s its prior weight over the
dispersion, and -s Q' is its observed weight. Laplace's approximation needs them all: the third
derivative for its gradient, the fourth for its Hessian.

``<link>_bends(eta, mu, complement, slope, parameter)``
    second, third and fourth derivative of the mean in eta.
``<law>_variances(mu, complement, parameter)``
    variance function and its first three derivatives in the mean.
``<law>_of_parameter(y, mu, parameter)``
    derivatives in the logarithm of the family's parameter: of minus half the unit deviance, of the
    variance function, and of its derivative in the mean.
"""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np
from numba.core.types import float64

from fastglm.families import links as lk
from fastglm.families.family import Family
from fastglm.families.links import functions as lf
from fastglm.families.shared_functions import binary_difference, binary_unit_deviance
from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import RowBlock, inlined, pointer
from fastglm.kernels.planes import (
    COMPLEMENT,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    MEAN,
    N_PLANES,
    PLANE,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    SLOPE,
)

# Planes behind those of a sweep.
(
    SECOND,  # derivatives of the mean
    THIRD,
    FOURTH,
    OBSERVED,  # minus the second derivative of the log-likelihood, and its derivatives in eta
    OBSERVED_SLOPE,
    OBSERVED_BEND,
    EXPECTED,  # its expectation, likewise
    EXPECTED_SLOPE,
    PARAMETER_SCORE,  # derivatives in the log of the family's parameter: of the log-likelihood,
    PARAMETER_RESIDUAL,  # of the score,
    PARAMETER_OBSERVED,  # and of both weights
    PARAMETER_EXPECTED,
    ALL_PLANES,
) = range(N_PLANES, N_PLANES + 13)

# Bound by RowBlock.
inverse: Any
bends: Any
difference: Any
unit_deviance: Any
variances: Any
valid_mean: Any
of_parameter: Any


def mean_rows(planes, rows):
    """Mean and its four derivatives from the linear predictor."""
    base = pointer(planes, float64)
    parameter = base[LINK_PARAMETER * PLANE]
    for i in range(rows):
        eta = base[LINEAR_PREDICTOR * PLANE + i]
        mu, complement, slope = inverse(eta, parameter)
        second, third, fourth = bends(eta, mu, complement, slope, parameter)
        base[MEAN * PLANE + i] = mu
        base[COMPLEMENT * PLANE + i] = complement
        base[SLOPE * PLANE + i] = slope
        base[SECOND * PLANE + i] = second
        base[THIRD * PLANE + i] = third
        base[FOURTH * PLANE + i] = fourth
    return 0


def canonical_rows(planes, rows):
    """Derivatives under a canonical link, where Q is the residual times a constant.

    That constant stands behind the link's parameter.
    """
    base = pointer(planes, float64)
    parameter = base[FAMILY_PARAMETER * PLANE]
    over_dispersion = 1.0 / base[FAMILY_PARAMETER * PLANE + 1]
    constant = base[LINK_PARAMETER * PLANE + 1] * over_dispersion
    outside = 0
    for i in range(rows):
        y, mu = base[RESPONSE * PLANE + i], base[MEAN * PLANE + i]
        prior, complement = base[PRIOR_WEIGHT * PLANE + i], base[COMPLEMENT * PLANE + i]
        present = prior > 0.0
        s = prior * constant if present else 0.0
        deviance = prior * over_dispersion * unit_deviance(y, mu, complement, parameter)
        valid = valid_mean(y, mu, complement)
        residual = s * difference(y, mu, complement)
        weight, bend = s * base[SLOPE * PLANE + i], s * base[SECOND * PLANE + i]
        base[DEVIANCE * PLANE + i] = deviance if present else 0.0
        base[RESIDUAL * PLANE + i] = residual if present else 0.0
        base[OBSERVED * PLANE + i] = weight if present else 0.0
        base[OBSERVED_SLOPE * PLANE + i] = bend if present else 0.0
        base[OBSERVED_BEND * PLANE + i] = s * base[THIRD * PLANE + i] if present else 0.0
        base[EXPECTED * PLANE + i] = weight if present else 0.0
        base[EXPECTED_SLOPE * PLANE + i] = bend if present else 0.0
        outside += 1 if present & (not valid) else 0
    return outside


def derivative_rows(planes, rows):
    """Derivatives under any link, by the quotient rule."""
    base = pointer(planes, float64)
    parameter = base[FAMILY_PARAMETER * PLANE]
    over_dispersion = 1.0 / base[FAMILY_PARAMETER * PLANE + 1]
    outside = 0
    for i in range(rows):
        y, mu = base[RESPONSE * PLANE + i], base[MEAN * PLANE + i]
        prior, complement = base[PRIOR_WEIGHT * PLANE + i], base[COMPLEMENT * PLANE + i]
        valid = valid_mean(y, mu, complement)
        m1, m2 = base[SLOPE * PLANE + i], base[SECOND * PLANE + i]
        m3, m4 = base[THIRD * PLANE + i], base[FOURTH * PLANE + i]
        v, v1, v2, v3 = variances(mu, complement, parameter)
        present = (prior > 0.0) & (v > 0.0)
        outside += 1 if (prior > 0.0) & (not valid) else 0
        s = prior * over_dispersion if present else 0.0
        over = 1.0 / v if present else 0.0
        d = difference(y, mu, complement)
        n0, n1 = d * m1, d * m2 - m1 * m1
        n2, n3 = d * m3 - 3.0 * m1 * m2, d * m4 - 4.0 * m1 * m3 - 3.0 * m2 * m2
        w1, w2 = v1 * m1, v2 * m1 * m1 + v1 * m2
        w3 = v3 * m1 * m1 * m1 + 3.0 * v2 * m1 * m2 + v1 * m3
        q0 = n0 * over
        q1 = (n1 - q0 * w1) * over
        q2 = (n2 - 2.0 * q1 * w1 - q0 * w2) * over
        q3 = (n3 - 3.0 * q2 * w1 - 3.0 * q1 * w2 - q0 * w3) * over
        e0 = m1 * m1 * over
        e1 = (2.0 * m1 * m2 - e0 * w1) * over
        deviance = prior * over_dispersion * unit_deviance(y, mu, complement, parameter)
        base[DEVIANCE * PLANE + i] = deviance if prior > 0.0 else 0.0
        base[RESIDUAL * PLANE + i] = s * q0 if present else 0.0
        base[OBSERVED * PLANE + i] = -s * q1 if present else 0.0
        base[OBSERVED_SLOPE * PLANE + i] = -s * q2 if present else 0.0
        base[OBSERVED_BEND * PLANE + i] = -s * q3 if present else 0.0
        base[EXPECTED * PLANE + i] = s * e0 if present else 0.0
        base[EXPECTED_SLOPE * PLANE + i] = s * e1 if present else 0.0
        score, p0, p1 = of_parameter(y, mu, parameter)
        r0 = -q0 * p0 * over
        r1 = (-q1 * p0 - q0 * p1 * m1 - r0 * w1) * over
        base[PARAMETER_SCORE * PLANE + i] = prior * over_dispersion * score if present else 0.0
        base[PARAMETER_RESIDUAL * PLANE + i] = s * r0 if present else 0.0
        base[PARAMETER_OBSERVED * PLANE + i] = -s * r1 if present else 0.0
        base[PARAMETER_EXPECTED * PLANE + i] = -s * e0 * p0 * over if present else 0.0
    return outside


# -- links


@inlined
def identity_bends(eta, mu, complement, slope, parameter):
    return 0.0, 0.0, 0.0


@inlined
def log_bends(eta, mu, complement, slope, parameter):
    return mu, mu, mu


@inlined
def logit_bends(eta, mu, complement, slope, parameter):
    tilt = complement - mu
    return slope * tilt, slope * (1.0 - 6.0 * slope), slope * tilt * (1.0 - 12.0 * slope)


@inlined
def probit_bends(eta, mu, complement, slope, parameter):
    square = eta * eta
    return -eta * slope, (square - 1.0) * slope, eta * (3.0 - square) * slope


@inlined
def cloglog_bends(eta, mu, complement, slope, parameter):
    e = vm.exp(min(eta, 700.0))
    inner = 1.0 - 3.0 * e + e * e
    last = 1.0 - 7.0 * e + 6.0 * e * e - e * e * e
    return slope * (1.0 - e), slope * inner, slope * last


@inlined
def loglog_bends(eta, mu, complement, slope, parameter):
    e = vm.exp(min(-eta, 700.0))
    inner = 1.0 - 3.0 * e + e * e
    last = 1.0 - 7.0 * e + 6.0 * e * e - e * e * e
    return -slope * (1.0 - e), slope * inner, -slope * last


@inlined
def cauchit_bends(eta, mu, complement, slope, parameter):
    over = 1.0 / (1.0 + eta * eta)
    second = -2.0 * eta * over * slope
    third = (6.0 * eta * eta - 2.0) * over * over * slope
    return second, third, 24.0 * eta * (1.0 - eta * eta) * over * over * over * slope


@inlined
def inverse_power_bends(eta, mu, complement, slope, parameter):
    return 2.0 * mu * mu * mu, -6.0 * mu * mu * mu * mu, 24.0 * mu * mu * mu * mu * mu


@inlined
def inverse_squared_bends(eta, mu, complement, slope, parameter):
    second = -1.5 * slope / eta
    third = -2.5 * second / eta
    return second, third, -3.5 * third / eta


@inlined
def sqrt_bends(eta, mu, complement, slope, parameter):
    return 2.0, 0.0, 0.0


@inlined
def power_bends(eta, mu, complement, slope, parameter):
    exponent = 1.0 / parameter
    second = slope * (exponent - 1.0) / eta
    third = second * (exponent - 2.0) / eta
    return second, third, third * (exponent - 3.0) / eta


@inlined
def logc_bends(eta, mu, complement, slope, parameter):
    return slope, slope, slope


@inlined
def negative_binomial_bends(eta, mu, complement, slope, parameter):
    tilt, twice = 1.0 + 2.0 * parameter * mu, 2.0 * parameter
    second = slope * tilt
    third = slope * (tilt * tilt + twice * slope)
    return second, third, slope * tilt * (tilt * tilt + 4.0 * twice * slope)


#: The inverse of every link, and its further derivatives.
LINKS = {
    lk.Identity: (lf.identity_inverse, identity_bends),
    lk.Log: (lf.log_inverse, log_bends),
    lk.Logit: (lf.logit_inverse, logit_bends),
    lk.Probit: (lf.probit_inverse, probit_bends),
    lk.CLogLog: (lf.cloglog_inverse, cloglog_bends),
    lk.LogLog: (lf.loglog_inverse, loglog_bends),
    lk.Cauchy: (lf.cauchit_inverse, cauchit_bends),
    lk.InversePower: (lf.inverse_inverse, inverse_power_bends),
    lk.InverseSquared: (lf.inverse_squared_inverse, inverse_squared_bends),
    lk.Sqrt: (lf.sqrt_inverse, sqrt_bends),
    lk.Power: (lf.power_inverse, power_bends),
    lk.LogC: (lf.logc_inverse, logc_bends),
    lk.NegativeBinomial: (lf.negative_binomial_inverse, negative_binomial_bends),
}


# -- families


@inlined
def constant_variances(mu, complement, parameter):
    return 1.0, 0.0, 0.0, 0.0


@inlined
def mean_variances(mu, complement, parameter):
    return mu, 1.0, 0.0, 0.0


@inlined
def proportion_variances(mu, complement, parameter):
    return mu * complement, complement - mu, -2.0, 0.0


@inlined
def square_variances(mu, complement, parameter):
    return mu * mu, 2.0 * mu, 2.0, 0.0


@inlined
def cube_variances(mu, complement, parameter):
    return mu * mu * mu, 3.0 * mu * mu, 6.0 * mu, 6.0


@inlined
def negative_binomial_variances(mu, complement, parameter):
    return mu * (1.0 + parameter * mu), 1.0 + 2.0 * parameter * mu, 2.0 * parameter, 0.0


@inlined
def power_variances(mu, complement, parameter):
    v = vm.power(mu, parameter)
    first = parameter * v / mu
    second = (parameter - 1.0) * first / mu
    return v, first, second, (parameter - 2.0) * second / mu


@inlined
def no_parameter(y, mu, parameter):
    return 0.0, 0.0, 0.0


@inlined
def negative_binomial_of_parameter(y, mu, parameter):
    # Minus half the unit deviance is h(y, mu) - h(y, y) and terms without alpha.
    here = vm.log1p(parameter * mu) / parameter - mu * (1.0 + parameter * y) / (
        1.0 + parameter * mu
    )
    saturated = vm.log1p(parameter * y) / parameter - y
    return here - saturated, parameter * mu * mu, 2.0 * parameter * mu


#: Variance functions by the class of the family.
_VARIANCES = {
    "gaussian": constant_variances,
    "binomial": proportion_variances,
    "poisson": mean_variances,
    "gamma": square_variances,
    "inverse_gaussian": cube_variances,
    "negative_binomial": negative_binomial_variances,
    "tweedie": power_variances,
}
_OF_PARAMETER = {"negative_binomial": negative_binomial_of_parameter}


class LikelihoodDerivatives:
    """The two row blocks of a family and its link.

    Parameters
    ----------
    family : Family
    binary : bool
        Whether every response is 0 or 1.

    Attributes
    ----------
    mean_rows, family_rows : RowBlock
    constant : float
        Under a canonical link, the score over the residual.
    has_parameter : bool
        Whether the planes of the family's parameter are filled.
    """

    def __init__(self, family: Family, binary: bool = False):
        self.family = family
        canonical = family.has_canonical_link
        self.has_parameter = family.name in _OF_PARAMETER
        self.constant = _constant(family) if canonical else 1.0
        self.mean_rows = _mean_rows(cast("Any", type(family.link)))
        self.family_rows = _family_rows(family.name, family.functions, binary, canonical)

    def parameters(self, parameter: float, dispersion: float) -> np.ndarray:
        """What the blocks read: family's parameter and dispersion, link's parameter, constant."""
        link = self.family.link.parameter
        return np.array([parameter, dispersion, link, self.constant])


def supports_derivatives(family: Family) -> bool:
    """Whether the derivatives of this family and link are known."""
    return family.name in _VARIANCES and type(family.link) in LINKS


def _constant(family: Family) -> float:
    """Slope over variance, under a canonical link: a multiple of one half."""
    eta = float(family.link(0.5))
    ratio = float(family.link.inverse_deriv(eta)) / float(family.variance(0.5))
    return round(2.0 * ratio) / 2.0


@functools.cache
def _mean_rows(link: Any) -> RowBlock:
    inverse_of_link, bends_of_link = LINKS[link]
    functions = {"inverse": inverse_of_link, "bends": bends_of_link}
    return RowBlock(mean_rows, f"mean_{bends_of_link.__name__}", functions)


@functools.cache
def _family_rows(name: str, functions: Any, binary: bool, canonical: bool) -> RowBlock:
    bound = {
        "difference": binary_difference if binary else functions.difference,
        "unit_deviance": binary_unit_deviance if binary else functions.unit_deviance,
        "valid_mean": functions.valid_mean,
    }
    title = f"{functions.name}{'_binary' if binary else ''}"
    if canonical:
        return RowBlock(canonical_rows, f"canonical_derivatives_{title}", bound)
    bound |= {
        "variances": _VARIANCES[name],
        "of_parameter": _OF_PARAMETER.get(name, no_parameter),
    }
    return RowBlock(derivative_rows, f"derivatives_{title}", bound)
