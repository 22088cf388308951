"""Standardise: shifts and scales of the dense columns, from approximate means and spreads.

Both are rounded so that applying them is exact in floating point for data of ordinary precision:
scales to powers of two, shifts to a few leading bits. A column is shifted only if a column of ones
stands before it, so the span of every column and those before it stays the same, and with it
which columns are aliased.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_rows, dense_at
from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.blocks.table import (
    CONSTANT,
    DESIGN_COLUMN_OF,
    LOAD,
    MODE,
    N_BLOCKS,
    N_DENSE,
    OUTPUT,
    SCALE,
    SHIFT,
    SHIFTED,
)
from fastglm.kernels.compiler.decorators import inline, inline_sums
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import sum_buffer


@inline_sums
def _squares_about(buffer, center, rows):
    total = 0.0
    for i in range(rows):
        deviation = buffer[i] - center
        total += deviation * deviation
    return total


@inline
def _find_moments(table_address, mean, squares):
    """Means and sums of squares about them of every dense column; returns the number of rows.

    Blocks are merged by the update of Chan, Golub & LeVeque (1983), so a spread much smaller than
    the mean is not lost.
    """
    table = pointer(table_address, int64)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    seen = 0.0
    for block in range(table[N_BLOCKS]):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        for j in range(table[N_DENSE]):
            buffer = pointer(dense_at(scratch) + 8 * BUFFER * j, float64)
            block_mean = sum_buffer(buffer, rows) / rows
            difference = block_mean - mean[j]
            squares[j] += _squares_about(buffer, block_mean, rows)
            squares[j] += difference * difference * seen * rows / (seen + rows)
            mean[j] += difference * rows / (seen + rows)
        seen += rows
    return seen + scratch_array.size * 0


@inline
def _power_of_two_below(value):
    """1 over the power of two next above a positive value; 1 if there is none to speak of."""
    if not (value > 0.0 and value < math.inf):
        return 1.0
    _, exponent = math.frexp(value)
    return math.ldexp(1.0, -min(max(exponent, -1000), 1000))


@inline
def _few_bits(mean, spread):
    """The mean to within a spread, in as few bits as that takes."""
    unit = 1.0 / _power_of_two_below(spread)
    rounded = np.rint(mean / unit) * unit
    return rounded if spread > 0.0 and math.isfinite(rounded) else mean


@inline
def _find_constant(n_dense, mean, squares, design_column):
    """The dense column that is constant and first among the model's columns, or -1."""
    constant = -1
    for j in range(n_dense):
        is_constant = design_column[j] >= 0 and squares[j] == 0.0 and mean[j] != 0.0
        is_first = constant < 0 or design_column[j] < design_column[constant]
        # Dividing by the constant must give exactly one.
        if is_constant and is_first and mean[j] * (1.0 / mean[j]) == 1.0:
            constant = j
    return constant


def standardize(table_address, unused):
    """Fills SHIFT, SCALE and CONSTANT, from means and sums of squares that are kept in OUTPUT.

    All visited blocks are one chunk. Without the mode SHIFTED no column is taken to be constant.
    """
    table = pointer(table_address, int64)
    n_dense = table[N_DENSE]
    moments = pointer(table[OUTPUT], float64)
    squares = pointer(table[OUTPUT] + 8 * n_dense, float64)
    seen = _find_moments(table_address, moments, squares)
    design_column = pointer(table[DESIGN_COLUMN_OF], int64)
    shift, scale = pointer(table[SHIFT], float64), pointer(table[SCALE], float64)
    constant = -1
    if table[MODE] & SHIFTED:
        constant = _find_constant(n_dense, moments, squares, design_column)
    for j in range(n_dense):
        mean, spread = moments[j], math.sqrt(squares[j] / seen)
        shift[j], scale[j] = 0.0, 1.0
        if design_column[j] < 0:
            continue
        if j == constant:
            scale[j] = 1.0 / mean
        elif constant >= 0 and design_column[j] > design_column[constant] and math.isfinite(mean):
            shift[j] = _few_bits(mean, spread)
            scale[j] = _power_of_two_below(spread)
        else:
            scale[j] = _power_of_two_below(math.hypot(mean, spread))
    table[CONSTANT] = constant
    return 0


standardize_kernel = RowBlock(standardize, "standardize", {})
