"""R of a QR factorisation, rows appended block after block by Householder reflections.

Golub & Van Loan (2013), section 5.2, and Demmel, Grigori, Hoemmen & Langou (2012) for rows that
come in blocks: memory does not grow with their number.
"""

from __future__ import annotations

import math

from numba.core.types import float64

from fastglm.kernels.compiler.decorators import entry, inline, inline_sums, noinline
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer
from fastglm.kernels.math.cholesky import dot

__all__ = ["append_columns", "append_rows"]

#: Squares of norms below this are nothing: their reciprocals could overflow. Rounding leaves them
#: where a block has few distinct rows, each of which takes one column of the triangle: all later
#: columns of the block are rounding errors of rounding errors.
NOTHING = 2.0**-1000


@inline_sums
def _two_dots(reflector, a, b, rows):
    """Dot products of two columns with a third, which is read once."""
    first = second = 0.0
    for i in range(rows):
        first += reflector[i] * a[i]
        second += reflector[i] * b[i]
    return first, second


@inline
def _subtract(reflector, a, b, first, second, rows):
    for i in range(rows):
        a[i] -= first * reflector[i]
        b[i] -= second * reflector[i]


@noinline
def append_columns(triangle, columns, stride, rows, p):
    """Makes an upper triangle that of itself with a block of rows below.

    Pointers: `triangle` is (p, p), row-major; `columns` are p columns of the block, `stride` apart,
    which are overwritten.
    """
    for j in range(p):
        reflector, row = offset_pointer(columns, stride * j), offset_pointer(triangle, p * j)
        square = dot(reflector, reflector, rows)
        if square < NOTHING:
            continue
        old = row[j]
        norm = math.sqrt(old * old + square)
        new = -norm if old > 0.0 else norm
        row[j], top = new, old - new
        share = 1.0 / (norm * (norm + abs(old)))
        k = j + 1
        while k < p:
            last = min(k + 1, p - 1)
            a, b = offset_pointer(columns, stride * k), offset_pointer(columns, stride * last)
            first, second = _two_dots(reflector, a, b, rows)
            first = (first + top * row[k]) * share
            second = (second + top * row[last]) * share if last > k else 0.0
            row[k] -= first * top
            if last > k:
                row[last] -= second * top
                _subtract(reflector, a, b, first, second, rows)
            else:
                for i in range(rows):
                    a[i] -= first * reflector[i]
            k += 2


@entry
def append_rows(triangle, columns):
    """`append_columns` for contiguous arrays, (p, p) and (p, rows)."""
    p, rows = columns.shape
    append_columns(
        pointer(triangle.ctypes.data, float64),
        pointer(columns.ctypes.data, float64),
        rows,
        rows,
        p,
    )
