"""Sums of all chunks, brought from the sweep's columns to the model's."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import padded_size
from fastglm.kernels.blocks.table import (
    GRAM,
    GRAM_WORK,
    MODE,
    N_CHUNKS,
    N_DENSE,
    N_MODEL,
    N_SUMS,
    N_SWEEP,
    PARTIALS,
    TRANSFORM_INDEX,
    TRANSFORM_START,
    TRANSFORM_VALUE,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import called, inlined
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.solve.newton.state import (
    SCORE,
)
from fastglm.solve.newton.vectors import vector

__all__ = ["add_partials", "gram_to_model", "score_to_model", "symmetric_entry", "transform_of"]


@inlined
def add_partials(context):
    """Adds all chunks' partials to the first, in order; returns the order of their Gram matrix."""
    _, padded_order = padded_size(context)
    size = padded_order * padded_order + context[N_SWEEP] + N_SUMS
    total = pointer(context[PARTIALS], float64)
    first = 0 if context[MODE] & WITH_GRAM else padded_order * padded_order
    diagonal = first if context[MODE] & WITH_DIAGONAL else 0
    for chunk in range(1, context[N_CHUNKS]):
        partial = pointer(context[PARTIALS] + 8 * size * chunk, float64)
        for k in range(0, diagonal, padded_order + 1):
            total[k] += partial[k]
        for k in range(first, size):
            total[k] += partial[k]
    return padded_order


@inlined
def symmetric_entry(total, padded_order, n_dense, a, b):
    """Entry (a, b) of the whole Gram matrix; `fastglm.kernels.passes.gram` says what is stored."""
    high, low = max(a, b), min(a, b)
    value = total[high * padded_order + low]
    if low >= n_dense and high > low:
        value += total[low * padded_order + high]
    return value


@inlined
def transform_of(context):
    """Column starts, row indices and values of the transform."""
    return (
        pointer(context[TRANSFORM_START], int64),
        pointer(context[TRANSFORM_INDEX], int64),
        pointer(context[TRANSFORM_VALUE], float64),
    )


@called
def gram_to_model(context, padded_order):
    """Gram matrix of the model's columns, transform' G transform (lower and upper)."""
    total = pointer(context[PARTIALS], float64)
    gram = pointer(context[GRAM], float64)
    work = pointer(context[GRAM_WORK], float64)
    start, index, value = transform_of(context)
    n_dense, p = context[N_DENSE], context[N_MODEL]
    if context[TRANSFORM_START] == 0:
        for a in range(p):
            for b in range(a + 1):
                entry_ab = symmetric_entry(total, padded_order, n_dense, a, b)
                gram[a * p + b] = entry_ab
                gram[b * p + a] = entry_ab
        return
    for a in range(context[N_SWEEP]):
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


@inlined
def score_to_model(context, padded_order):
    """Score of the model's columns, transform' g."""
    start, index, value = transform_of(context)
    total = pointer(context[PARTIALS] + 8 * padded_order * padded_order, float64)
    score = vector(context, SCORE)
    for b in range(context[N_MODEL]):
        if context[TRANSFORM_START] == 0:
            score[b] = total[b]
        else:
            s = 0.0
            for e in range(start[b], start[b + 1]):
                s += total[index[e]] * value[e]
            score[b] = s
