"""The Cholesky factorisation and inverse of many columns, in panels that stay in cache.

All three operations are dot products of rows of matrices. Here those of one panel of rows with all
others are made in tiles, which load eight values for sixteen products, and only what is left within
a panel is made one by one (Golub & Van Loan 2013, section 4.2.6, left-looking by blocks).
"""

from __future__ import annotations

import math

from numba.core.types import float64

from fastglm.kernels.blocks.row_buffers import TILE
from fastglm.kernels.blocks.tiles import TILE_ROWS, add_spaced_tile
from fastglm.kernels.compiler.decorators import inline, inline_sums, noinline
from fastglm.kernels.compiler.intrinsics import address_in, offset_pointer, pointer

__all__ = ["BLOCKED_FROM", "dot", "factorize_in_panels", "invert_in_panels", "multiply_in_panels"]

#: Rows of a panel, a multiple of TILE_ROWS; numbers of a row that a tile reads at a time, so that
#: those of a panel stay in cache.
PANEL, DEPTH = 64, 512
#: Number of columns from which panels are faster than one dot product after another.
BLOCKED_FROM = 256


@inline_sums
def dot(a, b, n):
    """Dot product of the first n elements."""
    total = 0.0
    for k in range(n):
        total += a[k] * b[k]
    return total


@inline
def _at(matrix, place):
    """An address in a matrix, given by its own, as a pointer."""
    return pointer(matrix + 8 * place, float64)


@noinline
def _add_products(left, n_left, right, n_right, first, last, target, p, upper):
    """Adds to rows at `target` the dot products of rows at `left` with rows at `right`.

    Addresses of parts of matrices with p numbers a row, of which the numbers first..last-1 count;
    both are multiples of TILE_ROWS. With `upper`, a row at `left` holds zeros before its own
    number, which are left out.
    """
    size = 8 * p
    whole_left, whole_right = n_left - n_left % TILE, n_right - n_right % TILE
    for start in range(first, last, DEPTH):
        end = min(start + DEPTH, last)
        for a in range(0, whole_left, TILE):
            begin = max(start, a - a % TILE_ROWS) if upper else start
            if begin >= end:
                break
            for b in range(0, whole_right, TILE):
                from_left, from_right = left + size * a + 8 * begin, right + size * b + 8 * begin
                corner = target + size * a + 8 * b
                add_spaced_tile(from_left, from_right, end - begin, corner, size, size)
    for a in range(n_left):
        for b in range(whole_right if a < whole_left else 0, n_right):
            own, other = _at(left, p * a + first), _at(right, p * b + first)
            _at(target, p * a + b)[0] += dot(own, other, last - first)


@noinline
def factorize_in_panels(gram, factor, scale, pivot, p, tolerance):
    """`fastglm.kernels.math.cholesky.factorize_gram`, with its scales known."""
    aliased, base = 0, address_in(factor)
    for first in range(0, p, PANEL):
        width = min(PANEL, p - first)
        for i in range(first, p):
            for k in range(first, first + width):
                factor[i * p + k] = 0.0
        panel = base + 8 * p * first
        _add_products(panel, p - first, panel, width, 0, first, panel + 8 * first, p, False)
        found = _finish_panel(gram, factor, scale, pivot, p, first, width, tolerance)
        if found < 0:
            return -1
        aliased += found
    return aliased


@noinline
def _finish_panel(gram, factor, scale, pivot, p, first, width, tolerance):
    """Rows of the factor in a panel of its columns, where products with earlier ones stand.

    Returns the number of aliased columns, or -1 where a value is not finite.
    """
    aliased = 0
    for i in range(first, p):
        this = offset_pointer(factor, i * p)
        own = offset_pointer(this, first)
        for k in range(first, min(i, first + width)):
            if pivot[k] > 0.0:
                other = offset_pointer(factor, k * p + first)
                inside = this[k] + dot(own, other, k - first)
                this[k] = (gram[i * p + k] * scale[i] * scale[k] - inside) / factor[k * p + k]
            else:
                this[k] = 0.0
        if i >= first + width:
            continue
        left = (1.0 if scale[i] > 0.0 else 0.0) - (this[i] + dot(own, own, i - first))
        if not math.isfinite(left):
            return -1
        for k in range(i if left > tolerance else 0, p):
            this[k] = 0.0
        pivot[i] = 0.0
        if left > tolerance:
            pivot[i] = left
            this[i] = math.sqrt(left)
        else:
            aliased += 1
    return aliased


@noinline
def invert_in_panels(factor, scale, pivot, root, p):
    """`fastglm.kernels.math.cholesky.invert_factor`."""
    of_factor, of_root = address_in(factor), address_in(root)
    for j in range(p):
        for k in range(p):
            root[j * p + k] = 0.0
        if pivot[j] > 0.0:
            root[j * p + j] = 1.0 / factor[j * p + j]
    for first in range(0, p, PANEL):
        width = min(PANEL, p - first)
        panel = of_factor + 8 * p * first
        _add_products(of_root, first, panel, width, 0, first, of_root + 8 * first, p, True)
        for j in range(first + width):
            this = offset_pointer(root, j * p)
            begin = max(first, j)
            for i in range(max(first, j + 1), first + width):
                if pivot[j] > 0.0 and pivot[i] > 0.0:
                    other = offset_pointer(factor, i * p + begin)
                    inside = this[i] + dot(other, offset_pointer(this, begin), i - begin)
                    this[i] = -inside / factor[i * p + i]
                else:
                    this[i] = 0.0
    for j in range(p):
        for i in range(j, p):
            root[j * p + i] *= scale[j]


@noinline
def multiply_in_panels(root, product, p):
    """`fastglm.kernels.math.cholesky.multiply_root`."""
    of_root, of_product = address_in(root), address_in(product)
    for k in range(p * p):
        product[k] = 0.0
    for first in range(0, p, PANEL):
        width, whole = min(PANEL, p - first), p - (p - first) % TILE_ROWS
        panel, target = of_root + 8 * p * first, of_product + 8 * first
        _add_products(of_root, first + width, panel, width, first, whole, target, p, False)
        for k in range(first + width):
            own = offset_pointer(root, k * p + whole)
            for j in range(max(first, k), first + width):
                product[k * p + j] += dot(own, offset_pointer(root, j * p + whole), p - whole)
                product[j * p + k] = product[k * p + j]
