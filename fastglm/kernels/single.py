"""Tiles of replicates in single precision: twice as many rows at a time as in double.

What comes here is of one magnitude, unit directions of rows and residuals in proportion to them, so
that rounding is small beside sampling errors. Sums over a block go on in double precision.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastglm.kernels.block import TILE
from fastglm.kernels.jit import spread
from fastglm.kernels.planes import BLOCK_ROWS, PLANE

#: Rows that a tile of replicates follows together.
FOLLOWED_ROWS = 16
#: Rows that enter dot products together.
PRODUCT_ROWS = 8

_SINGLE, _DOUBLE, _INTEGER = ir.FloatType(), ir.DoubleType(), ir.IntType(64)


def _at(builder: Any, base: Any, distance: Any, index: Any) -> Any:
    """The address `index` times `distance` bytes further on; either may be a number."""
    distance, index = (_INTEGER(x) if isinstance(x, int) else x for x in (distance, index))
    return builder.add(base, builder.mul(distance, index))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=4)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=4)


def _add_product(builder: Any, total: Any, a: Any, b: Any) -> None:
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def _shuffled(builder: Any, a: Any, b: Any, *lanes: int) -> Any:
    return builder.shuffle_vector(
        a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    )


@intrinsic
def follow_curves(
    typing_context: Any,
    step: Any,
    stride: Any,
    direction: Any,
    count: Any,
    start: Any,
    curve: Any,
    length: Any,
    target: Any,
) -> Any:
    """FOLLOWED_ROWS rows' polynomials for TILE replicates; not 0 if one is beyond its reach.

    All arguments are integers: addresses, except `stride`, bytes between the replicates' steps,
    `count` of their coordinates, and `length`, coefficients of the polynomials, at least one. A
    step times the row's direction is added to the plane of `start`, and the polynomials of the
    sums go to the planes of `target`.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        step, stride, direction, count, start, curve, length, target = args
        vector = ir.VectorType(_SINGLE, FOLLOWED_ROWS)
        moved = [_load(builder, _at(builder, start, 4 * PLANE, a), vector) for a in range(TILE)]
        moved = [cgutils.alloca_once_value(builder, value) for value in moved]
        with cgutils.for_range(builder, count) as loop:
            values = _load(builder, _at(builder, direction, 4 * PLANE, loop.index), vector)
            for a, total in enumerate(moved):
                own = _at(builder, _at(builder, step, stride, a), 4, loop.index)
                one = spread(builder, _load(builder, own, _SINGLE), FOLLOWED_ROWS)
                _add_product(builder, total, one, values)
        shares = [builder.load(total) for total in moved]
        for a, value in enumerate(_polynomials(builder, shares, curve, length, vector)):
            _store(builder, value, _at(builder, target, 4 * PLANE, a))
        return _any_beyond_one(builder, shares, vector)

    return types.int64(*[types.int64] * 8), codegen


def _polynomials(builder: Any, shares: list[Any], curve: Any, length: Any, vector: Any) -> Any:
    """Values of the same polynomials at each share, by Horner's scheme."""
    last = builder.sub(length, _INTEGER(1))
    highest = _load(builder, _at(builder, curve, 4 * BLOCK_ROWS, last), vector)
    values = [cgutils.alloca_once_value(builder, highest) for _ in shares]
    with cgutils.for_range(builder, last) as loop:
        lower = builder.sub(builder.sub(last, loop.index), _INTEGER(1))
        term = _load(builder, _at(builder, curve, 4 * BLOCK_ROWS, lower), vector)
        for share, value in zip(shares, values, strict=True):
            product = builder.fmul(builder.load(value), share, flags=("contract",))
            builder.store(builder.fadd(product, term, flags=("contract",)), value)
    return [builder.load(value) for value in values]


def _any_beyond_one(builder: Any, shares: list[Any], vector: Any) -> Any:
    """An integer that is 0 if no lane is above 1 in absolute value, or NaN."""
    one = ir.Constant(vector, [1.0] * FOLLOWED_ROWS)
    beyond = [builder.fcmp_unordered(">", builder.fmul(s, s), one) for s in shares]
    any_ = beyond[0]
    for other in beyond[1:]:
        any_ = builder.or_(any_, other)
    return builder.zext(builder.bitcast(any_, ir.IntType(FOLLOWED_ROWS)), _INTEGER)


def _products(columns: int) -> Any:
    """An intrinsic that adds dot products of TILE planes at `left` and `columns` at `right`.

    All arguments are integers: addresses, except the number of rows and `stride`, bytes between
    the TILE float64 rows from `corner` on that are added to. From the last row on, the planes at
    `left` hold zeros.
    """

    def products(
        typing_context: Any, left: Any, right: Any, rows: Any, corner: Any, stride: Any
    ) -> Any:
        return types.void(*[types.int64] * 5), codegen

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right, rows, corner, stride = args
        vector = ir.VectorType(_SINGLE, PRODUCT_ROWS)
        zero = ir.Constant(vector, [0.0] * PRODUCT_ROWS)
        totals = [
            [cgutils.alloca_once_value(builder, zero) for _ in range(columns)] for _ in range(TILE)
        ]
        steps = builder.udiv(builder.add(rows, _INTEGER(PRODUCT_ROWS - 1)), _INTEGER(PRODUCT_ROWS))
        with cgutils.for_range(builder, steps) as loop:
            a, b = (
                [_load(builder, _at(builder, base, 4 * PLANE, k), vector) for k in range(count)]
                for base, count in (
                    (_at(builder, left, 4 * PRODUCT_ROWS, loop.index), TILE),
                    (_at(builder, right, 4 * PRODUCT_ROWS, loop.index), columns),
                )
            )
            for x, row in zip(a, totals, strict=True):
                for y, total in zip(b, row, strict=True):
                    _add_product(builder, total, x, y)
        for k, row in enumerate(totals):
            place = _at(builder, corner, stride, k)
            sums = _sums_of_lanes(builder, [builder.load(total) for total in row])
            _store(builder, builder.fadd(_load(builder, place, sums.type), sums), place)
        return context.get_dummy_value()

    return intrinsic(products)


def _sums_of_lanes(builder: Any, vectors: list[Any]) -> Any:
    """The sum of each of 2 or 4 vectors of PRODUCT_ROWS, as a vector of float64."""

    def folded(a: Any, b: Any, first: tuple[int, ...], second: tuple[int, ...]) -> Any:
        return builder.fadd(_shuffled(builder, a, b, *first), _shuffled(builder, a, b, *second))

    halves = [folded(v, v, (0, 1, 2, 3), (4, 5, 6, 7)) for v in vectors]
    pairs = [
        folded(a, b, (0, 4, 1, 5), (2, 6, 3, 7))
        for a, b in zip(halves[::2], halves[1::2], strict=True)
    ]
    ends = ((0, 1, 4, 5), (2, 3, 6, 7)) if len(pairs) == 2 else ((0, 1), (2, 3))
    sums = folded(pairs[0], pairs[-1], *ends)
    return builder.fpext(sums, ir.VectorType(_DOUBLE, len(vectors)))


multiply_tile, multiply_half_tile = _products(TILE), _products(TILE // 2)
