"""Many fits that differ in how often each row counts, from the optimum of the fit they vary.

All replicates take steps with the information of the original fit. A step leaves an error of about
1/sqrt(n) of what was there, so a few passes without Gram matrices, each over the rows once for a
tile of replicates, reach the optimum of every replicate. Those that do not get there are left to
the solver.
"""

from __future__ import annotations

import numpy as np

from fastglm.design.layout import Layout
from fastglm.families import Family
from fastglm.kernels import context as slots
from fastglm.kernels.block import TILE
from fastglm.kernels.context import SAME_COEFFICIENTS
from fastglm.kernels.curves import CURVE_TERMS, curve_kernel
from fastglm.kernels.planes import BLOCK_ROWS
from fastglm.kernels.quadratic import quadratic_stage
from fastglm.kernels.replicates import replicate_scores_kernel
from fastglm.solve.draws import Counts
from fastglm.solve.products import information, inverse_factor, score_pass
from fastglm.solve.rows import in_tiles, to_sweep_columns
from fastglm.solve.run import count_chunks
from fastglm.solve.threads import launch

__all__ = ["Replicates"]

#: Replicates that read a block of rows while it is in cache.
REPLICATES_PER_CHUNK = 128
#: Bound on the error that is left of an estimate, in its standard errors.
TOLERANCE = 5e-6
#: Part of it that comes from polynomials in place of residuals.
CURVE_ERROR = 1e-6
#: Standard errors of a linear predictor that polynomials reach.
REACH = 5.0
MAX_PASSES = 12
#: Steps that shrink by less than this do not lead to the optimum fast enough.
SLOWEST_GAIN = 0.3


class Replicates:
    """Fits that differ from one in how often each of its rows counts.

    Parameters
    ----------
    layout
        With the weights that the counts multiply.
    family, params, shifted, n_threads
        As for `fastglm.solve.products.information`; the optimum of the original fit.
    groups
        (n,) int64 units of the rows, None if every row is one.
    reference
        The layout of the original fit.
    covariance
        (p, p), of the estimates of samples: how far they are expected from `params`.
    """

    def __init__(
        self,
        layout: Layout,
        family: Family,
        params: np.ndarray,
        groups: np.ndarray | None,
        reference: Layout,
        covariance: np.ndarray,
        *,
        shifted: bool,
        n_threads: int,
    ):
        self.run = score_pass(layout, family, params, shifted)
        self.layout, self.params, self.groups = layout, params, groups
        self.n_threads = n_threads
        standard, context = self.run.standard, self.run.context
        context[slots.GROUP] = 0 if groups is None else groups.ctypes.data
        self.gram = information(
            reference, family, params, shifted=shifted, n_threads=n_threads
        ).gram
        root = inverse_factor(self.gram, ~np.isnan(params)).T
        self.inverse = root.T @ root
        spread = standard.lift(standard.lift(np.nan_to_num(covariance)).T)
        self._find_curves(root, np.trace(self.gram @ spread) / np.count_nonzero(~np.isnan(params)))

    def _find_curves(self, root: np.ndarray, dispersion: float) -> None:
        """Polynomials for linear predictors as near to the fit's as replicates bring them."""
        layout, context = self.layout, self.run.context
        factor = in_tiles(to_sweep_columns(layout, root))
        nodes, limits = _curve_nodes(), np.array([REACH * np.sqrt(dispersion), CURVE_ERROR])
        self.curve = np.empty((CURVE_TERMS + 1, layout.n_rows))
        self.holds = np.empty(-(-layout.n_rows // BLOCK_ROWS), dtype=np.int64)
        context[slots.N_CHUNKS] = count_chunks(layout)
        context[slots.FACTOR] = factor.ctypes.data
        context[slots.N_FACTOR] = factor.shape[0]
        context[slots.QUADRATIC] = quadratic_stage.address
        context[slots.CURVE] = self.curve.ctypes.data
        context[slots.CURVE_HOLDS] = self.holds.ctypes.data
        context[slots.CURVE_NODES] = nodes.ctypes.data
        context[slots.CURVE_LIMITS] = limits.ctypes.data
        launch(curve_kernel, context, int(context[slots.N_CHUNKS]), self.n_threads)

    def estimates(self, counts: Counts, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Estimates of each of the first B samples.

        Returns
        -------
        estimates : ndarray, shape (B, p)
            NaN where aliased in the original fit.
        converged : ndarray of bool, shape (B,)
            The others need the solver.
        """
        moved, converged = self._iterate(counts, n_samples)
        standard = self.run.standard
        start = standard.lift(np.nan_to_num(self.params)[:, None])[:, 0]
        estimates = standard.to_params(start + moved)
        estimates[:, np.isnan(self.params)] = np.nan
        return estimates, converged

    def _iterate(self, counts: Counts, n: int) -> tuple[np.ndarray, np.ndarray]:
        """How far the optimum of each sample is from the fit's, and whether it was reached."""
        moved, converged = np.zeros((n, len(self.gram))), np.zeros(n, dtype=bool)
        active, last = np.arange(n), np.full(n, np.inf)
        secants = _Secants(moved.shape)
        for number in range(MAX_PASSES):
            scores, outside = self._scores(counts, active, moved[active], same=number == 0)
            step = secants.step(active, scores, self.inverse)
            length = np.sqrt(np.maximum((step * scores).sum(axis=1), 0.0))
            moved[active] += step
            gain = length / last[active]
            left = length * gain if number else np.full(active.size, np.inf)
            last[active] = length
            good = (outside == 0.0) & np.isfinite(length)
            done = good & (left <= TOLERANCE)
            converged[active[done]] = True
            active = active[good & ~done & ((gain < SLOWEST_GAIN) | (number == 0))]
            if active.size == 0:
                break
        return moved, converged

    def _scores(
        self, counts: Counts, active: np.ndarray, moved: np.ndarray, same: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of samples that moved so far from the fit, and rows outside the domain.

        Scores are those of the model's standardised columns, (b, p).
        """
        layout, context = self.layout, self.run.context
        n = active.size
        # Whole tiles: the last sample stands in for those that are not there.
        padded = np.concatenate([active, np.repeat(active[-1:], -n % TILE)])
        steps = np.concatenate([moved, np.repeat(moved[-1:], -n % TILE, 0)])
        steps = to_sweep_columns(layout, steps)
        partials = np.zeros((padded.size, layout.gram_order + 1))
        per_thread = -(-padded.size // (TILE * self.n_threads)) * TILE
        per_chunk = min(REPLICATES_PER_CHUNK, per_thread)
        context[slots.MODE] = SAME_COEFFICIENTS if same else 0
        context[slots.REPLICATE_COUNT] = counts.blocks.ctypes.data
        context[slots.COUNT_BYTES] = counts.blocks.itemsize
        context[slots.N_DRAWN] = counts.blocks.shape[1]
        context[slots.REPLICATE_STEP] = steps.ctypes.data
        context[slots.PARTIALS] = partials.ctypes.data
        context[slots.REPLICATE_NUMBER] = padded.ctypes.data
        context[slots.REPLICATES_PER_CHUNK] = per_chunk
        context[slots.N_REPLICATES] = padded.size
        launch(replicate_scores_kernel, context, -(-padded.size // per_chunk), self.n_threads)
        scores, outside = partials[:n, : layout.n_sweep], partials[:n, -1]
        return self.run.standard.scores(scores), outside


def _curve_nodes() -> np.ndarray:
    """Chebyshev's nodes, and what a value at each adds to the coefficients of the polynomial."""
    nodes = np.cos(np.pi * (np.arange(CURVE_TERMS) + 0.5) / CURVE_TERMS)
    shares = np.linalg.inv(np.vander(nodes, increasing=True)).T
    return np.ascontiguousarray(np.column_stack([nodes, shares]))


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

    def step(self, active: np.ndarray, scores: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """Steps of the active replicates, from the inverse information of the fit."""
        if self.n_steps:
            moved = np.zeros_like(self.last_step)
            moved[active] = self.last_scores[active] - scores
            curvature = (moved * self.last_step).sum(axis=1)
            usable = curvature > 0.0
            weight = np.where(usable, 1.0 / np.where(usable, curvature, 1.0), 0.0)
            self.pairs.append((self.last_step.copy(), moved, weight))
        rest, shares = scores.copy(), []
        for step, moved, weight in reversed(self.pairs):
            share = weight[active] * (step[active] * rest).sum(axis=1)
            rest -= share[:, None] * moved[active]
            shares.append(share)
        result = rest @ inverse
        for (step, moved, weight), share in zip(self.pairs, reversed(shares), strict=True):
            other = weight[active] * (moved[active] * result).sum(axis=1)
            result += (share - other)[:, None] * step[active]
        self.last_step[active], self.last_scores[active] = result, scores
        self.n_steps += 1
        return result
