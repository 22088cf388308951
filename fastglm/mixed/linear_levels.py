"""Compiled criterion of a linear mixed model with one grouping factor, from the tables of levels.

What `fastglm.mixed.linear.LinearState` finds by passes for any factors, in two visits of every
level: one for the Schur complement of [X y], one, when coefficients are known, for the gradient.
"""

from __future__ import annotations

import numpy as np

from fastglm.kernels.compiler.decorators import entry
from fastglm.mixed.level_algebra import level_factor, level_inverse

__all__ = ["add_gradient", "eliminate_effects"]


@entry
def eliminate_effects(first, last, chunk, own, columns, factor, roots, effects, schur, logs):
    """Effects H^-1 Lambda'Z'W[X y] of every level, (q, k, p + 1), and what they explain.

    `own`, (q, k, k), and `columns`, (q, k, p + 1), are the tables; `roots` get the Cholesky factors
    of H; the chunk's `schur`, (p + 1, p + 1), the lower triangle of products that they explain, and
    its `logs` the log determinant.
    """
    k, size = columns.shape[1], columns.shape[2]
    work, half = np.empty((k, k)), np.empty((k, size))
    total = 0.0
    for j in range(first, last):
        root = roots[j]
        total += level_factor(own[j], factor, k, root, work)
        for a in range(k):
            for c in range(size):
                half[a, c] = 0.0
            for b in range(a, k):
                for c in range(size):
                    half[a, c] += factor[b, a] * columns[j, b, c]
            for b in range(a):
                for c in range(size):
                    half[a, c] -= root[a, b] * half[b, c]
            for c in range(size):
                half[a, c] /= root[a, a]
        for a in range(k):
            for c in range(size):
                value = half[a, c]
                for d in range(c + 1):
                    schur[chunk, c, d] += value * half[a, d]
        for a in range(k - 1, -1, -1):
            for c in range(size):
                effects[j, a, c] = half[a, c]
            for b in range(a + 1, k):
                for c in range(size):
                    effects[j, a, c] -= root[b, a] * effects[j, b, c]
            for c in range(size):
                effects[j, a, c] /= root[a, a]
    logs[chunk] = total
    return 0


@entry
def add_gradient(first, last, chunk, own, columns, factor, roots, effects, weights, totals):
    """Half the derivatives in the entries of Lambda into the chunk's `totals`, (k, k).

    Those of the log determinant, less Z'W(x - Z Lambda effects) W effects' with `weights` W,
    (p + 1, p + 1), of the columns.
    """
    k, size = columns.shape[1], columns.shape[2]
    inverse, scaled, left = np.empty((k, k)), np.empty((k, k)), np.empty((k, size))
    weighted = np.empty((k, size))
    for j in range(first, last):
        for a in range(k):
            for b in range(k):
                scaled[a, b] = 0.0
                for c in range(b, k):
                    scaled[a, b] += own[j, a, c] * factor[c, b]
        level_inverse(roots[j], k, inverse)
        for a in range(k):
            for c in range(size):
                value = columns[j, a, c]
                for b in range(k):
                    value -= scaled[a, b] * effects[j, b, c]
                left[a, c] = value
            for d in range(size):
                weighted[a, d] = 0.0
            for c in range(size):
                for d in range(size):
                    weighted[a, d] += left[a, c] * weights[c, d]
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += scaled[a, c] * inverse[c, b]
                for c in range(size):
                    value -= weighted[a, c] * effects[j, b, c]
                totals[chunk, a, b] += value
    return 0
