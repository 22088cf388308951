# ruff: noqa: F821 -- see the module docstring; templates name functions bound later
"""Templates of two row blocks: derivatives of log-likelihoods in the linear predictor.

The link gives the mean and its four derivatives; with those of the variance function the family
forms Q = (y - mu) mu' / V and its derivatives by the quotient rule: the score of a row is s Q with
s its prior weight over the dispersion, and -s Q' is its observed weight. Laplace's approximation
needs them all: the third derivative for its gradient, the fourth for its Hessian.

``<law>_variances(mu, complement, parameter)``
    variance function and its first three derivatives in the mean.
``<law>_of_parameter(y, mu, parameter)``
    derivatives in the logarithm of the family's parameter: of minus half the unit deviance, of the
    variance function, and of its derivative in the mean.
"""

from __future__ import annotations

from typing import Any

from numba.core.types import float64

from fastglm.kernels.blocks.planes import (
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
from fastglm.kernels.compiler.intrinsics import pointer

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
