"""Score residuals as polynomials in what is added to a row's linear predictor.

Replicates of a fit move every linear predictor by a few of its standard errors. So near, a
polynomial gives the residual of any family and link to full accuracy, and costs a few products.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_range, block_rows, buffer_at
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    LINEAR_PREDICTOR,
    QUADRATIC_FORM,
    RESIDUAL,
)
from fastglm.kernels.blocks.table import (
    LOAD,
    N_ROWS,
    POLYNOMIAL,
    POLYNOMIAL_LENGTH,
    POLYNOMIAL_LIMITS,
    POLYNOMIAL_NODES,
    POLYNOMIAL_POWERS,
    PREDICT,
    QUADRATIC,
)
from fastglm.kernels.compiler.decorators import inline, inline_sums
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.sweep import respond

#: Most coefficients of a polynomial.
POLYNOMIAL_TERMS = 8
#: Buffers of a block in CURVE: the coefficients, and the lengths of the rows.
POLYNOMIAL_BUFFERS = POLYNOMIAL_TERMS + 1
#: Where residuals are evaluated: at two more, whose coefficients bound what is left out.
POLYNOMIAL_POINTS = POLYNOMIAL_TERMS + 2


@inline
def _expand(table, scratch, rows, eta, radius, scale, series):
    """Chebyshev's series of the scaled residuals; returns rows outside the domain.

    POLYNOMIAL_NODES holds, for each of POLYNOMIAL_POINTS nodes, what its value adds to each
    coefficient.
    """
    nodes = pointer(table[POLYNOMIAL_NODES], float64)
    linear_predictor = buffer_at(scratch, LINEAR_PREDICTOR)
    residual = buffer_at(scratch, RESIDUAL)
    outside = 0
    for m in range(POLYNOMIAL_POINTS * BUFFER):
        series[m] = 0.0
    for k in range(POLYNOMIAL_POINTS):
        corner = k * (POLYNOMIAL_POINTS + 1)
        for i in range(rows):
            linear_predictor[i] = eta[i] + nodes[corner] * radius[i]
        outside += respond(table, rows, scratch)
        for m in range(POLYNOMIAL_POINTS):
            share = nodes[corner + 1 + m]
            for i in range(rows):
                series[m * BUFFER + i] += share * (residual[i] * scale[i])
    return outside


@inline_sums
def _sum_of_absolute(buffer, rows):
    total = 0.0
    for i in range(rows):
        total += abs(buffer[i])
    return total


@inline
def _sufficient_length(series, rows, allowed):
    """Fewest coefficients that leave out no more than is allowed, 0 if not even all are enough."""
    length, left = 0, 0.0
    for m in range(POLYNOMIAL_POINTS - 1, 0, -1):
        left += _sum_of_absolute(offset_pointer(series, m * BUFFER), rows)
        # A comparison with NaN is false.
        if m <= POLYNOMIAL_TERMS and left <= allowed:
            length = m
    return length


@inline
def _write_polynomial(table, series, length, rows, polynomial):
    """The first coefficients of a series as those of powers.

    POLYNOMIAL_POWERS holds the powers that each of Chebyshev's polynomials consists of.
    """
    powers = pointer(table[POLYNOMIAL_POWERS], float64)
    for j in range(length):
        for i in range(rows):
            total = 0.0
            for m in range(j, length):
                total += powers[m * POLYNOMIAL_TERMS + j] * series[m * BUFFER + i]
            polynomial[j * BLOCK_ROWS + i] = float32(total)


def polynomial_chunk(table_address, chunk):
    """Writes the polynomials of one chunk of rows into CURVE; returns 0.

    They are of residuals times the lengths of the rows, |factor x|, over the standard error of an
    estimate whose information is 1, in shares of how far the linear predictor is expected to move.
    POLYNOMIAL_LENGTH holds for each block how many coefficients keep the sum of the errors, which
    bounds how far they move an estimate in its own standard errors, within the block's share of
    what is allowed. If none are enough it is 0, and there is only the residual itself.
    """
    table = pointer(table_address, int64)
    n_rows = table[N_ROWS]
    limits = pointer(table[POLYNOMIAL_LIMITS], float64)
    reach, standard_error, allowed = limits[0], limits[1], limits[2]
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    work_array = np.zeros((POLYNOMIAL_POINTS + 3) * BUFFER)
    eta = pointer(work_array.ctypes.data, float64)
    radius = pointer(work_array.ctypes.data + 8 * BUFFER, float64)
    scale = pointer(work_array.ctypes.data + 16 * BUFFER, float64)
    series = pointer(work_array.ctypes.data + 24 * BUFFER, float64)
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        polynomial = pointer(
            table[POLYNOMIAL] + 4 * POLYNOMIAL_BUFFERS * BLOCK_ROWS * block, float32
        )
        for stage in (LOAD, PREDICT, QUADRATIC):
            call_stage(table[stage], table_address, start, rows, scratch, 0)
        respond(table, rows, scratch)
        for i in range(rows):
            eta[i] = buffer_at(scratch, LINEAR_PREDICTOR)[i]
            length = float32(math.sqrt(buffer_at(scratch, QUADRATIC_FORM)[i]))
            polynomial[POLYNOMIAL_TERMS * BLOCK_ROWS + i] = length
            radius[i] = reach * standard_error * length
            scale[i] = length / standard_error
            polynomial[i] = float32(buffer_at(scratch, RESIDUAL)[i] * scale[i])
        outside = _expand(table, scratch, rows, eta, radius, scale, series)
        n_terms = _sufficient_length(series, rows, allowed * rows / n_rows)
        n_terms = n_terms if outside == 0 else 0
        pointer(table[POLYNOMIAL_LENGTH], int64)[block] = n_terms
        _write_polynomial(table, series, n_terms, rows, polynomial)
    return (scratch_array.size + work_array.size) * 0


polynomial_kernel = RowBlock(polynomial_chunk, "curve", {})
