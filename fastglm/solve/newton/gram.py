"""Sums of all chunks, brought from the stored columns to the model's."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import gram_size, padded_size
from fastglm.kernels.blocks.table import (
    COLUMN_MAP_INDEX,
    COLUMN_MAP_START,
    COLUMN_MAP_VALUE,
    GRAM,
    GRAM_WORK,
    MODE,
    N_CHUNKS,
    N_DENSE,
    N_DESIGN,
    N_STORED,
    N_SUMS,
    PARTIALS,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.solve.newton.state import SCORE
from fastglm.solve.newton.vectors import vector

__all__ = ["add_partials", "column_map_of", "gram_to_design", "score_to_design", "symmetric_entry"]


@inline
def add_partials(table):
    """Adds all chunks' partials to the first, in order; returns the order of their Gram matrix."""
    _, padded_order = padded_size(table)
    size = gram_size(table) + table[N_STORED] + N_SUMS
    total = pointer(table[PARTIALS], float64)
    first = 0 if table[MODE] & WITH_GRAM else gram_size(table)
    diagonal = first if table[MODE] & WITH_DIAGONAL else 0
    for chunk in range(1, table[N_CHUNKS]):
        partial = pointer(table[PARTIALS] + 8 * size * chunk, float64)
        for k in range(0, diagonal, padded_order + 1):
            total[k] += partial[k]
        for k in range(first, size):
            total[k] += partial[k]
    return padded_order


@inline
def symmetric_entry(total, padded_order, n_dense, a, b):
    """Entry (a, b) of the whole Gram matrix; stored as `fastglm.kernels.passes.gram` describes."""
    high, low = max(a, b), min(a, b)
    value = total[high * padded_order + low]
    if low >= n_dense and high > low:
        value += total[low * padded_order + high]
    return value


@inline
def column_map_of(table):
    """Column starts, row indices and values of the column map."""
    return (
        pointer(table[COLUMN_MAP_START], int64),
        pointer(table[COLUMN_MAP_INDEX], int64),
        pointer(table[COLUMN_MAP_VALUE], float64),
    )


@noinline
def gram_to_design(table, padded_order):
    """Gram matrix of the design's columns, M' G M with the column map M (lower and upper)."""
    total = pointer(table[PARTIALS], float64)
    gram = pointer(table[GRAM], float64)
    work = pointer(table[GRAM_WORK], float64)
    start, index, value = column_map_of(table)
    n_dense, p = table[N_DENSE], table[N_DESIGN]
    if table[COLUMN_MAP_START] == 0:
        for a in range(p):
            for b in range(a + 1):
                entry_ab = symmetric_entry(total, padded_order, n_dense, a, b)
                gram[a * p + b] = entry_ab
                gram[b * p + a] = entry_ab
        return
    for a in range(table[N_STORED]):
        for b in range(p):
            s = 0.0
            for e in range(start[b], start[b + 1]):
                s += symmetric_entry(total, padded_order, n_dense, a, index[e]) * value[e]
            work[a * p + b] = s
    for a in range(p):
        for b in range(a + 1):
            s = 0.0
            for e in range(start[a], start[a + 1]):
                s += value[e] * work[index[e] * p + b]
            gram[a * p + b] = s
            gram[b * p + a] = s


@inline
def score_to_design(table):
    """Score of the design's columns, M' g with the column map M."""
    start, index, value = column_map_of(table)
    total = pointer(table[PARTIALS] + 8 * gram_size(table), float64)
    score = vector(table, SCORE)
    for b in range(table[N_DESIGN]):
        if table[COLUMN_MAP_START] == 0:
            score[b] = total[b]
        else:
            s = 0.0
            for e in range(start[b], start[b + 1]):
                s += total[index[e]] * value[e]
            score[b] = s
