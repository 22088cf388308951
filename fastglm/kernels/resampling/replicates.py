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
    buffer_at,
    entries_at,
)
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, BUFFER, LINEAR_PREDICTOR, RESIDUAL, TILE
from fastglm.kernels.blocks.table import (
    COUNT_BYTES,
    GROUP,
    LOAD,
    MODE,
    N_DENSE,
    N_DIRECTIONS,
    N_DRAWN,
    N_REPLICATES,
    N_REST,
    N_STORED,
    PARTIALS,
    POLYNOMIAL,
    POLYNOMIAL_LENGTH,
    POLYNOMIAL_LIMITS,
    PREDICT,
    REPLICATE_COUNT,
    REPLICATE_NUMBER,
    REPLICATE_REST,
    REPLICATE_STEP,
    REPLICATES_PER_CHUNK,
    SAME_COEFFICIENTS,
)
from fastglm.kernels.blocks.tiles import add_quiet_half_tile, add_quiet_tile
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries
from fastglm.kernels.passes.quadratic import factor_products
from fastglm.kernels.passes.sweep import respond
from fastglm.kernels.resampling.evaluate_polynomials import EVALUATED_ROWS, evaluate_polynomials
from fastglm.kernels.resampling.residual_polynomials import POLYNOMIAL_BUFFERS, POLYNOMIAL_TERMS

# Buffers that a chunk needs beside those of the block, in double precision: linear predictors of
# the fit, lengths of the rows, their inverses, and TILE more.
_ETA, _LENGTH, _INVERSE, _PRODUCT, _N_DOUBLE = 0, 1, 2, 3, 3 + TILE
# In single precision, for TILE replicates each: what sparse columns add, residuals, and these as
# often as rows were drawn. Then coefficients of the polynomial that is its own argument, and
# directions.
_REST, _RESIDUAL, _COUNTED, _LINE = 0, TILE, 2 * TILE, 3 * TILE
_LINE_TERMS = 2
_DIRECTION = _LINE + _LINE_TERMS


@inline
def _allocate(table):
    """Zeros for these buffers, but for the one coefficient that is 1."""
    n_single = _DIRECTION + (table[N_DIRECTIONS] + TILE - 1) // TILE * TILE
    work = np.zeros(_N_DOUBLE * BUFFER + (n_single * BUFFER + 1) // 2)
    line = pointer(_float32_at(work.ctypes.data, _LINE), float32)
    for i in range(BLOCK_ROWS):
        line[BLOCK_ROWS + i] = float32(1.0)
    return work


@inline
def _float32_at(work, which):
    """Address of a buffer in single precision."""
    return work + 8 * BUFFER * _N_DOUBLE + 4 * BUFFER * which


@noinline
def _prepare(table, table_address, start, rows, scratch, polynomial, work):
    """Linear predictors, lengths and directions of a block of rows."""
    call_stage(table[LOAD], table_address, start, rows, scratch, 0)
    call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
    eta, length = buffer_at(work, _ETA), buffer_at(work, _LENGTH)
    inverse, product = buffer_at(work, _INVERSE), buffer_at(work, _PRODUCT)
    for i in range(rows):
        eta[i] = buffer_at(scratch, LINEAR_PREDICTOR)[i]
        length[i] = polynomial[POLYNOMIAL_TERMS * BLOCK_ROWS + i]
        # A row of length zero has no direction.
        inverse[i] = 1.0 / length[i] if length[i] > 0.0 else 0.0
    direction = pointer(_float32_at(work, _DIRECTION), float32)
    for k in range(0, table[N_DIRECTIONS], TILE):
        factor_products(table, start, rows, scratch, k, work + 8 * BUFFER * _PRODUCT)
        for a in range(TILE):
            for i in range(rows):
                direction[(k + a) * BUFFER + i] = float32(product[a * BUFFER + i] * inverse[i])


@noinline
def _move_by_rest(table, start, rows, scratch, r, work):
    """Steps of sparse columns' coefficients, added to the rows of replicates r..r+TILE-1."""
    q = table[N_STORED]
    added = pointer(_float32_at(work, _REST), float32)
    for k in range(TILE * BUFFER):
        added[k] = float32(0.0)
    step = pointer(table[REPLICATE_REST] + 8 * q * r, float64)
    inverse = buffer_at(work, _INVERSE)
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    for i in range(rows):
        for e in range(row_entries(table, start, i, entries)):
            value = values[e] * inverse[i]
            for a in range(TILE):
                added[a * BUFFER + i] += float32(step[a * q + columns[e]] * value)


@noinline
def _evaluate(table, rows, r, polynomial, n_terms, work):
    """Polynomials of replicates r..r+TILE-1 where they are; 0 if that is within their reach."""
    n_directions = table[N_DIRECTIONS]
    step, stride = table[REPLICATE_STEP] + 4 * n_directions * r, 4 * n_directions
    rest, residual = _float32_at(work, _REST), _float32_at(work, _RESIDUAL)
    direction = _float32_at(work, _DIRECTION)
    beyond = int64(0)
    for k in range(0, 4 * rows, 4 * EVALUATED_ROWS):
        beyond |= evaluate_polynomials(
            step,
            stride,
            direction + k,
            n_directions,
            rest + k,
            polynomial + k,
            n_terms,
            residual + k,
        )
    return beyond


@inline
def _respond_beside(table, rows, scratch, residual, work):
    """Residuals of one replicate by link and family, in place of the shares of the reach.

    Returns rows outside the domain.
    """
    limits = pointer(table[POLYNOMIAL_LIMITS], float64)
    reach, standard_error = limits[0], limits[1]
    eta, length = buffer_at(work, _ETA), buffer_at(work, _LENGTH)
    for i in range(rows):
        radius = reach * standard_error * length[i]
        buffer_at(scratch, LINEAR_PREDICTOR)[i] = eta[i] + residual[i] * radius
    outside = respond(table, rows, scratch)
    for i in range(rows):
        residual[i] = float32(buffer_at(scratch, RESIDUAL)[i] * (length[i] / standard_error))
    return outside


@inline
def _find_residuals(table, block, start, rows, scratch, r, score, stride, work):
    """Residuals of replicates r..r+TILE-1, each row's times its length.

    Returns the address of the first's buffer and the distance to the next.
    """
    polynomial = table[POLYNOMIAL] + 4 * POLYNOMIAL_BUFFERS * BLOCK_ROWS * block
    if table[MODE] & SAME_COEFFICIENTS:
        return polynomial, 0
    n_terms = pointer(table[POLYNOMIAL_LENGTH], int64)[block]
    if table[N_REST] > 0:
        _move_by_rest(table, start, rows, scratch, r, work)
    if n_terms == 0 or _evaluate(table, rows, r, polynomial, n_terms, work) != 0:
        _evaluate(table, rows, r, _float32_at(work, _LINE), _LINE_TERMS, work)
        for a in range(TILE):
            own = pointer(_float32_at(work, _RESIDUAL + a), float32)
            score[(a + 1) * stride - 1] += _respond_beside(table, rows, scratch, own, work)
    return _float32_at(work, _RESIDUAL), 4 * BUFFER


@noinline
def _times_counts(table, drawn, start, rows, residual, counted):
    """Residuals times the counts of the block's rows, or of the groups that they belong to."""
    if table[GROUP] == 0:
        own = offset_pointer(drawn, table[N_DRAWN] * start)
        for i in range(rows):
            counted[i] = residual[i] * float32(own[i])
    else:
        group = pointer(table[GROUP] + 8 * start, int64)
        for i in range(rows):
            within = group[i] % BLOCK_ROWS
            count = drawn[table[N_DRAWN] * (group[i] - within) + within]
            counted[i] = residual[i] * float32(count)
    for i in range(rows, BUFFER):
        counted[i] = float32(0.0)


@inline
def _add_to_residuals(rows, residual, own, changed):
    """Residuals plus what the replicate's responses change of them."""
    for i in range(rows):
        changed[i] = residual[i] + own[i]
    for i in range(rows, BUFFER):
        changed[i] = float32(0.0)


@inline
def _count(table, start, rows, number, residual, counted):
    """Residuals of a replicate: as often as it drew each row of the block, or of its responses."""
    if table[COUNT_BYTES] == 4:
        added = pointer(table[REPLICATE_COUNT] + 4 * BLOCK_ROWS * number, float32)
        own = offset_pointer(added, table[N_DRAWN] * start)
        _add_to_residuals(rows, residual, own, counted)
    elif table[COUNT_BYTES] == 1:
        drawn = pointer(table[REPLICATE_COUNT] + BLOCK_ROWS * number, uint8)
        _times_counts(table, drawn, start, rows, residual, counted)
    else:
        drawn = pointer(table[REPLICATE_COUNT] + 8 * BLOCK_ROWS * number, int64)
        _times_counts(table, drawn, start, rows, residual, counted)


@noinline
def _add_scores(table, start, rows, scratch, score, stride, work):
    """Adds the scores of TILE replicates to rows at `score`, `stride` apart."""
    n_directions = table[N_DIRECTIONS]
    counted = _float32_at(work, _COUNTED)
    for k in range(0, n_directions, TILE):
        direction = _float32_at(work, _DIRECTION + k)
        if n_directions - k > TILE // 2:
            add_quiet_tile(counted, direction, rows, score + 8 * k, 8 * stride)
        else:
            add_quiet_half_tile(counted, direction, rows, score + 8 * k, 8 * stride)
    if table[N_REST] > 0:
        residual, inverse = pointer(counted, float32), buffer_at(work, _INVERSE)
        total = pointer(score + 8 * (n_directions - table[N_DENSE]), float64)
        entries = entries_at(table, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(table, start, i, entries)):
                value = values[e] * inverse[i]
                for a in range(TILE):
                    total[a * stride + columns[e]] += residual[a * BUFFER + i] * value


def replicate_scores_chunk(table_address, chunk):
    """Adds up the scores of some replicates, each at its own coefficients, on some rows; returns 0.

    There are chunks for all replicates on the first rows, then on the next. Replicates come in
    whole tiles. Each has a partial: its scores along the directions, those of the sparse columns,
    and last how many of its rows were outside the domain. With the mode SAME_COEFFICIENTS none has
    moved from BETA.
    """
    table = pointer(table_address, int64)
    stride = table[N_DIRECTIONS] + table[N_REST] + 1
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    work_array = _allocate(table)
    work = work_array.ctypes.data
    numbers = pointer(table[REPLICATE_NUMBER], int64)
    n_replicates, per_chunk = table[N_REPLICATES], table[REPLICATES_PER_CHUNK]
    n_parts = (n_replicates + per_chunk - 1) // per_chunk
    partial = table[PARTIALS] + 8 * stride * n_replicates * (chunk // n_parts)
    first = chunk % n_parts * per_chunk
    last = min(first + per_chunk, n_replicates)
    first_block, last_block = block_range(table, chunk // n_parts)
    for block in range(first_block, last_block):
        start, rows = block_rows(table, block)
        polynomial = pointer(
            table[POLYNOMIAL] + 4 * POLYNOMIAL_BUFFERS * BLOCK_ROWS * block, float32
        )
        _prepare(table, table_address, start, rows, scratch, polynomial, work)
        for r in range(first, last, TILE):
            score_address = partial + 8 * stride * r
            score = pointer(score_address, float64)
            residuals, apart = _find_residuals(
                table, block, start, rows, scratch, r, score, stride, work
            )
            # As many as TILE, but hidden from the compiler, which would unroll the loop.
            for a in range(min(TILE, last - r)):
                residual = pointer(residuals + apart * a, float32)
                counted = pointer(_float32_at(work, _COUNTED + a), float32)
                _count(table, start, rows, numbers[r + a], residual, counted)
            _add_scores(table, start, rows, scratch, score_address, stride, work)
    return (scratch_array.size + work_array.size) * 0


replicate_scores_kernel = RowBlock(replicate_scores_chunk, "replicate_scores", {})
