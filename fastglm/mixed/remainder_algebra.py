"""Compiled algebra of the remainder: the matrix of all effects but those of the largest factor.

Its entries lie inside components, sets of levels that share rows; small ones are factored here, and
large ones by LAPACK.
"""

from __future__ import annotations

import math

from fastglm.kernels.compiler.decorators import entry, inline

__all__ = [
    "factor_small",
    "invert_small",
    "mirror",
    "remainder_residuals",
    "scale_remainder",
    "solve_small",
    "trace_remainder",
]

#: Rows and columns of a tile.
TILE = 32


@entry
def scale_remainder(widths, factors, rest_first, rest_block, shared_start, shared, row_start, other,
                    target):  # fmt: skip
    """Adds I + F' P F to the lower triangle of `target`, P the remainder's products.

    Levels that share no row have products of zero, which are not visited.
    """
    for s in range(rest_block.size):
        r, ks, fs = rest_first[s], widths[rest_block[s]], factors[rest_block[s]]
        for a in range(ks):
            target[row_start[r + a] + r + a] += 1.0
        for m in range(shared_start[s], shared_start[s + 1]):
            t = shared[m]
            c, kt, ft = rest_first[t], widths[rest_block[t]], factors[rest_block[t]]
            for a in range(ks):
                for b in range(kt if t < s else a + 1):
                    total = 0.0
                    for d in range(a, ks):
                        for e in range(b, kt):
                            total += fs[d, a] * other[row_start[r + d] + c + e] * ft[e, b]
                    target[row_start[r + a] + c + b] += total
    return 0


@entry
def factor_small(component_first, row_start, largest, matrix):
    """Cholesky factors of components of at most `largest` columns; the log determinant of all."""
    total = 0.0
    for component in range(component_first.size - 1):
        first, last = component_first[component], component_first[component + 1]
        if last - first > largest:
            continue
        for a in range(first, last):
            for b in range(first, a + 1):
                value = matrix[row_start[a] + b]
                for c in range(first, b):
                    value -= matrix[row_start[a] + c] * matrix[row_start[b] + c]
                root = math.sqrt(value) if a == b else value / matrix[row_start[b] + b]
                matrix[row_start[a] + b] = root
            total += 2.0 * math.log(matrix[row_start[a] + a])
    return total


@entry
def invert_small(component_first, row_start, largest, roots, inverse):
    """Inverses of small components, both triangles, from their Cholesky factors."""
    for component in range(component_first.size - 1):
        first, last = component_first[component], component_first[component + 1]
        if last - first > largest:
            continue
        for c in range(first, last):
            for a in range(first, last):
                value = 1.0 if a == c else 0.0
                for b in range(first, a):
                    value -= roots[row_start[a] + b] * inverse[row_start[b] + c]
                inverse[row_start[a] + c] = value / roots[row_start[a] + a]
            for a in range(last - 1, first - 1, -1):
                value = inverse[row_start[a] + c]
                for b in range(a + 1, last):
                    value -= roots[row_start[b] + a] * inverse[row_start[b] + c]
                inverse[row_start[a] + c] = value / roots[row_start[a] + a]
    return 0


@entry
def mirror(matrix):
    """Copies the lower triangle of a large matrix to the upper one, by tiles that stay in cache."""
    n = matrix.shape[0]
    for first in range(0, n, TILE):
        for second in range(0, first + 1, TILE):
            for a in range(first, min(first + TILE, n)):
                for b in range(second, min(second + TILE, a)):
                    matrix[b, a] = matrix[a, b]
    return 0


@entry
def solve_small(component_first, row_start, largest, roots, right):
    """Solves for (R, c) right sides of small components, in place."""
    for component in range(component_first.size - 1):
        first, last = component_first[component], component_first[component + 1]
        if last - first > largest:
            continue
        for c in range(right.shape[1]):
            for a in range(first, last):
                value = right[a, c]
                for b in range(first, a):
                    value -= roots[row_start[a] + b] * right[b, c]
                right[a, c] = value / roots[row_start[a] + a]
            for a in range(last - 1, first - 1, -1):
                value = right[a, c]
                for b in range(a + 1, last):
                    value -= roots[row_start[b] + a] * right[b, c]
                right[a, c] = value / roots[row_start[a] + a]
    return 0


@inline
def add_trace_of_pair(r, c, kt, kv, factor, row_start, other, inverse, trace):
    """Adds (H^-1 F' P)' of one pair of levels, at columns r and c, to that of the first's block."""
    for b in range(kt):
        for d in range(kv):
            total = 0.0
            for e in range(kv):
                total += inverse[row_start[r + b] + c + e] * factor[d, e]
            for a in range(kt):
                trace[a, b] += total * other[row_start[r + a] + c + d]


@entry
def trace_remainder(widths, factors, rest_first, rest_block, shared_start, shared, row_start, other,
                    inverse, traces):  # fmt: skip
    """The remainder's own part of the same sums, over levels that share rows."""
    for s in range(rest_block.size):
        r, t = rest_first[s], rest_block[s]
        for m in range(shared_start[s], shared_start[s + 1]):
            c, v = rest_first[shared[m]], rest_block[shared[m]]
            add_trace_of_pair(
                r, c, widths[t], widths[v], factors[v], row_start, other, inverse, traces[t]
            )
            if c != r:
                add_trace_of_pair(
                    c, r, widths[v], widths[t], factors[t], row_start, other, inverse, traces[v]
                )
    return 0


@entry
def remainder_residuals(component_first, row_start, other, effects, target):
    """Subtracts the remainder's own products with (R, c) effects."""
    for component in range(component_first.size - 1):
        first, last = component_first[component], component_first[component + 1]
        for a in range(first, last):
            for b in range(first, last):
                factor = other[row_start[a] + b]
                for c in range(effects.shape[1]):
                    target[a, c] -= factor * effects[b, c]
    return 0
