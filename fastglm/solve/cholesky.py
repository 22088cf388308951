"""Cholesky factorisation of a Gram matrix on unit diagonal, left to right, and its solutions."""

from __future__ import annotations

import math

from fastglm.kernels.jit import called, entry, inlined_sums


@inlined_sums
def dot(a, b, n):
    """Dot product of the first n elements."""
    total = 0.0
    for k in range(n):
        total += a[k] * b[k]
    return total


@called
def factorize(gram, factor, scale, pivot, tolerance):
    """Lower factor L of ``diag(scale) gram diag(scale)``, which has unit diagonal.

    All arrays are overwritten but `gram`, of which the lower triangle is read. ``pivot[j]`` is the
    share of column j that earlier columns leave unexplained (1 - R squared); a column where it is
    not above `tolerance` is aliased: its row and column of L are zero and its pivot is set to 0.
    Returns the number of aliased columns, or -1 where a value is not finite.
    """
    p = gram.shape[0]
    aliased = 0
    for j in range(p):
        diagonal = gram[j, j]
        if not math.isfinite(diagonal):
            return -1
        scale[j] = 1.0 / math.sqrt(diagonal) if diagonal > 0.0 else 0.0
    for j in range(p):
        for k in range(j):
            unexplained = gram[j, k] * scale[j] * scale[k] - dot(factor[j], factor[k], k)
            factor[j, k] = unexplained / factor[k, k] if pivot[k] > 0.0 else 0.0
            factor[k, j] = 0.0
        left = (1.0 if scale[j] > 0.0 else 0.0) - dot(factor[j], factor[j], j)
        if not math.isfinite(left):
            return -1
        if left > tolerance:
            pivot[j] = left
            factor[j, j] = math.sqrt(left)
        else:
            aliased += 1
            pivot[j] = 0.0
            factor[j, j] = 0.0
            for k in range(j):
                factor[j, k] = 0.0
    return aliased


@called
def solve(factor, scale, pivot, right, result):
    """Solution of gram x = right; 0 for aliased columns. `result` is overwritten."""
    p = right.shape[0]
    for j in range(p):
        if pivot[j] > 0.0:
            result[j] = (right[j] * scale[j] - dot(factor[j], result, j)) / factor[j, j]
        else:
            result[j] = 0.0
    for j in range(p - 1, -1, -1):
        if pivot[j] > 0.0:
            result[j] /= factor[j, j]
            for k in range(j):
                result[k] -= factor[j, k] * result[j]
    for j in range(p):
        result[j] *= scale[j]


@entry
def invert(factor, scale, pivot, inverse, work):
    """Inverse of the Gram matrix, (p, p); rows and columns of aliased coefficients are 0.

    `work`, (p, p), is overwritten with the inverse of the triangular factor.
    """
    p = factor.shape[0]
    for j in range(p):
        for k in range(p):
            work[j, k] = 0.0
    # Row j of `work` holds column j of L^-1, so that both loops run along contiguous memory.
    for j in range(p):
        if pivot[j] <= 0.0:
            continue
        work[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, p):
            if pivot[i] > 0.0:
                partial = dot(factor[i, j:], work[j, j:], i - j)
                work[j, i] = -partial / factor[i, i]
    for j in range(p):
        for k in range(j + 1):
            value = dot(work[j, j:], work[k, j:], p - j) * scale[j] * scale[k]
            inverse[j, k] = value
            inverse[k, j] = value


@entry
def solve_factored(factor, scale, pivot, right, result):
    """`solve`, for Python."""
    solve(factor, scale, pivot, right, result)
