# ruff: noqa: F821 -- the scalar functions are bound when a template is compiled
"""Templates of the row blocks: what a family and a link do to one block of rows.

Each is compiled once per family or link, with the scalar functions that it names bound in (see
`fastglm.kernels.compiler.templates.RowBlock`). All read and write the buffers listed in
`fastglm.kernels.blocks.row_buffers`, by address, and return a status: the number of rows that were
outside the domain.
"""

from __future__ import annotations

import math
from typing import Any

from numba.core.types import float64

from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    COMPLEMENT,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    LOG_LIKELIHOOD,
    MEAN,
    PEARSON,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    SCRATCH,
    SLOPE,
    WEIGHT,
)
from fastglm.kernels.compiler.intrinsics import pointer

# Rows are in double precision, unless RowBlock binds other numbers, further apart.
number, distance = float64, BUFFER
# Bound by RowBlock when a family or a link is made; named here for the reader and the linter.
difference: Any
standard_deviation: Any
unit_deviance: Any
valid_mean: Any
starting_mean: Any
log_density: Any
forward: Any
inverse: Any
inverse_deriv2: Any


def respond_rows(buffers, rows):
    """Weight, score residual, squared Pearson residual and deviance from the mean and its slope.

    A row of prior weight 0 contributes exactly nothing, whatever else it holds. A mean that has
    underflowed to where the variance is 0 gets weight 0, not a clipped mean: clipping would move
    the coefficients. McCullagh & Nelder (1989), section 2.5.
    """
    base = pointer(buffers, number)
    parameter = number(pointer(buffers, float64)[FAMILY_PARAMETER * BUFFER])
    outside = 0
    for i in range(rows):
        y = base[RESPONSE * distance + i]
        prior = base[PRIOR_WEIGHT * distance + i]
        mu = base[MEAN * distance + i]
        complement = base[COMPLEMENT * distance + i]
        slope = base[SLOPE * distance + i]
        # Square roots of variances, because a variance overflows where its root does not.
        spread = standard_deviation(mu, complement, parameter)
        precision = 1.0 / spread if spread > 0.0 else 0.0
        scaled_slope = slope * precision
        scaled_residual = difference(y, mu, complement) * precision
        unit = unit_deviance(y, mu, complement, parameter)
        present = prior > 0.0
        weight = prior * scaled_slope * scaled_slope
        residual = prior * scaled_residual * scaled_slope
        pearson = prior * scaled_residual * scaled_residual
        deviance = prior * unit
        base[WEIGHT * distance + i] = number(weight) if present else 0.0
        base[RESIDUAL * distance + i] = number(residual) if present else 0.0
        base[PEARSON * distance + i] = number(pearson) if present else 0.0
        base[DEVIANCE * distance + i] = number(deviance) if present else 0.0
        valid = valid_mean(y, mu, complement)
        outside += 1 if present & (not valid) else 0
    return outside


def variance_rows(buffers, rows):
    """Variance function at the mean."""
    base = pointer(buffers, float64)
    parameter = base[FAMILY_PARAMETER * BUFFER]
    for i in range(rows):
        mu = base[MEAN * BUFFER + i]
        spread = standard_deviation(mu, base[COMPLEMENT * BUFFER + i], parameter)
        base[SCRATCH * BUFFER + i] = spread * spread
    return 0


def start_rows(buffers, rows):
    """Start from a mean inside the domain in every row, from the response alone."""
    base = pointer(buffers, float64)
    parameter = base[FAMILY_PARAMETER * BUFFER]
    for i in range(rows):
        mu = starting_mean(base[RESPONSE * BUFFER + i], base[PRIOR_WEIGHT * BUFFER + i], parameter)
        base[MEAN * BUFFER + i] = mu
        base[COMPLEMENT * BUFFER + i] = 1.0 - mu
    return 0


def log_density_rows(buffers, rows):
    """Log-likelihood of each row at its mean; the dispersion stands beside the family parameter."""
    base = pointer(buffers, float64)
    parameter = base[FAMILY_PARAMETER * BUFFER]
    dispersion = base[FAMILY_PARAMETER * BUFFER + 1]
    for i in range(rows):
        prior = base[PRIOR_WEIGHT * BUFFER + i]
        value = log_density(
            base[RESPONSE * BUFFER + i],
            base[MEAN * BUFFER + i],
            base[COMPLEMENT * BUFFER + i],
            prior,
            dispersion,
            parameter,
        )
        base[LOG_LIKELIHOOD * BUFFER + i] = value if prior > 0.0 else 0.0
    return 0


def inverse_link_rows(buffers, rows):
    """Mean, its complement and its slope from the linear predictor."""
    base = pointer(buffers, number)
    parameter = number(pointer(buffers, float64)[LINK_PARAMETER * BUFFER])
    outside = 0
    for i in range(rows):
        mu, complement, slope = inverse(base[LINEAR_PREDICTOR * distance + i], parameter)
        base[MEAN * distance + i] = number(mu)
        base[COMPLEMENT * distance + i] = number(complement)
        base[SLOPE * distance + i] = number(slope)
        # A linear predictor outside the link's domain gives NaN; rows of weight 0 do not count.
        outside += 1 if math.isnan(mu) & (base[PRIOR_WEIGHT * distance + i] > 0.0) else 0
    return outside


def link_rows(buffers, rows):
    """Linear predictor from the mean and its complement."""
    base = pointer(buffers, float64)
    parameter = base[LINK_PARAMETER * BUFFER]
    for i in range(rows):
        base[LINEAR_PREDICTOR * BUFFER + i] = forward(
            base[MEAN * BUFFER + i], base[COMPLEMENT * BUFFER + i], parameter
        )
    return 0


def inverse_deriv2_rows(buffers, rows):
    """Second derivative of the mean in the linear predictor."""
    base = pointer(buffers, float64)
    parameter = base[LINK_PARAMETER * BUFFER]
    for i in range(rows):
        eta = base[LINEAR_PREDICTOR * BUFFER + i]
        mu, complement, slope = inverse(eta, parameter)
        base[SCRATCH * BUFFER + i] = inverse_deriv2(eta, mu, complement, slope, parameter)
    return 0
