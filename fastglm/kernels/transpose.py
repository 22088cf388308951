"""Row-major floats into planes of columns, shifted and scaled, through vector registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastglm.kernels.jit import spread
from fastglm.kernels.planes import PLANE
from fastglm.kernels.prefetch import CACHE_LINE, ask
from fastglm.kernels.tiles import address_at, load, shuffled, size_of, store, transposed

#: Rows and columns of the panels that are transposed at once.
PANEL = 4

_DOUBLE, _SINGLE = ir.DoubleType(), ir.FloatType()


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

    if kind == _SINGLE:
        rows = loaded(0, PANEL)
        wide = ir.VectorType(_DOUBLE, PANEL)
        return transposed(builder, [builder.fpext(row, wide) for row in rows])
    columns = []
    for left in range(0, PANEL, 2):
        first, second, third, last = loaded(left, 2)
        even = shuffled(builder, first, third, 0, 1, 2, 3)
        odd = shuffled(builder, second, last, 0, 1, 2, 3)
        columns.append(shuffled(builder, even, odd, 0, 4, 2, 6))
        columns.append(shuffled(builder, even, odd, 1, 5, 3, 7))
    return columns


def _keep(
    builder: Any, columns: list[Any], centers: list[Any], factors: list[Any], target: Any, kind: Any
) -> None:
    """Puts the columns of a panel, shifted and scaled, into planes of that kind of number."""
    for k, column in enumerate(columns):
        value = builder.fmul(builder.fsub(column, centers[k]), factors[k])
        if kind == _SINGLE:
            value = builder.fptrunc(value, ir.VectorType(kind, PANEL))
        store(builder, value, address_at(builder, target, size_of(kind) * PLANE, k))


def _numbers(builder: Any, address: Any) -> list[Any]:
    """PANEL numbers, each spread over a vector."""
    return [
        spread(builder, load(builder, address_at(builder, address, 8, k), _DOUBLE), PANEL)
        for k in range(PANEL)
    ]


def _transpose_down(source_kind: Any) -> Any:
    """An intrinsic that transposes `panels` panels below each other into planes of float64.

    All arguments are integers: addresses, except `panels` and `stride`, bytes between rows. For
    rows that are in cache: from memory they would come out of order.
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
        centers, factors = _numbers(builder, shift), _numbers(builder, scale)
        below = builder.mul(stride, stride.type(PANEL))
        with cgutils.for_range(builder, panels) as loop:
            here = address_at(builder, source, below, loop.index)
            columns = _columns(builder, here, stride, source_kind)
            there = address_at(builder, target, 8 * PANEL, loop.index)
            _keep(builder, columns, centers, factors, there, _DOUBLE)
        return context.get_dummy_value()

    return intrinsic(transpose)


def _transpose_across(source_kind: Any, kind: Any) -> Any:
    """An intrinsic that transposes PANEL rows of `count` >= PANEL columns, panel by panel.

    All arguments are integers: addresses, except `count` and `stride`, bytes between rows. The last
    panel overlaps the one before if `count` is not a multiple of PANEL. The same part of the rows
    at `ahead` is asked for, panel by panel: more at once would hold up its own loads.
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
                    ask(builder, address_at(builder, row, CACHE_LINE, line))
            left = builder.mul(loop.index, number(PANEL))
            left = builder.select(builder.icmp_signed("<", left, last), left, last)
            here = address_at(builder, source, size_of(source_kind), left)
            columns = _columns(builder, here, stride, source_kind)
            centers = _numbers(builder, address_at(builder, shift, 8, left))
            factors = _numbers(builder, address_at(builder, scale, 8, left))
            there = address_at(builder, target, size_of(kind) * PLANE, left)
            _keep(builder, columns, centers, factors, there, kind)
        return context.get_dummy_value()

    return intrinsic(transpose)


# From the kind of number that a name begins with to planes of float64, if it does not say single.
double_down = _transpose_down(_DOUBLE)
single_down = _transpose_down(_SINGLE)
double_across = _transpose_across(_DOUBLE, _DOUBLE)
single_across = _transpose_across(_SINGLE, _DOUBLE)
double_to_single = _transpose_across(_DOUBLE, _SINGLE)
single_to_single = _transpose_across(_SINGLE, _SINGLE)
