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

from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    COMPLEMENT,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    MEAN,
    N_BUFFERS,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    SLOPE,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer

# Buffers behind those of a sweep.
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
    ALL_BUFFERS,
) = range(N_BUFFERS, N_BUFFERS + 13)

# Bound by RowBlock.
inverse: Any
bends: Any
difference: Any
unit_deviance: Any
variances: Any
valid_mean: Any
of_parameter: Any


def mean_rows(buffers, rows):
    """Mean and its four derivatives from the linear predictor."""
    base = pointer(buffers, float64)
    parameter = base[LINK_PARAMETER * BUFFER]
    for i in range(rows):
        eta = base[LINEAR_PREDICTOR * BUFFER + i]
        mu, complement, slope = inverse(eta, parameter)
        second, third, fourth = bends(eta, mu, complement, slope, parameter)
        base[MEAN * BUFFER + i] = mu
        base[COMPLEMENT * BUFFER + i] = complement
        base[SLOPE * BUFFER + i] = slope
        base[SECOND * BUFFER + i] = second
        base[THIRD * BUFFER + i] = third
        base[FOURTH * BUFFER + i] = fourth
    return 0


def canonical_rows(buffers, rows):
    """Derivatives under a canonical link, where Q is the residual times a constant.

    That constant stands behind the link's parameter.
    """
    base = pointer(buffers, float64)
    parameter = base[FAMILY_PARAMETER * BUFFER]
    over_dispersion = 1.0 / base[FAMILY_PARAMETER * BUFFER + 1]
    constant = base[LINK_PARAMETER * BUFFER + 1] * over_dispersion
    outside = 0
    for i in range(rows):
        y, mu = base[RESPONSE * BUFFER + i], base[MEAN * BUFFER + i]
        prior, complement = base[PRIOR_WEIGHT * BUFFER + i], base[COMPLEMENT * BUFFER + i]
        present = prior > 0.0
        s = prior * constant if present else 0.0
        deviance = prior * over_dispersion * unit_deviance(y, mu, complement, parameter)
        valid = valid_mean(y, mu, complement)
        residual = s * difference(y, mu, complement)
        weight, bend = s * base[SLOPE * BUFFER + i], s * base[SECOND * BUFFER + i]
        base[DEVIANCE * BUFFER + i] = deviance if present else 0.0
        base[RESIDUAL * BUFFER + i] = residual if present else 0.0
        base[OBSERVED * BUFFER + i] = weight if present else 0.0
        base[OBSERVED_SLOPE * BUFFER + i] = bend if present else 0.0
        base[OBSERVED_BEND * BUFFER + i] = s * base[THIRD * BUFFER + i] if present else 0.0
        base[EXPECTED * BUFFER + i] = weight if present else 0.0
        base[EXPECTED_SLOPE * BUFFER + i] = bend if present else 0.0
        outside += 1 if present & (not valid) else 0
    return outside


@inline
def quotients(d, m1, m2, m3, m4, v1, v2, v3, over):
    """Q = d mu' / V and its first three derivatives in the linear predictor.

    From the residual d, derivatives of the mean in the linear predictor, those of the variance in
    the mean, and 1 / V.
    """
    n0, n1 = d * m1, d * m2 - m1 * m1
    n2, n3 = d * m3 - 3.0 * m1 * m2, d * m4 - 4.0 * m1 * m3 - 3.0 * m2 * m2
    w1, w2 = v1 * m1, v2 * m1 * m1 + v1 * m2
    w3 = v3 * m1 * m1 * m1 + 3.0 * v2 * m1 * m2 + v1 * m3
    q0 = n0 * over
    q1 = (n1 - q0 * w1) * over
    q2 = (n2 - 2.0 * q1 * w1 - q0 * w2) * over
    q3 = (n3 - 3.0 * q2 * w1 - 3.0 * q1 * w2 - q0 * w3) * over
    return q0, q1, q2, q3


def derivative_rows(buffers, rows):
    """Derivatives under any link, by the quotient rule."""
    base = pointer(buffers, float64)
    parameter = base[FAMILY_PARAMETER * BUFFER]
    over_dispersion = 1.0 / base[FAMILY_PARAMETER * BUFFER + 1]
    outside = 0
    for i in range(rows):
        y, mu = base[RESPONSE * BUFFER + i], base[MEAN * BUFFER + i]
        prior, complement = base[PRIOR_WEIGHT * BUFFER + i], base[COMPLEMENT * BUFFER + i]
        valid = valid_mean(y, mu, complement)
        m1, m2 = base[SLOPE * BUFFER + i], base[SECOND * BUFFER + i]
        m3, m4 = base[THIRD * BUFFER + i], base[FOURTH * BUFFER + i]
        v, v1, v2, v3 = variances(mu, complement, parameter)
        present = (prior > 0.0) & (v > 0.0)
        outside += 1 if (prior > 0.0) & (not valid) else 0
        s = prior * over_dispersion if present else 0.0
        over = 1.0 / v if present else 0.0
        d = difference(y, mu, complement)
        w1 = v1 * m1
        q0, q1, q2, q3 = quotients(d, m1, m2, m3, m4, v1, v2, v3, over)
        e0 = m1 * m1 * over
        e1 = (2.0 * m1 * m2 - e0 * w1) * over
        deviance = prior * over_dispersion * unit_deviance(y, mu, complement, parameter)
        base[DEVIANCE * BUFFER + i] = deviance if prior > 0.0 else 0.0
        base[RESIDUAL * BUFFER + i] = s * q0 if present else 0.0
        base[OBSERVED * BUFFER + i] = -s * q1 if present else 0.0
        base[OBSERVED_SLOPE * BUFFER + i] = -s * q2 if present else 0.0
        base[OBSERVED_BEND * BUFFER + i] = -s * q3 if present else 0.0
        base[EXPECTED * BUFFER + i] = s * e0 if present else 0.0
        base[EXPECTED_SLOPE * BUFFER + i] = s * e1 if present else 0.0
        score, p0, p1 = of_parameter(y, mu, parameter)
        r0 = -q0 * p0 * over
        r1 = (-q1 * p0 - q0 * p1 * m1 - r0 * w1) * over
        base[PARAMETER_SCORE * BUFFER + i] = prior * over_dispersion * score if present else 0.0
        base[PARAMETER_RESIDUAL * BUFFER + i] = s * r0 if present else 0.0
        base[PARAMETER_OBSERVED * BUFFER + i] = -s * r1 if present else 0.0
        base[PARAMETER_EXPECTED * BUFFER + i] = -s * e0 * p0 * over if present else 0.0
    return outside
