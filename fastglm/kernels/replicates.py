"""Bootstrap replicates of a fit: how often each row was drawn, and the scores of many fits a pass.

A tile of replicates reads each block of columns once. Replicates differ in how often a row counts,
and in their coefficients.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int32, int64, uint64

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
    BETA,
    GROUP,
    INVERSE_ROWS,
    LOAD,
    MODE,
    N_BLOCKS,
    N_DENSE,
    N_GROUPS,
    N_REPLICATES,
    N_SWEEP,
    PARTIALS,
    REPLICATE_COUNT,
    REPLICATE_NUMBER,
    REPLICATE_SEED,
    REPLICATES_PER_CHUNK,
    RESPOND_ROWS,
    SAME_COEFFICIENTS,
)
from fastglm.kernels.gram import row_entries, tile
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, inlined, pointer
from fastglm.kernels.planes import LINEAR_PREDICTOR, OFFSET, PLANE, RESIDUAL
from fastglm.kernels.quadratic import add_products

# Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0
DRAWS = 256


@inlined
def _draw_units(state, n_units, drawn, count):
    """`count` uniform numbers of units into `drawn`; a counter drives them, so they vectorise."""
    for k in range(count):
        z = state + uint64(k + 1) * GOLDEN
        z = (z ^ (z >> uint64(30))) * MIX_1
        z = (z ^ (z >> uint64(27))) * MIX_2
        z ^= z >> uint64(31)
        drawn[k] = int64(float64(int64(z >> uint64(11))) * UNIT * n_units)


def draw_chunk(context_address, chunk):
    """Counts of as many draws with replacement as there are units, for one replicate; returns 0."""
    context = pointer(context_address, int64)
    n_units = context[N_GROUPS]
    seed = pointer(context[REPLICATE_SEED], uint64)[chunk]
    counts = pointer(context[REPLICATE_COUNT] + 4 * n_units * chunk, int32)
    drawn_array = np.empty(DRAWS, np.int64)
    drawn = pointer(drawn_array.ctypes.data, int64)
    for i in range(n_units):
        counts[i] = 0
    for start in range(0, n_units, DRAWS):
        count = min(DRAWS, n_units - start)
        _draw_units(seed + uint64(start) * GOLDEN, float64(n_units), drawn, count)
        for k in range(count):
            counts[drawn[k]] += 1
    return drawn_array.size * 0


draw_kernel = RowBlock(draw_chunk, "draw", {})


@inlined
def _predict(context, start, rows, scratch, beta, eta):
    """Linear predictors of TILE replicates, whose coefficients are rows of `beta`."""
    n_dense, q = context[N_DENSE], context[N_SWEEP]
    whole = n_dense - n_dense % TILE
    offset = plane_at(scratch, OFFSET)
    for a in range(TILE):
        for i in range(rows):
            eta[a * PLANE + i] = offset[i]
    for j in range(0, whole, TILE):
        column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
        add_products(pointer(beta + 8 * j, float64), q, column, eta, rows)
    coefficient = pointer(beta, float64)
    for j in range(whole, n_dense):
        column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
        for a in range(TILE):
            b = coefficient[a * q + j]
            for i in range(rows):
                eta[a * PLANE + i] += b * column[i]
    if q > n_dense:
        entries = entries_at(context, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(context, start, i, entries)):
                for a in range(TILE):
                    eta[a * PLANE + i] += coefficient[a * q + columns[e]] * values[e]


@inlined
def _respond(context, rows, scratch, eta):
    """Score residuals at one replicate's linear predictor; returns rows outside the domain."""
    linear_predictor = plane_at(scratch, LINEAR_PREDICTOR)
    for i in range(rows):
        linear_predictor[i] = eta[i]
    outside = call_row_block(context[INVERSE_ROWS], scratch, rows)
    return outside + call_row_block(context[RESPOND_ROWS], scratch, rows)


@inlined
def _times_count(context, start, rows, number, residual, product):
    """Residuals times how often the replicate drew their row or their group of rows."""
    counts = pointer(context[REPLICATE_COUNT] + 4 * context[N_GROUPS] * number, int32)
    if context[GROUP] != 0:
        group = pointer(context[GROUP] + 8 * start, int64)
        for i in range(rows):
            product[i] = residual[i] * counts[group[i]]
    else:
        for i in range(rows):
            product[i] = residual[i] * counts[start + i]


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
    has columns, and last how many of its rows were outside the domain.
    """
    context = pointer(context_address, int64)
    _, order = padded_size(context)
    q, stride = context[N_SWEEP], order + 1
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    tile_array = np.zeros(2 * TILE * PLANE)
    eta_address = tile_array.ctypes.data
    eta = pointer(eta_address, float64)
    residuals = pointer(eta_address + 8 * TILE * PLANE, float64)
    numbers = pointer(context[REPLICATE_NUMBER], int64)
    same = context[MODE] & SAME_COEFFICIENTS != 0
    first = chunk * context[REPLICATES_PER_CHUNK]
    last = min(first + context[REPLICATES_PER_CHUNK], context[N_REPLICATES])
    for block in range(context[N_BLOCKS]):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        for r in range(first, last, TILE):
            score = context[PARTIALS] + 8 * stride * r
            if r == first or not same:
                _predict(context, start, rows, scratch, context[BETA] + 8 * q * r, eta)
            for a in range(TILE):
                if not same or (r == first and a == 0):
                    plane = pointer(eta_address + 8 * PLANE * a, float64)
                    outside = _respond(context, rows, scratch, plane)
                    pointer(score + 8 * stride * a, float64)[order] += outside
                product = pointer(eta_address + 8 * PLANE * (TILE + a), float64)
                residual = plane_at(scratch, RESIDUAL)
                _times_count(context, start, rows, numbers[r + a], residual, product)
            _add_scores(context, start, rows, scratch, residuals, score, stride)
    return (scratch_array.size + tile_array.size) * 0


replicate_scores_kernel = RowBlock(replicate_scores_chunk, "replicate_scores", {})
