"""Many fits that differ in counts or responses of rows, from the optimum of the fit they vary.

All replicates take steps with the information of the original fit. A step leaves an error of about
1/sqrt(n) of what was there, so a few passes without Gram matrices, each over the rows once for a
tile of replicates, reach the optimum of every replicate. Those that do not get there are left to
the solver.

Passes count in single precision. That costs no digits that matter, because columns come as
directions that are orthogonal, of unit length in every row: each rounding error is a share of a
row's own part of the score, and adds up to about 1e-7 standard errors however collinear the columns
are.
"""

from __future__ import annotations

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, TILE
from fastglm.kernels.blocks.table import SAME_COEFFICIENTS
from fastglm.kernels.resampling.replicates import replicate_scores_kernel
from fastglm.kernels.resampling.residual_polynomials import (
    POLYNOMIAL_BUFFERS,
    POLYNOMIAL_POINTS,
    POLYNOMIAL_TERMS,
    polynomial_kernel,
)
from fastglm.passes.chunks import count_chunks
from fastglm.passes.draws import ResampleCounts, ResponseShifts
from fastglm.passes.products import information, inverse_factor, score_pass
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import to_stored_columns

__all__ = ["LARGEST_BATCH", "Replicates"]

#: Error that may be expected to be left of an estimate, in its standard errors.
TOLERANCE = 3e-6
#: Bound on what polynomials in place of residuals add to it.
POLYNOMIAL_ERROR = 1e-6
#: Standard errors of a linear predictor that polynomials reach.
REACH = 5.0
MAX_PASSES = 12
#: Most replicates at a time.
LARGEST_BATCH = 512
#: Most columns that are cheaper as directions, all of them dense, than as entries if sparse.
MOST_DIRECTIONS = 128
#: Steps that shrink by less than this do not lead to the optimum fast enough.
SLOWEST_CONTRACTION = 0.3


class Replicates:
    """Fits that differ from one in how often each of its rows counts, or in its response.

    Parameters
    ----------
    row_table
        With the weights that the counts multiply.
    family, params, shifted, n_threads
        As for `fastglm.passes.products.information`; the optimum of the original fit.
    groups
        (n,) int64 units of the rows, None if every row is one.
    reference
        The row table of the original fit.
    covariance
        (p, p), of the estimates of samples: how far they are expected from `params`.
    """

    def __init__(
        self,
        row_table: RowTable,
        family: Family,
        params: np.ndarray,
        groups: np.ndarray | None,
        reference: RowTable,
        covariance: np.ndarray,
        *,
        shifted: bool,
        n_threads: int,
    ):
        self.run = score_pass(row_table, family, params, shifted)
        self.row_table, self.params, self.groups = row_table, params, groups
        self.n_threads = n_threads
        standard = self.run.standard
        self.run.table.point(fields.GROUP, groups)
        gram = information(reference, family, params, shifted=shifted, n_threads=n_threads).gram
        kept = ~np.isnan(params)
        spread = standard.to_standardized(standard.to_standardized(np.nan_to_num(covariance)).T)
        dispersion = np.trace(gram @ spread) / np.count_nonzero(kept)
        self.standard_error = np.sqrt(dispersion) if dispersion > 0.0 else 1.0
        self.solvable = True
        try:
            self._choose_coordinates(gram, kept)
        except np.linalg.LinAlgError:
            self.solvable = False
        else:
            self._find_polynomials()

    def _choose_coordinates(self, gram: np.ndarray, kept: np.ndarray) -> None:
        """Coordinates of what replicates add to coefficients, (k,), and their information.

        First come those along directions of the rows, of which the information is the identity;
        then, if there are many columns, the coefficients of sparse ones, for which sums are made in
        double precision.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the columns are too collinear for steps with their information.
        """
        sparse = ~_touches_dense(self.row_table) & (np.count_nonzero(kept) > MOST_DIRECTIONS)
        rest, dense = np.flatnonzero(kept & sparse), np.flatnonzero(kept & ~sparse)
        order = np.concatenate([rest, dense])
        root = np.zeros((order.size, kept.size))
        root[:, order] = inverse_factor(gram[np.ix_(order, order)], np.ones(order.size, bool)).T
        directions, others = root[rest.size :], root[: rest.size]
        self.n_directions = dense.size
        self.basis = np.concatenate([directions, np.eye(kept.size)[rest]])
        self.inverse = np.eye(order.size)
        self.inverse[dense.size :, dense.size :] = (others.T @ others)[np.ix_(rest, rest)]
        self.factor = np.concatenate(
            [_whole_tiles(to_stored_columns(self.row_table, rows)) for rows in (directions, others)]
        )

    def _find_polynomials(self) -> None:
        """Polynomials for linear predictors as near to the fit's as replicates bring them."""
        row_table, table = self.row_table, self.run.table
        nodes, powers = _chebyshev()
        self.limits = np.array([REACH, self.standard_error, POLYNOMIAL_ERROR])
        n_blocks = -(-row_table.n_rows // BLOCK_ROWS)
        self.polynomial = np.zeros((n_blocks, POLYNOMIAL_BUFFERS, BLOCK_ROWS), dtype=np.float32)
        self.polynomial_length = np.empty(n_blocks, dtype=np.int64)
        n_chunks = count_chunks(row_table)
        table.set(fields.N_CHUNKS, n_chunks)
        table.bind_factor(self.factor)
        table.set(fields.N_DIRECTIONS, self.n_directions)
        table.point(fields.POLYNOMIAL, self.polynomial)
        table.point(fields.POLYNOMIAL_LENGTH, self.polynomial_length)
        table.point(fields.POLYNOMIAL_NODES, nodes)
        table.point(fields.POLYNOMIAL_POWERS, powers)
        table.point(fields.POLYNOMIAL_LIMITS, self.limits)
        table.launch(polynomial_kernel, n_chunks, self.n_threads)

    @property
    def residual_scale(self) -> np.ndarray:
        """Factor of the residual of each row in the passes, (n_blocks, BLOCK_ROWS)."""
        return self.polynomial[:, POLYNOMIAL_TERMS] / self.standard_error

    def estimates(
        self, samples: ResampleCounts | ResponseShifts, n_samples: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimates of each of the first B samples.

        Parameters
        ----------
        samples
            Residuals can be added where they do not depend on the coefficients: where the link is
            canonical. Their `residual_scale` is this one's.
        n_samples
            B.

        Returns
        -------
        estimates : ndarray, shape (B, p)
            NaN where aliased in the original fit.
        converged : ndarray of bool, shape (B,)
            The others need the solver.
        """
        if not self.solvable:
            return np.full((n_samples, self.params.size), np.nan), np.zeros(n_samples, dtype=bool)
        moved, converged = self._iterate(samples, n_samples)
        standard = self.run.standard
        start = standard.to_standardized(np.nan_to_num(self.params)[:, None])[:, 0]
        estimates = standard.to_params(start + self.standard_error * moved @ self.basis)
        estimates[:, np.isnan(self.params)] = np.nan
        return estimates, converged

    def _iterate(
        self, samples: ResampleCounts | ResponseShifts, n: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distance of the optimum of each sample from the fit's, and whether it was reached.

        In coordinates, and in units of `standard_error`.
        """
        moved, converged = np.zeros((n, len(self.basis))), np.zeros(n, dtype=bool)
        active, last = np.arange(n), np.full(n, np.inf)
        lbfgs_pairs = _LBFGSPairs(moved.shape)
        for number in range(MAX_PASSES):
            scores, outside = self._scores(samples, active, moved[active], same=number == 0)
            step = lbfgs_pairs.step(active, scores, self.inverse)
            length = np.sqrt(np.maximum((step * scores).sum(axis=1), 0.0))
            moved[active] += step
            with np.errstate(invalid="ignore"):
                # A sample with the optimum of the fit has no step at all.
                contraction = np.where(length > 0.0, length / last[active], 0.0)
            left = length * contraction if number else np.full(active.size, np.inf)
            last[active] = length
            good = (outside == 0.0) & np.isfinite(length)
            done = good & (left <= TOLERANCE)
            converged[active[done]] = True
            active = active[good & ~done & ((contraction < SLOWEST_CONTRACTION) | (number == 0))]
            if active.size == 0:
                break
        return moved, converged

    def _scores(
        self,
        samples: ResampleCounts | ResponseShifts,
        active: np.ndarray,
        moved: np.ndarray,
        same: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of samples that moved so far from the fit, and rows outside the domain."""
        row_table, table, k = self.row_table, self.run.table, self.n_directions
        n = active.size
        # Whole tiles: the last sample stands in for those that are not there.
        padded = np.concatenate([active, np.repeat(active[-1:], -n % TILE)])
        moved = np.concatenate([moved, np.repeat(moved[-1:], -n % TILE, 0)]) / REACH
        steps = np.ascontiguousarray(moved[:, :k], dtype=np.float32)
        rest = to_stored_columns(row_table, moved[:, k:] @ self.basis[k:])
        n_rest = row_table.n_stored - row_table.n_dense if len(self.basis) > k else 0
        width = k + n_rest + 1
        # As many however many replicates there are: sums of one do not depend on the others.
        n_chunks = count_chunks(row_table, 8 * LARGEST_BATCH * width)
        partials = np.zeros((n_chunks, padded.size, width))
        # All replicates read a block of rows while it is in cache, unless threads would be idle.
        parts = -(-self.n_threads // n_chunks)
        per_chunk = -(-padded.size // (TILE * parts)) * TILE
        table.mode = SAME_COEFFICIENTS if same else 0
        table.point(fields.REPLICATE_COUNT, samples.blocks)
        table.set(fields.COUNT_BYTES, samples.blocks.itemsize)
        table.set(fields.N_DRAWN, samples.blocks.shape[1])
        table.point(fields.REPLICATE_STEP, steps)
        table.point(fields.REPLICATE_REST, rest)
        table.set(fields.N_REST, n_rest)
        table.bind_partials(partials)
        table.point(fields.REPLICATE_NUMBER, padded)
        table.set(fields.REPLICATES_PER_CHUNK, per_chunk)
        table.set(fields.N_REPLICATES, padded.size)
        n_parts = -(-padded.size // per_chunk)
        table.launch(replicate_scores_kernel, n_chunks * n_parts, self.n_threads)
        total = partials.sum(axis=0)[:n]
        sparse = np.zeros((n, row_table.n_stored))
        sparse[:, row_table.n_stored - n_rest :] = total[:, k:-1]
        others = self.run.standard.scores(sparse) @ self.basis[k:].T
        return np.concatenate([total[:, :k], others], axis=1), total[:, -1]


def _touches_dense(row_table: RowTable) -> np.ndarray:
    """Which of the model's columns have a dense column of the sweep in them, (p,) bool."""
    start, index, _ = row_table.column_map
    if not start.size:
        return np.arange(row_table.n_columns) < row_table.n_dense
    design_column = np.repeat(np.arange(row_table.n_columns), np.diff(start))
    return np.bincount(design_column[index < row_table.n_dense], minlength=row_table.n_columns) > 0


def _whole_tiles(rows: np.ndarray) -> np.ndarray:
    """With rows of zeros up to a multiple of TILE."""
    return np.pad(rows, ((0, -len(rows) % TILE), (0, 0)))


def _chebyshev() -> tuple[np.ndarray, np.ndarray]:
    """Nodes with what a value at each adds to a series, and the series' polynomials in powers."""
    angles = np.pi * (np.arange(POLYNOMIAL_POINTS) + 0.5) / POLYNOMIAL_POINTS
    shares = np.cos(np.outer(angles, np.arange(POLYNOMIAL_POINTS))) * 2.0 / POLYNOMIAL_POINTS
    shares[:, 0] /= 2.0
    powers = np.zeros((POLYNOMIAL_TERMS, POLYNOMIAL_TERMS))
    for m in range(POLYNOMIAL_TERMS):
        powers[m, : m + 1] = np.polynomial.chebyshev.cheb2poly(np.eye(m + 1)[m])
    return np.column_stack([np.cos(angles), shares]), powers


class _LBFGSPairs:
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
