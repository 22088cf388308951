"""Quantities of single rows, written out: fitted means, residuals, leverages, log-likelihoods."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.block import (
    allocate_scratch,
    block_range,
    block_rows,
    plane_at,
)
from fastglm.kernels.context import (
    INVERSE_ROWS,
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
    WANTED,
)
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, pointer


def rows_chunk(context_address, chunk):
    """Writes the WANTED planes of one chunk of rows into OUTPUT, (n_wanted, n_rows); returns 0.

    Without a response only the linear predictor, the mean and the quadratic form mean anything.
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
        for k in range(context[N_WANTED]):
            source = plane_at(scratch, wanted[k])
            target = pointer(context[OUTPUT] + 8 * (context[N_ROWS] * k + start), float64)
            for i in range(rows):
                target[i] = source[i]
    return scratch_array.size * 0


rows_kernel = RowBlock(rows_chunk, "rows", {})
