"""Approximate means and spreads of the dense columns, from some of the blocks."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.block import allocate_scratch, block_rows, dense_at
from fastglm.kernels.context import LOAD, N_BLOCKS, N_DENSE, OUTPUT
from fastglm.kernels.gram import sum_plane
from fastglm.kernels.jit import RowBlock, call_stage, inlined_sums, pointer
from fastglm.kernels.planes import PLANE


@inlined_sums
def _squares_about(plane, center, rows):
    total = 0.0
    for i in range(rows):
        deviation = plane[i] - center
        total += deviation * deviation
    return total


def moments_chunk(context_address, chunk):
    """Mean and sum of squares about it of every dense column, (2, n_dense), into OUTPUT.

    All visited blocks are one chunk. Blocks are merged by the update of Chan, Golub & LeVeque
    (1983), so a spread much smaller than the mean is not lost.
    """
    context = pointer(context_address, int64)
    n_dense = context[N_DENSE]
    mean = pointer(context[OUTPUT], float64)
    squares = pointer(context[OUTPUT] + 8 * n_dense, float64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    seen = 0.0
    for block in range(context[N_BLOCKS]):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        for j in range(n_dense):
            plane = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
            block_mean = sum_plane(plane, rows) / rows
            difference = block_mean - mean[j]
            squares[j] += _squares_about(plane, block_mean, rows)
            squares[j] += difference * difference * seen * rows / (seen + rows)
            mean[j] += difference * rows / (seen + rows)
        seen += rows
    return scratch_array.size * 0


moments_kernel = RowBlock(moments_chunk, "moments", {})
