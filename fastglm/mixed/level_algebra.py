"""Compiled block elimination: Z'WZ by levels and Lambda to factor, solutions and inverse of H.

H = I + Lambda' Z'WZ Lambda has a small block for every level of the largest factor. With
L the Cholesky factor of a level's block and M its scaled cross products, L^-1 M is kept, and the
remainder's matrix is P = I + ... - sum of (L^-1 M)'(L^-1 M). Golub & Van Loan, section 4.2; the
order of elimination is that of Bates, Alday & Kokandakar, MixedModels.jl.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels.compiler.decorators import entry, inline

__all__ = [
    "add_traces",
    "back_substitute",
    "cross_residuals",
    "eliminate",
    "forward_substitute",
    "invert_levels",
    "level_factor",
    "level_inverse",
]


@inline
def level_factor(own, factor, k, target, work):
    """Cholesky factor of I + F' own F into `target`; returns its log determinant."""
    for a in range(k):
        for b in range(k):
            total = 0.0
            for c in range(b, k):
                total += own[a, c] * factor[c, b]
            work[a, b] = total
    for a in range(k):
        for b in range(a + 1):
            total = 1.0 if a == b else 0.0
            for c in range(a, k):
                total += factor[c, a] * work[c, b]
            target[a, b] = total
    log_determinant = 0.0
    for a in range(k):
        for b in range(a + 1):
            total = target[a, b]
            for c in range(b):
                total -= target[a, c] * target[b, c]
            target[a, b] = math.sqrt(total) if a == b else total / target[b, b]
        log_determinant += 2.0 * math.log(target[a, a])
        for b in range(a + 1, k):
            target[a, b] = 0.0
    return log_determinant


@inline
def scale_cross(j, k, factors, pairs, pair_start, cross, base, nnz, root, target):
    """Into `target` L^-1 F' M F of a level: M scaled on both sides and divided by its root."""
    pair_block, pair_local, widths = pairs
    for a in range(k):
        for c in range(nnz):
            total = 0.0
            for d in range(a, k):
                total += factors[0, d, a] * cross[base + d * nnz + c]
            target[base + a * nnz + c] = total
    for m in range(pair_start[j], pair_start[j + 1]):
        t = pair_block[m]
        for a in range(k):
            at = base + a * nnz + pair_local[m]
            for b in range(widths[t]):
                total = 0.0
                for c in range(b, widths[t]):
                    total += target[at + c] * factors[t, c, b]
                target[at + b] = total
    for a in range(k):
        for c in range(nnz):
            total = target[base + a * nnz + c]
            for d in range(a):
                total -= root[a, d] * target[base + d * nnz + c]
            target[base + a * nnz + c] = total / root[a, a]


@inline
def subtract_products(j, k, cross_start, cross_column, row_start, cross, base, nnz, other):
    """Subtracts a level's (L^-1 M)'(L^-1 M) from the lower triangle of the remainder.

    Columns of a level ascend.
    """
    at = cross_start[j]
    for x in range(nnz):
        row = row_start[cross_column[at + x]]
        for a in range(k):
            value = cross[base + a * nnz + x]
            for y in range(x + 1):
                other[row + cross_column[at + y]] -= value * cross[base + a * nnz + y]


@entry
def eliminate(
    first, last, chunk, widths, factors, pair_start, pair_block, pair_local, cross_start,
    cross_column, row_start, own, cross, roots, scaled, other, log_determinants,
):  # fmt: skip
    """Factor the blocks of levels; the chunk's part of the remainder is added to `other`."""
    k = widths[0]
    work = np.empty((k, k))
    total = 0.0
    pairs = (pair_block, pair_local, widths)
    for j in range(first, last):
        total += level_factor(own[j], factors[0], k, roots[j], work)
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        if nnz > 0:
            scale_cross(j, k, factors, pairs, pair_start, cross, base, nnz, roots[j], scaled)
            subtract_products(
                j, k, cross_start, cross_column, row_start, scaled, base, nnz, other[chunk]
            )
    log_determinants[chunk] = total
    return 0


@entry
def forward_substitute(
    first, last, chunk, widths, pair_start, pair_column, pair_block, pair_local, cross_start,
    roots, scaled, right, other,
):  # fmt: skip
    """L^-1 of (q, k, c) right sides, in place; subtracts its products from the remainder's."""
    k, n_sides = widths[0], right.shape[2]
    for j in range(first, last):
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for a in range(k):
            for b in range(a):
                for c in range(n_sides):
                    right[j, a, c] -= roots[j, a, b] * right[j, b, c]
            for c in range(n_sides):
                right[j, a, c] /= roots[j, a, a]
        for m in range(pair_start[j], pair_start[j + 1]):
            for b in range(widths[pair_block[m]]):
                for a in range(k):
                    factor = scaled[base + a * nnz + pair_local[m] + b]
                    for c in range(n_sides):
                        other[chunk, pair_column[m] + b, c] -= factor * right[j, a, c]
    return 0


@entry
def back_substitute(
    first, last, chunk, widths, pair_start, pair_column, pair_block, pair_local, cross_start,
    roots, scaled, right, other,
):  # fmt: skip
    """Solutions of levels, in place of what `forward_substitute` left, from the remainder's."""
    k, n_sides = widths[0], right.shape[2]
    for j in range(first, last):
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for m in range(pair_start[j], pair_start[j + 1]):
            for b in range(widths[pair_block[m]]):
                for a in range(k):
                    factor = scaled[base + a * nnz + pair_local[m] + b]
                    for c in range(n_sides):
                        right[j, a, c] -= factor * other[pair_column[m] + b, c]
        for a in range(k - 1, -1, -1):
            for b in range(a + 1, k):
                for c in range(n_sides):
                    right[j, a, c] -= roots[j, b, a] * right[j, b, c]
            for c in range(n_sides):
                right[j, a, c] /= roots[j, a, a]
    return 0


@inline
def level_inverse(root, k, target):
    """Inverse of root root' into `target`."""
    for c in range(k):
        for a in range(k):
            value = 1.0 if a == c else 0.0
            for b in range(a):
                value -= root[a, b] * target[b, c]
            target[a, c] = value / root[a, a]
        for a in range(k - 1, -1, -1):
            value = target[a, c]
            for b in range(a + 1, k):
                value -= root[b, a] * target[b, c]
            target[a, c] = value / root[a, a]


@entry
def invert_levels(
    first, last, chunk, widths, cross_start, cross_column, row_start, roots, scaled, inverse, own,
    cross,
):  # fmt: skip
    """Entries of H^-1 inside levels, (q, k, k), and between levels and their pairs, flat."""
    k = widths[0]
    widest = 0
    for j in range(first, last):
        widest = max(widest, cross_start[j + 1] - cross_start[j])
    spread = np.empty((k, widest))
    for j in range(first, last):
        level_inverse(roots[j], k, own[j])
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for a in range(k - 1, -1, -1):
            for c in range(nnz):
                value = scaled[base + a * nnz + c]
                for b in range(a + 1, k):
                    value -= roots[j, b, a] * spread[b, c]
                spread[a, c] = value / roots[j, a, a]
        at = cross_start[j]
        for c in range(nnz):
            row = row_start[cross_column[at + c]]
            for a in range(k):
                total = 0.0
                for x in range(c):
                    value = inverse[row + cross_column[at + x]]
                    total += spread[a, x] * value
                    cross[base + a * nnz + x] -= spread[a, c] * value
                total += spread[a, c] * inverse[row + cross_column[at + c]]
                cross[base + a * nnz + c] = -total
        for a in range(k):
            for b in range(k):
                for c in range(nnz):
                    own[j, a, b] -= cross[base + a * nnz + c] * spread[b, c]
    return 0


@entry
def add_traces(
    first, last, chunk, widths, factors, pair_start, pair_column, pair_block, pair_local,
    cross_start, own, cross, inverse_own, inverse_cross, traces,
):  # fmt: skip
    """(H^-1 F' Z'WZ)' summed over levels, by block: all but what the remainder has of its own."""
    k = widths[0]
    for j in range(first, last):
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for b in range(k):
            for d in range(k):
                factor = 0.0
                for c in range(k):
                    factor += inverse_own[j, b, c] * factors[0, d, c]
                for a in range(k):
                    traces[chunk, 0, a, b] += factor * own[j, d, a]
        for m in range(pair_start[j], pair_start[j + 1]):
            t, at = pair_block[m], pair_local[m]
            for d in range(widths[t]):
                for b in range(k):
                    factor = 0.0
                    for c in range(widths[t]):
                        factor += inverse_cross[base + b * nnz + at + c] * factors[t, d, c]
                    for a in range(k):
                        traces[chunk, 0, a, b] += factor * cross[base + a * nnz + at + d]
            for b in range(widths[t]):
                for d in range(k):
                    factor = 0.0
                    for c in range(k):
                        factor += inverse_cross[base + c * nnz + at + b] * factors[0, d, c]
                    for a in range(widths[t]):
                        traces[chunk, t, a, b] += factor * cross[base + d * nnz + at + a]
    return 0


@entry
def cross_residuals(
    first, last, chunk, widths, pair_start, pair_column, pair_block, pair_local, cross_start,
    own, cross, effects, other_effects, target, other,
):  # fmt: skip
    """Subtracts Z'WZ of (q, k, c) and (R, c) effects, but for the remainder's own part."""
    k, n_sides = widths[0], effects.shape[2]
    for j in range(first, last):
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for a in range(k):
            for b in range(k):
                for c in range(n_sides):
                    target[j, a, c] -= own[j, a, b] * effects[j, b, c]
        for m in range(pair_start[j], pair_start[j + 1]):
            for b in range(widths[pair_block[m]]):
                column = pair_column[m] + b
                for a in range(k):
                    factor = cross[base + a * nnz + pair_local[m] + b]
                    for c in range(n_sides):
                        target[j, a, c] -= factor * other_effects[column, c]
                        other[chunk, column, c] -= factor * effects[j, a, c]
    return 0
