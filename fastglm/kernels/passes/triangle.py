"""The triangle of a QR factorisation of the weighted, standardised columns of a model."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    buffer_at,
    dense_at,
    entries_at,
)
from fastglm.kernels.blocks.row_buffers import BUFFER, PRIOR_WEIGHT
from fastglm.kernels.blocks.table import (
    COLUMN_MAP_INDEX,
    COLUMN_MAP_START,
    COLUMN_MAP_VALUE,
    LOAD,
    N_DENSE,
    N_DESIGN,
    N_STORED,
    PARTIALS,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.triangle import append_columns
from fastglm.kernels.passes.gram import row_entries

__all__ = ["triangle_kernel"]


@inline
def _write_sparse(table, start, rows, scratch, columns):
    """The sweep's indicators and sparse columns, written out behind the dense ones."""
    n_dense, n_stored = table[N_DENSE], table[N_STORED]
    for k in range(BUFFER * n_dense, BUFFER * n_stored):
        columns[k] = 0.0
    entries = entries_at(table, scratch)
    _, _, numbers, values = entries
    for i in range(rows):
        for e in range(row_entries(table, start, i, entries)):
            columns[BUFFER * numbers[e] + i] += values[e]


@inline
def _write_model(table, rows, sweep, model):
    """The model's columns from those of the sweep, both buffers."""
    starts = pointer(table[COLUMN_MAP_START], int64)
    index = pointer(table[COLUMN_MAP_INDEX], int64)
    value = pointer(table[COLUMN_MAP_VALUE], float64)
    for j in range(table[N_DESIGN]):
        target = offset_pointer(model, BUFFER * j)
        for i in range(rows):
            target[i] = 0.0
        for e in range(starts[j], starts[j + 1]):
            source, factor = offset_pointer(sweep, BUFFER * index[e]), value[e]
            for i in range(rows):
                target[i] += factor * source[i]


def triangle_chunk(table_address, chunk):
    """Upper triangle of the chunk's rows times their prior weights, in its own partial; returns 0.

    A partial is (p, p), row-major, and begins as zeros.
    """
    table = pointer(table_address, int64)
    n_dense, n_stored, p = table[N_DENSE], table[N_STORED], table[N_DESIGN]
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    sweep_array, model_array = np.zeros(n_stored * BUFFER), np.zeros(p * BUFFER)
    sweep = pointer(sweep_array.ctypes.data, float64)
    model = pointer(model_array.ctypes.data, float64)
    triangle = pointer(table[PARTIALS] + 8 * p * p * chunk, float64)
    dense, weight = pointer(dense_at(scratch), float64), buffer_at(scratch, PRIOR_WEIGHT)
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        for k in range(BUFFER * n_dense):
            sweep[k] = dense[k]
        if n_stored > n_dense:
            _write_sparse(table, start, rows, scratch, sweep)
        if table[COLUMN_MAP_START] == 0:
            for k in range(BUFFER * p):
                model[k] = sweep[k]
        else:
            _write_model(table, rows, sweep, model)
        for j in range(p):
            column = offset_pointer(model, BUFFER * j)
            for i in range(rows):
                column[i] *= weight[i]
        append_columns(triangle, model, BUFFER, rows, p)
    return (scratch_array.size + sweep_array.size + model_array.size) * 0


triangle_kernel = RowBlock(triangle_chunk, "triangle", {})
