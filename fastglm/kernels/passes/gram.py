"""Accumulate: Gram matrix and score of one block of rows held in cache.

Dense columns meet in tiles of dot products down the block. Indicators and sparse entries are
scattered: a pair of categorical codes adds one weight at one place.
"""

from __future__ import annotations

from numba.core.types import float32, float64, int32, int64

from fastglm.kernels.blocks.block import (
    block_state_at,
    buffer_at,
    dense_at,
    entries_at,
    float32_buffer_at,
    float32_columns_at,
    gram_size,
    padded_size,
    passing_at,
)
from fastglm.kernels.blocks.prefetch import next_queued, prefetch_queued
from fastglm.kernels.blocks.row_buffers import BUFFER, RESIDUAL, TILE, WEIGHT
from fastglm.kernels.blocks.table import (
    FLOAT32,
    FLOAT32_GRAM,
    MODE,
    N_DENSE,
    N_ELIMINATED,
    N_INDICATORS,
    N_STORED,
    SPARSE_INDEX,
    SPARSE_OFFSET,
    SPARSE_START,
    SPARSE_VALUE,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.blocks.tiles import (
    add_diagonal_tile,
    add_float32_diagonal_tile,
    add_float32_tile,
    add_tile,
    end_with_zeros,
)
from fastglm.kernels.compiler.decorators import inline, inline_sums, noinline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock


@inline_sums
def sum_buffer(buffer, rows):
    """Sum of the first `rows` values of a buffer."""
    total = 0.0
    for i in range(rows):
        total += buffer[i]
    return total


@inline
def _add_first(sums, count, target, step):
    """Adds the first `count` of TILE sums to numbers `step` apart."""
    for k in range(min(count, TILE)):
        target[k * step] += sums[k]


@inline_sums
def _add_score(columns, residual, rows, count, score, zero):
    """Adds the dot products of TILE columns with the residual to the first `count` of `score`.

    Sums of a block are of the precision of `zero`.
    """
    s0 = s1 = s2 = s3 = zero
    for i in range(rows):
        value = residual[i]
        s0 += columns[i] * value
        s1 += columns[BUFFER + i] * value
        s2 += columns[2 * BUFFER + i] * value
        s3 += columns[3 * BUFFER + i] * value
    _add_first((s0, s1, s2, s3), count, score, 1)


@inline_sums
def _add_score_and_diagonal(columns, residual, weight, rows, count, score, gram, order, zero):
    """As `_add_score`, and the weighted squares of the columns to a diagonal.

    It is that of the Gram matrix at `gram`, with rows `order` apart.
    """
    s0 = s1 = s2 = s3 = zero
    d0 = d1 = d2 = d3 = zero
    for i in range(rows):
        value, w = residual[i], weight[i]
        c0, c1 = columns[i], columns[BUFFER + i]
        c2, c3 = columns[2 * BUFFER + i], columns[3 * BUFFER + i]
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


@inline_sums
def _add_score_and_weigh(
    columns, residual, weight, rows, count, score, weighted, copied, copies, zero
):
    """As `_add_score`, and TILE columns times the weights, into as many buffers.

    If it `copies`, the columns themselves go into as many more.
    """
    s0 = s1 = s2 = s3 = zero
    for i in range(rows):
        value, w = residual[i], weight[i]
        c0, c1 = columns[i], columns[BUFFER + i]
        c2, c3 = columns[2 * BUFFER + i], columns[3 * BUFFER + i]
        s0 += c0 * value
        s1 += c1 * value
        s2 += c2 * value
        s3 += c3 * value
        weighted[i] = c0 * w
        weighted[BUFFER + i] = c1 * w
        weighted[2 * BUFFER + i] = c2 * w
        weighted[3 * BUFFER + i] = c3 * w
        if copies:
            copied[i], copied[BUFFER + i] = c0, c1
            copied[2 * BUFFER + i], copied[3 * BUFFER + i] = c2, c3
    end_with_zeros(weighted, rows)
    _add_first((s0, s1, s2, s3), count, score, 1)


@noinline
def add_gram_rows(left, j, rows, dense, size, gram, order, block_state):
    """TILE rows of a Gram matrix from j on, up to the diagonal: `left` times columns of `dense`.

    `left`, `dense` and `gram` are addresses; `left` are the columns j..j+TILE-1, or their weighted
    values, with zeros behind the last row; their buffers and those of `dense` are of `size` bytes a
    number; `gram` has rows `order` apart. Tiles prefetch the memory that is listed at
    `block_state`.
    """
    corner, stride = gram + 8 * order * j, 8 * order
    for k in range(0, j, TILE):
        # Every other tile for two: more at once would be dropped.
        right, piece = dense + size * BUFFER * k, next_queued(block_state)
        other = next_queued(block_state) if k % (2 * TILE) == 0 else block_state
        if size == 8:
            add_tile(left, right, rows, corner + 8 * k, stride, piece, other)
        else:
            add_float32_tile(left, right, rows, corner + 8 * k, stride, piece, other)
    right, piece, other = dense + size * BUFFER * j, next_queued(block_state), block_state
    if size == 8:
        add_diagonal_tile(left, right, rows, corner + 8 * j, stride, piece, other)
    else:
        add_float32_diagonal_tile(left, right, rows, corner + 8 * j, stride, piece, other)


@inline
def _add_dense(table, rows, scratch, weight, residual, partial, kinds, sizes):
    """Adds what the dense columns alone give.

    Of `kinds` and their `sizes` in bytes, the first is the precision of the buffers, the second
    that of the products of columns.
    """
    (precision, gram_precision), (size, float32_size) = kinds, sizes
    n_dense, dense, block_state = table[N_DENSE], dense_at(scratch), block_state_at(table, scratch)
    n_padded, order = padded_size(table)
    weighted, score = passing_at(scratch), partial + 8 * gram_size(table)
    right = dense if float32_size == size else float32_columns_at(table, scratch)
    with_gram = table[MODE] & WITH_GRAM
    with_diagonal = table[MODE] & WITH_DIAGONAL and not with_gram
    zero = precision(0.0)
    for j in range(0, n_padded, TILE):
        columns = pointer(dense + size * BUFFER * j, precision)
        own, count = pointer(score + 8 * j, float64), n_dense - j
        if with_gram:
            left, copies = pointer(weighted, gram_precision), float32_size != size
            copied = pointer(right + float32_size * BUFFER * j, gram_precision)
            _add_score_and_weigh(
                columns, residual, weight, rows, count, own, left, copied, copies, zero
            )
            add_gram_rows(weighted, j, rows, right, float32_size, partial, order, block_state)
        elif with_diagonal:
            gram = pointer(partial + 8 * (order + 1) * j, float64)
            _add_score_and_diagonal(columns, residual, weight, rows, count, own, gram, order, zero)
        else:
            _add_score(columns, residual, rows, count, own, zero)
    prefetch_queued(block_state)


@inline
def row_entries(table, start, i, entries):
    """Gather the sparse entries of row `i` of the block; returns how many there are."""
    column_buffers, value_buffers, columns, values = entries
    n_indicators = table[N_INDICATORS]
    for t in range(n_indicators):
        columns[t] = column_buffers[BUFFER * t + i]
        values[t] = value_buffers[BUFFER * t + i]
    count = n_indicators
    if table[SPARSE_START] != 0:
        row_start = pointer(table[SPARSE_START], int64)
        sparse_columns = pointer(table[SPARSE_INDEX], int32)
        sparse_values = pointer(table[SPARSE_VALUE], float64)
        offset = table[SPARSE_OFFSET]
        for e in range(row_start[start + i], row_start[start + i + 1]):
            columns[count] = offset + sparse_columns[e]
            values[count] = sparse_values[e]
            count += 1
    return count


@noinline
def sparse_score(table, start, rows, scratch, gram, score):
    """Adds the sparse columns' part of the score, and of the diagonal if that is wanted."""
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    residual, weight = buffer_at(scratch, RESIDUAL), buffer_at(scratch, WEIGHT)
    _, order = padded_size(table)
    for i in range(rows):
        for e in range(row_entries(table, start, i, entries)):
            score[columns[e]] += values[e] * residual[i]
            if table[MODE] & WITH_DIAGONAL:
                gram[columns[e] * (order + 1)] += values[e] * values[e] * weight[i]


@noinline
def sparse_gram(table, start, rows, scratch, gram, score):
    """Adds sparse x dense and sparse x sparse products, and the sparse columns' score.

    A pair of entries is added once, at (later, earlier) in the row's own order; the caller
    symmetrises. An eliminated level is a row's last entry.
    """
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    _, order = padded_size(table)
    dense = pointer(dense_at(scratch), float64)
    residual = buffer_at(scratch, RESIDUAL)
    weight = buffer_at(scratch, WEIGHT)
    n_dense, n_eliminated = table[N_DENSE], table[N_ELIMINATED]
    first = table[N_STORED] - n_eliminated
    squares = order * (order + n_eliminated)
    for i in range(rows):
        count = row_entries(table, start, i, entries)
        if n_eliminated > 0:
            count -= 1
            column, value = columns[count], values[count]
            score[column] += value * residual[i]
            scaled = value * weight[i]
            gram[squares + column - first] += scaled * value
            corner = (order + column - first) * order
            for j in range(n_dense):
                gram[corner + j] += scaled * dense[BUFFER * j + i]
            for f in range(count):
                gram[corner + columns[f]] += scaled * values[f]
        for e in range(count):
            score[columns[e]] += values[e] * residual[i]
            scaled = values[e] * weight[i]
            corner = columns[e] * order
            for j in range(n_dense):
                gram[corner + j] += scaled * dense[BUFFER * j + i]
            for f in range(e + 1):
                gram[corner + columns[f]] += scaled * values[f]


def accumulate(table_address, start, rows, scratch, partial):
    """Adds X' W X and X' residual of one block to the partial sums at address `partial`.

    A stage. Reads the buffers WEIGHT and RESIDUAL. Without the mode WITH_GRAM only the score is
    added, and the diagonal with the mode WITH_DIAGONAL.
    """
    table = pointer(table_address, int64)
    if table[MODE] & FLOAT32:
        w, residual = float32_buffer_at(scratch, WEIGHT), float32_buffer_at(scratch, RESIDUAL)
        _add_dense(table, rows, scratch, w, residual, partial, (float32, float32), (4, 4))
    else:
        weight, residual = buffer_at(scratch, WEIGHT), buffer_at(scratch, RESIDUAL)
        if table[MODE] & FLOAT32_GRAM:
            kinds, sizes = (float64, float32), (8, 4)
            _add_dense(table, rows, scratch, weight, residual, partial, kinds, sizes)
        else:
            kinds, sizes = (float64, float64), (8, 8)
            _add_dense(table, rows, scratch, weight, residual, partial, kinds, sizes)
    if table[N_STORED] > table[N_DENSE]:
        gram, score = pointer(partial, float64), pointer(partial + 8 * gram_size(table), float64)
        if table[MODE] & WITH_GRAM:
            sparse_gram(table, start, rows, scratch, gram, score)
        else:
            sparse_score(table, start, rows, scratch, gram, score)
    return 0


accumulate_stage = RowBlock(accumulate, "accumulate", {})
