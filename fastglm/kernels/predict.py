"""Predict: the linear predictor of one block of rows."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.block import dense_at, entries_at, plane_at
from fastglm.kernels.context import BETA, N_DENSE, N_SWEEP
from fastglm.kernels.gram import row_entries
from fastglm.kernels.jit import RowBlock, pointer
from fastglm.kernels.planes import LINEAR_PREDICTOR, OFFSET, PLANE, TILE


def predict_block(context_address, start, rows, scratch, target):
    """X beta + offset into the plane LINEAR_PREDICTOR. A stage; `target` is not used."""
    context = pointer(context_address, int64)
    beta = pointer(context[BETA], float64)
    n_dense = context[N_DENSE]
    dense = dense_at(scratch)
    eta = plane_at(scratch, LINEAR_PREDICTOR)
    offset = plane_at(scratch, OFFSET)
    for i in range(rows):
        eta[i] = offset[i]
    whole = n_dense - n_dense % TILE
    for j in range(0, whole, TILE):
        c = pointer(dense + 8 * PLANE * j, float64)
        b0, b1, b2, b3 = beta[j], beta[j + 1], beta[j + 2], beta[j + 3]
        for i in range(rows):
            eta[i] += c[i] * b0 + c[PLANE + i] * b1 + c[2 * PLANE + i] * b2 + c[3 * PLANE + i] * b3
    for j in range(whole, n_dense):
        c = pointer(dense + 8 * PLANE * j, float64)
        b0 = beta[j]
        for i in range(rows):
            eta[i] += c[i] * b0
    if context[N_SWEEP] > n_dense:
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                eta[i] += values[e] * beta[columns[e]]
    return 0


predict_stage = RowBlock(predict_block, "predict", {})
