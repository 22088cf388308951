"""Second derivatives of Laplace's criterion in the coefficients, for one grouping factor.

With x~ what is left of a row's columns when the effects of its level follow the coefficients,
c = w'' v - w' z' Lambda lambda and T the sums of w' (z x z) x~' of a level,

    2 S + sum of c x~ x~' - sum over levels of T' (C x C) T,

S the Schur complement X'WX - B'CB: one pass over the rows. Weights are observed ones.
"""

from __future__ import annotations

import numpy as np

from fastglm.kernels.compiler.decorators import entry, inlined, inlined_sums
from fastglm.mixed.algebra import Columns, Schur
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState

__all__ = ["coefficient_hessian", "has_closed_hessian", "schur_of"]


@inlined_sums
def leftover(target, x, row, shift, scale, z, i, fit, level, k):
    """Standardised columns of a row less what the effects of its level fit of them."""
    for c in range(target.size):
        target[c] = (x[row, c] - shift[c]) * scale[c]
    for a in range(k):
        factor = z[i, a]
        for c in range(target.size):
            target[c] -= factor * fit[level, a, c]


@inlined_sums
def add_upper(gram, chunk, factor, values):
    """Adds a multiple of the upper triangle of values values'."""
    p = values.size
    for c in range(p):
        scaled = factor * values[c]
        for d in range(c, p):
            gram[chunk, c, d] += scaled * values[d]


@inlined
def subtract_level(gram, chunk, table, inverse, level, k, turned):
    """Subtracts T' (C x C) T of a level."""
    p = gram.shape[1]
    for a in range(k):
        for b in range(k):
            for c in range(p):
                turned[c] = 0.0
            for d in range(k):
                for e in range(k):
                    factor = inverse[level, a, d] * inverse[level, b, e]
                    for c in range(p):
                        turned[c] += factor * table[d, e, c]
            for c in range(p):
                for d in range(c, p):
                    gram[chunk, c, d] -= table[a, b, c] * turned[d]


@entry
def sum_curvatures(
    first, last, chunk, order, start, z, x, shift, scale, fit, inverse, weight_slope, curvature,
    gram,
):  # fmt: skip
    """The chunk's part of the last two sums, upper triangle, (p, p)."""
    k, p = z.shape[1], x.shape[1]
    left, turned, table = np.empty(p), np.empty(p), np.empty((k, k, p))
    for j in range(first, last):
        for a in range(k):
            for b in range(k):
                for c in range(p):
                    table[a, b, c] = 0.0
        for i in range(start[j], start[j + 1]):
            leftover(left, x, order[i], shift, scale, z, i, fit, j, k)
            add_upper(gram, chunk, curvature[i], left)
            for a in range(k):
                for b in range(k):
                    factor = weight_slope[i] * z[i, a] * z[i, b]
                    for c in range(p):
                        table[a, b, c] += factor * left[c]
        subtract_level(gram, chunk, table, inverse, j, k, turned)
    return 0


def has_closed_hessian(problem: LaplaceProblem) -> bool:
    """Whether these derivatives are those of the problem's criterion."""
    one_factor = len(problem.layout.blocks) == 1 and type(problem) is LaplaceProblem
    canonical = problem.derivatives.family.has_canonical_link
    return one_factor and (problem.observed or canonical)


def coefficient_hessian(problem: LaplaceProblem, state: LaplaceState) -> np.ndarray:
    """Second derivatives in the coefficients of standardised columns, (p, p), theta fixed."""
    layout, fixed = problem.layout, problem.fixed
    p = fixed.p
    schur = schur_of(problem, state)
    fit, _ = state.factor.scale(schur.effects[0][:, :, :p], schur.effects[1][:, :p])
    _, _, moved, _ = state._pull
    bend = problem.respond_bend(state)
    curvature = bend * state.leverages - state.rows.observed_slope * moved
    gram = np.zeros((layout.chunks.size - 1, p, p))
    problem.run(
        sum_curvatures, layout.order, layout.start, layout.z, fixed.x, fixed.shift, fixed.scale,
        np.ascontiguousarray(fit), state.factor.level_covariances(0), state.rows.observed_slope,
        curvature, gram,
    )  # fmt: skip
    upper = gram.sum(axis=0)
    return 2.0 * schur.matrix[:p, :p] + upper + np.triu(upper, 1).T


def schur_of(problem: LaplaceProblem, state: LaplaceState, observed: bool = False) -> Schur:
    """Schur complement of the fixed columns, by observed weights or those of the determinant."""
    fixed = problem.fixed
    weight = state.rows.observed if observed else state.determinant_weight
    factor = state.observed_factor if observed else state.factor
    columns = Columns(
        problem.layout, weight, fixed.x, fixed.shift, fixed.scale, np.zeros(weight.size),
        problem.n_threads,
    )  # fmt: skip
    return Schur.of(factor, columns)
