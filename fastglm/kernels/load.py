"""Load: columns as they lie in memory, widened block by block into planes of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
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
from numba.extending import intrinsic

from fastglm.kernels.block import coded_columns_at, dense_at, plane_at, span_at
from fastglm.kernels.context import (
    BLOCK_STEP,
    CODED_FACTOR,
    CODED_FACTOR_START,
    CODED_OFFSET,
    CODED_RADIX,
    CODED_SOURCE,
    CODED_START,
    DENSE_FACTOR,
    DENSE_START,
    N_CODED,
    N_DENSE,
    OFFSET_SOURCE,
    RESPONSE_SOURCE,
    SCALE,
    SHIFT,
    SOURCES,
    WEIGHT_SOURCE,
    WIDEN,
)
from fastglm.kernels.jit import (
    RowBlock,
    bits_of,
    call_stage,
    from_bits,
    inlined,
    offset_pointer,
    pointer,
    spread,
)
from fastglm.kernels.planes import BLOCK_ROWS, OFFSET, PLANE, PRIOR_WEIGHT, RESPONSE, SCRATCH

# Rows and columns of the panels that are transposed in registers.
PANEL = 4
CACHE_LINE = 64
# Bytes of an element, by its code in `fastglm.kernels.context`.
ELEMENT_SIZES = (8, 4, 1, 2, 4, 8, 1, 2, 4, 8)


@intrinsic
def transpose_panel(
    typing_context: Any, source: Any, stride: Any, shift: Any, scale: Any, target: Any, plane: Any
) -> Any:
    """4 rows x 4 columns of row-major float64, shifted and scaled, into 4 column planes.

    All arguments are integers: addresses, except `stride` and `plane`, distances in bytes between
    rows of the source and planes of the target. Pairs of values are loaded from two rows into one
    register, so that one shuffle more gives each column: moving the values through registers is
    several times as fast as one by one, and 256-bit shuffles cost less than 512-bit ones.
    """
    signature = types.void(*[types.int64] * 6)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        source, stride, shift, scale, target, plane = args
        double, integer, lane = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
        pair, vector = ir.VectorType(double, 2), ir.VectorType(double, PANEL)

        def load(address: Any, kind: Any) -> Any:
            return builder.load(builder.inttoptr(address, kind.as_pointer()), align=8)

        def moved(address: Any, distance: Any, k: int) -> Any:
            return builder.add(address, builder.mul(distance, ir.Constant(integer, k)))

        def shuffled(a: Any, b: Any, *lanes: int) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(lane, PANEL), lanes))

        eight = ir.Constant(integer, 8)
        rows = [moved(source, stride, k) for k in range(PANEL)]
        for c in range(0, PANEL, 2):
            pairs = [load(moved(row, eight, c), pair) for row in rows]
            even = shuffled(pairs[0], pairs[2], 0, 1, 2, 3)
            odd = shuffled(pairs[1], pairs[3], 0, 1, 2, 3)
            columns = shuffled(even, odd, 0, 4, 2, 6), shuffled(even, odd, 1, 5, 3, 7)
            for k, column in enumerate(columns, start=c):
                center = spread(builder, load(moved(shift, eight, k), double), PANEL)
                factor = spread(builder, load(moved(scale, eight, k), double), PANEL)
                scaled = builder.fmul(builder.fsub(column, center), factor)
                at = builder.inttoptr(moved(target, plane, k), vector.as_pointer())
                builder.store(scaled, at, align=8)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the cache line at `address`; an address beyond the end of an array does no harm."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        byte = ir.IntType(8).as_pointer()
        int32_type = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte] + [int32_type] * 3)
        )
        # Read, keep in the second-level cache, data.
        hints = [ir.Constant(int32_type, k) for k in (0, 2, 1)]
        builder.call(function, [builder.inttoptr(args[0], byte), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inlined
def _prefetch_range(first, n_bytes):
    """Ask for the memory that the next block will read, while this one is worked on."""
    for line in range(0, n_bytes, CACHE_LINE):
        prefetch(first + line)


@inlined
def _widen(source, stride, start, rows, target, shift, scale):
    """target[0:rows] = (source[start : start + rows] - shift) * scale, whatever the type."""
    first = offset_pointer(source, start * stride)
    for i in range(rows):
        target[i] = (float64(first[i * stride]) - shift) * scale


def widen(source, span, target, shift_bits, scale_bits):
    """One source's rows as (x - shift) * scale into the plane at address `target`.

    Called by address, so that its ten element types are compiled once. `source` is the address of
    the source's entry in SOURCES; `span` that of the first row, the number of rows, and how far
    ahead the rows are that come next; shift and scale are the bits of float64.
    """
    entry, block = pointer(source, int64), pointer(span, int64)
    address, stride, element = entry[0], entry[1], entry[2]
    start, rows, ahead = block[0], block[1], block[2]
    shift, scale = from_bits(shift_bits), from_bits(scale_bits)
    plane = pointer(target, float64)
    if stride == 1:
        size = ELEMENT_SIZES[element]
        _prefetch_range(address + size * (start + ahead), size * rows)
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
    """How many dense columns from j on lie side by side in the rows of one float64 matrix."""
    if starts[j + 1] - starts[j] != 1:
        return 0
    first = factors[starts[j]]
    stride = sources[3 * first + 1]
    count = 0
    while j + count < n_dense and starts[j + count + 1] - starts[j + count] == 1:
        which = factors[starts[j + count]]
        side_by_side = sources[3 * which] == sources[3 * first] + 8 * count
        if not side_by_side or sources[3 * which + 1] != stride or sources[3 * which + 2] != 0:
            break
        count += 1
    return count if stride >= count else 0


@inlined
def _load_run(sources, which, span, shift, scale, j, count, dense):
    """`count` >= PANEL side-by-side columns from j on, by transposed panels and a scalar rest.

    Rows are read once from left to right, so that memory is read in order; the last panel overlaps
    the one before if `count` is not a multiple of PANEL.
    """
    start, rows, ahead = span
    stride = sources[3 * which + 1]
    address = sources[3 * which] + 8 * stride * start
    whole = rows - rows % PANEL
    for i in range(0, whole, PANEL):
        coming = address + 8 * stride * (i + ahead)
        for left in range(0, count, PANEL):
            k = min(left, count - PANEL)
            # As many bytes as the panel takes: more requests at once would hold up its own loads.
            _prefetch_range(coming + 8 * PANEL * left, 8 * PANEL * PANEL)
            transpose_panel(
                address + 8 * (stride * i + k),
                8 * stride,
                shift + 8 * (j + k),
                scale + 8 * (j + k),
                dense + 8 * ((j + k) * PLANE + i),
                8 * PLANE,
            )
    values = pointer(address, float64)
    shifts = pointer(shift, float64)
    scales = pointer(scale, float64)
    target = pointer(dense, float64)
    for i in range(whole, rows):
        for k in range(count):
            value = (values[i * stride + k] - shifts[j + k]) * scales[j + k]
            target[(j + k) * PLANE + i] = value


@inlined
def load_product(context, slots, first, last, scratch, target, shift, scale):
    """(product - shift) * scale of the sources slots[first:last]; of none at all, ones."""
    if last - first == 1:
        load_source(context, slots[first], scratch, target, shift, scale)
        return
    rows = pointer(span_at(context, scratch), int64)[1]
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
    """The block's dense columns into their planes, shifted and scaled."""
    dense = dense_at(scratch)
    sources = pointer(context[SOURCES], int64)
    starts = pointer(context[DENSE_START], int64)
    factors = pointer(context[DENSE_FACTOR], int64)
    shift = pointer(context[SHIFT], float64)
    scale = pointer(context[SCALE], float64)
    n_dense = context[N_DENSE]
    # A plain 0 would be a type of its own, for which all that takes j were compiled once more.
    j = int64(0)
    while j < n_dense:
        run = _row_major_run(sources, factors, starts, j, n_dense)
        if run >= PANEL:
            which = factors[starts[j]]
            _load_run(sources, which, span, context[SHIFT], context[SCALE], j, run, dense)
            j += run
            continue
        first, last, target = starts[j], starts[j + 1], dense + 8 * PLANE * j
        load_product(context, factors, first, last, scratch, target, shift[j], scale[j])
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


def load_block(context_address, start, rows, scratch, target):
    """Everything about one block of rows: columns, response, prior weights and offset.

    A stage: called by address, so that it is compiled once for every kernel. `target` is not used.
    """
    context = pointer(context_address, int64)
    span = (start, rows, context[BLOCK_STEP] * BLOCK_ROWS)
    stored = pointer(span_at(context, scratch), int64)
    stored[0], stored[1], stored[2] = span
    load_dense(context, span, scratch)
    load_coded(context, rows, scratch)
    for slot, plane, value in (
        (RESPONSE_SOURCE, RESPONSE, 0.0),
        (WEIGHT_SOURCE, PRIOR_WEIGHT, 1.0),
        (OFFSET_SOURCE, OFFSET, 0.0),
    ):
        if context[slot] >= 0:
            load_source(context, context[slot], scratch, scratch + 8 * PLANE * plane, 0.0, 1.0)
        else:
            for i in range(rows):
                plane_at(scratch, plane)[i] = value
    return 0


load_stage = RowBlock(load_block, "load", {})
