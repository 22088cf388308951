"""Newton's method for models with several linear predictors that may share coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from fastglm.design.layout import Layout
from fastglm.errors import Status
from fastglm.kernels import context as slots
from fastglm.kernels import joint as table_of
from fastglm.kernels.block import TILE
from fastglm.kernels.jit import RowBlock, entry
from fastglm.kernels.joint import joint_kernel
from fastglm.solve.cholesky import factorize, invert, solve_factored
from fastglm.solve.convergence import STAGNATION
from fastglm.solve.run import SolverOptions, count_chunks
from fastglm.solve.scaling import read_sample
from fastglm.solve.threads import launch

__all__ = ["JointSolution", "JointSums", "JointSystem", "maximize", "sweep_matrix", "warm_start"]

#: A negative second derivative below this share of the diagonal is as good as none.
RANK_TOLERANCE = 1e-12
SHORTEST_STEP = 2.0**-30
#: Rows of a sample that is fitted first where there are eight times as many.
SAMPLE_FROM = 1024
SAMPLE_SHARE = 32
SAMPLE_ROWS_PER_PARAMETER = 64
#: A rise of the log-likelihood by less than this share of it is rounding.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class JointSums:
    """What one sweep adds up at m coefficients.

    Attributes
    ----------
    log_likelihood : float
        -inf where a row is outside the domain.
    score : ndarray, shape (m,)
    information : ndarray, shape (m, m)
        Negative second derivatives.
    """

    log_likelihood: float
    score: np.ndarray
    information: np.ndarray


@dataclass(frozen=True, eq=False)
class JointSolution:
    """A maximum of the log-likelihood, or the best point reached.

    Attributes
    ----------
    params : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
        Inverse of the information at `params`.
    log_likelihood : float
    n_iter, n_sweeps : int
    status : Status
    """

    params: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    n_iter: int
    n_sweeps: int
    status: Status


class JointSystem:
    """Rows, their response, and how m coefficients make up K linear predictors.

    Parameters
    ----------
    layout
        Design, response and prior weights; no offset.
    maps
        K matrices, (n_sweep, m): coefficients of the sweep's columns in each predictor.
    respond
        Row block of the response (`fastglm.kernels.joint`).
    extra
        (r, n) further numbers of the rows that the response reads.
    offsets
        (K, n) offsets of the predictors.
    shape
        Up to four parameters of the response.
    n_threads
        From `usable_threads`.
    """

    def __init__(
        self,
        layout: Layout,
        maps: Sequence[scipy.sparse.csr_array],
        respond: RowBlock,
        *,
        extra: np.ndarray | None = None,
        offsets: np.ndarray | None = None,
        shape: Sequence[float] = (),
        n_threads: int = 1,
    ):
        n_predictors, q = len(maps), layout.n_sweep
        self.maps = list(maps)
        self._layout = layout
        self.n_threads = n_threads
        n_padded = -(-layout.n_dense // TILE) * TILE
        self._order = max(q, n_padded)
        self._n_pairs = n_predictors * (n_predictors + 1) // 2
        size = self._n_pairs * self._order**2 + n_predictors * q + 2
        self._n_chunks = count_chunks(layout, 8 * size)
        self._partials = np.empty((self._n_chunks, size))
        self._beta = np.zeros((n_predictors, self._order))
        ones, zeros = np.ones(layout.n_dense), np.zeros(layout.n_dense)
        parameters, self._shape = np.zeros(3), np.zeros(table_of.N_SHAPES)
        self._shape[: len(shape)] = shape
        self._contexts = np.tile(layout.context, (n_predictors, 1))
        self._contexts[:, slots.N_CHUNKS] = self._n_chunks
        self._contexts[:, slots.SHIFT] = zeros.ctypes.data
        self._contexts[:, slots.SCALE] = ones.ctypes.data
        self._contexts[:, slots.PARAMETERS] = parameters.ctypes.data
        for k in range(n_predictors):
            self._contexts[k, slots.BETA] = self._beta[k].ctypes.data
        self._kept_alive = (ones, zeros, parameters, extra, offsets)
        self._table = np.zeros(table_of.TABLE_SIZE, dtype=np.int64)
        self._table[table_of.CONTEXTS] = self._contexts.ctypes.data
        self._table[table_of.N_PREDICTORS] = n_predictors
        self._table[table_of.N_EXTRA] = 0 if extra is None else extra.shape[0]
        self._table[table_of.EXTRA] = 0 if extra is None else extra.ctypes.data
        self._table[table_of.OFFSETS] = 0 if offsets is None else offsets.ctypes.data
        self._table[table_of.RESPOND] = respond.address
        self._table[table_of.SHAPE] = self._shape.ctypes.data
        self._table[table_of.JOINT_PARTIALS] = self._partials.ctypes.data

    @property
    def n_params(self) -> int:
        """Number of coefficients, m."""
        return self.maps[0].shape[1]

    def visit(self, rows: int | None) -> None:
        """Let sweeps visit about that many rows in evenly spaced runs; None is every row."""
        for context in self._contexts:
            read_sample(context, self._layout.n_rows if rows is None else rows)

    def sample_rows(self) -> int:
        """Rows of a sample that is worth fitting first, 0 if none is."""
        rows = max(self._layout.n_rows // SAMPLE_SHARE, SAMPLE_ROWS_PER_PARAMETER * self.n_params)
        return (
            rows if rows * SAMPLE_SHARE // 4 <= self._layout.n_rows and rows >= SAMPLE_FROM else 0
        )

    def sweep(self, params: np.ndarray, information: bool = True) -> JointSums:
        """One pass over the rows at (m,) coefficients."""
        q = self.maps[0].shape[0]
        for beta, matrix in zip(self._beta, self.maps, strict=True):
            beta[:q] = matrix @ params
        self._table[table_of.INFORMATION] = int(information)
        launch(joint_kernel, self._table, self._n_chunks, self.n_threads)
        sums = self._partials.sum(axis=0)
        first = self._n_pairs * self._order**2
        scores = sums[first:-2].reshape(len(self.maps), q)
        score = sum(matrix.T @ part for matrix, part in zip(self.maps, scores, strict=True))
        log_likelihood = float(sums[-2]) if sums[-1] == 0.0 else -math.inf
        return JointSums(log_likelihood, np.asarray(score), self._information(sums, q))

    def _information(self, sums: np.ndarray, q: int) -> np.ndarray:
        total = np.zeros((self.n_params, self.n_params))
        grams = sums[: self._n_pairs * self._order**2].reshape(-1, self._order, self._order)
        pair = 0
        for a, left in enumerate(self.maps):
            for b, right in enumerate(self.maps[: a + 1]):
                block = left.T @ (right.T @ self._whole(grams[pair][:q, :q])).T
                total += block if a == b else block + block.T
                pair += 1
        return total

    def _whole(self, gram: np.ndarray) -> np.ndarray:
        """The symmetric matrix of what the kernel stores of it."""
        n_dense = int(self._contexts[0, slots.N_DENSE])
        lower = np.tril(gram)
        # Pairs of sparse entries stand on the side that the order of the row's entries says.
        lower[n_dense:, n_dense:] += np.triu(gram[n_dense:, n_dense:], 1).T
        return lower + np.tril(lower, -1).T


def sweep_matrix(layout: Layout) -> scipy.sparse.csr_array:
    """The layout's transform, (n_sweep, n_columns): sweep columns to model columns."""
    start, index, value = layout.transform
    if not start.size:
        return scipy.sparse.eye_array(layout.n_sweep, format="csr")
    shape = (layout.n_sweep, layout.n_columns)
    return scipy.sparse.csc_array((value, index, start), shape=shape).tocsr()


@entry
def _newton_step(information, score, factor, scale, pivot, tolerance, step):
    """Solve information step = score; returns the number of pivots that are not positive."""
    failed = factorize(information, factor, scale, pivot, tolerance)
    if failed == 0:
        solve_factored(factor, scale, pivot, score, step)
    return failed


class _Newton:
    """Steps from one information matrix, and its inverse."""

    def __init__(self, m: int):
        self.factor, self.scale, self.pivot = np.zeros((m, m)), np.zeros(m), np.zeros(m)

    def step(self, sums: JointSums) -> np.ndarray:
        """Newton step; where the information is not positive definite, one that still climbs."""
        step = np.empty_like(sums.score)
        failed = _newton_step(
            sums.information,
            sums.score,
            self.factor,
            self.scale,
            self.pivot,
            RANK_TOLERANCE,
            step,
        )
        return step if failed == 0 else _climbing_step(sums)

    def inverse(self) -> np.ndarray:
        """Inverse of the last information matrix."""
        inverse, work = np.empty_like(self.factor), np.empty_like(self.factor)
        invert(self.factor, self.scale, self.pivot, inverse, work)
        return inverse

    @property
    def is_definite(self) -> bool:
        """Whether the last information matrix was positive definite."""
        return bool((self.pivot > 0.0).all())


def _climbing_step(sums: JointSums) -> np.ndarray:
    """The step of the information with its eigenvalues made positive, on unit diagonal."""
    diagonal = np.abs(np.diag(sums.information))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(sums.information * scale * scale[:, None])
    positive = np.maximum(np.abs(values), 1e-4 * np.abs(values).max())
    return scale * (vectors @ ((vectors.T @ (scale * sums.score)) / positive))


def warm_start(system: JointSystem, start: np.ndarray, options: SolverOptions) -> np.ndarray:
    """Coefficients of a sample of the rows where there are many, else `start`.

    A sample may lack what keeps estimates finite: its coefficients are taken only if they are
    better than `start` for all rows.
    """
    rows = system.sample_rows()
    if not rows:
        return start
    system.visit(rows)
    quick = SolverOptions(tol=1e-4, max_iter=15, n_threads=options.n_threads)
    found = maximize(system, start, quick)
    system.visit(None)
    if found.status != Status.CONVERGED:
        return start
    here, there = (
        system.sweep(params, information=False).log_likelihood for params in (start, found.params)
    )
    return found.params if there > here else start


def maximize(
    system: JointSystem,
    start: np.ndarray,
    options: SolverOptions,
) -> JointSolution:
    """Maximise the log-likelihood by Newton's method with step halving.

    Parameters
    ----------
    system
        What is to be fitted.
    start
        (m,) coefficients inside the domain.
    options
        Tolerance on half the Newton decrement, relative to twice the log-likelihood; most steps.

    Returns
    -------
    JointSolution
        Also where the fit did not converge: its status says why.
    """
    params, newton = start.astype(np.float64), _Newton(start.size)
    sums = system.sweep(params)
    n_sweeps, last, status = 1, math.inf, Status.MAX_ITERATIONS
    if not math.isfinite(sums.log_likelihood):
        return _give_up(params, sums, Status.NO_START)
    n_iter = 0
    while n_iter < options.max_iter:
        if not np.isfinite(sums.information).all() or not np.isfinite(sums.score).all():
            return _give_up(params, sums, Status.NOT_FINITE, n_iter, n_sweeps)
        step = newton.step(sums)
        half = 0.5 * float(step @ sums.score)
        bound = 2.0 * abs(sums.log_likelihood) + 0.1
        if newton.is_definite and _is_done(half, last, bound, options.tol):
            params = params + step
            status = Status.CONVERGED
            break
        length, last = 1.0, half
        while True:
            candidate = params + length * step
            tried = system.sweep(candidate)
            n_sweeps += 1
            if tried.log_likelihood >= sums.log_likelihood - ROUNDING * bound:
                break
            length *= 0.5
            if length < SHORTEST_STEP:
                return _give_up(params, sums, Status.STEP_TOO_SHORT, n_iter, n_sweeps)
        params, sums = candidate, tried
        n_iter += 1
        if options.progress is not None:
            options.progress(n_sweeps, -2.0 * sums.log_likelihood)
    covariance = newton.inverse() if newton.is_definite else np.full((start.size,) * 2, np.nan)
    return JointSolution(params, covariance, sums.log_likelihood, n_iter, n_sweeps, status)


def _is_done(half: float, last: float, bound: float, tol: float) -> bool:
    """Whether half the decrement is negligible, or small and steps gain no longer."""
    stagnates = half > STAGNATION * last
    return half <= tol * tol * bound or (half <= tol * bound and stagnates)


def _give_up(
    params: np.ndarray, sums: JointSums, status: Status, n_iter: int = 0, n_sweeps: int = 1
) -> JointSolution:
    unknown = np.full((params.size, params.size), np.nan)
    return JointSolution(params, unknown, sums.log_likelihood, n_iter, n_sweeps, status)
