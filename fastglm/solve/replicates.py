"""Many fits that differ in how often each row counts, from the optimum of the fit they vary.

All replicates take steps with the information of the original fit. A step leaves an error of about
1/sqrt(n) of what was there, so a few passes without Gram matrices, each over the rows once for a
tile of replicates, reach the optimum of every replicate. Those that do not get there are left to
the solver.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastglm.design.layout import Layout
from fastglm.families import Family
from fastglm.kernels import context as slots
from fastglm.kernels.block import TILE
from fastglm.kernels.context import SAME_COEFFICIENTS
from fastglm.kernels.replicates import draw_kernel, replicate_scores_kernel
from fastglm.solve.products import Pass, information
from fastglm.solve.rows import to_sweep_columns
from fastglm.solve.threads import launch

__all__ = ["draw_counts", "replicate_estimates"]

#: Solves with the information of the original fit, row by row.
Solver = Callable[[np.ndarray], np.ndarray]
#: Replicates that read a block of rows while it is in cache.
REPLICATES_PER_CHUNK = 32
#: Bound on the error that is left of an estimate, in its standard errors.
TOLERANCE = 5e-6
MAX_PASSES = 12
#: Steps that shrink by less than this do not lead to the optimum fast enough.
SLOWEST_GAIN = 0.3


def draw_counts(seeds: np.ndarray, n_units: int, n_threads: int) -> np.ndarray:
    """How often each unit is drawn in `n_units` draws with replacement.

    Parameters
    ----------
    seeds
        (B,) uint64, one for each replicate; the counts depend on nothing else.
    n_units
        Rows, or groups of rows.
    n_threads
        From `usable_threads`.

    Returns
    -------
    ndarray of int32, shape (B, n_units)
    """
    counts = np.empty((seeds.size, n_units), dtype=np.int32)
    context = np.zeros(slots.CONTEXT_SIZE, dtype=np.int64)
    context[slots.N_GROUPS] = n_units
    context[slots.REPLICATE_SEED] = seeds.ctypes.data
    context[slots.REPLICATE_COUNT] = counts.ctypes.data
    launch(draw_kernel, context, seeds.size, n_threads)
    return counts


def replicate_estimates(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    counts: np.ndarray,
    groups: np.ndarray | None,
    reference: Layout,
    *,
    shifted: bool,
    binary: bool,
    n_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates with every row counted so often.

    Parameters
    ----------
    layout
        With the weights that the counts multiply.
    family, params, shifted, n_threads
        As for `fastglm.solve.products.information`; the optimum of the original fit.
    counts
        (B, number of units) int32.
    groups
        (n,) int64 units of the rows, None if every row is one.
    reference
        The layout of the original fit.
    binary
        Whether every response is exactly 0 or 1.

    Returns
    -------
    estimates : ndarray, shape (B, p)
        NaN where aliased in the original fit.
    converged : ndarray of bool, shape (B,)
        The others need the solver.
    """
    passes = _Passes(layout, family, params, counts, groups, shifted, binary, n_threads)
    gram = information(reference, family, params, shifted=shifted, n_threads=n_threads).gram
    solve_gram = _solver(gram, ~np.isnan(params))
    standard = passes.run.standard
    theta = np.tile(standard.lift(np.nan_to_num(params)[:, None])[:, 0], (len(counts), 1))
    converged = np.zeros(len(counts), dtype=bool)
    active = np.arange(len(counts))
    last = np.full(len(counts), np.inf)
    secants = _Secants(theta.shape)
    for number in range(MAX_PASSES):
        scores, outside = passes.scores(active, theta[active], same=number == 0)
        step = secants.step(active, scores, solve_gram)
        length = np.sqrt(np.maximum((step * scores).sum(axis=1), 0.0))
        theta[active] += step
        gain = length / last[active]
        left = length * gain if number else np.full(active.size, np.inf)
        last[active] = length
        good = (outside == 0.0) & np.isfinite(length)
        done = good & (left <= TOLERANCE)
        converged[active[done]] = True
        active = active[good & ~done & ((gain < SLOWEST_GAIN) | (number == 0))]
        if active.size == 0:
            break
    estimates = standard.to_params(theta)
    estimates[:, np.isnan(params)] = np.nan
    return estimates, converged


def _solver(gram: np.ndarray, kept: np.ndarray) -> Solver:
    """A function that solves gram x = row for every row; 0 where not kept."""
    scale = np.where(kept, 1.0 / np.sqrt(np.where(kept, np.diag(gram), 1.0)), 0.0)
    inverse = np.zeros_like(gram)
    block = np.ix_(kept, kept)
    inverse[block] = np.linalg.inv((gram * np.outer(scale, scale))[block])
    inverse *= np.outer(scale, scale)
    return lambda rows: rows @ inverse


class _Secants:
    """Steps that learn how the information of each replicate differs, from its earlier steps.

    The recursion of limited-memory BFGS (Nocedal & Wright, *Numerical Optimization*, algorithm
    7.4), for all replicates together.
    """

    def __init__(self, shape: tuple[int, int]):
        self.last_step = np.zeros(shape)
        self.last_scores = np.zeros(shape)
        self.pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.n_steps = 0

    def step(self, active: np.ndarray, scores: np.ndarray, solve_gram: Solver) -> np.ndarray:
        """Steps of the active replicates."""
        if self.n_steps:
            moved = np.zeros_like(self.last_step)
            moved[active] = self.last_scores[active] - scores
            curvature = (moved * self.last_step).sum(axis=1)
            usable = curvature > 0.0
            inverse = np.where(usable, 1.0 / np.where(usable, curvature, 1.0), 0.0)
            self.pairs.append((self.last_step.copy(), moved, inverse))
        rest, shares = scores.copy(), []
        for step, moved, inverse in reversed(self.pairs):
            share = inverse[active] * (step[active] * rest).sum(axis=1)
            rest -= share[:, None] * moved[active]
            shares.append(share)
        result = solve_gram(rest)
        for (step, moved, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            other = inverse[active] * (moved[active] * result).sum(axis=1)
            result += (share - other)[:, None] * step[active]
        self.last_step[active], self.last_scores[active] = result, scores
        self.n_steps += 1
        return result


class _Passes:
    """Passes over the rows that give the score of every replicate."""

    def __init__(
        self,
        layout: Layout,
        family: Family,
        params: np.ndarray,
        counts: np.ndarray,
        groups: np.ndarray | None,
        shifted: bool,
        binary: bool,
        n_threads: int,
    ):
        self.run = Pass(layout, family, params, shifted)
        self.layout = layout
        self.n_threads = n_threads
        self.kept_alive = (counts, groups)
        context = self.run.context
        context[slots.RESPOND_ROWS] = family.respond_rows_for(binary).address
        context[slots.REPLICATE_COUNT] = counts.ctypes.data
        context[slots.N_GROUPS] = counts.shape[1]
        if groups is not None:
            context[slots.GROUP] = groups.ctypes.data

    def scores(
        self, active: np.ndarray, theta: np.ndarray, same: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the model's standardised columns, (b, p), and rows outside the domain."""
        layout, context = self.layout, self.run.context
        n = active.size
        # Whole tiles: the last replicate stands in for those that are not there.
        padded = np.concatenate([active, np.repeat(active[-1:], -n % TILE)])
        beta = to_sweep_columns(
            layout, np.concatenate([theta, np.repeat(theta[-1:], -n % TILE, 0)])
        )
        order = max(layout.n_sweep, -(-layout.n_dense // TILE) * TILE)
        partials = np.zeros((padded.size, order + 1))
        per_thread = -(-padded.size // (TILE * self.n_threads)) * TILE
        per_chunk = min(REPLICATES_PER_CHUNK, per_thread)
        context[slots.MODE] = SAME_COEFFICIENTS if same else 0
        context[slots.BETA] = beta.ctypes.data
        context[slots.PARTIALS] = partials.ctypes.data
        context[slots.REPLICATE_NUMBER] = padded.ctypes.data
        context[slots.REPLICATES_PER_CHUNK] = per_chunk
        context[slots.N_REPLICATES] = padded.size
        launch(replicate_scores_kernel, context, -(-padded.size // per_chunk), self.n_threads)
        scores, outside = partials[:n, : layout.n_sweep], partials[:n, -1]
        return self.run.standard.scores(scores), outside
