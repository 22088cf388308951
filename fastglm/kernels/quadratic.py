"""The quadratic form |factor x|**2 of every row: a leverage, or the variance of a prediction."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.block import TILE, dense_at, entries_at, plane_at
from fastglm.kernels.context import FACTOR, N_DENSE, N_FACTOR, N_SWEEP
from fastglm.kernels.gram import row_entries
from fastglm.kernels.jit import RowBlock, inlined, pointer
from fastglm.kernels.planes import PLANE, QUADRATIC_FORM


@inlined
def add_products(f, stride, column, product, rows):
    """Adds a 4 x 4 tile of the factor times four columns to four products."""
    f00, f01, f02, f03 = f[0], f[1], f[2], f[3]
    f10, f11, f12, f13 = f[stride], f[stride + 1], f[stride + 2], f[stride + 3]
    f20, f21, f22, f23 = f[2 * stride], f[2 * stride + 1], f[2 * stride + 2], f[2 * stride + 3]
    f30, f31, f32, f33 = f[3 * stride], f[3 * stride + 1], f[3 * stride + 2], f[3 * stride + 3]
    for i in range(rows):
        c0 = column[i]
        c1 = column[PLANE + i]
        c2 = column[2 * PLANE + i]
        c3 = column[3 * PLANE + i]
        product[i] += f00 * c0 + f01 * c1 + f02 * c2 + f03 * c3
        product[PLANE + i] += f10 * c0 + f11 * c1 + f12 * c2 + f13 * c3
        product[2 * PLANE + i] += f20 * c0 + f21 * c1 + f22 * c2 + f23 * c3
        product[3 * PLANE + i] += f30 * c0 + f31 * c1 + f32 * c2 + f33 * c3


@inlined
def _is_zero_tile(f, stride):
    """Whether a 4 x 4 tile of the factor is zero, as half of a triangular factor is."""
    for a in range(TILE):
        for b in range(TILE):
            if f[a * stride + b] != 0.0:
                return False
    return True


def quadratic_block(context_address, start, rows, scratch, target):
    """|factor x|**2 into the plane QUADRATIC_FORM. A stage; `target` is not used.

    The factor has a multiple of TILE rows, zeros where there are no more.
    """
    context = pointer(context_address, int64)
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    whole = n_dense - n_dense % TILE
    total = plane_at(scratch, QUADRATIC_FORM)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    product_array = np.empty(TILE * PLANE)
    product = pointer(product_array.ctypes.data, float64)
    for i in range(rows):
        total[i] = 0.0
    for k in range(0, context[N_FACTOR], TILE):
        for a in range(TILE):
            for i in range(rows):
                product[a * PLANE + i] = 0.0
        for j in range(0, whole, TILE):
            f = pointer(context[FACTOR] + 8 * (n_sweep * k + j), float64)
            if not _is_zero_tile(f, n_sweep):
                column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
                add_products(f, n_sweep, column, product, rows)
        f = pointer(context[FACTOR] + 8 * n_sweep * k, float64)
        for j in range(whole, n_dense):
            column = pointer(dense_at(scratch) + 8 * PLANE * j, float64)
            for a in range(TILE):
                coefficient = f[a * n_sweep + j]
                for i in range(rows):
                    product[a * PLANE + i] += coefficient * column[i]
        if n_sweep > n_dense:
            for i in range(rows):
                for e in range(row_entries(context, start, i, entries)):
                    for a in range(TILE):
                        product[a * PLANE + i] += f[a * n_sweep + columns[e]] * values[e]
        for i in range(rows):
            total[i] += (product[i] ** 2 + product[PLANE + i] ** 2) + (
                product[2 * PLANE + i] ** 2 + product[3 * PLANE + i] ** 2
            )
    return product_array.size * 0


quadratic_stage = RowBlock(quadratic_block, "quadratic", {})
