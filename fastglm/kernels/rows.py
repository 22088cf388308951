"""Quantities of single rows, written out: fitted means, residuals, leverages, log-likelihoods."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.context import (
    FACTOR,
    INVERSE_ROWS,
    LOG_DENSITY_ROWS,
    N_DENSE,
    N_FACTOR,
    N_ROWS,
    N_SWEEP,
    N_WANTED,
    OUTPUT,
    RESPOND_ROWS,
    RESPONSE_SOURCE,
    WANTED,
)
from fastglm.kernels.gram import row_entries
from fastglm.kernels.jit import RowBlock, call_row_block, called, pointer
from fastglm.kernels.planes import PLANE, QUADRATIC_FORM, SCRATCH
from fastglm.kernels.sweep import (
    allocate_planes,
    block_range,
    block_rows,
    load_block,
    predict_block,
)


@called
def quadratic_form(context, start, rows, planes, dense, entries):
    """|factor x|**2 of every row of the block."""
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    total = pointer(planes + 8 * PLANE * QUADRATIC_FORM, float64)
    product = pointer(planes + 8 * PLANE * SCRATCH, float64)
    entry_index, entry_value, index, value = entries
    for i in range(rows):
        total[i] = 0.0
    for k in range(context[N_FACTOR]):
        row = pointer(context[FACTOR] + 8 * n_sweep * k, float64)
        for i in range(rows):
            product[i] = 0.0
        for j in range(n_dense):
            column = pointer(dense + 8 * PLANE * j, float64)
            coefficient = row[j]
            if coefficient != 0.0:
                for i in range(rows):
                    product[i] += coefficient * column[i]
        if n_sweep > n_dense:
            for i in range(rows):
                count = row_entries(context, start, i, entry_index, entry_value, index, value)
                for e in range(count):
                    product[i] += row[index[e]] * value[e]
        for i in range(rows):
            total[i] += product[i] * product[i]


def rows_chunk(context_address, chunk):
    """Writes the WANTED planes of one chunk of rows into OUTPUT, (n_wanted, n_rows); returns 0.

    Without a response only the linear predictor, the mean and the quadratic form mean anything.
    """
    context = pointer(context_address, int64)
    plane_array, dense_array, index_planes, value_planes, index, value = allocate_planes(context)
    planes = plane_array.ctypes.data
    dense = dense_array.ctypes.data
    entries = (index_planes, value_planes, index, value)
    wanted = pointer(context[WANTED], int64)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        load_block(
            context, start, rows, planes, dense, index_planes.ctypes.data, value_planes.ctypes.data
        )
        predict_block(context, start, rows, planes, dense, entries)
        call_row_block(context[INVERSE_ROWS], planes, rows)
        if context[RESPONSE_SOURCE] >= 0:
            call_row_block(context[RESPOND_ROWS], planes, rows)
            if context[LOG_DENSITY_ROWS] != 0:
                call_row_block(context[LOG_DENSITY_ROWS], planes, rows)
        if context[N_FACTOR] > 0:
            quadratic_form(context, start, rows, planes, dense, entries)
        for k in range(context[N_WANTED]):
            source = pointer(planes + 8 * PLANE * wanted[k], float64)
            target = pointer(context[OUTPUT] + 8 * (context[N_ROWS] * k + start), float64)
            for i in range(rows):
                target[i] = source[i]
    return 0


rows_kernel = RowBlock(rows_chunk, "rows", {})
