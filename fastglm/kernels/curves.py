"""Score residuals as polynomials in what is added to a row's linear predictor.

Replicates of a fit move every linear predictor by a few of its standard errors. So near, a
polynomial gives the residual of any family and link to full accuracy, and costs a few products.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.block import allocate_scratch, block_range, block_rows, plane_at
from fastglm.kernels.context import (
    CURVE,
    CURVE_HOLDS,
    CURVE_LIMITS,
    CURVE_NODES,
    INVERSE_ROWS,
    LOAD,
    N_ROWS,
    PREDICT,
    QUADRATIC,
    RESPOND_ROWS,
)
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, inlined, pointer
from fastglm.kernels.planes import LINEAR_PREDICTOR, PLANE, QUADRATIC_FORM, RESIDUAL

#: Coefficients of a polynomial.
CURVE_TERMS = 8


@inlined
def _residuals_at(context, scratch, rows, eta, radius, node):
    """Score residuals at eta + node * radius; returns rows outside the domain."""
    linear_predictor = plane_at(scratch, LINEAR_PREDICTOR)
    for i in range(rows):
        linear_predictor[i] = eta[i] + node * radius[i]
    outside = call_row_block(context[INVERSE_ROWS], scratch, rows)
    return outside + call_row_block(context[RESPOND_ROWS], scratch, rows)


@inlined
def _interpolate(context, scratch, rows, eta, radius, curve):
    """Coefficients in powers of the share of the radius; returns rows outside the domain.

    CURVE_NODES holds, for each of CURVE_TERMS nodes, what its value adds to each coefficient.
    """
    nodes = pointer(context[CURVE_NODES], float64)
    residual = plane_at(scratch, RESIDUAL)
    outside = 0
    for m in range(CURVE_TERMS * PLANE):
        curve[m] = 0.0
    for k in range(CURVE_TERMS):
        corner = k * (CURVE_TERMS + 1)
        outside += _residuals_at(context, scratch, rows, eta, radius, nodes[corner])
        for m in range(CURVE_TERMS):
            share = nodes[corner + 1 + m]
            for i in range(rows):
                curve[m * PLANE + i] += share * residual[i]
    return outside


@inlined
def curve_value(curve, i, x):
    """The polynomial of row i at x."""
    value = curve[(CURVE_TERMS - 1) * PLANE + i]
    for m in range(CURVE_TERMS - 2, -1, -1):
        value = value * x + curve[m * PLANE + i]
    return value


@inlined
def _check(context, scratch, rows, eta, radius, curve, worst):
    """Largest errors of the polynomials halfway between nodes; returns rows outside the domain."""
    residual = plane_at(scratch, RESIDUAL)
    outside = 0
    for i in range(rows):
        worst[i] = 0.0
    for k in range(CURVE_TERMS + 1):
        node = math.cos(math.pi * k / CURVE_TERMS)
        outside += _residuals_at(context, scratch, rows, eta, radius, node)
        for i in range(rows):
            error = abs(curve_value(curve, i, node) - residual[i])
            # NaN is worse than any number.
            worst[i] = worst[i] if error <= worst[i] else error
    return outside


def curve_chunk(context_address, chunk):
    """Writes the polynomials of one chunk of rows into CURVE, and how far they reach; returns 0.

    CURVE_HOLDS says of each block whether its polynomials may stand for the residuals. For that,
    the sum of their errors times the rows' standard errors, which bounds how far they move an
    estimate in its own standard errors, must be within the block's share of what is allowed.
    """
    context = pointer(context_address, int64)
    n_rows = context[N_ROWS]
    limits = pointer(context[CURVE_LIMITS], float64)
    reach, allowed = limits[0], limits[1]
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    work_array = np.zeros((CURVE_TERMS + 3) * PLANE)
    eta = pointer(work_array.ctypes.data, float64)
    radius = pointer(work_array.ctypes.data + 8 * PLANE, float64)
    worst = pointer(work_array.ctypes.data + 16 * PLANE, float64)
    curve = pointer(work_array.ctypes.data + 24 * PLANE, float64)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
        call_stage(context[QUADRATIC], context_address, start, rows, scratch, 0)
        for i in range(rows):
            eta[i] = plane_at(scratch, LINEAR_PREDICTOR)[i]
            reached = reach * math.sqrt(plane_at(scratch, QUADRATIC_FORM)[i])
            # A row without a standard error never moves.
            radius[i] = reached if reached > 0.0 else 1.0
        outside = _interpolate(context, scratch, rows, eta, radius, curve)
        outside += _check(context, scratch, rows, eta, radius, curve, worst)
        total = 0.0
        for i in range(rows):
            total += worst[i] * math.sqrt(plane_at(scratch, QUADRATIC_FORM)[i])
        holds = (outside == 0) & (total <= allowed * rows / n_rows)
        pointer(context[CURVE_HOLDS], int64)[block] = int64(holds)
        for i in range(rows):
            power = 1.0
            for m in range(CURVE_TERMS):
                output = pointer(context[CURVE] + 8 * (n_rows * m + start), float64)
                output[i] = curve[m * PLANE + i] * power
                power /= radius[i]
            output = pointer(context[CURVE] + 8 * (n_rows * CURVE_TERMS + start), float64)
            output[i] = radius[i]
    return (scratch_array.size + work_array.size) * 0


curve_kernel = RowBlock(curve_chunk, "curve", {})
