"""The scores of many bootstrap replicates of a fit in one pass over the rows.

A tile of replicates reads each block of columns once. Replicates differ in how often a row counts,
and in their coefficients.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64, uint8

from fastglm.kernels.block import (
    TILE,
    allocate_scratch,
    block_rows,
    dense_at,
    entries_at,
    padded_size,
    plane_at,
)
from fastglm.kernels.context import (
    COUNT_BYTES,
    CURVE,
    CURVE_HOLDS,
    GROUP,
    INVERSE_ROWS,
    LOAD,
    MODE,
    N_BLOCKS,
    N_DENSE,
    N_DRAWN,
    N_REPLICATES,
    N_ROWS,
    N_SWEEP,
    PARTIALS,
    PREDICT,
    REPLICATE_COUNT,
    REPLICATE_NUMBER,
    REPLICATE_STEP,
    REPLICATES_PER_CHUNK,
    RESPOND_ROWS,
    SAME_COEFFICIENTS,
)
from fastglm.kernels.curves import CURVE_TERMS, curve_value
from fastglm.kernels.gram import row_entries, tile
from fastglm.kernels.jit import (
    RowBlock,
    call_row_block,
    call_stage,
    inlined,
    offset_pointer,
    pointer,
)
from fastglm.kernels.planes import BLOCK_ROWS, LINEAR_PREDICTOR, PLANE, RESIDUAL
from fastglm.kernels.quadratic import dense_products


@inlined
def _move(context, start, rows, scratch, step, moved_address):
    """What TILE replicates add to the linear predictors, by rows of coefficients at `step`."""
    n_dense, q = context[N_DENSE], context[N_SWEEP]
    moved = pointer(moved_address, float64)
    dense_products(step, 8 * q, 0, n_dense, scratch, moved_address, rows)
    if q > n_dense:
        coefficient = pointer(step, float64)
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                for a in range(TILE):
                    moved[a * PLANE + i] += coefficient[a * q + columns[e]] * values[e]


@inlined
def _respond(context, rows, scratch, eta, moved, residual):
    """Score residuals of one replicate by link and family; returns rows outside the domain."""
    linear_predictor = plane_at(scratch, LINEAR_PREDICTOR)
    own = plane_at(scratch, RESIDUAL)
    for i in range(rows):
        linear_predictor[i] = eta[i] + moved[i]
    outside = call_row_block(context[INVERSE_ROWS], scratch, rows)
    outside += call_row_block(context[RESPOND_ROWS], scratch, rows)
    for i in range(rows):
        residual[i] = own[i]
    return outside


@inlined
def _read_curves(context, start, rows, curve):
    """The polynomials of the block's rows and how far they reach, side by side in cache."""
    n_rows = context[N_ROWS]
    source = pointer(context[CURVE] + 8 * start, float64)
    for m in range(CURVE_TERMS + 1):
        for i in range(rows):
            curve[m * PLANE + i] = source[m * n_rows + i]


@inlined
def _follow_curve(curve, rows, moved, counts, product):
    """Score residuals of one replicate by the rows' polynomials, as often as they were drawn.

    Returns how many rows have moved further than their polynomial reaches.
    """
    beyond = 0
    for i in range(rows):
        beyond += 1 if abs(moved[i]) > curve[CURVE_TERMS * PLANE + i] else 0
        product[i] = curve_value(curve, i, moved[i]) * counts[i]
    return beyond


@inlined
def _times_count(rows, residual, counts, product):
    """Residuals times how often the replicate drew their row."""
    for i in range(rows):
        product[i] = residual[i] * counts[i]


@inlined
def _gather_counts(context, drawn, start, rows, counts):
    """Counts of the block's rows, or of the groups that they belong to, as float64."""
    if context[GROUP] == 0:
        own = offset_pointer(drawn, context[N_DRAWN] * start)
        for i in range(rows):
            counts[i] = own[i]
    else:
        group = pointer(context[GROUP] + 8 * start, int64)
        for i in range(rows):
            within = group[i] % BLOCK_ROWS
            counts[i] = drawn[context[N_DRAWN] * (group[i] - within) + within]


@inlined
def _read_counts(context, start, rows, number, counts):
    """How often the replicate drew each row of the block."""
    if context[COUNT_BYTES] == 1:
        drawn = pointer(context[REPLICATE_COUNT] + BLOCK_ROWS * number, uint8)
        _gather_counts(context, drawn, start, rows, counts)
    else:
        drawn = pointer(context[REPLICATE_COUNT] + 8 * BLOCK_ROWS * number, int64)
        _gather_counts(context, drawn, start, rows, counts)


@inlined
def _add_scores(context, start, rows, scratch, residuals, score, stride):
    """Adds the scores of TILE replicates to rows of `score`, `stride` apart."""
    n_dense = context[N_DENSE]
    for j in range(0, n_dense, TILE):
        column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
        tile(residuals, column, rows, pointer(score + 8 * j, float64), stride)
    if context[N_SWEEP] > n_dense:
        total = pointer(score, float64)
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                for a in range(TILE):
                    total[a * stride + columns[e]] += residuals[a * PLANE + i] * values[e]


def replicate_scores_chunk(context_address, chunk):
    """Adds up the scores of a chunk's replicates, each at its own coefficients; returns 0.

    Replicates come in whole tiles. Each has a partial of as many values as a partial Gram matrix
    has columns, and last how many of its rows were outside the domain. With the mode
    SAME_COEFFICIENTS none has moved from BETA.
    """
    context = pointer(context_address, int64)
    _, order = padded_size(context)
    stride = order + 1
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    tile_array = np.zeros((4 + 2 * TILE + CURVE_TERMS) * PLANE)
    eta = pointer(tile_array.ctypes.data, float64)
    residual = pointer(tile_array.ctypes.data + 8 * PLANE, float64)
    moved_address = tile_array.ctypes.data + 16 * PLANE
    products = moved_address + 8 * TILE * PLANE
    curve = pointer(products + 8 * TILE * PLANE, float64)
    counts = pointer(products + 8 * (TILE + CURVE_TERMS + 1) * PLANE, float64)
    numbers = pointer(context[REPLICATE_NUMBER], int64)
    same = context[MODE] & SAME_COEFFICIENTS != 0
    first = chunk * context[REPLICATES_PER_CHUNK]
    last = min(first + context[REPLICATES_PER_CHUNK], context[N_REPLICATES])
    for block in range(context[N_BLOCKS]):
        start, rows = block_rows(context, block)
        holds = pointer(context[CURVE_HOLDS], int64)[block] != 0
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        if holds:
            _read_curves(context, start, rows, curve)
        call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
        for i in range(rows):
            eta[i] = plane_at(scratch, LINEAR_PREDICTOR)[i]
        for r in range(first, last, TILE):
            score = context[PARTIALS] + 8 * stride * r
            if not same:
                step = context[REPLICATE_STEP] + 8 * context[N_SWEEP] * r
                _move(context, start, rows, scratch, step, moved_address)
            for a in range(TILE):
                moved = pointer(moved_address + 8 * PLANE * a, float64)
                product = pointer(products + 8 * PLANE * a, float64)
                _read_counts(context, start, rows, numbers[r + a], counts)
                if holds and same:
                    _times_count(rows, curve, counts, product)
                elif not holds or _follow_curve(curve, rows, moved, counts, product) > 0:
                    if not same or (r == first and a == 0):
                        outside = _respond(context, rows, scratch, eta, moved, residual)
                        pointer(score + 8 * stride * a, float64)[order] += outside
                    _times_count(rows, residual, counts, product)
            _add_scores(context, start, rows, scratch, pointer(products, float64), score, stride)
    return (scratch_array.size + tile_array.size) * 0


replicate_scores_kernel = RowBlock(replicate_scores_chunk, "replicate_scores", {})
