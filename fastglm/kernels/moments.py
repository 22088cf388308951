"""Approximate means and spreads of the dense columns, from some of the blocks."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.context import N_BLOCKS, N_DENSE, OUTPUT
from fastglm.kernels.gram import sum_plane
from fastglm.kernels.jit import RowBlock, inlined_sums, pointer
from fastglm.kernels.load import load_dense
from fastglm.kernels.planes import PLANE
from fastglm.kernels.sweep import block_rows


@inlined_sums
def _squares_about(plane, center, rows):
    total = 0.0
    for i in range(rows):
        total += (plane[i] - center) ** 2
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
    scratch = np.empty((n_dense + 1) * PLANE)
    dense = scratch.ctypes.data
    seen = 0.0
    for block in range(context[N_BLOCKS]):
        start, rows = block_rows(context, block)
        load_dense(context, start, rows, dense, dense + 8 * PLANE * n_dense)
        for j in range(n_dense):
            plane = pointer(dense + 8 * PLANE * j, float64)
            block_mean = sum_plane(plane, rows) / rows
            difference = block_mean - mean[j]
            squares[j] += _squares_about(plane, block_mean, rows)
            squares[j] += difference * difference * seen * rows / (seen + rows)
            mean[j] += difference * rows / (seen + rows)
        seen += rows
    return 0


moments_kernel = RowBlock(moments_chunk, "moments", {})
