"""Compiled passes over rows that fill the tables of levels: sums of products of columns.

Every kernel visits the rows of the levels ``first`` to ``last`` of the largest factor. What belongs
to these levels alone is written in place; sums over the remainder and over all rows go to the place
of the chunk, so that they can be added in the order of chunks.
"""

from __future__ import annotations

from fastglm.kernels.compiler.decorators import entry, inline

__all__ = ["sum_products", "sum_scores"]


@inline
def add_squares(i, w, z, rest, widths, column, local, row_start, own, cross, base, nnz, other):
    """Adds w z z' of one row: to its level, to the level's pairs, and to the remainder."""
    k = widths[0]
    n_others = column.shape[1]
    for a in range(k):
        wz = w * z[i, a]
        for b in range(k):
            own[a, b] += wz * z[i, b]
        at = 0
        for t in range(n_others):
            for b in range(widths[t + 1]):
                cross[base + a * nnz + local[i, t] + b] += wz * rest[i, at + b]
            at += widths[t + 1]
    at = 0
    for s in range(n_others):
        for a in range(widths[s + 1]):
            wz = w * rest[i, at + a]
            row = row_start[column[i, s] + a]
            to = 0
            for t in range(n_others):
                for b in range(widths[t + 1]):
                    other[row + column[i, t] + b] += wz * rest[i, to + b]
                to += widths[t + 1]
        at += widths[s + 1]


@entry
def sum_products(
    first, last, chunk, start, z, rest, widths, column, local, row_start, cross_start, weight,
    own, cross, other,
):  # fmt: skip
    """Z'WZ: (q, k, k) `own`, the flat `cross`, and the chunk's part of the remainder's."""
    if widths[0] == 1 and column.shape[1] == 0:
        for j in range(first, last):
            total = 0.0
            for i in range(start[j], start[j + 1]):
                total += weight[i] * z[i, 0] * z[i, 0]
            own[j, 0, 0] = total
        return 0
    for j in range(first, last):
        base, nnz = widths[0] * cross_start[j], cross_start[j + 1] - cross_start[j]
        for i in range(start[j], start[j + 1]):
            add_squares(
                i, weight[i], z, rest, widths, column, local, row_start, own[j], cross, base, nnz,
                other[chunk],
            )  # fmt: skip
    return 0


@entry
def sum_scores(first, last, chunk, start, z, rest, widths, column, residual, own, other):
    """Z'r: (q, k) `own`, and the chunk's part of the remainder's (R,)."""
    k = widths[0]
    for j in range(first, last):
        for a in range(k):
            own[j, a] = 0.0
        for i in range(start[j], start[j + 1]):
            r = residual[i]
            for a in range(k):
                own[j, a] += r * z[i, a]
            at = 0
            for t in range(column.shape[1]):
                for b in range(widths[t + 1]):
                    other[chunk, column[i, t] + b] += r * rest[i, at + b]
                at += widths[t + 1]
    return 0
