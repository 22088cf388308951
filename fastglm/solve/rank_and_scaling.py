"""Rank, constant, shifts and scales of a design, from one pass before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.design.frames.missing import require_finite_design
from fastglm.design.matrix.parts import Design
from fastglm.errors import Status
from fastglm.families import Gaussian
from fastglm.passes.row_table import build_row_table
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.passes.standardized import StandardizedColumns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.newton.run import Run
from fastglm.solve.qr_refinement import aliased_combinations, is_ill_conditioned

__all__ = ["Columns", "rank_and_scaling"]

#: From here on columns are looked at more closely: weights of a fit may inflate variances further.
MOST_INFLATION = 1e6


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a design.

    Attributes
    ----------
    standard : StandardizedColumns
        How they are standardised.
    back : ndarray, shape (p, p)
        From coefficients of the standardised columns to coefficients.
    aliased : ndarray of bool, shape (p,)
        Which are combinations of earlier ones.
    constant : int or None
        The one that is constant, if there is one.
    is_collinear : bool
        Whether columns that are not aliased may be too nearly so for sums of their products.
    """

    standard: StandardizedColumns
    from_standardized: np.ndarray
    aliased: np.ndarray
    constant: int | None
    is_collinear: bool

    def constant_at(self, value: float) -> np.ndarray | None:
        """Coefficients, (p,), of a linear predictor of that value; None without a constant."""
        if self.constant is None or self.aliased[self.constant]:
            return None
        return self.from_standardized[:, self.constant] * value


def rank_and_scaling(design: Design, weights: np.ndarray | None, n_threads: int) -> Columns:
    """Constant, combinations of earlier columns, shifts and scales, from one pass over the rows.

    Parameters
    ----------
    design
        Of n rows.
    weights
        (n,) prior weights; None for all ones.
    n_threads
        From `usable_threads`.

    Raises
    ------
    DataError
        If a value is not finite.
    """
    target = np.arange(design.n_rows, dtype=np.float64)
    row_table = build_row_table(design, target, weights)
    for shifted in (True, False):
        run = Run(MemoryRows(row_table), find_scaling(row_table, shifted), Gaussian(), False)
        run.start_from_response(None)
        run.sweep_and_step(n_threads)
        constant = run.scaling.constant
        design_column = None if constant < 0 else int(row_table.design_column_of[constant])
        # A shift needs a constant that is one.
        if run.status != Status.NOT_CONSTANT:
            break
    if run.status == Status.NOT_FINITE:
        require_finite_design(design)
    aliased = run.aliased
    options = SolverOptions(n_threads=n_threads)
    run.invert()
    is_collinear = not run.inflation <= MOST_INFLATION
    if is_ill_conditioned(run, Gaussian(), options):
        exact = solve(row_table, Gaussian(), options)
        aliased = np.isnan(exact.params)
        is_collinear |= bool((aliased != run.aliased).any())
    standard = StandardizedColumns(run.scaling, row_table)
    from_standardized = standard.from_standardized
    if design_column is not None and aliased[design_column]:
        # What shifts add to an intercept that goes belongs to the columns that add up to it.
        from_standardized = from_standardized + np.outer(
            aliased_combinations(run)[design_column], from_standardized[design_column]
        )
    return Columns(standard, from_standardized, aliased, design_column, is_collinear)
