"""Sums over rows of what `fastglm.kernels.passes.row_values` writes out."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_range, block_rows, buffer_at
from fastglm.kernels.blocks.table import (
    INVERSE_ROWS,
    LOAD,
    LOG_DENSITY_ROWS,
    N_WANTED,
    OUTPUT,
    PREDICT,
    RESPOND_ROWS,
    ROW_FACTOR,
    WANTED,
)
from fastglm.kernels.compiler.decorators import inline_sums
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import dot
from fastglm.kernels.passes.gram import sum_buffer


@inline_sums
def _plane_sum(table, buffer, start, rows):
    """Sum of a buffer, each row as often as it was observed."""
    if table[ROW_FACTOR] == 0:
        return sum_buffer(buffer, rows)
    return dot(buffer, pointer(table[ROW_FACTOR] + 8 * start, float64), rows)


def row_sums_chunk(table_address, chunk):
    """Adds the WANTED buffers of one chunk of rows to its own in OUTPUT, (n_chunks, n_wanted)."""
    table = pointer(table_address, int64)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    wanted, n_wanted = pointer(table[WANTED], int64), table[N_WANTED]
    total = pointer(table[OUTPUT] + 8 * n_wanted * chunk, float64)
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
        call_row_block(table[INVERSE_ROWS], scratch, rows)
        call_row_block(table[RESPOND_ROWS], scratch, rows)
        if table[LOG_DENSITY_ROWS] != 0:
            call_row_block(table[LOG_DENSITY_ROWS], scratch, rows)
        for k in range(n_wanted):
            total[k] += _plane_sum(table, buffer_at(scratch, wanted[k]), start, rows)
    return scratch_array.size * 0


row_sums_kernel = RowBlock(row_sums_chunk, "row_sums", {})
