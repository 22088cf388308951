"""Coefficients of linear models, refined with scores in twice the working precision.

Iterative refinement with residuals that keep all digits recovers those that a factor of a
collinear design has lost, as long as it has any (Björck, 1996, *Numerical Methods for Least Squares
Problems*, section 2.9).
"""

from __future__ import annotations

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.math.cholesky import solve_factored
from fastglm.kernels.passes.compensated import precise_score_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run, SolverOptions

__all__ = ["refine_linear"]

#: Linear models with this many values are always refined, it takes so little; others from this
#: inflation on.
SMALL_VALUES = 20_000
REFINED_FROM = 1e4
MAX_REFINEMENTS = 8


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
    is_small = run.layout.n_rows * run.layout.n_sweep <= SMALL_VALUES
    if not is_small and run.inflation < REFINED_FROM:
        return None
    theta = run.vectors[at.THETA].astype(np.longdouble)
    column_scale, correction = run.vectors[at.COLUMN_SCALE], np.empty(theta.size)
    root_pivot = np.sqrt(np.maximum(pivot, 1e-300))
    precise_score = _PreciseScore(run)
    last = np.inf
    for _ in range(MAX_REFINEMENTS):
        score = precise_score.evaluate(theta, options.n_threads).astype(np.float64)
        solve_factored(run.factor, column_scale, pivot, score, correction)
        size = np.max(np.abs(correction * root_pivot), initial=0.0)
        if not size < 0.5 * last:
            break
        theta += correction
        last = size
    run.vectors[at.THETA] = theta
    return _unscaled(run, theta)


class _PreciseScore:
    """X'W(y - X theta) of a run's standardised columns, in extended precision."""

    def __init__(self, run: Run):
        n, q = run.layout.n_dense, run.layout.n_sweep
        self.run = run
        self.pairs = np.empty((q, 2))
        self.partials = np.empty((run.n_chunks, q, 2))
        # The kernel standardises in twice the precision: columns are loaded as they came.
        shift, scale = run.scaling.shift, run.scaling.scale
        self.scales = np.concatenate([np.zeros(n), np.ones(n), shift, scale])
        self.context = run.context.copy()
        address = address_of(self.scales)
        self.context[slots.SHIFT] = address
        self.context[slots.SCALE] = address + 8 * n
        self.context[slots.OUTPUT] = address + 16 * n
        self.context[slots.BETA] = address_of(self.pairs)
        self.context[slots.PARTIALS] = address_of(self.partials)

    def evaluate(self, theta: np.ndarray, n_threads: int) -> np.ndarray:
        """At those coefficients, (p,)."""
        layout, sweep = self.run.layout, theta
        start, index, value = layout.transform
        if start.size:
            owner = np.repeat(np.arange(theta.size), np.diff(start))
            sweep = np.zeros(layout.n_sweep, dtype=np.longdouble)
            np.add.at(sweep, index, value * theta[owner])
        self.pairs[:, 0] = sweep
        self.pairs[:, 1] = sweep - self.pairs[:, 0]
        launch(precise_score_kernel, self.context, self.run.n_chunks, n_threads)
        score = self.partials.astype(np.longdouble).sum(axis=(0, 2))
        if not start.size:
            return score
        model = np.zeros(theta.size, dtype=np.longdouble)
        np.add.at(model, owner, value * score[index])
        return model


def _unscaled(run: Run, theta: np.ndarray) -> np.ndarray:
    """`Scaling.to_params` in extended precision: the intercept is a difference of large sums."""
    layout, scaling = run.layout, run.scaling
    params = theta.copy()
    owned = np.flatnonzero(layout.dense_owner >= 0)
    owned = owned[owned != scaling.constant]
    owner = layout.dense_owner[owned]
    params[owner] = theta[owner] * scaling.scale[owned]
    if scaling.constant >= 0:
        intercept = layout.dense_owner[scaling.constant]
        moved = scaling.shift[owned].astype(np.longdouble) @ params[owner]
        params[intercept] = (theta[intercept] - moved) * scaling.scale[scaling.constant]
    return params.astype(np.float64)
