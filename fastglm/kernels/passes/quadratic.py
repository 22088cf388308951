"""The quadratic form |factor x|**2 of every row: a leverage, or the variance of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types import float32, float64, int64
from numba.extending import intrinsic

from fastglm.kernels.blocks.block import buffer_at, dense_at, entries_at, float32_buffer_at
from fastglm.kernels.blocks.row_buffers import BUFFER, QUADRATIC_FORM, TILE
from fastglm.kernels.blocks.table import FACTOR, FLOAT32, MODE, N_DENSE, N_FACTOR, N_STORED
from fastglm.kernels.blocks.tiles import add_product, address_at, load, size_of, store
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer, spread
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries

#: Rows that are worked on together, twice as many in single precision; a buffer of float64 has room
#: for as many more than a block, one of float32 for those up to a multiple.
LANES = 8

_FLOAT64, _FLOAT32 = ir.DoubleType(), ir.FloatType()


def _lanes(finish: Callable, kind: Any) -> Any:
    """An intrinsic of LANES rows of `count` columns times TILE rows of a factor.

    Its arguments are integers: addresses, except `stride`, bytes between rows of the factor, and
    `count`. Products stay in registers down all columns, which a loop over rows cannot do; what
    becomes of them at `target` is up to ``finish(builder, products, target, vector)``. All numbers
    are of that kind.
    """

    def lanes(
        typing_context: Any, factor: Any, stride: Any, column: Any, count: Any, target: Any
    ) -> Any:
        return types.void(*[types.int64] * 5), codegen

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        factor, stride, column, count, target = args
        lanes, size = (LANES if kind == _FLOAT64 else 2 * LANES), size_of(kind)
        vector = ir.VectorType(kind, lanes)
        zero = ir.Constant(vector, [0.0] * lanes)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(TILE)]
        rows = [address_at(builder, factor, stride, a) for a in range(TILE)]
        with cgutils.for_range(builder, count) as loop:
            values = load(builder, address_at(builder, column, size * BUFFER, loop.index), vector)
            for row, total in zip(rows, sums, strict=True):
                coefficient = load(builder, address_at(builder, row, size, loop.index), kind)
                add_product(builder, total, spread(builder, coefficient, lanes), values)
        finish(builder, [builder.load(total) for total in sums], target, vector)
        return context.get_dummy_value()

    return intrinsic(lanes)


def _store(builder: Any, products: Any, target: Any, vector: Any) -> None:
    """Into TILE buffers."""
    for k, product in enumerate(products):
        store(builder, product, address_at(builder, target, 8 * BUFFER, k))


def _add_squares(builder: Any, products: Any, target: Any, vector: Any) -> None:
    """Squares, added to one buffer."""
    total = load(builder, target, vector)
    for product in products:
        square = builder.fmul(product, product, flags=("contract",))
        total = builder.fadd(total, square, flags=("contract",))
    store(builder, total, target)


_products_of_lanes = _lanes(_store, _FLOAT64)
_squares_of_lanes, _squares_of_float32_lanes = (
    _lanes(_add_squares, k) for k in (_FLOAT64, _FLOAT32)
)


@inline
def dense_products(factor, stride, first, last, scratch, target, rows):
    """TILE rows of a factor times the dense columns first..last-1, into TILE buffers.

    `factor` and `target` are addresses; rows of the factor are `stride` bytes apart. Lanes beyond
    the last row, of which a buffer has room for some, are filled with what nobody reads.
    """
    column = dense_at(scratch) + 8 * BUFFER * first
    for i in range(0, rows, LANES):
        _products_of_lanes(factor + 8 * first, stride, column + 8 * i, last - first, target + 8 * i)


@inline
def _add_dense_squares(table, k, scratch, rows, kind, size):
    """Adds the squares of TILE rows of the factor from k on, times dense columns, for each row."""
    n_stored, count = table[N_STORED], table[N_DENSE]
    corner, stride = table[FACTOR] + size * n_stored * k, size * n_stored
    first, last = _nonzero_columns(pointer(corner, kind), n_stored, count)
    corner += size * first
    column = dense_at(scratch) + size * BUFFER * first
    target = scratch + 8 * BUFFER * QUADRATIC_FORM
    if size == 8:
        for i in range(0, rows, LANES):
            _squares_of_lanes(corner, stride, column + 8 * i, last - first, target + 8 * i)
    else:
        for i in range(0, rows, 2 * LANES):
            _squares_of_float32_lanes(corner, stride, column + 4 * i, last - first, target + 4 * i)


@inline
def _nonzero_columns(f, stride, n_dense):
    """First and last-plus-one of the dense columns where TILE rows of the factor are not zero."""
    first, last = n_dense, 0
    for j in range(n_dense):
        for a in range(TILE):
            if f[a * stride + j] != 0.0:
                first = min(first, j)
                last = j + 1
    return first, max(first, last)


@inline
def factor_products(table, start, rows, scratch, k, target):
    """TILE rows of the factor from row k on, times the block's columns, into TILE buffers.

    `target` is their address.
    """
    n_dense, n_stored = table[N_DENSE], table[N_STORED]
    corner = table[FACTOR] + 8 * n_stored * k
    f = pointer(corner, float64)
    first, last = _nonzero_columns(f, n_stored, n_dense)
    dense_products(corner, 8 * n_stored, first, last, scratch, target, rows)
    if n_stored > n_dense:
        product = pointer(target, float64)
        entries = entries_at(table, scratch)
        _, _, columns, values = entries
        for i in range(rows):
            for e in range(row_entries(table, start, i, entries)):
                for a in range(TILE):
                    product[a * BUFFER + i] += f[a * n_stored + columns[e]] * values[e]


def quadratic_block(table_address, start, rows, scratch, target):
    """|factor x|**2 into the buffer QUADRATIC_FORM. A stage; `target` is not used.

    The factor has a multiple of TILE rows, zeros where there are no more. With the mode FLOAT32 it
    is of float32.
    """
    table = pointer(table_address, int64)
    n_dense, n_stored = table[N_DENSE], table[N_STORED]
    if table[MODE] & FLOAT32:
        form = float32_buffer_at(scratch, QUADRATIC_FORM)
        for i in range(rows):
            form[i] = 0.0
        for k in range(0, table[N_FACTOR], TILE):
            _add_dense_squares(table, k, scratch, rows, float32, 4)
        return 0
    total = buffer_at(scratch, QUADRATIC_FORM)
    product_array = np.empty(TILE * BUFFER)
    product = pointer(product_array.ctypes.data, float64)
    for i in range(rows):
        total[i] = 0.0
    for k in range(0, table[N_FACTOR], TILE):
        if n_stored == n_dense:
            _add_dense_squares(table, k, scratch, rows, float64, 8)
            continue
        factor_products(table, start, rows, scratch, k, product_array.ctypes.data)
        for i in range(rows):
            total[i] += (product[i] ** 2 + product[BUFFER + i] ** 2) + (
                product[2 * BUFFER + i] ** 2 + product[3 * BUFFER + i] ** 2
            )
    return product_array.size * 0


quadratic_stage = RowBlock(quadratic_block, "quadratic", {})
