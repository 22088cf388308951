"""Sums over rows whose weights and residuals are given, not those of a family.

`given_rows` stands where a family's row block stands, and reads them as prior weights and response.
"""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    buffer_at,
    entries_at,
    padded_size,
)
from fastglm.kernels.blocks.row_buffers import BUFFER, PRIOR_WEIGHT, RESIDUAL, RESPONSE, WEIGHT
from fastglm.kernels.blocks.table import (
    GROUP,
    LOAD,
    N_DENSE,
    N_GROUPS,
    N_ROWS,
    N_STORED,
    N_WANTED,
    OUTPUT,
    PARTIALS,
)
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries
from fastglm.kernels.passes.score_products import _add_dense_scores

__all__ = ["given_rows", "group_products_kernel", "no_prediction", "no_rows"]


def nothing(buffers, rows):
    """Leaves the buffers as they are."""
    return 0


def no_stage(table_address, start, rows, scratch, target):
    """Leaves the block as it is. A stage."""
    return 0


def copy_given(buffers, rows):
    """Weights and residuals from the buffers of prior weights and response."""
    base = pointer(buffers, float64)
    for i in range(rows):
        base[WEIGHT * BUFFER + i] = base[PRIOR_WEIGHT * BUFFER + i]
        base[RESIDUAL * BUFFER + i] = base[RESPONSE * BUFFER + i]
    return 0


def group_products_chunk(table_address, chunk):
    """Sums over groups of rows of x times each of N_WANTED values, (n_groups, n_wanted, order).

    The values are at OUTPUT, (n_wanted, n_rows); sums in the chunk's own partial. Returns 0.
    """
    table = pointer(table_address, int64)
    n_dense, n_stored, n_values = table[N_DENSE], table[N_STORED], table[N_WANTED]
    _, order = padded_size(table)
    size = table[N_GROUPS] * n_values * order
    address = table[PARTIALS] + 8 * size * chunk
    total = pointer(address, float64)
    for k in range(size):
        total[k] = 0.0
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    residual = buffer_at(scratch, RESIDUAL)
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        group = pointer(table[GROUP] + 8 * start, int64)
        for k in range(n_values):
            given = pointer(table[OUTPUT] + 8 * (table[N_ROWS] * k + start), float64)
            for i in range(rows):
                residual[i] = given[i]
            stride = 8 * order * n_values
            _add_dense_scores(n_dense, rows, scratch, group, address + 8 * order * k, stride)
            if n_stored > n_dense:
                for i in range(rows):
                    corner = (group[i] * n_values + k) * order
                    for e in range(row_entries(table, start, i, entries)):
                        total[corner + columns[e]] += residual[i] * values[e]
    return scratch_array.size * 0


no_rows = RowBlock(nothing, "no_rows", {})
no_prediction = RowBlock(no_stage, "no_prediction", {})
given_rows = RowBlock(copy_given, "given_rows", {})
group_products_kernel = RowBlock(group_products_chunk, "group_products", {})
