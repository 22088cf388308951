"""Row-major floats into buffers of columns, shifted and scaled, through vector registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastglm.kernels.blocks.prefetch import CACHE_LINE, prefetch_line
from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.blocks.tiles import address_at, load, shuffled, size_of, store, transposed
from fastglm.kernels.compiler.intrinsics import spread

#: Rows and columns of the panels that are transposed at once.
PANEL = 4

_KINDS = _FLOAT64, _FLOAT32 = ir.DoubleType(), ir.FloatType()


def _columns(builder: Any, source: Any, stride: Any, kind: Any) -> list[Any]:
    """The columns of a panel of that kind of number, each as a vector of float64.

    Pairs of float64 are loaded from two rows into one register, so that one shuffle more gives each
    column: moving the values through registers is several times as fast as one by one, and 256-bit
    shuffles cost less than 512-bit ones.
    """

    def loaded(left: int, count: int) -> list[Any]:
        rows = (address_at(builder, source, stride, k) for k in range(PANEL))
        vector = ir.VectorType(kind, count)
        return [
            load(builder, address_at(builder, row, size_of(kind), left), vector) for row in rows
        ]

    if kind == _FLOAT32:
        rows = loaded(0, PANEL)
        wide = ir.VectorType(_FLOAT64, PANEL)
        return transposed(builder, [builder.fpext(row, wide) for row in rows])
    columns = []
    for left in range(0, PANEL, 2):
        first, second, third, last = loaded(left, 2)
        even = shuffled(builder, first, third, 0, 1, 2, 3)
        odd = shuffled(builder, second, last, 0, 1, 2, 3)
        columns.append(shuffled(builder, even, odd, 0, 4, 2, 6))
        columns.append(shuffled(builder, even, odd, 1, 5, 3, 7))
    return columns


def _columns_to_float32(
    builder: Any, source: Any, stride: Any, kind: Any, factor: Any, offset: Any
) -> list[Any]:
    """The columns of twice as many rows, each as a vector of float32.

    Rows are multiplied and added to, before they are rounded, as they lie. Then the first half of
    the rows goes the way of the second.
    """
    rows = []
    for k in range(2 * PANEL):
        row = load(builder, address_at(builder, source, stride, k), ir.VectorType(kind, PANEL))
        row = row if kind == _FLOAT64 else builder.fpext(row, ir.VectorType(_FLOAT64, PANEL))
        scaled = builder.fmul(row, factor, flags=("contract",))
        value = builder.fadd(scaled, offset, flags=("contract",))
        rows.append(builder.fptrunc(value, ir.VectorType(_FLOAT32, PANEL)))
    first, second, third, last = (
        shuffled(builder, a, b, *range(2 * PANEL))
        for a, b in zip(rows[:PANEL], rows[PANEL:], strict=True)
    )
    columns = []
    for lanes in ((0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)):
        upper = shuffled(builder, first, second, *lanes)
        lower = shuffled(builder, third, last, *lanes)
        columns.append(shuffled(builder, upper, lower, 0, 1, 8, 9, 4, 5, 12, 13))
        columns.append(shuffled(builder, upper, lower, 2, 3, 10, 11, 6, 7, 14, 15))
    return columns


def _numbers(builder: Any, address: Any) -> list[Any]:
    """PANEL numbers, each spread over a vector."""
    return [
        spread(builder, load(builder, address_at(builder, address, 8, k), _FLOAT64), PANEL)
        for k in range(PANEL)
    ]


def _panel(
    builder: Any, source: Any, stride: Any, source_kind: Any, centers: list[Any], factors: list[Any]
) -> list[Any]:
    """The columns of a panel, shifted and scaled, each as a vector of float64."""
    columns = zip(_columns(builder, source, stride, source_kind), centers, factors, strict=True)
    return [builder.fmul(builder.fsub(column, c), f) for column, c, f in columns]


def _keep(builder: Any, columns: list[Any], target: Any, kind: Any) -> None:
    """Puts the columns of a panel into buffers of that kind of number."""
    for k, column in enumerate(columns):
        is_wide = column.type.element == _FLOAT64 and kind == _FLOAT32
        vector = ir.VectorType(kind, column.type.count)
        value = builder.fptrunc(column, vector) if is_wide else column
        store(builder, value, address_at(builder, target, size_of(kind) * BUFFER, k))


def _transpose_down(source_kind: Any, kind: Any) -> Any:
    """An intrinsic that transposes `panels` panels below each other into buffers.

    All arguments are integers: addresses, except `panels` and `stride`, bytes between rows. For
    rows that are in cache: from memory they would come out of order. A panel has PANEL rows, twice
    as many if they go to buffers of float32.
    """

    def transpose(
        typing_context: Any,
        source: Any,
        stride: Any,
        panels: Any,
        shift: Any,
        scale: Any,
        target: Any,
    ) -> Any:
        return types.void(*[types.int64] * 6), codegen

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, stride, panels, shift, scale, target = args
        if kind == _FLOAT32:
            n_rows, wide = 2 * PANEL, ir.VectorType(_FLOAT64, PANEL)
            factor = load(builder, scale, wide)
            offset = builder.fneg(builder.fmul(load(builder, shift, wide), factor))
        else:
            n_rows, centers, factors = PANEL, _numbers(builder, shift), _numbers(builder, scale)
        below = builder.mul(stride, stride.type(n_rows))
        with cgutils.for_range(builder, panels) as loop:
            here = address_at(builder, source, below, loop.index)
            if kind == _FLOAT32:
                columns = _columns_to_float32(builder, here, stride, source_kind, factor, offset)
            else:
                columns = _panel(builder, here, stride, source_kind, centers, factors)
            there = address_at(builder, target, size_of(kind) * n_rows, loop.index)
            _keep(builder, columns, there, kind)
        return context.get_dummy_value()

    return intrinsic(transpose)


def _transpose_across(source_kind: Any, kind: Any) -> Any:
    """An intrinsic that transposes PANEL rows of `count` >= PANEL columns, panel by panel.

    All arguments are integers: addresses, except `count` and `stride`, bytes between rows. The last
    panel overlaps the one before if `count` is not a multiple of PANEL. The same part of the rows
    at `ahead` is prefetched, panel by panel: more at once would hold up its own loads.
    """

    def transpose(
        typing_context: Any,
        source: Any,
        stride: Any,
        count: Any,
        shift: Any,
        scale: Any,
        target: Any,
        ahead: Any,
    ) -> Any:
        return types.void(*[types.int64] * 7), codegen

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, stride, count, shift, scale, target, ahead = args
        number = count.type
        panels = builder.udiv(builder.add(count, number(PANEL - 1)), number(PANEL))
        last = builder.sub(count, number(PANEL))
        per_line = number(CACHE_LINE // (size_of(source_kind) * PANEL))
        with cgutils.for_range(builder, panels) as loop:
            line = builder.udiv(loop.index, per_line)
            into_line = builder.urem(loop.index, per_line)
            with builder.if_then(builder.icmp_unsigned("==", into_line, number(0))):
                for k in range(PANEL):
                    row = address_at(builder, ahead, stride, k)
                    prefetch_line(builder, address_at(builder, row, CACHE_LINE, line))
            left = builder.mul(loop.index, number(PANEL))
            left = builder.select(builder.icmp_signed("<", left, last), left, last)
            here = address_at(builder, source, size_of(source_kind), left)
            centers = _numbers(builder, address_at(builder, shift, 8, left))
            factors = _numbers(builder, address_at(builder, scale, 8, left))
            columns = _panel(builder, here, stride, source_kind, centers, factors)
            there = address_at(builder, target, size_of(kind) * BUFFER, left)
            _keep(builder, columns, there, kind)
        return context.get_dummy_value()

    return intrinsic(transpose)


# From the kind of number that a name begins with to buffers of the kind that it ends with.
float64_down, float64_down_to_float32 = (_transpose_down(_FLOAT64, kind) for kind in _KINDS)
float32_down, float32_down_to_float32 = (_transpose_down(_FLOAT32, kind) for kind in _KINDS)
float64_across, float64_across_to_float32 = (_transpose_across(_FLOAT64, kind) for kind in _KINDS)
float32_across, float32_across_to_float32 = (_transpose_across(_FLOAT32, kind) for kind in _KINDS)
