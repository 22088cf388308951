"""Coefficients of linear models, refined with scores in twice the working precision.

Iterative refinement with residuals that keep all digits recovers those that a factor of a
collinear design has lost, as long as it has any (Björck, 1996, *Numerical Methods for Least Squares
Problems*, section 2.9).
"""

from __future__ import annotations

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.passes.compensated import compensated_score_kernel
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run, SolverOptions

__all__ = ["refine_linear"]

#: Linear models with this many values are always refined, it takes so little; others from this
#: inflation on.
SMALL_VALUES = 20_000
REFINED_FROM = 1e4
MAX_REFINEMENTS = 8
_SCALES = np.array([fields.SHIFT, fields.SCALE, fields.OUTPUT])


def refine_linear(run: Run, family: Family, options: SolverOptions) -> np.ndarray | None:
    """Coefficients of a linear model, refined with scores in twice the working precision.

    Returns
    -------
    ndarray, shape (p,), or None
        Coefficients of the columns as they came, 0 where aliased; None where refining is not
        worth its time, or the model is not linear.
    """
    if not family.is_linear:
        return None
    pivot = run.vectors[at.PIVOT]
    is_small = run.row_table.n_rows * run.row_table.n_stored <= SMALL_VALUES
    if not is_small and run.inflation < REFINED_FROM:
        return None
    coefficients = run.vectors[at.COEFFICIENTS].astype(np.longdouble)
    root_pivot = np.sqrt(np.maximum(pivot, 1e-300))
    compensated_score = _CompensatedScore(run)
    last = np.inf
    for _ in range(MAX_REFINEMENTS):
        score = compensated_score.evaluate(coefficients, options.n_threads).astype(np.float64)
        correction = run.solve(score)
        size = np.max(np.abs(correction * root_pivot), initial=0.0)
        if not size < 0.5 * last:
            break
        coefficients += correction
        last = size
    run.vectors[at.COEFFICIENTS] = coefficients
    return _unscaled(run, coefficients)


class _CompensatedScore:
    """X'W(y - X b) of a run's standardised columns, in extended precision."""

    def __init__(self, run: Run):
        n, q = run.row_table.n_dense, run.row_table.n_stored
        self.run = run
        self.pairs = np.empty((q, 2))
        self.partials = np.empty((run.n_chunks, q, 2))
        # The kernel standardises in twice the precision: columns are loaded as they came.
        shift, scale = run.scaling.shift, run.scaling.scale
        self.scales = np.concatenate([np.zeros(n), np.ones(n), shift, scale])
        self.table = run.table.copy()
        addresses = address_of(self.scales) + 8 * n * np.arange(3)
        self.table.point_pieces(_SCALES, addresses, run.n_chunks)
        self.table.point(fields.BETA, self.pairs)
        self.table.bind_partials(self.partials)

    def evaluate(self, coefficients: np.ndarray, n_threads: int) -> np.ndarray:
        """At those coefficients, (p,)."""
        row_table, sweep = self.run.row_table, coefficients
        start, index, value = row_table.column_map
        if start.size:
            design_column = np.repeat(np.arange(coefficients.size), np.diff(start))
            sweep = np.zeros(row_table.n_stored, dtype=np.longdouble)
            np.add.at(sweep, index, value * coefficients[design_column])
        self.pairs[:, 0] = sweep
        self.pairs[:, 1] = sweep - self.pairs[:, 0]
        self.table.launch(compensated_score_kernel, self.run.n_chunks, n_threads)
        score = self.partials.astype(np.longdouble).sum(axis=(0, 2))
        if not start.size:
            return score
        model = np.zeros(coefficients.size, dtype=np.longdouble)
        np.add.at(model, design_column, value * score[index])
        return model


def _unscaled(run: Run, coefficients: np.ndarray) -> np.ndarray:
    """`Scaling.to_params` in extended precision: the intercept is a difference of large sums."""
    row_table, scaling = run.row_table, run.scaling
    params = coefficients.copy()
    direct_columns = np.flatnonzero(row_table.design_column_of >= 0)
    direct_columns = direct_columns[direct_columns != scaling.constant]
    design_column = row_table.design_column_of[direct_columns]
    params[design_column] = coefficients[design_column] * scaling.scale[direct_columns]
    if scaling.constant >= 0:
        intercept = row_table.design_column_of[scaling.constant]
        moved = scaling.shift[direct_columns].astype(np.longdouble) @ params[design_column]
        params[intercept] = (coefficients[intercept] - moved) * scaling.scale[scaling.constant]
    return params.astype(np.float64)
