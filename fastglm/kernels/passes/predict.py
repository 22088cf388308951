"""Predict: the linear predictor of one block of rows."""

from __future__ import annotations

from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.block import buffer_at, dense_at, entries_at, float32_buffer_at
from fastglm.kernels.blocks.row_buffers import BUFFER, LINEAR_PREDICTOR, OFFSET, TILE
from fastglm.kernels.blocks.table import BETA, FLOAT32, MODE, N_DENSE, N_STORED
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries


@inline
def _add_up(column, beta, n_columns, rows, offset, total, precision):
    """Buffers times their coefficients and the offset into `total`, all of one precision."""
    for i in range(rows):
        total[i] = offset[i]
    whole = n_columns - n_columns % TILE
    for j in range(0, whole, TILE):
        c = offset_pointer(column, BUFFER * j)
        b0, b1 = precision(beta[j]), precision(beta[j + 1])
        b2, b3 = precision(beta[j + 2]), precision(beta[j + 3])
        for i in range(rows):
            total[i] += (
                c[i] * b0 + c[BUFFER + i] * b1 + c[2 * BUFFER + i] * b2 + c[3 * BUFFER + i] * b3
            )
    for j in range(whole, n_columns):
        c = offset_pointer(column, BUFFER * j)
        b0 = precision(beta[j])
        for i in range(rows):
            total[i] += c[i] * b0


def predict_block(table_address, start, rows, scratch, target):
    """X beta + offset into the buffer LINEAR_PREDICTOR. A stage; `target` is not used."""
    table = pointer(table_address, int64)
    beta = pointer(table[BETA], float64)
    n_dense = table[N_DENSE]
    dense = dense_at(scratch)
    if table[MODE] & FLOAT32:
        eta = float32_buffer_at(scratch, LINEAR_PREDICTOR)
        offset = float32_buffer_at(scratch, OFFSET)
        _add_up(pointer(dense, float32), beta, n_dense, rows, offset, eta, float32)
        return 0
    eta, offset = buffer_at(scratch, LINEAR_PREDICTOR), buffer_at(scratch, OFFSET)
    _add_up(pointer(dense, float64), beta, n_dense, rows, offset, eta, float64)
    if table[N_STORED] > n_dense:
        entries = entries_at(table, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(table, start, i, entries)):
                eta[i] += values[e] * beta[columns[e]]
    return 0


predict_stage = RowBlock(predict_block, "predict", {})
