"""Second derivatives of Laplace's criterion in the coefficients, for one grouping factor.

With x~ what is left of a row's columns when the effects of its level follow the coefficients,
c = w'' v - w' z' Lambda lambda and T the sums of w' (z x z) x~' of a level,

    2 S + sum of c x~ x~' - sum over levels of T' (C x C) T,

S the Schur complement X'WX - B'CB. With x~ = x - F'z, F = C B, all of it follows from sums over the
rows of a level and of all: two passes over X. Weights are observed ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastglm.mixed.algebra import Columns, Schur
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.row_passes import sum_products_of_columns, weigh_products

__all__ = ["Curvature", "coefficient_hessian", "has_closed_hessian", "schur_of"]


def has_closed_hessian(problem: LaplaceProblem) -> bool:
    """Whether these derivatives are those of the problem's criterion."""
    one_factor = len(problem.layout.blocks) == 1 and type(problem) is LaplaceProblem
    return one_factor and (problem.observed or problem.derivatives.family.has_canonical_link)


class Curvature(NamedTuple):
    """In the coefficients of standardised columns, theta fixed.

    Attributes
    ----------
    hessian : ndarray, shape (p, p)
        Second derivatives of the criterion.
    information : ndarray, shape (p, p)
        The Schur complement S, half of what they would be if the modes' weights did not change.
    """

    hessian: np.ndarray
    information: np.ndarray


def coefficient_hessian(problem: LaplaceProblem, state: LaplaceState) -> Curvature:
    """Second derivatives in the coefficients at a point."""
    layout, fixed = problem.layout, problem.fixed
    rows = state.row_curvature
    block, k = layout.blocks[0], layout.k
    pairs = [(a, b) for a in range(k) for b in range(a + 1)]
    (weight, bend), values, own, cubes = _products_of_columns(problem, rows, len(pairs))
    tables = fixed.by_level(values, block.codes, block.q)
    with_weight, with_bend, with_slope = np.split(tables, [k, 2 * k], axis=1)
    covariance = state.factor.level_covariances(0)
    fit = covariance @ with_weight
    schur = fixed.products(weight, weight)[0] - np.tensordot(with_weight, fit, ([0, 1], [0, 1]))
    hessian = 2.0 * schur + fixed.products(bend, bend)[0]
    # What is not symmetric is made so at the end.
    hessian += np.tensordot(fit, own @ fit - 2.0 * with_bend, ([0, 1], [0, 1]))
    left = np.empty((layout.q, k, k, fixed.p))
    for m, (a, b) in enumerate(pairs):
        left[:, a, b] = left[:, b, a] = with_slope[:, m] - (cubes[:, m, None, :] @ fit)[:, 0]
    moved = np.einsum("jac,jbd,jcdp->jabp", covariance, covariance, left, optimize=True)
    hessian -= np.tensordot(left, moved, ([0, 1, 2], [0, 1, 2]))
    return Curvature(0.5 * (hessian + hessian.T), 0.5 * (schur + schur.T))


def _products_of_columns(
    problem: LaplaceProblem, rows: np.ndarray, n_pairs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights of rows, (2, n), and values of `row_passes.weigh_products`, and sums by level.

    `rows`, (n, 3), are by level.
    """
    layout, k = problem.layout, problem.layout.k
    given, values = np.empty((2, layout.n_rows)), np.empty((2 * k + n_pairs, layout.n_rows))
    columns = layout.blocks[0].columns
    problem.run(weigh_products, layout.start, layout.place, columns, rows, given, values)
    own, cubes = np.empty((layout.q, k, k)), np.empty((layout.q, n_pairs, k))
    problem.run(sum_products_of_columns, layout.start, layout.z_planes, rows, own, cubes)
    return given, values, own, cubes


def schur_of(problem: LaplaceProblem, state: LaplaceState, observed: bool = False) -> Schur:
    """Schur complement of the fixed columns, by observed weights or those of the determinant."""
    weight = state.rows.observed if observed else state.determinant_weight
    factor = state.observed_factor if observed else state.factor
    columns = Columns(
        problem.layout, problem.fixed, problem.as_given(weight), np.zeros(weight.size)
    )
    return Schur.of(factor, columns)
