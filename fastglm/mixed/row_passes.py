"""Compiled passes over the rows of a generalized mixed model, in the order of levels."""

from __future__ import annotations

import numpy as np

from fastglm.families.derivative_templates import ALL_BUFFERS
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    PRIOR_WEIGHT,
    RESPONSE,
)
from fastglm.kernels.compiler.decorators import entry
from fastglm.kernels.compiler.intrinsics import call_row_block

__all__ = [
    "add_effects",
    "as_given",
    "find_leverages",
    "respond",
    "sum_products_of_columns",
    "weigh_products",
]


@entry
def add_effects(
    first, last, chunk, start, z, rest, widths, column, fixed, effects, other_effects, target
):
    """Linear predictors: the fixed part and Z b, effects (q, k) and (R,)."""
    k = widths[0]
    for j in range(first, last):
        for i in range(start[j], start[j + 1]):
            eta = fixed[i]
            for a in range(k):
                eta += z[i, a] * effects[j, a]
            at = 0
            for t in range(column.shape[1]):
                for b in range(widths[t + 1]):
                    eta += rest[i, at + b] * other_effects[column[i, t] + b]
                at += widths[t + 1]
            target[i] = eta
    return 0


@entry
def as_given(first, last, chunk, start, place, values, target):
    """Numbers of the rows, (m, n), from the order of levels to that of the data.

    The chunk's share are as many rows of the data as it has: `place` says where those are.
    """
    for m in range(values.shape[0]):
        for i in range(start[first], start[last]):
            target[m, i] = values[m, place[i]]
    return 0


@entry
def weigh_products(first, last, chunk, start, place, columns, rows, given, values):
    """What second derivatives in the coefficients need of the rows, in the order of the data.

    `rows`, (n, 3), are w, w' and c in the order of levels, and `columns`, (n, k), those of effects.
    `given`, (2, n), gets w and c, and `values`, (2 k + pairs, n), w z, c z and w' z z of every pair
    of columns. The chunk's share is that of `as_given`.
    """
    k = columns.shape[1]
    for i in range(start[first], start[last]):
        at = place[i]
        weight, slope, bend = rows[at, 0], rows[at, 1], rows[at, 2]
        given[0, i], given[1, i] = weight, bend
        m = 2 * k
        for a in range(k):
            z = columns[i, a]
            values[a, i], values[k + a, i] = weight * z, bend * z
            for b in range(a + 1):
                values[m, i] = slope * z * columns[i, b]
                m += 1
    return 0


@entry
def sum_products_of_columns(first, last, chunk, start, z, rows, own, cubes):
    """Sums over the levels' rows of c z z', (q, k, k), and of w' z z z, (q, pairs, k).

    `rows`, (n, 3), are w, w' and c, and `z`, (k, n), the columns, in the order of levels.
    """
    k = z.shape[0]
    for j in range(first, last):
        m = 0
        for a in range(k):
            for b in range(a + 1):
                total = 0.0
                for i in range(start[j], start[j + 1]):
                    total += rows[i, 2] * z[a, i] * z[b, i]
                own[j, a, b] = own[j, b, a] = total
                for c in range(k):
                    total = 0.0
                    for i in range(start[j], start[j + 1]):
                        total += rows[i, 1] * z[a, i] * z[b, i] * z[c, i]
                    cubes[j, m, c] = total
                m += 1
    return 0


@entry
def respond(
    first, last, chunk, start, mean_block, family_block, parameters, y, prior, eta, buffers, target,
    outside,
):  # fmt: skip
    """Buffers of the family's derivatives for the rows of the chunk, (n_buffers, n) `target`."""
    scratch = np.zeros(ALL_BUFFERS * BUFFER)
    scratch[FAMILY_PARAMETER * BUFFER] = parameters[0]
    scratch[FAMILY_PARAMETER * BUFFER + 1] = parameters[1]
    scratch[LINK_PARAMETER * BUFFER] = parameters[2]
    scratch[LINK_PARAMETER * BUFFER + 1] = parameters[3]
    count = 0
    stop = start[last]
    for begin in range(start[first], stop, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, stop - begin)
        for i in range(rows):
            scratch[LINEAR_PREDICTOR * BUFFER + i] = eta[begin + i]
            scratch[RESPONSE * BUFFER + i] = y[begin + i]
            scratch[PRIOR_WEIGHT * BUFFER + i] = prior[begin + i]
        call_row_block(mean_block, scratch.ctypes.data, rows)
        count += call_row_block(family_block, scratch.ctypes.data, rows)
        for m in range(buffers.size):
            at = buffers[m] * BUFFER
            for i in range(rows):
                target[m, begin + i] = scratch[at + i]
    outside[chunk] = count
    return 0


@entry
def find_leverages(
    first, last, chunk, start, z, rest, widths, column, local, row_start, cross_start, factors,
    own, cross, inverse, target,
):  # fmt: skip
    """Quadratic forms a' H^-1 a of every row, a = Lambda' z."""
    k, n_rest = widths[0], rest.shape[1]
    a1, a2 = np.empty(k), np.empty(n_rest)
    for j in range(first, last):
        base, nnz = k * cross_start[j], cross_start[j + 1] - cross_start[j]
        for i in range(start[j], start[j + 1]):
            for b in range(k):
                a1[b] = 0.0
                for d in range(b, k):
                    a1[b] += factors[0, d, b] * z[i, d]
            value = 0.0
            for b in range(k):
                for d in range(k):
                    value += a1[b] * own[j, b, d] * a1[d]
            at = 0
            for t in range(column.shape[1]):
                for b in range(widths[t + 1]):
                    a2[at + b] = 0.0
                    for d in range(b, widths[t + 1]):
                        a2[at + b] += factors[t + 1, d, b] * rest[i, at + d]
                    for d in range(k):
                        entry_of = cross[base + d * nnz + local[i, t] + b]
                        value += 2.0 * a1[d] * entry_of * a2[at + b]
                at += widths[t + 1]
            at = 0
            for s in range(column.shape[1]):
                for b in range(widths[s + 1]):
                    row = row_start[column[i, s] + b]
                    to = 0
                    for t in range(column.shape[1]):
                        for d in range(widths[t + 1]):
                            value += a2[at + b] * inverse[row + column[i, t] + d] * a2[to + d]
                        to += widths[t + 1]
                at += widths[s + 1]
            target[i] = value
    return 0
