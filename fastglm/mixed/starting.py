"""Where a generalized mixed model begins: the model without its random effects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fastglm.families import Family
from fastglm.mixed.laplace import LaplaceProblem
from fastglm.mixed.rows import MixedRows
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.separation import find_separation, looks_separated
from fastglm.solve.solution import Solution

__all__ = ["Start", "start_of"]


@dataclass(frozen=True, eq=False)
class Start:
    """A start, and what it says of coefficients without a finite estimate.

    Attributes
    ----------
    beta : ndarray, shape (p,)
        Coefficients of standardised columns.
    log_extra : float
        Logarithm of the dispersion or of the family's parameter.
    infinite : dict of str to int
        Signs of coefficients whose estimates are infinite.
    n_separated : int
        Rows that these separate from the others.
    """

    beta: np.ndarray
    log_extra: float
    infinite: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0


def start_of(rows: MixedRows, problem: LaplaceProblem) -> Start:
    """Coefficients of the model without random effects, and the log of the extra parameter.

    A direction of the coefficients that separates the rows does so whatever the random effects
    are: the likelihood of both models rises along it without end.
    """
    if rows.elsewhere is not None:
        return rows.elsewhere.start(problem)
    given, fixed = rows.fixed, problem.fixed
    family = problem.derivatives.family
    if not given.design.n_columns:
        return Start(np.empty(0), _log_dispersion(rows, problem))
    row_table = build_row_table(given.design, given.response, given.prior_weights, given.offset)
    solution = solve(row_table, family, SolverOptions(n_threads=problem.n_threads))
    params = np.nan_to_num(solution.params)[fixed.kept]
    beta = np.linalg.solve(fixed.from_standardized, params) if fixed.p else params
    log_extra = 0.0
    if problem.extra == "dispersion":
        df = max(given.nobs - fixed.p, 1.0)
        log_extra = math.log(max(solution.pearson_chi2 / df, 1e-8))
    infinite, n_separated = _separated(rows, row_table, solution, family, problem.n_threads)
    return Start(beta, log_extra, infinite, n_separated)


def _log_dispersion(rows: MixedRows, problem: LaplaceProblem) -> float:
    """Logarithm of Pearson's estimate at linear predictors that are the offsets."""
    if problem.extra != "dispersion":
        return 0.0
    given, family = rows.fixed, problem.derivatives.family
    mean = family.link.inverse(problem.offset)
    squares = (given.response - mean) ** 2 / family.variance(mean)
    return math.log(max(given.weighted_sum(squares) / given.nobs, 1e-8))


def _separated(
    rows: MixedRows, row_table: RowTable, solution: Solution, family: Family, n_threads: int
) -> tuple[dict[str, int], int]:
    given = rows.fixed
    if not looks_separated(solution, family, given.summary, row_table, n_threads):
        return {}, 0
    found = find_separation(given.design, family, given.response, given.prior_weights, n_threads)
    signs = np.sign(found.direction).astype(int) if found.exists else []
    infinite = {name: int(s) for name, s in zip(given.design.names, signs, strict=False) if s}
    return infinite, found.n_rows if found.exists else 0
