"""Compiled criterion of one grouping factor and its gradient, a level at a time.

Modes, determinants and all that the derivatives need of a level are found while its rows are in
cache: one pass over the linear predictors, from which the derivative in every row's predictor is
left. The formulas are those of `fastglm.mixed.laplace`.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64

from fastglm.kernels.compiler.decorators import entry, inline, noinline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.math.blocked_cholesky import dot
from fastglm.mixed.level_algebra import level_factor, level_inverse
from fastglm.mixed.level_rows import (
    BEND,
    DETERMINANT,
    ETA,
    FORM,
    MOVED,
    N_KEPT,
    OF_RESIDUAL,
    OF_SCORE,
    OF_WEIGHT,
    RHO,
    SCORE,
    SLOPE,
    WEIGHT,
    column_at,
    dot_three,
    family_scratch,
    find_mode,
    gather_level,
    keep_level,
    kept_at,
    longest_level,
    scale_effects,
    solve_level,
    total_of,
    work_space,
)

__all__ = ["sum_criterion"]


@noinline
def weigh_columns(begin, rows, z, values, own):
    """Z' diag(values) Z of a level's rows."""
    for a in range(z.shape[0]):
        for b in range(a + 1):
            own[a, b] = dot_three(values, column_at(z, a, begin), column_at(z, b, begin), rows)
            own[b, a] = own[a, b]


@noinline
def add_forms(begin, rows, z, matrix, target):
    """Z' matrix z of a level's rows into `target`."""
    for i in range(rows):
        target[i] = 0.0
    for a in range(z.shape[0]):
        for b in range(a + 1):
            factor = matrix[a, b] if a == b else 2.0 * matrix[a, b]
            one, other = column_at(z, a, begin), column_at(z, b, begin)
            for i in range(rows):
                target[i] += factor * one[i] * other[i]


@inline
def outer_covariance(factor, inverse, k, work, target):
    """F inverse F' into `target`, F lower triangular."""
    for a in range(k):
        for b in range(k):
            total = 0.0
            for c in range(a + 1):
                total += factor[a, c] * inverse[c, b]
            work[a, b] = total
    for a in range(k):
        for b in range(k):
            total = 0.0
            for c in range(b + 1):
                total += work[a, c] * factor[b, c]
            target[a, b] = total


@inline
def add_totals(factor, k, own, inverse, residuals, u, scores, pull, work, total):
    """Adds a level's derivatives in the entries of Lambda, [a, b] the derivative in that entry."""
    for a in range(k):
        for b in range(k):
            value = 0.0
            for c in range(b, k):
                value += own[a, c] * factor[c, b]
            work[a, b] = value
    for a in range(k):
        for b in range(k):
            value = 0.0
            for c in range(k):
                value += work[a, c] * inverse[c, b]
            total[a, b] += 2.0 * value + residuals[a] * u[b] + scores[a] * pull[b]


@noinline
def pull_level(begin, rows, z, factor, root, kept, pull, effects):
    """Lambda = H^-1 Lambda' Z' (w' v), and Lambda lambda in the rows into MOVED."""
    k = z.shape[0]
    slope, form = kept_at(kept, SLOPE), kept_at(kept, FORM)
    for a in range(k):
        effects[a] = dot_three(slope, form, column_at(z, a, begin), rows)
    for b in range(k):
        pull[b] = 0.0
        for a in range(b, k):
            pull[b] += factor[a, b] * effects[a]
    solve_level(root, k, pull)
    scale_effects(factor, k, pull, effects)
    moved = kept_at(kept, MOVED)
    for i in range(rows):
        moved[i] = 0.0
    for a in range(k):
        b, column = effects[a], column_at(z, a, begin)
        for i in range(rows):
            moved[i] += b * column[i]


@noinline
def leave_residuals(begin, rows, kept, residual, curvature):
    """Derivatives in the predictors; second ones where asked for."""
    slope, form, moved = kept_at(kept, SLOPE), kept_at(kept, FORM), kept_at(kept, MOVED)
    score, weight, rho = kept_at(kept, SCORE), kept_at(kept, WEIGHT), kept_at(kept, RHO)
    target = pointer(residual.ctypes.data + 8 * begin, float64)
    for i in range(rows):
        rho[i] = slope[i] * form[i] - 2.0 * score[i] - weight[i] * moved[i]
        target[i] = rho[i]
    if curvature.shape[0] > 0:
        own, bend = kept_at(kept, DETERMINANT), kept_at(kept, BEND)
        for i in range(rows):
            curvature[begin + i, 0] = own[i]
            curvature[begin + i, 1] = slope[i]
            curvature[begin + i, 2] = bend[i] * form[i] - slope[i] * moved[i]


@inline
def add_extras(deviance, rows, kept, extras):
    """Adds derivatives in the logarithm of a dispersion, and in the family's parameter."""
    form, moved = kept_at(kept, FORM), kept_at(kept, MOVED)
    extras[0] -= deviance + dot(form, kept_at(kept, DETERMINANT), rows)
    extras[0] -= dot(moved, kept_at(kept, SCORE), rows)
    extras[1] += dot(form, kept_at(kept, OF_WEIGHT), rows)
    extras[1] += dot(moved, kept_at(kept, OF_RESIDUAL), rows)
    extras[1] -= 2.0 * total_of(kept_at(kept, OF_SCORE), rows)


@noinline
def finish_level(begin, rows, factor, observed, data, deviance, kept, u, space, more):
    """A level's derivatives from what is kept of its rows; returns its part of the criterion."""
    z, k = data[0], data[0].shape[0]
    effects, _, _, own, root, work = space
    weighted, of_weights, inverse, covariance, pull = more
    penalty = scale_effects(factor, k, u, effects)
    weigh_columns(begin, rows, z, kept_at(kept, DETERMINANT), weighted)
    log_determinant = level_factor(weighted, factor, k, of_weights, work)
    level_inverse(of_weights, k, inverse)
    outer_covariance(factor, inverse, k, work, covariance)
    add_forms(begin, rows, z, covariance, kept_at(kept, FORM))
    if observed:
        pull_level(begin, rows, z, factor, of_weights, kept, pull, effects)
    else:
        weigh_columns(begin, rows, z, kept_at(kept, WEIGHT), own)
        level_factor(own, factor, k, root, work)
        pull_level(begin, rows, z, factor, root, kept, pull, effects)
    return deviance + penalty + log_determinant


@entry
def sum_criterion(
    first, last, chunk, start, order, z, factor, eta, blocks, parameters, y, prior, tolerance,
    observed, with_extras, modes, products, residual, curvature, values, totals, extras, failed,
):  # fmt: skip
    """Criterion and derivatives of the levels of a chunk.

    `modes`, (q, k), are where the search begins, and where it ends; `products`, (q, k, k), get Z'WZ
    of the determinant's weights; `residual`, (n,), gets the
    derivative in every linear predictor; `curvature`, (n, 3) or of no rows, the weights, their
    derivative, and what multiplies products of columns in second derivatives, both by level;
    `values`, `totals`, (k, k), and `extras`, (2,), the chunk's sums: criterion, derivatives in
    Lambda, and, with `with_extras`, those in a dispersion or the family's parameter.
    """
    k, with_bend = z.shape[0], curvature.shape[0] > 0
    scratch, space, data = family_scratch(parameters), work_space(k), (z, blocks, y, prior)
    more = (
        np.empty((k, k)), np.empty((k, k)), np.empty((k, k)), np.empty((k, k)), np.empty(k)
    )  # fmt: skip
    kept = np.empty((N_KEPT, longest_level(first, last, start)))
    effects, score, sums, _, _, work = space
    weighted, _, inverse, _, pull = more
    value, count = 0.0, 0
    for j in range(first, last):
        begin, end = start[j], start[j + 1]
        rows, u, deviance = end - begin, modes[j], math.inf
        gather_level(begin, end, order, eta, kept_at(kept, ETA))
        if find_mode(
            begin, end, factor, kept_at(kept, ETA), data, tolerance, scratch, u, space
        ):  # fmt: skip
            scale_effects(factor, k, u, effects)
            deviance = keep_level(
                begin, end, observed, with_bend, with_extras, data, scratch, kept, effects
            )
        if not math.isfinite(deviance):
            count += 1
            continue
        value += finish_level(begin, rows, factor, observed, data, deviance, kept, u, space, more)
        products[j] = weighted
        leave_residuals(begin, rows, kept, residual, curvature)
        for a in range(k):
            column = column_at(z, a, begin)
            score[a] = dot(kept_at(kept, SCORE), column, rows)
            sums[a] = dot(kept_at(kept, RHO), column, rows)
        add_totals(factor, k, weighted, inverse, sums, u, score, pull, work, totals[chunk])
        if with_extras:
            add_extras(deviance, rows, kept, extras[chunk])
    values[chunk], failed[chunk] = value, count
    return 0
