"""Accumulate: Gram matrix and score of one block of rows held in cache.

Dense columns meet in tiles of dot products down the block. Indicators and sparse entries are
scattered: a pair of categorical codes adds one weight at one place.
"""

from __future__ import annotations

from numba.core.types import float64, int32, int64

from fastglm.kernels.block import dense_at, entries_at, padded_size, plane_at
from fastglm.kernels.context import (
    MODE,
    N_CODED,
    N_DENSE,
    N_SWEEP,
    SPARSE_INDEX,
    SPARSE_OFFSET,
    SPARSE_START,
    SPARSE_VALUE,
    WITH_GRAM,
)
from fastglm.kernels.jit import RowBlock, called, inlined, inlined_sums, pointer
from fastglm.kernels.planes import PLANE, RESIDUAL, TILE, WEIGHT, WEIGHTED
from fastglm.kernels.tiles import add_diagonal_tile, add_tile, end_with_zeros


@inlined_sums
def sum_plane(plane, rows):
    """Sum of the first `rows` values of a plane."""
    total = 0.0
    for i in range(rows):
        total += plane[i]
    return total


@inlined_sums
def _add_score(columns, residual, rows, count, score):
    """Adds the dot products of TILE columns with the residual to the first `count` of `score`."""
    s0 = s1 = s2 = s3 = 0.0
    for i in range(rows):
        value = residual[i]
        s0 += columns[i] * value
        s1 += columns[PLANE + i] * value
        s2 += columns[2 * PLANE + i] * value
        s3 += columns[3 * PLANE + i] * value
    sums = (s0, s1, s2, s3)
    for k in range(min(count, TILE)):
        score[k] += sums[k]


@inlined
def _weigh(columns, weight, rows, weighted):
    """TILE columns times the weights, into as many planes."""
    for i in range(rows):
        w = weight[i]
        weighted[i] = columns[i] * w
        weighted[PLANE + i] = columns[PLANE + i] * w
        weighted[2 * PLANE + i] = columns[2 * PLANE + i] * w
        weighted[3 * PLANE + i] = columns[3 * PLANE + i] * w
    end_with_zeros(weighted, rows)


@called
def add_gram_rows(left, j, rows, dense, gram, order):
    """TILE rows of a Gram matrix from j on, up to the diagonal: `left` times columns of `dense`.

    `left`, `dense` and `gram` are addresses; `left` are the columns j..j+TILE-1, or their weighted
    values, with zeros behind the last row; `gram` has rows `order` apart.
    """
    corner = gram + 8 * order * j
    for k in range(0, j, TILE):
        add_tile(left, dense + 8 * PLANE * k, rows, corner + 8 * k, 8 * order)
    add_diagonal_tile(left, dense + 8 * PLANE * j, rows, corner + 8 * j, 8 * order)


@inlined
def row_entries(context, start, i, entries):
    """Gather the sparse entries of row `i` of the block; returns how many there are."""
    column_planes, value_planes, columns, values = entries
    n_coded = context[N_CODED]
    for t in range(n_coded):
        columns[t] = column_planes[PLANE * t + i]
        values[t] = value_planes[PLANE * t + i]
    count = n_coded
    if context[SPARSE_START] != 0:
        row_start = pointer(context[SPARSE_START], int64)
        sparse_columns = pointer(context[SPARSE_INDEX], int32)
        sparse_values = pointer(context[SPARSE_VALUE], float64)
        offset = context[SPARSE_OFFSET]
        for e in range(row_start[start + i], row_start[start + i + 1]):
            columns[count] = offset + sparse_columns[e]
            values[count] = sparse_values[e]
            count += 1
    return count


@called
def sparse_score(context, start, rows, entries, residual, score):
    """Adds the sparse columns' part of the score."""
    _, _, columns, values = entries
    for i in range(rows):
        for e in range(row_entries(context, start, i, entries)):
            score[columns[e]] += values[e] * residual[i]


@called
def sparse_gram(context, start, rows, scratch, gram, score):
    """Adds sparse x dense and sparse x sparse products, and the sparse columns' score.

    A pair of entries is added once, at (later, earlier) in the row's own order; the caller
    symmetrises.
    """
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    _, order = padded_size(context)
    dense = pointer(dense_at(scratch), float64)
    residual = plane_at(scratch, RESIDUAL)
    weight = plane_at(scratch, WEIGHT)
    n_dense = context[N_DENSE]
    for i in range(rows):
        count = row_entries(context, start, i, entries)
        for e in range(count):
            score[columns[e]] += values[e] * residual[i]
            scaled = values[e] * weight[i]
            corner = columns[e] * order
            for j in range(n_dense):
                gram[corner + j] += scaled * dense[PLANE * j + i]
            for f in range(e + 1):
                gram[corner + columns[f]] += scaled * values[f]


def accumulate(context_address, start, rows, scratch, partial):
    """Adds X' W X and X' residual of one block to the partial sums at address `partial`.

    A stage. Reads the planes WEIGHT and RESIDUAL. Without the mode WITH_GRAM only the score is
    added.
    """
    context = pointer(context_address, int64)
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    n_padded, order = padded_size(context)
    with_gram = context[MODE] & WITH_GRAM
    dense = dense_at(scratch)
    residual = plane_at(scratch, RESIDUAL)
    weighted = scratch + 8 * PLANE * WEIGHTED
    score = partial + 8 * order * order
    for j in range(0, n_padded, TILE):
        columns = pointer(dense + 8 * PLANE * j, float64)
        _add_score(columns, residual, rows, n_dense - j, pointer(score + 8 * j, float64))
        if with_gram:
            _weigh(columns, plane_at(scratch, WEIGHT), rows, pointer(weighted, float64))
            add_gram_rows(weighted, j, rows, dense, partial, order)
    if n_sweep > n_dense:
        if with_gram:
            gram = pointer(partial, float64)
            sparse_gram(context, start, rows, scratch, gram, pointer(score, float64))
        else:
            entries = entries_at(context, scratch)
            sparse_score(context, start, rows, entries, residual, pointer(score, float64))
    return 0


accumulate_stage = RowBlock(accumulate, "accumulate", {})
