"""Quantities of single rows, written out: fitted means, residuals, leverages, log-likelihoods."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.block import (
    allocate_scratch,
    block_range,
    block_rows,
    dense_at,
    entries_at,
    plane_at,
)
from fastglm.kernels.context import (
    FACTOR,
    INVERSE_ROWS,
    LOAD,
    LOG_DENSITY_ROWS,
    N_DENSE,
    N_FACTOR,
    N_ROWS,
    N_SWEEP,
    N_WANTED,
    OUTPUT,
    PREDICT,
    RESPOND_ROWS,
    RESPONSE_SOURCE,
    WANTED,
)
from fastglm.kernels.gram import row_entries
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, called, pointer
from fastglm.kernels.planes import PLANE, QUADRATIC_FORM, SCRATCH


@called
def quadratic_form(context, start, rows, scratch):
    """|factor x|**2 of every row of the block."""
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    total = plane_at(scratch, QUADRATIC_FORM)
    product = plane_at(scratch, SCRATCH)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    for i in range(rows):
        total[i] = 0.0
    for k in range(context[N_FACTOR]):
        row = pointer(context[FACTOR] + 8 * n_sweep * k, float64)
        for i in range(rows):
            product[i] = 0.0
        for j in range(n_dense):
            column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
            coefficient = row[j]
            if coefficient != 0.0:
                for i in range(rows):
                    product[i] += coefficient * column[i]
        if n_sweep > n_dense:
            for i in range(rows):
                for e in range(row_entries(context, start, i, entries)):
                    product[i] += row[columns[e]] * values[e]
        for i in range(rows):
            total[i] += product[i] * product[i]


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
            quadratic_form(context, start, rows, scratch)
        for k in range(context[N_WANTED]):
            source = plane_at(scratch, wanted[k])
            target = pointer(context[OUTPUT] + 8 * (context[N_ROWS] * k + start), float64)
            for i in range(rows):
                target[i] = source[i]
    return scratch_array.size * 0


rows_kernel = RowBlock(rows_chunk, "rows", {})
