"""The scores of many bootstrap replicates of a fit in one pass over the rows.

A tile of replicates reads each block of columns once. Replicates differ in how often a row counts,
or in its response, and in their coefficients. Columns come as directions of the rows, whose
coordinates have the identity for information; where there are many, sparse columns stay as they
are.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float32, float64, int64, uint8

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    entries_at,
    plane_at,
)
from fastglm.kernels.blocks.planes import BLOCK_ROWS, LINEAR_PREDICTOR, PLANE, RESIDUAL, TILE
from fastglm.kernels.blocks.table import (
    COUNT_BYTES,
    CURVE,
    CURVE_LENGTH,
    CURVE_LIMITS,
    GROUP,
    LOAD,
    MODE,
    N_DENSE,
    N_DIRECTIONS,
    N_DRAWN,
    N_REPLICATES,
    N_REST,
    N_SWEEP,
    PARTIALS,
    PREDICT,
    REPLICATE_COUNT,
    REPLICATE_NUMBER,
    REPLICATE_REST,
    REPLICATE_STEP,
    REPLICATES_PER_CHUNK,
    SAME_COEFFICIENTS,
)
from fastglm.kernels.blocks.tiles import add_quiet_half_tile, add_quiet_tile
from fastglm.kernels.compiler.decorators import called, inlined
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries
from fastglm.kernels.passes.quadratic import factor_products
from fastglm.kernels.passes.sweep import respond
from fastglm.kernels.resampling.evaluate_polynomials import FOLLOWED_ROWS, follow_curves
from fastglm.kernels.resampling.residual_polynomials import CURVE_PLANES, CURVE_TERMS

# Planes that a chunk needs beside those of the block, in double precision: linear predictors of the
# fit, lengths of the rows, their inverses, and TILE more.
_ETA, _LENGTH, _INVERSE, _PRODUCT, _N_DOUBLE = 0, 1, 2, 3, 3 + TILE
# In single precision, for TILE replicates each: what sparse columns add, residuals, and these as
# often as rows were drawn. Then coefficients of the polynomial that is its own argument, and
# directions.
_REST, _RESIDUAL, _COUNTED, _LINE = 0, TILE, 2 * TILE, 3 * TILE
_LINE_TERMS = 2
_DIRECTION = _LINE + _LINE_TERMS


@inlined
def _allocate(context):
    """Zeros for these planes, but for the one coefficient that is 1."""
    n_single = _DIRECTION + (context[N_DIRECTIONS] + TILE - 1) // TILE * TILE
    work = np.zeros(_N_DOUBLE * PLANE + (n_single * PLANE + 1) // 2)
    line = pointer(_single_at(work.ctypes.data, _LINE), float32)
    for i in range(BLOCK_ROWS):
        line[BLOCK_ROWS + i] = float32(1.0)
    return work


@inlined
def _single_at(work, which):
    """Address of a plane in single precision."""
    return work + 8 * PLANE * _N_DOUBLE + 4 * PLANE * which


@called
def _prepare(context, context_address, start, rows, scratch, curve, work):
    """Linear predictors, lengths and directions of a block of rows."""
    call_stage(context[LOAD], context_address, start, rows, scratch, 0)
    call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
    eta, length = plane_at(work, _ETA), plane_at(work, _LENGTH)
    inverse, product = plane_at(work, _INVERSE), plane_at(work, _PRODUCT)
    for i in range(rows):
        eta[i] = plane_at(scratch, LINEAR_PREDICTOR)[i]
        length[i] = curve[CURVE_TERMS * BLOCK_ROWS + i]
        # A row of length zero has no direction.
        inverse[i] = 1.0 / length[i] if length[i] > 0.0 else 0.0
    direction = pointer(_single_at(work, _DIRECTION), float32)
    for k in range(0, context[N_DIRECTIONS], TILE):
        factor_products(context, start, rows, scratch, k, work + 8 * PLANE * _PRODUCT)
        for a in range(TILE):
            for i in range(rows):
                direction[(k + a) * PLANE + i] = float32(product[a * PLANE + i] * inverse[i])


@called
def _move_by_rest(context, start, rows, scratch, r, work):
    """What steps of sparse columns' coefficients add to the rows of replicates r..r+TILE-1."""
    q = context[N_SWEEP]
    added = pointer(_single_at(work, _REST), float32)
    for k in range(TILE * PLANE):
        added[k] = float32(0.0)
    step = pointer(context[REPLICATE_REST] + 8 * q * r, float64)
    inverse = plane_at(work, _INVERSE)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    for i in range(rows):
        for e in range(row_entries(context, start, i, entries)):
            value = values[e] * inverse[i]
            for a in range(TILE):
                added[a * PLANE + i] += float32(step[a * q + columns[e]] * value)


@called
def _follow(context, rows, r, curve, n_terms, work):
    """Polynomials of replicates r..r+TILE-1 where they are; 0 if that is within their reach."""
    n_directions = context[N_DIRECTIONS]
    step, stride = context[REPLICATE_STEP] + 4 * n_directions * r, 4 * n_directions
    rest, residual = _single_at(work, _REST), _single_at(work, _RESIDUAL)
    direction = _single_at(work, _DIRECTION)
    beyond = int64(0)
    for k in range(0, 4 * rows, 4 * FOLLOWED_ROWS):
        beyond |= follow_curves(
            step, stride, direction + k, n_directions, rest + k, curve + k, n_terms, residual + k
        )
    return beyond


@inlined
def _respond_beside(context, rows, scratch, residual, work):
    """Residuals of one replicate by link and family, in place of the shares of the reach.

    Returns rows outside the domain.
    """
    limits = pointer(context[CURVE_LIMITS], float64)
    reach, standard_error = limits[0], limits[1]
    eta, length = plane_at(work, _ETA), plane_at(work, _LENGTH)
    for i in range(rows):
        radius = reach * standard_error * length[i]
        plane_at(scratch, LINEAR_PREDICTOR)[i] = eta[i] + residual[i] * radius
    outside = respond(context, rows, scratch)
    for i in range(rows):
        residual[i] = float32(plane_at(scratch, RESIDUAL)[i] * (length[i] / standard_error))
    return outside


@inlined
def _find_residuals(context, block, start, rows, scratch, r, score, stride, work):
    """Residuals of replicates r..r+TILE-1, each row's times its length.

    Returns the address of the first's plane and the distance to the next.
    """
    curve = context[CURVE] + 4 * CURVE_PLANES * BLOCK_ROWS * block
    if context[MODE] & SAME_COEFFICIENTS:
        return curve, 0
    n_terms = pointer(context[CURVE_LENGTH], int64)[block]
    if context[N_REST] > 0:
        _move_by_rest(context, start, rows, scratch, r, work)
    if n_terms == 0 or _follow(context, rows, r, curve, n_terms, work) != 0:
        _follow(context, rows, r, _single_at(work, _LINE), _LINE_TERMS, work)
        for a in range(TILE):
            own = pointer(_single_at(work, _RESIDUAL + a), float32)
            score[(a + 1) * stride - 1] += _respond_beside(context, rows, scratch, own, work)
    return _single_at(work, _RESIDUAL), 4 * PLANE


@called
def _times_counts(context, drawn, start, rows, residual, counted):
    """Residuals times the counts of the block's rows, or of the groups that they belong to."""
    if context[GROUP] == 0:
        own = offset_pointer(drawn, context[N_DRAWN] * start)
        for i in range(rows):
            counted[i] = residual[i] * float32(own[i])
    else:
        group = pointer(context[GROUP] + 8 * start, int64)
        for i in range(rows):
            within = group[i] % BLOCK_ROWS
            count = drawn[context[N_DRAWN] * (group[i] - within) + within]
            counted[i] = residual[i] * float32(count)
    for i in range(rows, PLANE):
        counted[i] = float32(0.0)


@inlined
def _add_to_residuals(rows, residual, own, changed):
    """Residuals plus what the replicate's responses change of them."""
    for i in range(rows):
        changed[i] = residual[i] + own[i]
    for i in range(rows, PLANE):
        changed[i] = float32(0.0)


@inlined
def _count(context, start, rows, number, residual, counted):
    """Residuals of a replicate: as often as it drew each row of the block, or of its responses."""
    if context[COUNT_BYTES] == 4:
        added = pointer(context[REPLICATE_COUNT] + 4 * BLOCK_ROWS * number, float32)
        own = offset_pointer(added, context[N_DRAWN] * start)
        _add_to_residuals(rows, residual, own, counted)
    elif context[COUNT_BYTES] == 1:
        drawn = pointer(context[REPLICATE_COUNT] + BLOCK_ROWS * number, uint8)
        _times_counts(context, drawn, start, rows, residual, counted)
    else:
        drawn = pointer(context[REPLICATE_COUNT] + 8 * BLOCK_ROWS * number, int64)
        _times_counts(context, drawn, start, rows, residual, counted)


@called
def _add_scores(context, start, rows, scratch, score, stride, work):
    """Adds the scores of TILE replicates to rows at `score`, `stride` apart."""
    n_directions = context[N_DIRECTIONS]
    counted = _single_at(work, _COUNTED)
    for k in range(0, n_directions, TILE):
        direction = _single_at(work, _DIRECTION + k)
        if n_directions - k > TILE // 2:
            add_quiet_tile(counted, direction, rows, score + 8 * k, 8 * stride)
        else:
            add_quiet_half_tile(counted, direction, rows, score + 8 * k, 8 * stride)
    if context[N_REST] > 0:
        residual, inverse = pointer(counted, float32), plane_at(work, _INVERSE)
        total = pointer(score + 8 * (n_directions - context[N_DENSE]), float64)
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                value = values[e] * inverse[i]
                for a in range(TILE):
                    total[a * stride + columns[e]] += residual[a * PLANE + i] * value


def replicate_scores_chunk(context_address, chunk):
    """Adds up the scores of some replicates, each at its own coefficients, on some rows; returns 0.

    There are chunks for all replicates on the first rows, then on the next. Replicates come in
    whole tiles. Each has a partial: its scores along the directions, those of the sparse columns,
    and last how many of its rows were outside the domain. With the mode SAME_COEFFICIENTS none has
    moved from BETA.
    """
    context = pointer(context_address, int64)
    stride = context[N_DIRECTIONS] + context[N_REST] + 1
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    work_array = _allocate(context)
    work = work_array.ctypes.data
    numbers = pointer(context[REPLICATE_NUMBER], int64)
    n_replicates, per_chunk = context[N_REPLICATES], context[REPLICATES_PER_CHUNK]
    n_parts = (n_replicates + per_chunk - 1) // per_chunk
    partial = context[PARTIALS] + 8 * stride * n_replicates * (chunk // n_parts)
    first = chunk % n_parts * per_chunk
    last = min(first + per_chunk, n_replicates)
    first_block, last_block = block_range(context, chunk // n_parts)
    for block in range(first_block, last_block):
        start, rows = block_rows(context, block)
        curve = pointer(context[CURVE] + 4 * CURVE_PLANES * BLOCK_ROWS * block, float32)
        _prepare(context, context_address, start, rows, scratch, curve, work)
        for r in range(first, last, TILE):
            score_address = partial + 8 * stride * r
            score = pointer(score_address, float64)
            residuals, apart = _find_residuals(
                context, block, start, rows, scratch, r, score, stride, work
            )
            # As many as TILE, but the compiler must not know: it would write the loop out.
            for a in range(min(TILE, last - r)):
                residual = pointer(residuals + apart * a, float32)
                counted = pointer(_single_at(work, _COUNTED + a), float32)
                _count(context, start, rows, numbers[r + a], residual, counted)
            _add_scores(context, start, rows, scratch, score_address, stride, work)
    return (scratch_array.size + work_array.size) * 0


replicate_scores_kernel = RowBlock(replicate_scores_chunk, "replicate_scores", {})
