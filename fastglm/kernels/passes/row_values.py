"""Quantities of single rows, written out: fitted means, residuals, leverages, log-likelihoods."""

from __future__ import annotations

import math

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    buffer_at,
)
from fastglm.kernels.blocks.row_buffers import (
    LINEAR_PREDICTOR,
    MEAN,
    MEAN_STANDARD_ERROR,
    QUADRATIC_FORM,
    SLOPE,
    STANDARD_ERROR,
)
from fastglm.kernels.blocks.table import (
    CRITICAL_VALUE,
    INVERSE_ROWS,
    LINEAR_PREDICTORS,
    LOAD,
    LOG_DENSITY_ROWS,
    N_FACTOR,
    N_ROWS,
    N_WANTED,
    OUTPUT,
    PREDICT,
    QUADRATIC,
    RESPOND_ROWS,
    RESPONSE_SOURCE,
    STANDARD_ERRORS,
    WANTED,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock


@inline
def _standard_errors(scratch, rows):
    """Standard errors of linear predictor and mean, where QUADRATIC_FORM is a variance."""
    variance = buffer_at(scratch, QUADRATIC_FORM)
    slope = buffer_at(scratch, SLOPE)
    error = buffer_at(scratch, STANDARD_ERROR)
    error_of_mean = buffer_at(scratch, MEAN_STANDARD_ERROR)
    for i in range(rows):
        error[i] = math.sqrt(variance[i])
        error_of_mean[i] = abs(slope[i]) * error[i]


def rows_chunk(table_address, chunk):
    """Writes the WANTED buffers of one chunk of rows into OUTPUT, (n_wanted, n_rows); returns 0.

    Without a response only the linear predictor, the mean, the quadratic form and the standard
    errors mean anything.
    """
    table = pointer(table_address, int64)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    wanted = pointer(table[WANTED], int64)
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
        call_row_block(table[INVERSE_ROWS], scratch, rows)
        if table[RESPONSE_SOURCE] >= 0:
            call_row_block(table[RESPOND_ROWS], scratch, rows)
            if table[LOG_DENSITY_ROWS] != 0:
                call_row_block(table[LOG_DENSITY_ROWS], scratch, rows)
        if table[N_FACTOR] > 0:
            call_stage(table[QUADRATIC], table_address, start, rows, scratch, 0)
            _standard_errors(scratch, rows)
        for k in range(table[N_WANTED]):
            source = buffer_at(scratch, wanted[k])
            target = pointer(table[OUTPUT] + 8 * (table[N_ROWS] * k + start), float64)
            for i in range(rows):
                target[i] = source[i]
    return scratch_array.size * 0


rows_kernel = RowBlock(rows_chunk, "rows", {})


def limits_chunk(table_address, chunk):
    """Writes intervals of the means of one chunk of rows into OUTPUT, (2, n_rows); returns 0.

    The ends of the linear predictor's interval, mapped back through the link. A decreasing link
    turns them around; an end beyond the link's domain is NaN.
    """
    table = pointer(table_address, int64)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    reach = pointer(table[CRITICAL_VALUE], float64)[0]
    eta = buffer_at(scratch, LINEAR_PREDICTOR)
    mean, slope = buffer_at(scratch, MEAN), buffer_at(scratch, SLOPE)
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        center = pointer(table[LINEAR_PREDICTORS] + 8 * start, float64)
        error = pointer(table[STANDARD_ERRORS] + 8 * start, float64)
        lower = pointer(table[OUTPUT] + 8 * start, float64)
        upper = pointer(table[OUTPUT] + 8 * (table[N_ROWS] + start), float64)
        for i in range(rows):
            eta[i] = center[i] - reach * error[i]
        call_row_block(table[INVERSE_ROWS], scratch, rows)
        for i in range(rows):
            lower[i], upper[i] = mean[i], slope[i]
            eta[i] = center[i] + reach * error[i]
        call_row_block(table[INVERSE_ROWS], scratch, rows)
        for i in range(rows):
            low, high = lower[i], mean[i]
            # Where one end is beyond the domain, the slope at the other decides.
            is_turned = (low > high) | ((low != low) & (slope[i] < 0.0))
            is_turned |= (high != high) & (upper[i] < 0.0)
            lower[i] = high if is_turned else low
            upper[i] = low if is_turned else high
    return scratch_array.size * 0


limits_kernel = RowBlock(limits_chunk, "limits", {})
