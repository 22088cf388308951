"""The triangle of a QR factorisation of the weighted, standardised columns of a model."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    dense_at,
    entries_at,
    plane_at,
)
from fastglm.kernels.blocks.planes import PLANE, PRIOR_WEIGHT
from fastglm.kernels.blocks.table import (
    LOAD,
    N_DENSE,
    N_MODEL,
    N_SWEEP,
    PARTIALS,
    TRANSFORM_INDEX,
    TRANSFORM_START,
    TRANSFORM_VALUE,
)
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.triangle import append_columns
from fastglm.kernels.passes.gram import row_entries

__all__ = ["triangle_kernel"]


@inlined
def _write_sparse(context, start, rows, scratch, columns):
    """The sweep's indicators and sparse columns, written out behind the dense ones."""
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    for k in range(PLANE * n_dense, PLANE * n_sweep):
        columns[k] = 0.0
    entries = entries_at(context, scratch)
    _, _, numbers, values = entries
    for i in range(rows):
        for e in range(row_entries(context, start, i, entries)):
            columns[PLANE * numbers[e] + i] += values[e]


@inlined
def _write_model(context, rows, sweep, model):
    """The model's columns from those of the sweep, both planes."""
    starts = pointer(context[TRANSFORM_START], int64)
    index = pointer(context[TRANSFORM_INDEX], int64)
    value = pointer(context[TRANSFORM_VALUE], float64)
    for j in range(context[N_MODEL]):
        target = offset_pointer(model, PLANE * j)
        for i in range(rows):
            target[i] = 0.0
        for e in range(starts[j], starts[j + 1]):
            source, factor = offset_pointer(sweep, PLANE * index[e]), value[e]
            for i in range(rows):
                target[i] += factor * source[i]


def triangle_chunk(context_address, chunk):
    """Upper triangle of the chunk's rows times their prior weights, in its own partial; returns 0.

    A partial is (p, p), row-major, and begins as zeros.
    """
    context = pointer(context_address, int64)
    n_dense, n_sweep, p = context[N_DENSE], context[N_SWEEP], context[N_MODEL]
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    sweep_array, model_array = np.zeros(n_sweep * PLANE), np.zeros(p * PLANE)
    sweep = pointer(sweep_array.ctypes.data, float64)
    model = pointer(model_array.ctypes.data, float64)
    triangle = pointer(context[PARTIALS] + 8 * p * p * chunk, float64)
    dense, weight = pointer(dense_at(scratch), float64), plane_at(scratch, PRIOR_WEIGHT)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        for k in range(PLANE * n_dense):
            sweep[k] = dense[k]
        if n_sweep > n_dense:
            _write_sparse(context, start, rows, scratch, sweep)
        if context[TRANSFORM_START] == 0:
            for k in range(PLANE * p):
                model[k] = sweep[k]
        else:
            _write_model(context, rows, sweep, model)
        for j in range(p):
            column = offset_pointer(model, PLANE * j)
            for i in range(rows):
                column[i] *= weight[i]
        append_columns(triangle, model, PLANE, rows, p)
    return (scratch_array.size + sweep_array.size + model_array.size) * 0


triangle_kernel = RowBlock(triangle_chunk, "triangle", {})
