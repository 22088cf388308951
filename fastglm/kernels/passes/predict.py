"""Predict: the linear predictor of one block of rows."""

from __future__ import annotations

from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.block import dense_at, entries_at, plane_at, single_plane_at
from fastglm.kernels.blocks.planes import LINEAR_PREDICTOR, OFFSET, PLANE, TILE
from fastglm.kernels.blocks.table import BETA, MODE, N_DENSE, N_SWEEP, SINGLE
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries


@inlined
def _add_up(column, beta, n_columns, rows, offset, total, precision):
    """Planes times their coefficients and the offset into `total`, all of one precision."""
    for i in range(rows):
        total[i] = offset[i]
    whole = n_columns - n_columns % TILE
    for j in range(0, whole, TILE):
        c = offset_pointer(column, PLANE * j)
        b0, b1 = precision(beta[j]), precision(beta[j + 1])
        b2, b3 = precision(beta[j + 2]), precision(beta[j + 3])
        for i in range(rows):
            total[i] += (
                c[i] * b0 + c[PLANE + i] * b1 + c[2 * PLANE + i] * b2 + c[3 * PLANE + i] * b3
            )
    for j in range(whole, n_columns):
        c = offset_pointer(column, PLANE * j)
        b0 = precision(beta[j])
        for i in range(rows):
            total[i] += c[i] * b0


def predict_block(context_address, start, rows, scratch, target):
    """X beta + offset into the plane LINEAR_PREDICTOR. A stage; `target` is not used."""
    context = pointer(context_address, int64)
    beta = pointer(context[BETA], float64)
    n_dense = context[N_DENSE]
    dense = dense_at(scratch)
    if context[MODE] & SINGLE:
        eta = single_plane_at(scratch, LINEAR_PREDICTOR)
        offset = single_plane_at(scratch, OFFSET)
        _add_up(pointer(dense, float32), beta, n_dense, rows, offset, eta, float32)
        return 0
    eta, offset = plane_at(scratch, LINEAR_PREDICTOR), plane_at(scratch, OFFSET)
    _add_up(pointer(dense, float64), beta, n_dense, rows, offset, eta, float64)
    if context[N_SWEEP] > n_dense:
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                eta[i] += values[e] * beta[columns[e]]
    return 0


predict_stage = RowBlock(predict_block, "predict", {})
