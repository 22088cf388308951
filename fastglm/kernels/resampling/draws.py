"""Counts of units, when as many as there are are drawn with replacement.

Poisson counts of a mean a little below one, given their total, are counts of that many draws; what
the total lacks is drawn one by one. So hardly any memory is visited out of order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types import float64, int64, uint8, uint16, uint32, uint64
from numba.extending import intrinsic

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.blocks.table import (
    N_DRAWN,
    N_GROUPS,
    REPLICATE_COUNT,
    REPLICATE_SEED,
    THRESHOLDS,
)
from fastglm.kernels.blocks.tiles import address_at, load, store
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer, spread
from fastglm.kernels.compiler.templates import RowBlock

# Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0
#: Numbers of 16 bits in one of 64.
SHORTS = 4
#: Units whose numbers are compared together.
DRAWN_TOGETHER = 32
#: Largest Poisson count: a mean of one exceeds it once in 1e9 draws.
THRESHOLDS_PER_DRAW = 11
#: Those of them, up to a mean of one, whose first 16 bits are not all 1.
LOW_THRESHOLDS = 7
HIGHEST_SHORT = 2**16 - 1


@inline
def _random_bits(state, number):
    """64 random bits; a counter drives them, so that a loop over it vectorises."""
    z = state + uint64(number) * GOLDEN
    z = (z ^ (z >> uint64(30))) * MIX_1
    z = (z ^ (z >> uint64(27))) * MIX_2
    return z ^ (z >> uint64(31))


def _sum_of_lanes(builder: Any, vector: Any) -> Any:
    """The sum of the lanes of a vector, of which there is a power of two."""
    lane, width = ir.IntType(32), vector.type.count
    while width > 1:
        width //= 2
        low, high = (
            ir.Constant(ir.VectorType(lane, width), list(range(k, k + width))) for k in (0, width)
        )
        vector = builder.add(
            builder.shuffle_vector(vector, vector, low),
            builder.shuffle_vector(vector, vector, high),
        )
    return builder.extract_element(vector, lane(0))


@intrinsic
def _count_thresholds(
    typing_context: Any, shorts: Any, thresholds: Any, counts: Any, ties: Any
) -> Any:
    """Counts the thresholds that each number of a block is above; returns the total.

    All arguments are addresses: of 16-bit numbers, of the first 16 bits of LOW_THRESHOLDS, of the
    counts, and of masks of DRAWN_TOGETHER numbers: of those that 16 bits do not decide.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        shorts, thresholds, counts, ties = args
        short, byte, index = ir.IntType(16), ir.IntType(8), ir.IntType(64)
        vector, mask = ir.VectorType(short, DRAWN_TOGETHER), ir.IntType(DRAWN_TOGETHER)

        zero = ir.Constant(vector, [0] * DRAWN_TOGETHER)
        highest = ir.Constant(vector, [HIGHEST_SHORT] * DRAWN_TOGETHER)
        limits = [
            spread(
                builder, load(builder, address_at(builder, thresholds, 2, t), short), DRAWN_TOGETHER
            )
            for t in range(LOW_THRESHOLDS)
        ]
        total = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range(builder, index(BLOCK_ROWS // DRAWN_TOGETHER)) as loop:
            at = address_at(builder, shorts, 2 * DRAWN_TOGETHER, loop.index)
            numbers = load(builder, at, vector)
            count, tied = zero, builder.icmp_unsigned("==", numbers, highest)
            for limit in limits:
                above = builder.icmp_unsigned(">", numbers, limit)
                count = builder.sub(count, builder.sext(above, vector))
                tied = builder.or_(tied, builder.icmp_unsigned("==", numbers, limit))
            small = builder.trunc(count, ir.VectorType(byte, DRAWN_TOGETHER))
            store(builder, small, address_at(builder, counts, DRAWN_TOGETHER, loop.index))
            store(builder, builder.bitcast(tied, mask), address_at(builder, ties, 4, loop.index))
            builder.store(builder.add(builder.load(total), count), total)
        return builder.zext(_sum_of_lanes(builder, builder.load(total)), index)

    return types.int64(*[types.int64] * 4), codegen


@inline
def _resolve_ties(state, drawn, thresholds, shorts, ties, counts):
    """Counts of the units that 16 bits did not decide, by 16 more; returns what that adds."""
    added = 0
    for k in range(BLOCK_ROWS // DRAWN_TOGETHER):
        if ties[k] == 0:
            continue
        for j in range(DRAWN_TOGETHER):
            if (ties[k] >> j) & 1:
                unit = DRAWN_TOGETHER * k + j
                more = int64(_random_bits(state, -1 - drawn - unit) & uint64(HIGHEST_SHORT))
                number = (int64(shorts[unit]) << 16) | more
                count = 0
                for t in range(THRESHOLDS_PER_DRAW):
                    count += 1 if number > int64(thresholds[t]) else 0
                added += count - int64(counts[unit])
                counts[unit] = uint8(count)
    return added


@inline
def _draw_block(state, drawn, thresholds, work, units, counts_address):
    """Poisson counts of a block of units, none beyond the last; returns their total.

    `drawn` is the number of units before, `work` the address of room for 16-bit numbers, ties and
    the first bits of thresholds.
    """
    words = pointer(work, uint64)
    for k in range(BLOCK_ROWS // SHORTS):
        words[k] = _random_bits(state, drawn // SHORTS + k)
    ties = work + 2 * BLOCK_ROWS
    high = ties + 4 * BLOCK_ROWS // DRAWN_TOGETHER
    counts = pointer(counts_address, uint8)
    total = _count_thresholds(work, high, counts_address, ties)
    total += _resolve_ties(
        state, drawn, thresholds, pointer(work, uint16), pointer(ties, uint32), counts
    )
    for k in range(units, BLOCK_ROWS):
        total -= int64(counts[k])
        counts[k] = uint8(0)
    return total


def draw_chunk(table_address, chunk):
    """Counts of as many draws with replacement as there are units, for one replicate; returns 0.

    They are written to REPLICATE_COUNT by blocks of units, and within a block by replicates. Counts
    follow by inversion from numbers of 32 bits, of which the second half is seldom needed.
    """
    table = pointer(table_address, int64)
    n_units, n_drawn = table[N_GROUPS], table[N_DRAWN]
    seed = pointer(table[REPLICATE_SEED], uint64)[chunk]
    thresholds = pointer(table[THRESHOLDS], uint32)
    shorts = np.empty(BLOCK_ROWS + 2 * BLOCK_ROWS // DRAWN_TOGETHER + LOW_THRESHOLDS, np.uint16)
    for t in range(LOW_THRESHOLDS):
        shorts[shorts.size - LOW_THRESHOLDS + t] = uint16(thresholds[t] >> 16)
    work = shorts.ctypes.data
    base = table[REPLICATE_COUNT] + BLOCK_ROWS * chunk
    drawn, missing = 0, -1
    while missing < 0:
        missing = n_units
        for start in range(0, n_units, BLOCK_ROWS):
            units = min(BLOCK_ROWS, n_units - start)
            missing -= _draw_block(seed, drawn, thresholds, work, units, base + n_drawn * start)
            drawn += BLOCK_ROWS
    for k in range(drawn, drawn + missing):
        share = float64(int64(_random_bits(seed, k) >> uint64(11))) * UNIT
        unit = int64(share * n_units)
        within = unit % BLOCK_ROWS
        pointer(base + n_drawn * (unit - within), uint8)[within] += uint8(1)
    return shorts.size * 0


draw_kernel = RowBlock(draw_chunk, "draw", {})
