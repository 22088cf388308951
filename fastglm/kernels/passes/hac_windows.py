"""Products of scores summed over moving windows of rows: what stands for lags in time series."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_state_at,
    buffer_at,
    dense_at,
    entries_at,
)
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, BUFFER, RESIDUAL, TILE
from fastglm.kernels.blocks.table import N_DENSE, N_LAGS, N_ROWS, N_STORED, PARTIALS
from fastglm.kernels.blocks.tiles import end_with_zeros
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import add_gram_rows, row_entries
from fastglm.kernels.passes.score_products import respond_at


@inline
def _add_block(table, table_address, start, scratch, scores, stride):
    """Moves the last N_LAGS scores to the front, and puts those of the block behind them.

    `scores` has one run of `stride` values for each stored column. Rows beyond the last score 0.
    """
    n_dense, n_stored, n_lags = table[N_DENSE], table[N_STORED], table[N_LAGS]
    for j in range(n_stored):
        own = pointer(scores + 8 * stride * j, float64)
        for i in range(n_lags):
            own[i] = own[BLOCK_ROWS + i]
        for i in range(BLOCK_ROWS):
            own[n_lags + i] = 0.0
    if start >= table[N_ROWS]:
        return
    rows = min(BLOCK_ROWS, table[N_ROWS] - start)
    respond_at(table, table_address, start, rows, scratch)
    residual = buffer_at(scratch, RESIDUAL)
    for j in range(n_dense):
        own = pointer(scores + 8 * (stride * j + n_lags), float64)
        column = pointer(dense_at(scratch) + 8 * BUFFER * j, float64)
        for i in range(rows):
            own[i] = column[i] * residual[i]
    if n_stored > n_dense:
        total = pointer(scores + 8 * n_lags, float64)
        entries = entries_at(table, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(table, start, i, entries)):
                total[stride * columns[e] + i] += values[e] * residual[i]


@inline
def _sum_hac_windows(n_lags, rows, scores, stride, windows):
    """Sums over windows that end in each row of the block, TILE columns at a time.

    Each sum follows from the one before; the first is made anew, so that rounding does not add up.
    """
    s0, s1 = pointer(scores, float64), pointer(scores + 8 * stride, float64)
    s2, s3 = pointer(scores + 16 * stride, float64), pointer(scores + 24 * stride, float64)
    w0 = w1 = w2 = w3 = 0.0
    for i in range(n_lags):
        w0 += s0[i]
        w1 += s1[i]
        w2 += s2[i]
        w3 += s3[i]
    for i in range(rows):
        w0 += s0[n_lags + i]
        w1 += s1[n_lags + i]
        w2 += s2[n_lags + i]
        w3 += s3[n_lags + i]
        windows[i], windows[BUFFER + i] = w0, w1
        windows[2 * BUFFER + i], windows[3 * BUFFER + i] = w2, w3
        w0 -= s0[i]
        w1 -= s1[i]
        w2 -= s2[i]
        w3 -= s3[i]
    end_with_zeros(windows, rows)


def hac_products_chunk(table_address, chunk):
    """Adds up s s' in the chunk's own partial, s the sum of scores over N_LAGS + 1 rows; returns 0.

    Blocks are blocks of windows by their last row; windows reach over both ends of the rows.
    """
    table = pointer(table_address, int64)
    n_lags, n_windows = table[N_LAGS], table[N_ROWS] + table[N_LAGS]
    order = (table[N_STORED] + TILE - 1) // TILE * TILE
    partial = table[PARTIALS] + 8 * order * order * chunk
    stride = n_lags + BLOCK_ROWS
    scratch_array = allocate_scratch(table)
    scores_array, windows_array = np.zeros(order * stride), np.zeros(order * BUFFER)
    block_state = block_state_at(table, scratch_array.ctypes.data)
    scores, windows = scores_array.ctypes.data, windows_array.ctypes.data
    first, last = block_range(table, chunk)
    before = (n_lags + BLOCK_ROWS - 1) // BLOCK_ROWS
    for block in range(max(0, first - before), last):
        start = block * BLOCK_ROWS
        _add_block(table, table_address, start, scratch_array.ctypes.data, scores, stride)
        if block >= first:
            rows = min(BLOCK_ROWS, n_windows - start)
            for j in range(0, order, TILE):
                columns = windows + 8 * BUFFER * j
                target = pointer(columns, float64)
                _sum_hac_windows(n_lags, rows, scores + 8 * stride * j, stride, target)
                add_gram_rows(columns, j, rows, windows, 8, partial, order, block_state)
    return (scratch_array.size + scores_array.size + windows_array.size) * 0


hac_products_kernel = RowBlock(hac_products_chunk, "hac_products", {})
