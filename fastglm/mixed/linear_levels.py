"""Compiled criterion of a linear mixed model with one grouping factor, from the tables of levels.

What `fastglm.mixed.linear.LinearState` finds by passes for any factors, in two visits of every
level: one for the Schur complement of [X y], one, when coefficients are known, for the gradient.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels.compiler.decorators import entry, inline
from fastglm.mixed.level_algebra import level_factor, level_inverse

__all__ = ["add_gradient", "eliminate_effects", "profile_columns"]


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


@inline
def factor_profiled(gram, parts, root):
    """Cholesky factor of the Gram matrix less the chunks' parts; whether there is one."""
    for i in range(gram.shape[0]):
        for j in range(i + 1):
            value = gram[i, j]
            for chunk in range(parts.shape[0]):
                value -= parts[chunk, i, j]
            for m in range(j):
                value -= root[i, m] * root[j, m]
            if i > j:
                root[i, j] = value / root[j, j]
                continue
            # Written so that a number that is none ends here as well.
            if not value > 0.0:
                return False
            root[i, i] = math.sqrt(value)
    return True


@inline
def inverse_lower(root, p):
    """Inverse of the first p rows and columns of a lower triangle."""
    inverse = np.zeros((p, p))
    for j in range(p):
        inverse[j, j] = 1.0 / root[j, j]
        for i in range(j + 1, p):
            value = 0.0
            for m in range(j, i):
                value -= root[i, m] * inverse[m, j]
            inverse[i, j] = value / root[i, i]
    return inverse


@entry
def profile_columns(gram, parts, logs, df, reml, constant, weights, found):
    """The criterion, profiled over coefficients and sigma, from what effects explain of [X y].

    `gram`, (p + 1, p + 1), less the chunks' `parts` (lower triangles) is factored; `logs` are the
    chunks' log determinants and `constant` what is added to the criterion, which goes to `found`:
    infinite where there is no factor. `weights`, (p + 1, p + 1), get those of the columns in the
    gradient.
    """
    size = gram.shape[0]
    p = size - 1
    root = np.empty((size, size))
    found[0] = math.inf
    if not factor_profiled(gram, parts, root):
        return 0
    log_root = 0.0
    for i in range(p):
        log_root += 2.0 * math.log(root[i, i])
    residual_sum = root[p, p] * root[p, p]
    value = constant + df * (1.0 + math.log(2.0 * math.pi * residual_sum / df))
    for chunk in range(logs.size):
        value += logs[chunk]
    found[0] = value + log_root if reml else value
    inverse, contrast = inverse_lower(root, p), np.ones(size)
    for j in range(p):
        value = 0.0
        for m in range(j, p):
            value -= root[p, m] * inverse[m, j]
        contrast[j] = value
    for i in range(size):
        for j in range(size):
            weights[i, j] = contrast[i] * contrast[j] * (df / residual_sum)
    if reml:
        for i in range(p):
            for j in range(i + 1):
                value = 0.0
                for m in range(i, p):
                    value += inverse[m, i] * inverse[m, j]
                weights[i, j] += value
                if i != j:
                    weights[j, i] += value
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
