"""Polynomials of a tile of replicates, in single precision: twice as many rows at a time.

What comes here is of one magnitude, unit directions of rows and residuals in proportion to them, so
that rounding is small beside sampling errors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, BUFFER, TILE
from fastglm.kernels.blocks.tiles import add_product, address_at, load, store
from fastglm.kernels.compiler.intrinsics import spread

#: Rows that a tile of replicates follows together.
EVALUATED_ROWS = 16

_FLOAT32, _INTEGER = ir.FloatType(), ir.IntType(64)


@intrinsic
def evaluate_polynomials(
    typing_context: Any,
    step: Any,
    stride: Any,
    direction: Any,
    count: Any,
    start: Any,
    polynomial: Any,
    length: Any,
    target: Any,
) -> Any:
    """EVALUATED_ROWS rows' polynomials for TILE replicates; not 0 if one is beyond its reach.

    All arguments are integers: addresses, except `stride`, bytes between the replicates' steps,
    `count` of their coordinates, and `length`, coefficients of the polynomials, at least one. A
    step times the row's direction is added to the buffer of `start`, and the polynomials of the
    sums go to the buffers of `target`.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        step, stride, direction, count, start, polynomial, length, target = args
        vector = ir.VectorType(_FLOAT32, EVALUATED_ROWS)
        moved = [
            load(builder, address_at(builder, start, 4 * BUFFER, a), vector) for a in range(TILE)
        ]
        moved = [cgutils.alloca_once_value(builder, value) for value in moved]
        with cgutils.for_range(builder, count) as loop:
            values = load(builder, address_at(builder, direction, 4 * BUFFER, loop.index), vector)
            for a, total in enumerate(moved):
                own = address_at(builder, address_at(builder, step, stride, a), 4, loop.index)
                one = spread(builder, load(builder, own, _FLOAT32), EVALUATED_ROWS)
                add_product(builder, total, one, values)
        shares = [builder.load(total) for total in moved]
        for a, value in enumerate(_polynomials(builder, shares, polynomial, length, vector)):
            store(builder, value, address_at(builder, target, 4 * BUFFER, a))
        return _any_beyond_one(builder, shares, vector)

    return types.int64(*[types.int64] * 8), codegen


def _polynomials(builder: Any, shares: list[Any], polynomial: Any, length: Any, vector: Any) -> Any:
    """Values of the same polynomials at each share, by Horner's scheme."""
    last = builder.sub(length, _INTEGER(1))
    highest = load(builder, address_at(builder, polynomial, 4 * BLOCK_ROWS, last), vector)
    values = [cgutils.alloca_once_value(builder, highest) for _ in shares]
    with cgutils.for_range(builder, last) as loop:
        lower = builder.sub(builder.sub(last, loop.index), _INTEGER(1))
        term = load(builder, address_at(builder, polynomial, 4 * BLOCK_ROWS, lower), vector)
        for share, value in zip(shares, values, strict=True):
            product = builder.fmul(builder.load(value), share, flags=("contract",))
            builder.store(builder.fadd(product, term, flags=("contract",)), value)
    return [builder.load(value) for value in values]


def _any_beyond_one(builder: Any, shares: list[Any], vector: Any) -> Any:
    """An integer that is 0 if no lane is above 1 in absolute value, or NaN."""
    one = ir.Constant(vector, [1.0] * EVALUATED_ROWS)
    beyond = [builder.fcmp_unordered(">", builder.fmul(s, s), one) for s in shares]
    any_ = beyond[0]
    for other in beyond[1:]:
        any_ = builder.or_(any_, other)
    return builder.zext(builder.bitcast(any_, ir.IntType(EVALUATED_ROWS)), _INTEGER)
