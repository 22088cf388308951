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

from fastglm.kernels.block import dense_at, entries_at, plane_at
from fastglm.kernels.context import (
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
)
from fastglm.kernels.jit import RowBlock, called, inlined, offset_pointer, pointer
from fastglm.kernels.planes import OFFSET, PLANE, PRIOR_WEIGHT, RESPONSE, SCRATCH

# Rows and columns of the panels that are transposed in registers.
PANEL = 8


@intrinsic
def transpose_panel(
    typing_context: Any, source: Any, stride: Any, shift: Any, scale: Any, target: Any, plane: Any
) -> Any:
    """8 rows x 8 columns of row-major float64, shifted and scaled, into 8 column planes.

    All arguments are integers: addresses, except `stride` and `plane`, distances in bytes between
    rows of the source and planes of the target. Transposing in vector registers moves twice as
    much per second as doing it element by element.
    """
    signature = types.void(*[types.int64] * 6)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        source, stride, shift, scale, target, plane = args
        vector = ir.VectorType(ir.DoubleType(), PANEL)
        integer = ir.IntType(64)

        def at(address: Any, distance: Any, k: int) -> Any:
            moved = builder.add(address, builder.mul(distance, ir.Constant(integer, k)))
            return builder.inttoptr(moved, vector.as_pointer())

        def load(address: Any) -> Any:
            return builder.load(address, align=8)

        def mask(indices: list[int]) -> Any:
            return ir.Constant(ir.VectorType(ir.IntType(32), PANEL), indices)

        shifts = load(builder.inttoptr(shift, vector.as_pointer()))
        scales = load(builder.inttoptr(scale, vector.as_pointer()))
        rows = [load(at(source, stride, k)) for k in range(PANEL)]
        rows = [builder.fmul(builder.fsub(row, shifts), scales) for row in rows]
        # Three rounds of swaps between rows 1, 2 and 4 apart, each swapping off-diagonal squares.
        for distance in (1, 2, 4):
            low = [c if not c & distance else PANEL + c - distance for c in range(PANEL)]
            high = [c + distance if not c & distance else PANEL + c for c in range(PANEL)]
            for k in range(PANEL):
                if not k & distance:
                    a, b = rows[k], rows[k + distance]
                    rows[k] = builder.shuffle_vector(a, b, mask(low))
                    rows[k + distance] = builder.shuffle_vector(a, b, mask(high))
        for k in range(PANEL):
            builder.store(rows[k], at(target, plane, k), align=8)
        return context.get_dummy_value()

    return signature, codegen


@inlined
def _widen(source, stride, start, rows, target):
    """target[0:rows] = source[start : start + rows], whatever the element type."""
    if stride == 1:
        for i in range(rows):
            target[i] = float64(source[start + i])
    else:
        for i in range(rows):
            target[i] = float64(source[(start + i) * stride])


@called
def load_source(sources, which, start, rows, target):
    """One source's rows [start, start + rows) into the plane `target`, as float64."""
    address = sources[3 * which]
    stride = sources[3 * which + 1]
    element = sources[3 * which + 2]
    if element == 0:
        _widen(pointer(address, float64), stride, start, rows, target)
    elif element == 1:
        _widen(pointer(address, float32), stride, start, rows, target)
    elif element == 2:
        _widen(pointer(address, int8), stride, start, rows, target)
    elif element == 3:
        _widen(pointer(address, int16), stride, start, rows, target)
    elif element == 4:
        _widen(pointer(address, int32), stride, start, rows, target)
    elif element == 5:
        _widen(pointer(address, int64), stride, start, rows, target)
    elif element == 6:
        _widen(pointer(address, uint8), stride, start, rows, target)
    elif element == 7:
        _widen(pointer(address, uint16), stride, start, rows, target)
    elif element == 8:
        _widen(pointer(address, uint32), stride, start, rows, target)
    else:
        _widen(pointer(address, uint64), stride, start, rows, target)


@inlined
def _is_row_major_panel(sources, factors, starts, j, n_dense):
    """Whether dense columns j..j+7 lie side by side in the rows of one float64 matrix."""
    if j + PANEL > n_dense:
        return False
    for k in range(PANEL):
        if starts[j + k + 1] - starts[j + k] != 1:
            return False
    first = factors[starts[j]]
    stride = sources[3 * first + 1]
    for k in range(PANEL):
        which = factors[starts[j + k]]
        side_by_side = sources[3 * which] == sources[3 * first] + 8 * k
        if not side_by_side or sources[3 * which + 1] != stride or sources[3 * which + 2] != 0:
            return False
    return stride >= PANEL


@inlined
def _load_panel(sources, which, start, rows, shift, scale, j, dense):
    """Eight side-by-side columns, by transposed panels and a scalar remainder."""
    stride = sources[3 * which + 1]
    address = sources[3 * which] + 8 * stride * start
    whole = rows - rows % PANEL
    for i in range(0, whole, PANEL):
        transpose_panel(
            address + 8 * stride * i,
            8 * stride,
            shift + 8 * j,
            scale + 8 * j,
            dense + 8 * (j * PLANE + i),
            8 * PLANE,
        )
    values = pointer(address, float64)
    shifts = pointer(shift, float64)
    scales = pointer(scale, float64)
    target = pointer(dense, float64)
    for i in range(whole, rows):
        for k in range(PANEL):
            value = (values[i * stride + k] - shifts[j + k]) * scales[j + k]
            target[(j + k) * PLANE + i] = value


@called
def _load_product(sources, factors, first, last, start, rows, target, scratch):
    """The product of the sources factors[first:last]; of none at all, ones."""
    if first == last:
        for i in range(rows):
            target[i] = 1.0
        return
    load_source(sources, factors[first], start, rows, target)
    for f in range(first + 1, last):
        load_source(sources, factors[f], start, rows, scratch)
        for i in range(rows):
            target[i] *= scratch[i]


@called
def load_dense(context, start, rows, scratch):
    """The block's dense columns into their planes, shifted and scaled."""
    dense = dense_at(scratch)
    sources = pointer(context[SOURCES], int64)
    starts = pointer(context[DENSE_START], int64)
    factors = pointer(context[DENSE_FACTOR], int64)
    shift = pointer(context[SHIFT], float64)
    scale = pointer(context[SCALE], float64)
    n_dense = context[N_DENSE]
    j = 0
    while j < n_dense:
        if _is_row_major_panel(sources, factors, starts, j, n_dense):
            which = factors[starts[j]]
            _load_panel(sources, which, start, rows, context[SHIFT], context[SCALE], j, dense)
            j += PANEL
            continue
        target = pointer(dense + 8 * PLANE * j, float64)
        _load_product(
            sources,
            factors,
            starts[j],
            starts[j + 1],
            start,
            rows,
            target,
            plane_at(scratch, SCRATCH),
        )
        for i in range(rows):
            target[i] = (target[i] - shift[j]) * scale[j]
        j += 1


@called
def load_coded(context, start, rows, scratch):
    """The block's categorical terms as sparse entries: planes of columns and of values."""
    sources = pointer(context[SOURCES], int64)
    starts = pointer(context[CODED_START], int64)
    code_sources = pointer(context[CODED_SOURCE], int64)
    radix = pointer(context[CODED_RADIX], int64)
    offsets = pointer(context[CODED_OFFSET], int64)
    factor_starts = pointer(context[CODED_FACTOR_START], int64)
    factors = pointer(context[CODED_FACTOR], int64)
    plane = plane_at(scratch, SCRATCH)
    columns, values, _, _ = entries_at(context, scratch)
    for t in range(context[N_CODED]):
        first = PLANE * t
        for i in range(rows):
            columns[first + i] = offsets[t]
        for c in range(starts[t], starts[t + 1]):
            load_source(sources, code_sources[c], start, rows, plane)
            step = radix[c]
            for i in range(rows):
                columns[first + i] += step * np.int64(plane[i])
        target = offset_pointer(values, first)
        _load_product(
            sources, factors, factor_starts[t], factor_starts[t + 1], start, rows, target, plane
        )


@inlined
def _load_or_fill(context, slot, start, rows, target, value):
    """A row quantity from its source, or the same value in every row."""
    if context[slot] >= 0:
        load_source(pointer(context[SOURCES], int64), context[slot], start, rows, target)
    else:
        for i in range(rows):
            target[i] = value


def load_block(context_address, start, rows, scratch, target):
    """Everything about one block of rows: columns, response, prior weights and offset.

    A stage: called by address, so that it is compiled once for every kernel. `target` is not used.
    """
    context = pointer(context_address, int64)
    load_dense(context, start, rows, scratch)
    if context[N_CODED] > 0:
        load_coded(context, start, rows, scratch)
    _load_or_fill(context, RESPONSE_SOURCE, start, rows, plane_at(scratch, RESPONSE), 0.0)
    _load_or_fill(context, WEIGHT_SOURCE, start, rows, plane_at(scratch, PRIOR_WEIGHT), 1.0)
    _load_or_fill(context, OFFSET_SOURCE, start, rows, plane_at(scratch, OFFSET), 0.0)
    return 0


load_stage = RowBlock(load_block, "load", {})
