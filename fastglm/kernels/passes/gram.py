"""Accumulate: Gram matrix and score of one block of rows held in cache.

Dense columns meet in tiles of dot products down the block. Indicators and sparse entries are
scattered: a pair of categorical codes adds one weight at one place.
"""

from __future__ import annotations

from numba.core.types import float32, float64, int32, int64

from fastglm.kernels.blocks.block import (
    dense_at,
    entries_at,
    narrowed_at,
    padded_size,
    passing_at,
    plane_at,
    single_plane_at,
    span_at,
)
from fastglm.kernels.blocks.planes import PLANE, RESIDUAL, TILE, WEIGHT
from fastglm.kernels.blocks.prefetch import next_piece, prefetch_rest
from fastglm.kernels.blocks.table import (
    MODE,
    N_CODED,
    N_DENSE,
    N_SWEEP,
    NARROWED,
    SINGLE,
    SPARSE_INDEX,
    SPARSE_OFFSET,
    SPARSE_START,
    SPARSE_VALUE,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.blocks.tiles import (
    add_diagonal_tile,
    add_single_diagonal_tile,
    add_single_tile,
    add_tile,
    end_with_zeros,
)
from fastglm.kernels.compiler.decorators import called, inlined, inlined_sums
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock


@inlined_sums
def sum_plane(plane, rows):
    """Sum of the first `rows` values of a plane."""
    total = 0.0
    for i in range(rows):
        total += plane[i]
    return total


@inlined
def _add_first(sums, count, target, step):
    """Adds the first `count` of TILE sums to numbers `step` apart."""
    for k in range(min(count, TILE)):
        target[k * step] += sums[k]


@inlined_sums
def _add_score(columns, residual, rows, count, score, zero):
    """Adds the dot products of TILE columns with the residual to the first `count` of `score`.

    Sums of a block are of the precision of `zero`.
    """
    s0 = s1 = s2 = s3 = zero
    for i in range(rows):
        value = residual[i]
        s0 += columns[i] * value
        s1 += columns[PLANE + i] * value
        s2 += columns[2 * PLANE + i] * value
        s3 += columns[3 * PLANE + i] * value
    _add_first((s0, s1, s2, s3), count, score, 1)


@inlined_sums
def _add_score_and_diagonal(columns, residual, weight, rows, count, score, gram, order, zero):
    """As `_add_score`, and the weighted squares of the columns to a diagonal.

    It is that of the Gram matrix at `gram`, with rows `order` apart.
    """
    s0 = s1 = s2 = s3 = zero
    d0 = d1 = d2 = d3 = zero
    for i in range(rows):
        value, w = residual[i], weight[i]
        c0, c1 = columns[i], columns[PLANE + i]
        c2, c3 = columns[2 * PLANE + i], columns[3 * PLANE + i]
        s0 += c0 * value
        s1 += c1 * value
        s2 += c2 * value
        s3 += c3 * value
        d0 += c0 * c0 * w
        d1 += c1 * c1 * w
        d2 += c2 * c2 * w
        d3 += c3 * c3 * w
    _add_first((s0, s1, s2, s3), count, score, 1)
    _add_first((d0, d1, d2, d3), count, gram, order + 1)


@inlined_sums
def _add_score_and_weigh(
    columns, residual, weight, rows, count, score, weighted, copied, copies, zero
):
    """As `_add_score`, and TILE columns times the weights, into as many planes.

    If it `copies`, the columns themselves go into as many more.
    """
    s0 = s1 = s2 = s3 = zero
    for i in range(rows):
        value, w = residual[i], weight[i]
        c0, c1 = columns[i], columns[PLANE + i]
        c2, c3 = columns[2 * PLANE + i], columns[3 * PLANE + i]
        s0 += c0 * value
        s1 += c1 * value
        s2 += c2 * value
        s3 += c3 * value
        weighted[i] = c0 * w
        weighted[PLANE + i] = c1 * w
        weighted[2 * PLANE + i] = c2 * w
        weighted[3 * PLANE + i] = c3 * w
        if copies:
            copied[i], copied[PLANE + i] = c0, c1
            copied[2 * PLANE + i], copied[3 * PLANE + i] = c2, c3
    end_with_zeros(weighted, rows)
    _add_first((s0, s1, s2, s3), count, score, 1)


@called
def add_gram_rows(left, j, rows, dense, size, gram, order, span):
    """TILE rows of a Gram matrix from j on, up to the diagonal: `left` times columns of `dense`.

    `left`, `dense` and `gram` are addresses; `left` are the columns j..j+TILE-1, or their weighted
    values, with zeros behind the last row; their planes and those of `dense` are of `size` bytes a
    number; `gram` has rows `order` apart. Tiles ask for the memory that is listed at `span`.
    """
    corner, stride = gram + 8 * order * j, 8 * order
    for k in range(0, j, TILE):
        # Every other tile for two: more at once would be dropped.
        right, piece = dense + size * PLANE * k, next_piece(span)
        other = next_piece(span) if k % (2 * TILE) == 0 else span
        if size == 8:
            add_tile(left, right, rows, corner + 8 * k, stride, piece, other)
        else:
            add_single_tile(left, right, rows, corner + 8 * k, stride, piece, other)
    right, piece, other = dense + size * PLANE * j, next_piece(span), span
    if size == 8:
        add_diagonal_tile(left, right, rows, corner + 8 * j, stride, piece, other)
    else:
        add_single_diagonal_tile(left, right, rows, corner + 8 * j, stride, piece, other)


@inlined
def _add_dense(context, rows, scratch, weight, residual, partial, kinds, sizes):
    """Adds what the dense columns alone give.

    Of `kinds` and their `sizes` in bytes, the first is the precision of the planes, the second that
    of the products of columns.
    """
    (precision, narrow), (size, narrow_size) = kinds, sizes
    n_dense, dense, span = context[N_DENSE], dense_at(scratch), span_at(context, scratch)
    n_padded, order = padded_size(context)
    weighted, score = passing_at(scratch), partial + 8 * order * order
    right = dense if narrow_size == size else narrowed_at(context, scratch)
    with_gram = context[MODE] & WITH_GRAM
    with_diagonal = context[MODE] & WITH_DIAGONAL and not with_gram
    zero = precision(0.0)
    for j in range(0, n_padded, TILE):
        columns = pointer(dense + size * PLANE * j, precision)
        own, count = pointer(score + 8 * j, float64), n_dense - j
        if with_gram:
            left, copies = pointer(weighted, narrow), narrow_size != size
            copied = pointer(right + narrow_size * PLANE * j, narrow)
            _add_score_and_weigh(
                columns, residual, weight, rows, count, own, left, copied, copies, zero
            )
            add_gram_rows(weighted, j, rows, right, narrow_size, partial, order, span)
        elif with_diagonal:
            gram = pointer(partial + 8 * (order + 1) * j, float64)
            _add_score_and_diagonal(columns, residual, weight, rows, count, own, gram, order, zero)
        else:
            _add_score(columns, residual, rows, count, own, zero)
    prefetch_rest(span)


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
def sparse_score(context, start, rows, scratch, gram, score):
    """Adds the sparse columns' part of the score, and of the diagonal if that is wanted."""
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    residual, weight = plane_at(scratch, RESIDUAL), plane_at(scratch, WEIGHT)
    _, order = padded_size(context)
    for i in range(rows):
        for e in range(row_entries(context, start, i, entries)):
            score[columns[e]] += values[e] * residual[i]
            if context[MODE] & WITH_DIAGONAL:
                gram[columns[e] * (order + 1)] += values[e] * values[e] * weight[i]


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
    added, and the diagonal with the mode WITH_DIAGONAL.
    """
    context = pointer(context_address, int64)
    if context[MODE] & SINGLE:
        w, residual = single_plane_at(scratch, WEIGHT), single_plane_at(scratch, RESIDUAL)
        _add_dense(context, rows, scratch, w, residual, partial, (float32, float32), (4, 4))
    else:
        weight, residual = plane_at(scratch, WEIGHT), plane_at(scratch, RESIDUAL)
        if context[MODE] & NARROWED:
            kinds, sizes = (float64, float32), (8, 4)
            _add_dense(context, rows, scratch, weight, residual, partial, kinds, sizes)
        else:
            kinds, sizes = (float64, float64), (8, 8)
            _add_dense(context, rows, scratch, weight, residual, partial, kinds, sizes)
    if context[N_SWEEP] > context[N_DENSE]:
        _, order = padded_size(context)
        gram, score = pointer(partial, float64), pointer(partial + 8 * order * order, float64)
        if context[MODE] & WITH_GRAM:
            sparse_gram(context, start, rows, scratch, gram, score)
        else:
            sparse_score(context, start, rows, scratch, gram, score)
    return 0


accumulate_stage = RowBlock(accumulate, "accumulate", {})
