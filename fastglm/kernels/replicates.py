"""Bootstrap replicates of a fit: how often each row was drawn, and the scores of many fits a pass.

A tile of replicates reads each block of columns once. Replicates differ in how often a row counts,
and in their coefficients.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int32, int64, uint64

from fastglm.kernels.block import (
    allocate_scratch,
    block_rows,
    padded_size,
    plane_at,
)
from fastglm.kernels.context import (
    ACCUMULATE,
    BETA,
    CONTEXT_SIZE,
    GROUP,
    INVERSE_ROWS,
    LOAD,
    MODE,
    N_BLOCKS,
    N_GROUPS,
    N_REPLICATES,
    N_SWEEP,
    PARTIALS,
    PREDICT,
    REPLICATE_COUNT,
    REPLICATE_NUMBER,
    REPLICATE_SEED,
    REPLICATES_PER_CHUNK,
    RESPOND_ROWS,
    SAME_COEFFICIENTS,
)
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, inlined, pointer
from fastglm.kernels.planes import PLANE, RESIDUAL

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


def replicate_scores_chunk(context_address, chunk):
    """Adds up the scores of a tile of replicates, each at its own coefficients; returns 0.

    Each replicate has a partial of the size that the stage ACCUMULATE expects without a Gram
    matrix, and last how many of its rows were outside the domain.
    """
    shared = pointer(context_address, int64)
    context_array = np.empty(CONTEXT_SIZE, np.int64)
    context = pointer(context_array.ctypes.data, int64)
    for k in range(CONTEXT_SIZE):
        context[k] = shared[k]
    own_address = context_array.ctypes.data
    _, order = padded_size(context)
    q = context[N_SWEEP]
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    kept_array = np.empty(PLANE)
    kept = pointer(kept_array.ctypes.data, float64)
    residual = plane_at(scratch, RESIDUAL)
    numbers = pointer(context[REPLICATE_NUMBER], int64)
    first = chunk * context[REPLICATES_PER_CHUNK]
    last = min(first + context[REPLICATES_PER_CHUNK], context[N_REPLICATES])
    same = context[MODE] & SAME_COEFFICIENTS != 0
    for block in range(context[N_BLOCKS]):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], own_address, start, rows, scratch, 0)
        for r in range(first, last):
            partial = context[PARTIALS] + 8 * (q + 1) * r
            if r == first or not same:
                context[BETA] = shared[BETA] + (0 if same else 8 * q * r)
                call_stage(context[PREDICT], own_address, start, rows, scratch, 0)
                outside = call_row_block(context[INVERSE_ROWS], scratch, rows)
                outside += call_row_block(context[RESPOND_ROWS], scratch, rows)
                pointer(partial, float64)[q] += outside
                for i in range(rows):
                    kept[i] = residual[i]
            _times_count(context, start, rows, numbers[r], kept, residual)
            score = partial - 8 * order * order
            call_stage(context[ACCUMULATE], own_address, start, rows, scratch, score)
    return (scratch_array.size + context_array.size + kept_array.size) * 0


replicate_scores_kernel = RowBlock(replicate_scores_chunk, "replicate_scores", {})
