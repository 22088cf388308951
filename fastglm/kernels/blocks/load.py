"""Load: columns as they lie in memory, widened block by block into buffers of float64."""

from __future__ import annotations

import numpy as np
from numba.core.types import (
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

from fastglm.kernels.blocks.block import (
    BLOCK_N_ROWS,
    BLOCK_START,
    NEXT_BLOCK_AHEAD,
    QUEUE_CAPACITY,
    QUEUE_LENGTH,
    QUEUE_READ,
    block_state_at,
    buffer_at,
    copy_to_float32,
    dense_at,
    float32_buffer_at,
    indicator_columns_at,
    passing_at,
    queue_capacity,
)
from fastglm.kernels.blocks.prefetch import queue_prefetch
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    OFFSET,
    PRIOR_WEIGHT,
    RESPONSE,
    SCRATCH,
    TILE,
)
from fastglm.kernels.blocks.table import (
    BLOCK_STEP,
    DENSE_FACTOR,
    DENSE_START,
    FLOAT32,
    INDICATOR_FACTOR,
    INDICATOR_FACTOR_START,
    INDICATOR_OFFSET,
    INDICATOR_SOURCE,
    INDICATOR_START,
    INDICATOR_STRIDE,
    MODE,
    N_DENSE,
    N_INDICATORS,
    OFFSET_SOURCE,
    PIECES,
    RESPONSE_SOURCE,
    SCALE,
    SHIFT,
    SOURCES,
    WEIGHT_SOURCE,
    WIDEN,
    WITH_GRAM,
)
from fastglm.kernels.blocks.transpose import (
    PANEL,
    float32_across,
    float32_across_to_float32,
    float32_down,
    float32_down_to_float32,
    float64_across,
    float64_across_to_float32,
    float64_down,
    float64_down_to_float32,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import (
    bits_of,
    call_stage,
    from_bits,
    offset_pointer,
    pointer,
)
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.pieces import PIECES_COLUMN, evaluate_column

# Rows of a strip of columns that is transposed before the next: they stay in the nearest cache.
STRIP = 128
# From this many dense columns on, tiles prefetch what the next block reads.
PREFETCH_FROM = 5 * TILE
# Blocks ahead at which a column of its own is prefetched: a block's part of it is short, and many
# such from all over memory come later than as much in a row.
COLUMN_AHEAD = 2
# Bytes of an element, by its code in `fastglm.kernels.blocks.table`.
ELEMENT_SIZES = (8, 4, 1, 2, 4, 8, 1, 2, 4, 8, 0)
# The code of float32; only that of float64 is less.
FLOAT32_ELEMENT = 1


@inline
def _widen(source, stride, start, rows, target, shift, scale):
    """target[0:rows] = (source[start : start + rows] - shift) * scale, whatever the type."""
    first = offset_pointer(source, start * stride)
    for i in range(rows):
        target[i] = (float64(first[i * stride]) - shift) * scale


def widen(source, block_state, target, shift_bits, scale_bits):
    """One source's rows as (x - shift) * scale into the buffer at address `target`.

    Called by address, so that its element types are compiled once. `source` is the address of
    the source's entry in SOURCES, `block_state` that of the block's; shift and scale are the bits
    of float64.
    """
    entry, block = pointer(source, int64), pointer(block_state, int64)
    address, stride, element = entry[0], entry[1], entry[2]
    start, rows, ahead = block[BLOCK_START], block[BLOCK_N_ROWS], block[NEXT_BLOCK_AHEAD]
    shift, scale = from_bits(shift_bits), from_bits(scale_bits)
    buffer = pointer(target, float64)
    if element == PIECES:
        # The stride is the number of the piecewise polynomial; the first asks for the column.
        pieces = pointer(address, int64)
        if stride == 0:
            next_rows = pieces[PIECES_COLUMN] + 8 * (start + COLUMN_AHEAD * ahead)
            queue_prefetch(block_state, next_rows, 8 * rows)
        evaluate_column(pieces, start, rows, stride, buffer, shift, scale)
        return 0
    if stride == 1:
        size = ELEMENT_SIZES[element]
        queue_prefetch(block_state, address + size * (start + COLUMN_AHEAD * ahead), size * rows)
    if element == 0:
        _widen(pointer(address, float64), stride, start, rows, buffer, shift, scale)
    elif element == 1:
        _widen(pointer(address, float32), stride, start, rows, buffer, shift, scale)
    elif element == 2:
        _widen(pointer(address, int8), stride, start, rows, buffer, shift, scale)
    elif element == 3:
        _widen(pointer(address, int16), stride, start, rows, buffer, shift, scale)
    elif element == 4:
        _widen(pointer(address, int32), stride, start, rows, buffer, shift, scale)
    elif element == 5:
        _widen(pointer(address, int64), stride, start, rows, buffer, shift, scale)
    elif element == 6:
        _widen(pointer(address, uint8), stride, start, rows, buffer, shift, scale)
    elif element == 7:
        _widen(pointer(address, uint16), stride, start, rows, buffer, shift, scale)
    elif element == 8:
        _widen(pointer(address, uint32), stride, start, rows, buffer, shift, scale)
    else:
        _widen(pointer(address, uint64), stride, start, rows, buffer, shift, scale)
    return 0


widen_stage = RowBlock(widen, "widen", {})


@inline
def load_source(table, which, scratch, target, shift, scale):
    """The block's rows of a source into the buffer at address `target`."""
    block_state = block_state_at(table, scratch)
    source = table[SOURCES] + 24 * which
    call_stage(table[WIDEN], source, block_state, target, bits_of(shift), bits_of(scale))


@inline
def _row_major_run(sources, factors, starts, j, n_dense):
    """Counts the dense columns from j on that lie side by side in rows of one matrix of floats."""
    if starts[j + 1] - starts[j] != 1:
        return 0
    first = factors[starts[j]]
    stride, element = sources[3 * first + 1], sources[3 * first + 2]
    size = ELEMENT_SIZES[element]
    count = 0
    while j + count < n_dense and starts[j + count + 1] - starts[j + count] == 1:
        which = factors[starts[j + count]]
        side_by_side = sources[3 * which] == sources[3 * first] + size * count
        alike = sources[3 * which + 1] == stride and sources[3 * which + 2] == element
        if not (side_by_side and alike):
            break
        count += 1
    return count if element <= FLOAT32_ELEMENT and stride >= count else 0


@inline
def _load_row(source, stride, count, shift, scale, target, ahead, from_float32, to_float32):
    """PANEL rows into buffers, as memory gives them."""
    if from_float32 and to_float32:
        float32_across_to_float32(source, stride, count, shift, scale, target, ahead)
    elif from_float32:
        float32_across(source, stride, count, shift, scale, target, ahead)
    elif to_float32:
        float64_across_to_float32(source, stride, count, shift, scale, target, ahead)
    else:
        float64_across(source, stride, count, shift, scale, target, ahead)


@inline
def _load_down(source, stride, panels, shift, scale, target, from_float32, to_float32):
    """Panels of rows that are in cache into buffers."""
    if from_float32 and to_float32:
        float32_down_to_float32(source, stride, panels, shift, scale, target)
    elif from_float32:
        float32_down(source, stride, panels, shift, scale, target)
    elif to_float32:
        float64_down_to_float32(source, stride, panels, shift, scale, target)
    else:
        float64_down(source, stride, panels, shift, scale, target)


@inline
def _load_last_row(source, count, shift, scale, target, i, from_float32, to_float32):
    """Row i, behind the last whole panel, value by value."""
    shifts, scales = pointer(shift, float64), pointer(scale, float64)
    for k in range(count):
        if from_float32:
            value = float64(pointer(source, float32)[k])
        else:
            value = pointer(source, float64)[k]
        value = (value - shifts[k]) * scales[k]
        if to_float32:
            pointer(target, float32)[k * BUFFER + i] = float32(value)
        else:
            pointer(target, float64)[k * BUFFER + i] = value


@inline
def _load_run(table, which, block_state, j, count, dense):
    """`count` >= PANEL side-by-side columns from j on, by transposed panels and a scalar rest."""
    source = pointer(table[SOURCES] + 24 * which, int64)
    block = pointer(block_state, int64)
    rows, to_float32 = block[BLOCK_N_ROWS], table[MODE] & FLOAT32
    from_float32 = source[2] == FLOAT32_ELEMENT
    size, number = ELEMENT_SIZES[source[2]], 4 if to_float32 else 8
    buffer = number * BUFFER
    stride = size * source[1]
    address = source[0] + stride * block[BLOCK_START]
    shift, scale, first = table[SHIFT] + 8 * j, table[SCALE] + 8 * j, dense + buffer * j
    ahead = stride * block[NEXT_BLOCK_AHEAD]
    whole = rows - rows % (2 * PANEL)
    # Of rows that lie far apart, tiles would prefetch more than is read.
    if block[QUEUE_CAPACITY] > 0 and source[1] <= 2 * count:
        queue_prefetch(block_state, address + ahead, stride * rows)
        for i in range(0, whole, STRIP):
            panels = min(STRIP, whole - i) // (2 * PANEL if to_float32 else PANEL)
            for left in range(0, count, PANEL):
                k = min(left, count - PANEL)
                here, there = address + stride * i + size * k, first + buffer * k + number * i
                shifts, scales = shift + 8 * k, scale + 8 * k
                _load_down(here, stride, panels, shifts, scales, there, from_float32, to_float32)
    else:
        for i in range(0, whole, PANEL):
            here, there = address + stride * i, first + number * i
            _load_row(
                here, stride, count, shift, scale, there, here + ahead, from_float32, to_float32
            )
    for i in range(whole, rows):
        _load_last_row(
            address + stride * i, count, shift, scale, first, i, from_float32, to_float32
        )


@inline
def load_product(table, slots, first, last, scratch, target, shift, scale):
    """(product - shift) * scale of the sources slots[first:last]; of none at all, ones."""
    if last - first == 1:
        load_source(table, slots[first], scratch, target, shift, scale)
        return
    rows = pointer(block_state_at(table, scratch), int64)[BLOCK_N_ROWS]
    buffer = buffer_at(scratch, SCRATCH)
    product = pointer(target, float64)
    for i in range(rows):
        product[i] = 1.0
    for f in range(first, last):
        load_source(table, slots[f], scratch, scratch + 8 * BUFFER * SCRATCH, 0.0, 1.0)
        for i in range(rows):
            product[i] *= buffer[i]
    for i in range(rows):
        product[i] = (product[i] - shift) * scale


@inline
def load_dense(table, block_state, scratch):
    """The block's dense columns into their buffers, shifted and scaled.

    With the mode FLOAT32 they are buffers of float32, at half the distance.
    """
    dense = dense_at(scratch)
    sources = pointer(table[SOURCES], int64)
    starts = pointer(table[DENSE_START], int64)
    factors = pointer(table[DENSE_FACTOR], int64)
    shift = pointer(table[SHIFT], float64)
    scale = pointer(table[SCALE], float64)
    n_dense, to_float32 = table[N_DENSE], table[MODE] & FLOAT32
    rows = pointer(block_state, int64)[BLOCK_N_ROWS]
    # A plain 0 would be a type of its own, for which all that takes j were compiled once more.
    j = int64(0)
    while j < n_dense:
        run = _row_major_run(sources, factors, starts, j, n_dense)
        if run >= PANEL:
            which = factors[starts[j]]
            _load_run(table, which, block_state, j, run, dense)
            j += run
            continue
        first, last = starts[j], starts[j + 1]
        target = passing_at(scratch) if to_float32 else dense + 8 * BUFFER * j
        load_product(table, factors, first, last, scratch, target, shift[j], scale[j])
        if to_float32:
            copy_to_float32(
                pointer(target, float64), rows, pointer(dense + 4 * BUFFER * j, float32)
            )
        j += 1


@inline
def load_indicators(table, rows, scratch):
    """The block's categorical terms as sparse entries: buffers of columns and of values."""
    starts = pointer(table[INDICATOR_START], int64)
    code_sources = pointer(table[INDICATOR_SOURCE], int64)
    code_stride = pointer(table[INDICATOR_STRIDE], int64)
    offsets = pointer(table[INDICATOR_OFFSET], int64)
    factor_starts = pointer(table[INDICATOR_FACTOR_START], int64)
    factors = pointer(table[INDICATOR_FACTOR], int64)
    codes = buffer_at(scratch, SCRATCH)
    columns = indicator_columns_at(table, scratch)
    values = columns + 8 * BUFFER * table[N_INDICATORS]
    for t in range(table[N_INDICATORS]):
        column = pointer(columns + 8 * BUFFER * t, int64)
        for i in range(rows):
            column[i] = offsets[t]
        for c in range(starts[t], starts[t + 1]):
            load_source(table, code_sources[c], scratch, scratch + 8 * BUFFER * SCRATCH, 0.0, 1.0)
            step = code_stride[c]
            for i in range(rows):
                column[i] += step * np.int64(codes[i])
        first, last, target = factor_starts[t], factor_starts[t + 1], values + 8 * BUFFER * t
        load_product(table, factors, first, last, scratch, target, 0.0, 1.0)


@inline
def _fill(buffer, rows, value):
    for i in range(rows):
        buffer[i] = value


def load_block(table_address, start, rows, scratch, target):
    """Everything about one block of rows: columns, response, prior weights and offset.

    A stage: called by address, so that it is compiled once for every kernel. `target` is not used.
    """
    table = pointer(table_address, int64)
    block_state = block_state_at(table, scratch)
    block = pointer(block_state, int64)
    block[BLOCK_START], block[BLOCK_N_ROWS] = start, rows
    block[NEXT_BLOCK_AHEAD] = table[BLOCK_STEP] * BLOCK_ROWS
    # Fewer tiles have too little to do to prefetch meanwhile.
    prefetches = table[MODE] & WITH_GRAM and table[N_DENSE] >= PREFETCH_FROM
    block[QUEUE_CAPACITY] = queue_capacity(table) if prefetches else 0
    block[QUEUE_LENGTH] = block[QUEUE_READ] = 0
    load_dense(table, block_state, scratch)
    load_indicators(table, rows, scratch)
    for slot, buffer, value in (
        (RESPONSE_SOURCE, RESPONSE, 0.0),
        (WEIGHT_SOURCE, PRIOR_WEIGHT, 1.0),
        (OFFSET_SOURCE, OFFSET, 0.0),
    ):
        to_float32 = table[MODE] & FLOAT32
        if table[slot] >= 0:
            target = scratch + 8 * BUFFER * (SCRATCH if to_float32 else buffer)
            load_source(table, table[slot], scratch, target, 0.0, 1.0)
            if to_float32:
                copy_to_float32(
                    buffer_at(scratch, SCRATCH), rows, float32_buffer_at(scratch, buffer)
                )
        elif to_float32:
            _fill(float32_buffer_at(scratch, buffer), rows, float32(value))
        else:
            _fill(buffer_at(scratch, buffer), rows, value)
    return 0


load_stage = RowBlock(load_block, "load", {})
