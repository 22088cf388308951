"""Second derivatives of Laplace's criterion in the coefficients, for one grouping factor.

With x~ what is left of a row's columns when the effects of its level follow the coefficients,
c = w'' v - w' z' Lambda lambda and T the sums of w' (z x z) x~' of a level,

    2 S + sum of c x~ x~' - sum over levels of T' (C x C) T,

S the Schur complement X'WX - B'CB: one pass over the rows. Weights are observed ones.
"""

from __future__ import annotations

import numpy as np

from fastglm.kernels.compiler.decorators import entry
from fastglm.mixed.algebra import Columns, Schur
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState

__all__ = ["coefficient_hessian", "has_closed_hessian", "schur_of"]


@entry
def leave_out(first, last, chunk, start, z, x, fit, target):
    """Columns of rows less what the effects of their level fit of them, into `target`."""
    k, p, begin = z.shape[1], x.shape[1], start[first]
    for j in range(first, last):
        for i in range(start[j], start[j + 1]):
            for c in range(p):
                target[i - begin, c] = x[i, c]
            for a in range(k):
                factor = z[i, a]
                for c in range(p):
                    target[i - begin, c] -= factor * fit[j, a, c]
    return 0


@entry
def sum_slopes(first, last, chunk, start, z, left, slope, target):
    """Sums of w' (z x z) x~' of the levels, (q, k * k, p)."""
    k, p, begin = z.shape[1], left.shape[1], start[first]
    for j in range(first, last):
        for i in range(start[j], start[j + 1]):
            for a in range(k):
                for b in range(k):
                    factor = slope[i] * z[i, a] * z[i, b]
                    for c in range(p):
                        target[j, a * k + b, c] += factor * left[i - begin, c]
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
    hessian = 2.0 * schur.matrix[:p, :p]
    k, cuts, start = layout.k, layout.chunks, layout.start
    slope, fit = state.rows.observed_slope, np.ascontiguousarray(fit)
    tables = np.zeros((layout.q, k * k, p))
    for chunk in range(cuts.size - 1):
        first, last = cuts[chunk], cuts[chunk + 1]
        rows = slice(start[first], start[last])
        left = np.empty((rows.stop - rows.start, p))
        leave_out(first, last, chunk, start, layout.z, fixed.columns, fit, left)
        sum_slopes(first, last, chunk, start, layout.z, left, slope, tables)
        hessian += (curvature[rows, None] * left).T @ left
    inverse = state.factor.level_covariances(0)
    pairs = np.einsum("jac,jbd->jabcd", inverse, inverse).reshape(layout.q, k * k, k * k)
    hessian -= np.tensordot(tables, pairs @ tables, ([0, 1], [0, 1]))
    return 0.5 * (hessian + hessian.T)


def schur_of(problem: LaplaceProblem, state: LaplaceState, observed: bool = False) -> Schur:
    """Schur complement of the fixed columns, by observed weights or those of the determinant."""
    weight = state.rows.observed if observed else state.determinant_weight
    factor = state.observed_factor if observed else state.factor
    nothing = np.zeros(weight.size)
    columns = Columns(problem.layout, weight, problem.fixed.columns, nothing, problem.n_threads)
    return Schur.of(factor, columns)
