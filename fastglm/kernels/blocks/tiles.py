"""Dot products of buffers, a tile of TILE buffers with up to TILE others at a time.

A tile keeps its sums in registers down the block and loads eight values for every sixteen products.
What a compiler makes of the same sums in a loop is slower, and takes longer to make.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastglm.kernels.blocks.prefetch import prefetch_line
from fastglm.kernels.blocks.row_buffers import BUFFER, TILE
from fastglm.kernels.compiler.decorators import inline

#: Products are added up for as many rows at a time, or a divisor of it: the buffers on one side of
#: a tile hold zeros from the last row up to a multiple.
TILE_ROWS = 8

_FLOAT64, _INTEGER = ir.DoubleType(), ir.IntType(64)


def address_at(builder: Any, base: Any, distance: Any, index: Any) -> Any:
    """For intrinsics: the address `index` times `distance` bytes on; either may be a number."""
    distance, index = (_INTEGER(x) if isinstance(x, int) else x for x in (distance, index))
    return builder.add(base, builder.mul(distance, index))


def load(builder: Any, address: Any, kind: Any) -> Any:
    """For intrinsics: the value at an address."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def store(builder: Any, value: Any, address: Any) -> None:
    """For intrinsics: puts a value at an address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def size_of(kind: Any) -> int:
    """Bytes of a number of that kind, float64 or float32."""
    return 8 if kind == _FLOAT64 else 4


def add_product(builder: Any, total: Any, a: Any, b: Any) -> None:
    """For intrinsics: adds a product to the stack's place `total`, rounded once or twice."""
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


@inline
def end_with_zeros(buffers, rows):
    """Zeros behind the last row of TILE buffers, as far as a tile reads."""
    for k in range(TILE):
        for i in range(rows, rows + TILE_ROWS):
            buffers[BUFFER * k + i] = 0.0


def shuffled(builder: Any, a: Any, b: Any, *lanes: int) -> Any:
    """For intrinsics: a vector of lanes of two others, counted through both."""
    return builder.shuffle_vector(
        a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    )


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """For intrinsics: the columns of four vectors of four."""
    low, high, more_low, more_high = (
        shuffled(builder, a, b, *lanes)
        for a, b in (rows[:2], rows[2:])
        for lanes in ((0, 4, 2, 6), (1, 5, 3, 7))
    )
    return [
        shuffled(builder, upper, lower, *lanes)
        for lanes in ((0, 1, 4, 5), (2, 3, 6, 7))
        for upper, lower in ((low, more_low), (high, more_high))
    ]


def _sums_of_lanes(builder: Any, vectors: list[Any]) -> Any:
    """The sum of each of 2 or 4 vectors, as a vector of float64."""

    def folded(a: Any, b: Any, first: tuple[int, ...], second: tuple[int, ...]) -> Any:
        return builder.fadd(shuffled(builder, a, b, *first), shuffled(builder, a, b, *second))

    if vectors[0].type.count == 8:
        vectors = [folded(v, v, (0, 1, 2, 3), (4, 5, 6, 7)) for v in vectors]
    pairs = [
        folded(a, b, (0, 4, 1, 5), (2, 6, 3, 7))
        for a, b in zip(vectors[::2], vectors[1::2], strict=True)
    ]
    ends = ((0, 1, 4, 5), (2, 3, 6, 7)) if len(pairs) == 2 else ((0, 1), (2, 3))
    sums = folded(pairs[0], pairs[-1], *ends)
    if sums.type.element == _FLOAT64:
        return sums
    return builder.fpext(sums, ir.VectorType(_FLOAT64, len(vectors)))


def _rows_at_a_time(table: Any, kind: Any) -> int:
    """As many values as a vector register holds, but 4 at least and TILE_ROWS at most."""
    features = table.codegen().magic_tuple()[2]
    return TILE_ROWS if kind != _FLOAT64 or "+avx512f" in features else 4


def _products_codegen(kind: Any, columns: int, below: bool, spaced: bool = False) -> Any:
    """The code of an intrinsic of `_products`, or with buffers `spaced` by a sixth argument."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right, rows, corner, stride, *pieces = args
        lanes, size = _rows_at_a_time(context, kind), size_of(kind)
        spacing = pieces.pop() if spaced else size * BUFFER
        vector = ir.VectorType(kind, lanes)
        zero = ir.Constant(vector, [0.0] * lanes)
        wanted = [[not below or j <= i for j in range(columns)] for i in range(TILE)]
        totals = [
            [cgutils.alloca_once_value(builder, zero) if it else None for it in row]
            for row in wanted
        ]
        steps = builder.udiv(builder.add(rows, _INTEGER(lanes - 1)), _INTEGER(lanes))
        with cgutils.for_range(builder, steps) as loop:
            for piece in pieces:
                prefetch_line(builder, address_at(builder, piece, 8 * lanes, loop.index))
            a, b = (
                [load(builder, address_at(builder, base, spacing, k), vector) for k in range(count)]
                for base, count in (
                    (address_at(builder, left, size * lanes, loop.index), TILE),
                    (address_at(builder, right, size * lanes, loop.index), columns),
                )
            )
            for x, row in zip(a, totals, strict=True):
                for y, total in zip(b, row, strict=True):
                    if total is not None:
                        add_product(builder, total, x, y)
        for k, row in enumerate(totals):
            place = address_at(builder, corner, stride, k)
            values = [zero if total is None else builder.load(total) for total in row]
            sums = _sums_of_lanes(builder, values)
            store(builder, builder.fadd(load(builder, place, sums.type), sums), place)
        return context.get_dummy_value()

    return codegen


def _products(kind: Any, columns: int, *, below: bool = False, prefetches: bool = False) -> Any:
    """An intrinsic that adds dot products of TILE buffers at `left` and `columns` at `right`.

    All arguments are integers: addresses, except the number of rows and `stride`, bytes between
    the TILE float64 rows from `corner` on that are added to. From the last row on, up to a multiple
    of TILE_ROWS, the buffers at `left` hold zeros and those at `right` numbers. With `below`, only
    products up to the diagonal are added. What `prefetches` has two arguments more, pieces of
    memory to prefetch meanwhile (`fastglm.kernels.blocks.prefetch`).
    """
    codegen = _products_codegen(kind, columns, below)

    def products(
        typing_context: Any, left: Any, right: Any, rows: Any, corner: Any, stride: Any
    ) -> Any:
        return types.void(*[types.int64] * 5), codegen

    def prefetching_products(
        typing_context: Any,
        left: Any,
        right: Any,
        rows: Any,
        corner: Any,
        stride: Any,
        piece: Any,
        other_piece: Any,
    ) -> Any:
        return types.void(*[types.int64] * 7), codegen

    return intrinsic(prefetching_products if prefetches else products)


@intrinsic
def add_spaced_tile(
    typing_context: Any,
    left: Any,
    right: Any,
    count: Any,
    corner: Any,
    stride: Any,
    spacing: Any,
) -> Any:
    """As `add_tile`, of rows of matrices, `spacing` bytes apart; `count` is a multiple of 8."""
    return types.void(*[types.int64] * 6), _products_codegen(_FLOAT64, TILE, False, spaced=True)


_FLOAT32 = ir.FloatType()
add_tile = _products(_FLOAT64, TILE, prefetches=True)
add_diagonal_tile = _products(_FLOAT64, TILE, below=True, prefetches=True)
add_float32_tile = _products(_FLOAT32, TILE, prefetches=True)
add_float32_diagonal_tile = _products(_FLOAT32, TILE, below=True, prefetches=True)
# For what reads little memory.
add_quiet_tile, add_quiet_half_tile = _products(_FLOAT32, TILE), _products(_FLOAT32, TILE // 2)
