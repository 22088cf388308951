"""Load: columns as they lie in memory, widened block by block into planes of float64."""

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
    LISTED,
    ROOM,
    SPAN_AHEAD,
    SPAN_ROWS,
    SPAN_START,
    TAKEN,
    coded_columns_at,
    count_pieces,
    dense_at,
    narrow,
    passing_at,
    plane_at,
    single_plane_at,
    span_at,
)
from fastglm.kernels.blocks.planes import (
    BLOCK_ROWS,
    OFFSET,
    PLANE,
    PRIOR_WEIGHT,
    RESPONSE,
    SCRATCH,
    TILE,
)
from fastglm.kernels.blocks.prefetch import prefetch_later
from fastglm.kernels.blocks.table import (
    BLOCK_STEP,
    CODED_FACTOR,
    CODED_FACTOR_START,
    CODED_OFFSET,
    CODED_RADIX,
    CODED_SOURCE,
    CODED_START,
    DENSE_FACTOR,
    DENSE_START,
    MODE,
    N_CODED,
    N_DENSE,
    OFFSET_SOURCE,
    RESPONSE_SOURCE,
    SCALE,
    SHIFT,
    SINGLE,
    SOURCES,
    WEIGHT_SOURCE,
    WIDEN,
    WITH_GRAM,
)
from fastglm.kernels.blocks.transpose import (
    PANEL,
    double_across,
    double_across_to_single,
    double_down,
    double_down_to_single,
    single_across,
    single_across_to_single,
    single_down,
    single_down_to_single,
)
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import (
    bits_of,
    call_stage,
    from_bits,
    offset_pointer,
    pointer,
)
from fastglm.kernels.compiler.templates import RowBlock

# Rows of a strip of columns that is transposed before the next: they stay in the nearest cache.
STRIP = 128
# From this many dense columns on, tiles ask for what the next block reads.
ASKING_FROM = 5 * TILE
# How many blocks ahead a column of its own is asked for: a block's part of it is short, and many
# such from all over memory come later than as much in a row.
COLUMN_AHEAD = 2
# Bytes of an element, by its code in `fastglm.kernels.blocks.table`.
ELEMENT_SIZES = (8, 4, 1, 2, 4, 8, 1, 2, 4, 8)
# The code of float32; only that of float64 is less.
SINGLE_ELEMENT = 1


@inlined
def _widen(source, stride, start, rows, target, shift, scale):
    """target[0:rows] = (source[start : start + rows] - shift) * scale, whatever the type."""
    first = offset_pointer(source, start * stride)
    for i in range(rows):
        target[i] = (float64(first[i * stride]) - shift) * scale


def widen(source, span, target, shift_bits, scale_bits):
    """One source's rows as (x - shift) * scale into the plane at address `target`.

    Called by address, so that its ten element types are compiled once. `source` is the address of
    the source's entry in SOURCES, `span` that of the block's; shift and scale are the bits of
    float64.
    """
    entry, block = pointer(source, int64), pointer(span, int64)
    address, stride, element = entry[0], entry[1], entry[2]
    start, rows, ahead = block[SPAN_START], block[SPAN_ROWS], block[SPAN_AHEAD]
    shift, scale = from_bits(shift_bits), from_bits(scale_bits)
    plane = pointer(target, float64)
    if stride == 1:
        size = ELEMENT_SIZES[element]
        prefetch_later(span, address + size * (start + COLUMN_AHEAD * ahead), size * rows)
    if element == 0:
        _widen(pointer(address, float64), stride, start, rows, plane, shift, scale)
    elif element == 1:
        _widen(pointer(address, float32), stride, start, rows, plane, shift, scale)
    elif element == 2:
        _widen(pointer(address, int8), stride, start, rows, plane, shift, scale)
    elif element == 3:
        _widen(pointer(address, int16), stride, start, rows, plane, shift, scale)
    elif element == 4:
        _widen(pointer(address, int32), stride, start, rows, plane, shift, scale)
    elif element == 5:
        _widen(pointer(address, int64), stride, start, rows, plane, shift, scale)
    elif element == 6:
        _widen(pointer(address, uint8), stride, start, rows, plane, shift, scale)
    elif element == 7:
        _widen(pointer(address, uint16), stride, start, rows, plane, shift, scale)
    elif element == 8:
        _widen(pointer(address, uint32), stride, start, rows, plane, shift, scale)
    else:
        _widen(pointer(address, uint64), stride, start, rows, plane, shift, scale)
    return 0


widen_stage = RowBlock(widen, "widen", {})


@inlined
def load_source(context, which, scratch, target, shift, scale):
    """The block's rows of a source into the plane at address `target`."""
    span = span_at(context, scratch)
    source = context[SOURCES] + 24 * which
    call_stage(context[WIDEN], source, span, target, bits_of(shift), bits_of(scale))


@inlined
def _row_major_run(sources, factors, starts, j, n_dense):
    """How many dense columns from j on lie side by side in the rows of one matrix of floats."""
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
    return count if element <= SINGLE_ELEMENT and stride >= count else 0


@inlined
def _load_row(source, stride, count, shift, scale, target, ahead, is_single, single):
    """PANEL rows into planes, as memory gives them."""
    if is_single and single:
        single_across_to_single(source, stride, count, shift, scale, target, ahead)
    elif is_single:
        single_across(source, stride, count, shift, scale, target, ahead)
    elif single:
        double_across_to_single(source, stride, count, shift, scale, target, ahead)
    else:
        double_across(source, stride, count, shift, scale, target, ahead)


@inlined
def _load_down(source, stride, panels, shift, scale, target, is_single, single):
    """Panels of rows that are in cache into planes."""
    if is_single and single:
        single_down_to_single(source, stride, panels, shift, scale, target)
    elif is_single:
        single_down(source, stride, panels, shift, scale, target)
    elif single:
        double_down_to_single(source, stride, panels, shift, scale, target)
    else:
        double_down(source, stride, panels, shift, scale, target)


@inlined
def _load_run(context, which, span, j, count, dense):
    """`count` >= PANEL side-by-side columns from j on, by transposed panels and a scalar rest."""
    source = pointer(context[SOURCES] + 24 * which, int64)
    block = pointer(span, int64)
    rows, single = block[SPAN_ROWS], context[MODE] & SINGLE
    is_single = source[2] == SINGLE_ELEMENT
    size, number = ELEMENT_SIZES[source[2]], 4 if single else 8
    plane = number * PLANE
    stride = size * source[1]
    address = source[0] + stride * block[SPAN_START]
    shift, scale, first = context[SHIFT] + 8 * j, context[SCALE] + 8 * j, dense + plane * j
    ahead = stride * block[SPAN_AHEAD]
    whole = rows - rows % (2 * PANEL)
    # Of rows that lie far apart, tiles would ask for more than is wanted.
    if block[ROOM] > 0 and source[1] <= 2 * count:
        prefetch_later(span, address + ahead, stride * rows)
        for i in range(0, whole, STRIP):
            panels = min(STRIP, whole - i) // (2 * PANEL if single else PANEL)
            for left in range(0, count, PANEL):
                k = min(left, count - PANEL)
                here, there = address + stride * i + size * k, first + plane * k + number * i
                _load_down(
                    here, stride, panels, shift + 8 * k, scale + 8 * k, there, is_single, single
                )
    else:
        for i in range(0, whole, PANEL):
            here, there = address + stride * i, first + number * i
            _load_row(here, stride, count, shift, scale, there, here + ahead, is_single, single)
    shifts, scales = pointer(shift, float64), pointer(scale, float64)
    for i in range(whole, rows):
        for k in range(count):
            if is_single:
                value = float64(pointer(address + stride * i, float32)[k])
            else:
                value = pointer(address + stride * i, float64)[k]
            value = (value - shifts[k]) * scales[k]
            if single:
                pointer(first, float32)[k * PLANE + i] = float32(value)
            else:
                pointer(first, float64)[k * PLANE + i] = value


@inlined
def load_product(context, slots, first, last, scratch, target, shift, scale):
    """(product - shift) * scale of the sources slots[first:last]; of none at all, ones."""
    if last - first == 1:
        load_source(context, slots[first], scratch, target, shift, scale)
        return
    rows = pointer(span_at(context, scratch), int64)[SPAN_ROWS]
    plane = plane_at(scratch, SCRATCH)
    product = pointer(target, float64)
    for i in range(rows):
        product[i] = 1.0
    for f in range(first, last):
        load_source(context, slots[f], scratch, scratch + 8 * PLANE * SCRATCH, 0.0, 1.0)
        for i in range(rows):
            product[i] *= plane[i]
    for i in range(rows):
        product[i] = (product[i] - shift) * scale


@inlined
def load_dense(context, span, scratch):
    """The block's dense columns into their planes, shifted and scaled.

    With the mode SINGLE they are planes of float32, at half the distance.
    """
    dense = dense_at(scratch)
    sources = pointer(context[SOURCES], int64)
    starts = pointer(context[DENSE_START], int64)
    factors = pointer(context[DENSE_FACTOR], int64)
    shift = pointer(context[SHIFT], float64)
    scale = pointer(context[SCALE], float64)
    n_dense, single = context[N_DENSE], context[MODE] & SINGLE
    rows = pointer(span, int64)[SPAN_ROWS]
    # A plain 0 would be a type of its own, for which all that takes j were compiled once more.
    j = int64(0)
    while j < n_dense:
        run = _row_major_run(sources, factors, starts, j, n_dense)
        if run >= PANEL:
            which = factors[starts[j]]
            _load_run(context, which, span, j, run, dense)
            j += run
            continue
        first, last = starts[j], starts[j + 1]
        target = passing_at(scratch) if single else dense + 8 * PLANE * j
        load_product(context, factors, first, last, scratch, target, shift[j], scale[j])
        if single:
            narrow(pointer(target, float64), rows, pointer(dense + 4 * PLANE * j, float32))
        j += 1


@inlined
def load_coded(context, rows, scratch):
    """The block's categorical terms as sparse entries: planes of columns and of values."""
    starts = pointer(context[CODED_START], int64)
    code_sources = pointer(context[CODED_SOURCE], int64)
    radix = pointer(context[CODED_RADIX], int64)
    offsets = pointer(context[CODED_OFFSET], int64)
    factor_starts = pointer(context[CODED_FACTOR_START], int64)
    factors = pointer(context[CODED_FACTOR], int64)
    codes = plane_at(scratch, SCRATCH)
    columns = coded_columns_at(context, scratch)
    values = columns + 8 * PLANE * context[N_CODED]
    for t in range(context[N_CODED]):
        column = pointer(columns + 8 * PLANE * t, int64)
        for i in range(rows):
            column[i] = offsets[t]
        for c in range(starts[t], starts[t + 1]):
            load_source(context, code_sources[c], scratch, scratch + 8 * PLANE * SCRATCH, 0.0, 1.0)
            step = radix[c]
            for i in range(rows):
                column[i] += step * np.int64(codes[i])
        first, last, target = factor_starts[t], factor_starts[t + 1], values + 8 * PLANE * t
        load_product(context, factors, first, last, scratch, target, 0.0, 1.0)


@inlined
def _fill(plane, rows, value):
    for i in range(rows):
        plane[i] = value


def load_block(context_address, start, rows, scratch, target):
    """Everything about one block of rows: columns, response, prior weights and offset.

    A stage: called by address, so that it is compiled once for every kernel. `target` is not used.
    """
    context = pointer(context_address, int64)
    span = span_at(context, scratch)
    block = pointer(span, int64)
    block[SPAN_START], block[SPAN_ROWS] = start, rows
    block[SPAN_AHEAD] = context[BLOCK_STEP] * BLOCK_ROWS
    # Fewer tiles have too little to do to ask meanwhile.
    asking = context[MODE] & WITH_GRAM and context[N_DENSE] >= ASKING_FROM
    block[ROOM] = count_pieces(context) if asking else 0
    block[LISTED] = block[TAKEN] = 0
    load_dense(context, span, scratch)
    load_coded(context, rows, scratch)
    for slot, plane, value in (
        (RESPONSE_SOURCE, RESPONSE, 0.0),
        (WEIGHT_SOURCE, PRIOR_WEIGHT, 1.0),
        (OFFSET_SOURCE, OFFSET, 0.0),
    ):
        single = context[MODE] & SINGLE
        if context[slot] >= 0:
            target = scratch + 8 * PLANE * (SCRATCH if single else plane)
            load_source(context, context[slot], scratch, target, 0.0, 1.0)
            if single:
                narrow(plane_at(scratch, SCRATCH), rows, single_plane_at(scratch, plane))
        elif single:
            _fill(single_plane_at(scratch, plane), rows, float32(value))
        else:
            _fill(plane_at(scratch, plane), rows, value)
    return 0


load_stage = RowBlock(load_block, "load", {})
