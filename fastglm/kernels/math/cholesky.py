"""Cholesky factorisation of a Gram matrix on unit diagonal, left to right, and its solutions."""

from __future__ import annotations

import math

from numba.core.types import float64

from fastglm.kernels.compiler.decorators import entry, inline, noinline
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer
from fastglm.kernels.math.blocked_cholesky import (
    BLOCKED_FROM,
    dot,
    factorize_in_panels,
    invert_in_panels,
    multiply_in_panels,
)

#: Of the power method, for a condition estimate that is right to a third or so.
POWER_STEPS = 8


@inline
def row(matrix, j, p):
    """Row j of a (p, p) matrix, given and returned as a pointer."""
    return offset_pointer(matrix, j * p)


@noinline
def factorize_gram(gram, factor, scale, pivot, p, tolerance):
    """Lower factor L of ``diag(scale) gram diag(scale)``, which has unit diagonal.

    All arguments but the last two are pointers to row-major arrays, overwritten but for `gram`, of
    which the lower triangle is read. ``pivot[j]`` is the share of column j that earlier columns
    leave unexplained (1 - R squared); a column where it is not above `tolerance` is aliased: its
    row and column of L are zero and its pivot is set to 0. Returns the number of aliased columns,
    or -1 where a value is not finite.
    """
    aliased = 0
    for j in range(p):
        diagonal = gram[j * p + j]
        if not math.isfinite(diagonal):
            return -1
        scale[j] = 1.0 / math.sqrt(diagonal) if diagonal > 0.0 else 0.0
    if p >= BLOCKED_FROM:
        return factorize_in_panels(gram, factor, scale, pivot, p, tolerance)
    for j in range(p):
        this = row(factor, j, p)
        for k in range(j):
            other = row(factor, k, p)
            unexplained = gram[j * p + k] * scale[j] * scale[k] - dot(this, other, k)
            this[k] = unexplained / other[k] if pivot[k] > 0.0 else 0.0
            other[j] = 0.0
        left = (1.0 if scale[j] > 0.0 else 0.0) - dot(this, this, j)
        if not math.isfinite(left):
            return -1
        if left > tolerance:
            pivot[j] = left
            this[j] = math.sqrt(left)
        else:
            aliased += 1
            pivot[j] = 0.0
            for k in range(j + 1):
                this[k] = 0.0
    return aliased


@noinline
def solve(factor, scale, pivot, right, result, p):
    """Solution of gram x = right; 0 for aliased columns. Pointers; `result` is overwritten."""
    for j in range(p):
        this = row(factor, j, p)
        if pivot[j] > 0.0:
            result[j] = (right[j] * scale[j] - dot(this, result, j)) / this[j]
        else:
            result[j] = 0.0
    for j in range(p - 1, -1, -1):
        this = row(factor, j, p)
        if pivot[j] > 0.0:
            result[j] /= this[j]
            for k in range(j):
                result[k] -= this[k] * result[j]
    for j in range(p):
        result[j] *= scale[j]


@noinline
def invert_factor(factor, scale, pivot, root, p):
    """Upper triangular root of the Gram matrix's inverse, root root'; 0 for aliased coefficients.

    Pointers. Row j of the root is column j of L^-1 times `scale`, so that all loops run along
    contiguous memory.
    """
    if p >= BLOCKED_FROM:
        invert_in_panels(factor, scale, pivot, root, p)
        return
    for j in range(p):
        this = row(root, j, p)
        for k in range(p):
            this[k] = 0.0
        if pivot[j] <= 0.0:
            continue
        this[j] = 1.0 / row(factor, j, p)[j]
        for i in range(j + 1, p):
            if pivot[i] > 0.0:
                other = row(factor, i, p)
                partial = dot(offset_pointer(other, j), offset_pointer(this, j), i - j)
                this[i] = -partial / other[i]
        for i in range(j, p):
            this[i] *= scale[j]


@noinline
def inflation(root, scale, work, p):
    """Largest eigenvalue of the inverse of the Gram matrix of columns of equal length.

    `root` is that of `invert_factor`, with its `scale`; `work` has room for 2 p numbers. By the
    power method, from the coefficient of the largest variance inflation factor: never below that
    factor. See `fastglm.solve.conditioning` for what it is for.
    """
    vector, half = work, offset_pointer(work, p)
    most, largest = 0, 0.0
    for j in range(p):
        vector[j] = 0.0
        if scale[j] > 0.0:
            this = row(root, j, p)
            variance = dot(this, this, p) / (scale[j] * scale[j])
            if variance > largest:
                most, largest = j, variance
    if largest == 0.0:
        return 1.0
    vector[most] = 1.0
    for _ in range(POWER_STEPS):
        for k in range(p):
            half[k] = 0.0
        for j in range(p):
            if scale[j] > 0.0 and vector[j] != 0.0:
                this, factor = row(root, j, p), vector[j] / scale[j]
                for k in range(j, p):
                    half[k] += this[k] * factor
        # The quotient of Rayleigh, of a vector of unit length.
        largest = max(largest, dot(half, half, p))
        for j in range(p):
            vector[j] = dot(row(root, j, p), half, p) / scale[j] if scale[j] > 0.0 else 0.0
        length = math.sqrt(dot(vector, vector, p))
        if not length > 0.0:
            return largest
        for j in range(p):
            vector[j] /= length
    return largest


@noinline
def multiply_root(root, product, p):
    """Root root' of an upper triangular root; a sum of squares is never negative. Pointers."""
    if p >= BLOCKED_FROM:
        multiply_in_panels(root, product, p)
        return
    for j in range(p):
        this = offset_pointer(root, (p + 1) * j)
        for k in range(j + 1):
            value = dot(this, offset_pointer(root, p * k + j), p - j)
            product[p * j + k] = value
            product[p * k + j] = value


@inline
def _pointer_to(array):
    return pointer(array.ctypes.data, float64)


@entry
def invert(factor, scale, pivot, inverse, root):
    """Inverse of the Gram matrix, (p, p), and its `invert_factor`, for contiguous arrays."""
    p = len(scale)
    factor_pointer, root_pointer = _pointer_to(factor), _pointer_to(root)
    invert_factor(factor_pointer, _pointer_to(scale), _pointer_to(pivot), root_pointer, p)
    multiply_root(root_pointer, _pointer_to(inverse), p)


@noinline
def factorize(gram, factor, scale, pivot, tolerance):
    """`factorize_gram`, for contiguous arrays."""
    return factorize_gram(
        _pointer_to(gram),
        _pointer_to(factor),
        _pointer_to(scale),
        _pointer_to(pivot),
        gram.shape[0],
        tolerance,
    )


@entry
def solve_factored(factor, scale, pivot, right, result):
    """`solve`, for contiguous arrays."""
    solve(
        _pointer_to(factor),
        _pointer_to(scale),
        _pointer_to(pivot),
        _pointer_to(right),
        _pointer_to(result),
        right.shape[0],
    )


@entry
def factorize_and_solve(information, score, factor, scale, pivot, tolerance, step):
    """Solve information step = score; returns the number of pivots that are not positive."""
    failed = factorize(information, factor, scale, pivot, tolerance)
    if failed == 0:
        solve(
            _pointer_to(factor),
            _pointer_to(scale),
            _pointer_to(pivot),
            _pointer_to(score),
            _pointer_to(step),
            score.shape[0],
        )
    return failed
