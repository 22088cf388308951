"""Sums over rows of what `fastglm.kernels.passes.row_values` writes out."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_range, block_rows, plane_at
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
from fastglm.kernels.compiler.decorators import inlined_sums
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import dot
from fastglm.kernels.passes.gram import sum_plane


@inlined_sums
def _plane_sum(context, plane, start, rows):
    """Sum of a plane, each row as often as it was observed."""
    if context[ROW_FACTOR] == 0:
        return sum_plane(plane, rows)
    return dot(plane, pointer(context[ROW_FACTOR] + 8 * start, float64), rows)


def row_sums_chunk(context_address, chunk):
    """Adds the WANTED planes of one chunk of rows to its own in OUTPUT, (n_chunks, n_wanted)."""
    context = pointer(context_address, int64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    wanted, n_wanted = pointer(context[WANTED], int64), context[N_WANTED]
    total = pointer(context[OUTPUT] + 8 * n_wanted * chunk, float64)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
        call_row_block(context[INVERSE_ROWS], scratch, rows)
        call_row_block(context[RESPOND_ROWS], scratch, rows)
        if context[LOG_DENSITY_ROWS] != 0:
            call_row_block(context[LOG_DENSITY_ROWS], scratch, rows)
        for k in range(n_wanted):
            total[k] += _plane_sum(context, plane_at(scratch, wanted[k]), start, rows)
    return scratch_array.size * 0


row_sums_kernel = RowBlock(row_sums_chunk, "row_sums", {})
