"""Quantities of single rows, written out: fitted means, residuals, leverages, log-likelihoods."""

from __future__ import annotations

import math

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    plane_at,
)
from fastglm.kernels.blocks.planes import (
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
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock


@inlined
def _standard_errors(scratch, rows):
    """Standard errors of linear predictor and mean, where QUADRATIC_FORM is a variance."""
    variance = plane_at(scratch, QUADRATIC_FORM)
    slope = plane_at(scratch, SLOPE)
    error = plane_at(scratch, STANDARD_ERROR)
    error_of_mean = plane_at(scratch, MEAN_STANDARD_ERROR)
    for i in range(rows):
        error[i] = math.sqrt(variance[i])
        error_of_mean[i] = abs(slope[i]) * error[i]


def rows_chunk(context_address, chunk):
    """Writes the WANTED planes of one chunk of rows into OUTPUT, (n_wanted, n_rows); returns 0.

    Without a response only the linear predictor, the mean, the quadratic form and the standard
    errors mean anything.
    """
    context = pointer(context_address, int64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    wanted = pointer(context[WANTED], int64)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
        call_row_block(context[INVERSE_ROWS], scratch, rows)
        if context[RESPONSE_SOURCE] >= 0:
            call_row_block(context[RESPOND_ROWS], scratch, rows)
            if context[LOG_DENSITY_ROWS] != 0:
                call_row_block(context[LOG_DENSITY_ROWS], scratch, rows)
        if context[N_FACTOR] > 0:
            call_stage(context[QUADRATIC], context_address, start, rows, scratch, 0)
            _standard_errors(scratch, rows)
        for k in range(context[N_WANTED]):
            source = plane_at(scratch, wanted[k])
            target = pointer(context[OUTPUT] + 8 * (context[N_ROWS] * k + start), float64)
            for i in range(rows):
                target[i] = source[i]
    return scratch_array.size * 0


rows_kernel = RowBlock(rows_chunk, "rows", {})


def limits_chunk(context_address, chunk):
    """Writes intervals of the means of one chunk of rows into OUTPUT, (2, n_rows); returns 0.

    The ends of the linear predictor's interval, mapped back through the link. A decreasing link
    turns them around; an end beyond the link's domain is NaN.
    """
    context = pointer(context_address, int64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    reach = pointer(context[CRITICAL_VALUE], float64)[0]
    eta = plane_at(scratch, LINEAR_PREDICTOR)
    mean, slope = plane_at(scratch, MEAN), plane_at(scratch, SLOPE)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        centre = pointer(context[LINEAR_PREDICTORS] + 8 * start, float64)
        error = pointer(context[STANDARD_ERRORS] + 8 * start, float64)
        lower = pointer(context[OUTPUT] + 8 * start, float64)
        upper = pointer(context[OUTPUT] + 8 * (context[N_ROWS] + start), float64)
        for i in range(rows):
            eta[i] = centre[i] - reach * error[i]
        call_row_block(context[INVERSE_ROWS], scratch, rows)
        for i in range(rows):
            lower[i], upper[i] = mean[i], slope[i]
            eta[i] = centre[i] + reach * error[i]
        call_row_block(context[INVERSE_ROWS], scratch, rows)
        for i in range(rows):
            low, high = lower[i], mean[i]
            # Where one end is beyond the domain, the slope at the other tells.
            is_turned = (low > high) | ((low != low) & (slope[i] < 0.0))
            is_turned |= (high != high) & (upper[i] < 0.0)
            lower[i] = high if is_turned else low
            upper[i] = low if is_turned else high
    return scratch_array.size * 0


limits_kernel = RowBlock(limits_chunk, "limits", {})
