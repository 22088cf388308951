"""How often each unit is drawn, when as many units as there are are drawn with replacement.

Poisson counts of a mean a little below one, given their total, are counts of that many draws; what
the total lacks is drawn one by one. So hardly any memory is visited out of order.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int32, int64, uint8, uint32, uint64

from fastglm.kernels.context import (
    N_DRAWN,
    N_GROUPS,
    REPLICATE_COUNT,
    REPLICATE_SEED,
    THRESHOLDS,
)
from fastglm.kernels.jit import RowBlock, inlined, pointer
from fastglm.kernels.planes import BLOCK_ROWS

# Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0
HALF_BLOCK = BLOCK_ROWS // 2
#: Largest Poisson count: a mean of one exceeds it once in 1e9 draws.
THRESHOLDS_PER_DRAW = 11


@inlined
def _random_bits(state, number):
    """64 random bits; a counter drives them, so that a loop over it vectorises."""
    z = state + uint64(number) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    return z ^ (z >> uint64(31))


@inlined
def _draw_block(state, first, thresholds, bits, counts):
    """Poisson counts of one block of units, by inversion of 32 random bits each."""
    for k in range(HALF_BLOCK):
        z = _random_bits(state, first + k)
        bits[k] = uint32(z)
        bits[HALF_BLOCK + k] = uint32(z >> uint64(32))
    for k in range(BLOCK_ROWS):
        count = int32(0)
        for t in range(THRESHOLDS_PER_DRAW):
            count += int32(1) if bits[k] > thresholds[t] else int32(0)
        counts[k] = uint8(count)


@inlined
def _end_block(counts, units):
    """Nobody is drawn beyond the last unit; returns how many were drawn."""
    for k in range(units, BLOCK_ROWS):
        counts[k] = uint8(0)
    total = int32(0)
    for k in range(BLOCK_ROWS):
        total += int32(counts[k])
    return total


def draw_chunk(context_address, chunk):
    """Counts of as many draws with replacement as there are units, for one replicate; returns 0.

    They are written to REPLICATE_COUNT by blocks of units, and within a block by replicates.
    """
    context = pointer(context_address, int64)
    n_units, n_drawn = context[N_GROUPS], context[N_DRAWN]
    seed = pointer(context[REPLICATE_SEED], uint64)[chunk]
    thresholds = pointer(context[THRESHOLDS], uint32)
    bits_array = np.empty(BLOCK_ROWS, np.uint32)
    bits = pointer(bits_array.ctypes.data, uint32)
    base = context[REPLICATE_COUNT] + BLOCK_ROWS * chunk
    number, missing = 0, -1
    while missing < 0:
        missing = n_units
        for start in range(0, n_units, BLOCK_ROWS):
            counts = pointer(base + n_drawn * start, uint8)
            _draw_block(seed, number, thresholds, bits, counts)
            missing -= _end_block(counts, min(BLOCK_ROWS, n_units - start))
            number += HALF_BLOCK
    for k in range(number, number + missing):
        share = float64(int64(_random_bits(seed, k) >> uint64(11))) * UNIT
        unit = int64(share * n_units)
        within = unit % BLOCK_ROWS
        pointer(base + n_drawn * (unit - within), uint8)[within] += uint8(1)
    return bits_array.size * 0


draw_kernel = RowBlock(draw_chunk, "draw", {})
