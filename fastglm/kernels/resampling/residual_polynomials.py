"""Score residuals as polynomials in what is added to a row's linear predictor.

Replicates of a fit move every linear predictor by a few of its standard errors. So near, a
polynomial gives the residual of any family and link to full accuracy, and costs a few products.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_range, block_rows, plane_at
from fastglm.kernels.blocks.planes import (
    BLOCK_ROWS,
    LINEAR_PREDICTOR,
    PLANE,
    QUADRATIC_FORM,
    RESIDUAL,
)
from fastglm.kernels.blocks.table import (
    CURVE,
    CURVE_LENGTH,
    CURVE_LIMITS,
    CURVE_NODES,
    CURVE_POWERS,
    LOAD,
    N_ROWS,
    PREDICT,
    QUADRATIC,
)
from fastglm.kernels.compiler.decorators import inlined, inlined_sums
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.sweep import respond

#: Most coefficients of a polynomial.
CURVE_TERMS = 8
#: Planes of a block in CURVE: the coefficients, and the lengths of the rows.
CURVE_PLANES = CURVE_TERMS + 1
#: Where residuals are evaluated: at two more, whose coefficients tell what is left out.
CURVE_POINTS = CURVE_TERMS + 2


@inlined
def _expand(context, scratch, rows, eta, radius, scale, series):
    """Chebyshev's series of the scaled residuals; returns rows outside the domain.

    CURVE_NODES holds, for each of CURVE_POINTS nodes, what its value adds to each coefficient.
    """
    nodes = pointer(context[CURVE_NODES], float64)
    linear_predictor = plane_at(scratch, LINEAR_PREDICTOR)
    residual = plane_at(scratch, RESIDUAL)
    outside = 0
    for m in range(CURVE_POINTS * PLANE):
        series[m] = 0.0
    for k in range(CURVE_POINTS):
        corner = k * (CURVE_POINTS + 1)
        for i in range(rows):
            linear_predictor[i] = eta[i] + nodes[corner] * radius[i]
        outside += respond(context, rows, scratch)
        for m in range(CURVE_POINTS):
            share = nodes[corner + 1 + m]
            for i in range(rows):
                series[m * PLANE + i] += share * (residual[i] * scale[i])
    return outside


@inlined_sums
def _sum_of_absolute(plane, rows):
    total = 0.0
    for i in range(rows):
        total += abs(plane[i])
    return total


@inlined
def _sufficient_length(series, rows, allowed):
    """Fewest coefficients that leave out no more than is allowed, 0 if not even all are enough."""
    length, left = 0, 0.0
    for m in range(CURVE_POINTS - 1, 0, -1):
        left += _sum_of_absolute(offset_pointer(series, m * PLANE), rows)
        # A comparison with NaN is false.
        if m <= CURVE_TERMS and left <= allowed:
            length = m
    return length


@inlined
def _write_curve(context, series, length, rows, curve):
    """The first coefficients of a series as those of powers.

    CURVE_POWERS holds the powers that each of Chebyshev's polynomials consists of.
    """
    powers = pointer(context[CURVE_POWERS], float64)
    for j in range(length):
        for i in range(rows):
            total = 0.0
            for m in range(j, length):
                total += powers[m * CURVE_TERMS + j] * series[m * PLANE + i]
            curve[j * BLOCK_ROWS + i] = float32(total)


def curve_chunk(context_address, chunk):
    """Writes the polynomials of one chunk of rows into CURVE; returns 0.

    They are of residuals times the lengths of the rows, |factor x|, over the standard error of an
    estimate whose information is 1, in shares of how far the linear predictor is expected to move.
    CURVE_LENGTH says of each block how many coefficients keep the sum of the errors, which bounds
    how far they move an estimate in its own standard errors, within the block's share of what is
    allowed. If none are enough it is 0, and there is only the residual itself.
    """
    context = pointer(context_address, int64)
    n_rows = context[N_ROWS]
    limits = pointer(context[CURVE_LIMITS], float64)
    reach, standard_error, allowed = limits[0], limits[1], limits[2]
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    work_array = np.zeros((CURVE_POINTS + 3) * PLANE)
    eta = pointer(work_array.ctypes.data, float64)
    radius = pointer(work_array.ctypes.data + 8 * PLANE, float64)
    scale = pointer(work_array.ctypes.data + 16 * PLANE, float64)
    series = pointer(work_array.ctypes.data + 24 * PLANE, float64)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        curve = pointer(context[CURVE] + 4 * CURVE_PLANES * BLOCK_ROWS * block, float32)
        for stage in (LOAD, PREDICT, QUADRATIC):
            call_stage(context[stage], context_address, start, rows, scratch, 0)
        respond(context, rows, scratch)
        for i in range(rows):
            eta[i] = plane_at(scratch, LINEAR_PREDICTOR)[i]
            length = float32(math.sqrt(plane_at(scratch, QUADRATIC_FORM)[i]))
            curve[CURVE_TERMS * BLOCK_ROWS + i] = length
            radius[i] = reach * standard_error * length
            scale[i] = length / standard_error
            curve[i] = float32(plane_at(scratch, RESIDUAL)[i] * scale[i])
        outside = _expand(context, scratch, rows, eta, radius, scale, series)
        n_terms = _sufficient_length(series, rows, allowed * rows / n_rows)
        n_terms = n_terms if outside == 0 else 0
        pointer(context[CURVE_LENGTH], int64)[block] = n_terms
        _write_curve(context, series, n_terms, rows, curve)
    return (scratch_array.size + work_array.size) * 0


curve_kernel = RowBlock(curve_chunk, "curve", {})
