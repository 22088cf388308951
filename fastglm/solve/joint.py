"""Newton's method for models with several linear predictors that may share coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from fastglm.solve.convergence import PREDICTED_SHARE, STAGNATION, STANDARD_ERROR_SLACK
from fastglm.solve.run import SolverOptions, count_chunks
from fastglm.solve.threads import launch

__all__ = ["JointSolution", "JointSums", "JointSystem", "maximize", "sweep_matrix"]

#: A negative second derivative below this share of the diagonal is as good as none.
RANK_TOLERANCE = 1e-12
SHORTEST_STEP = 2.0**-30
#: Entries of a map up to which it is not worth being sparse.
SMALL_MAP = 100_000
#: Products of columns in a row, over all pairs of predictors, from which on sweeps without them are
#: so much cheaper that several may take the place of one.
COSTLY_PRODUCTS = 1000
#: Half the decrement, relative to twice the log-likelihood, between which steps do that.
KEEP_BELOW, KEEP_ABOVE = 1e-2, 1e-9
#: A step with information of before that leaves more than this share is the last of them.
POOR_GAIN = 0.1
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
    shift, scale
        (n_dense,): the dense columns count as ``(x - shift) * scale``.
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
        shift: np.ndarray,
        scale: np.ndarray,
        n_threads: int = 1,
    ):
        n_predictors, q = len(maps), layout.n_sweep
        self._n_sweep = q
        self.n_params = maps[0].shape[1]
        self._maps = [_compact(each) for each in maps]
        self.n_threads = n_threads
        n_padded = -(-layout.n_dense // TILE) * TILE
        self._order = max(q, n_padded)
        self._n_pairs = n_predictors * (n_predictors + 1) // 2
        size = self._n_pairs * self._order**2 + n_predictors * q + 2
        self._n_chunks = count_chunks(layout, 8 * size)
        self._partials = np.empty((self._n_chunks, size))
        self._beta = np.zeros((n_predictors, self._order))
        self._shape = np.zeros(table_of.N_SHAPES)
        self._shape[: len(shape)] = shape
        self._contexts = self._tabulate(layout, shift, scale)
        self._kept_alive = (layout, shift, scale, extra, offsets)
        self._table = np.zeros(table_of.TABLE_SIZE, dtype=np.int64)
        self._table[table_of.CONTEXTS] = self._contexts.ctypes.data
        self._table[table_of.N_PREDICTORS] = n_predictors
        self._table[table_of.N_EXTRA] = 0 if extra is None else extra.shape[0]
        self._table[table_of.EXTRA] = 0 if extra is None else extra.ctypes.data
        self._table[table_of.OFFSETS] = 0 if offsets is None else offsets.ctypes.data
        self._table[table_of.RESPOND] = respond.address
        self._table[table_of.SHAPE] = self._shape.ctypes.data
        self._table[table_of.JOINT_PARTIALS] = self._partials.ctypes.data

    def _tabulate(self, layout: Layout, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The kernels' table of each predictor, alike but for the address of its coefficients."""
        self._parameters = np.zeros(3)
        contexts = np.tile(layout.context, (len(self._beta), 1))
        contexts[:, slots.N_CHUNKS] = self._n_chunks
        contexts[:, slots.SHIFT] = shift.ctypes.data
        contexts[:, slots.SCALE] = scale.ctypes.data
        contexts[:, slots.PARAMETERS] = self._parameters.ctypes.data
        contexts[:, slots.BETA] = [beta.ctypes.data for beta in self._beta]
        return contexts

    @property
    def has_many_rows(self) -> bool:
        """Whether there is enough to do for several threads."""
        return self._n_chunks > 1

    @property
    def is_information_costly(self) -> bool:
        """Whether most of the time of a sweep goes into its information matrix."""
        return self._n_pairs * self._order * (self._order + 1) // 2 >= COSTLY_PRODUCTS

    def sweep(self, params: np.ndarray, information: bool = True) -> JointSums:
        """One pass over the rows at (m,) coefficients."""
        for beta, (own, matrix) in zip(self._beta, self._maps, strict=True):
            beta[: self._n_sweep] = matrix @ params[own]
        self._table[table_of.INFORMATION] = int(information)
        launch(joint_kernel, self._table, self._n_chunks, self.n_threads)
        sums = self._partials.sum(axis=0)
        first = self._n_pairs * self._order**2
        scores = sums[first:-2].reshape(len(self._maps), self._n_sweep)
        score = np.zeros(self.n_params)
        for (own, matrix), part in zip(self._maps, scores, strict=True):
            score[own] += matrix.T @ part
        log_likelihood = float(sums[-2]) if sums[-1] == 0.0 else -math.inf
        return JointSums(log_likelihood, score, self._information(sums))

    def row_scores(self, params: np.ndarray) -> np.ndarray:
        """Scores of the rows in their predictors, weights included, (K, n)."""
        scores = np.empty((len(self._maps), int(self._contexts[0, slots.N_ROWS])))
        self._table[table_of.ROW_SCORES] = scores.ctypes.data
        self.sweep(params, information=False)
        self._table[table_of.ROW_SCORES] = 0
        return scores

    def _information(self, sums: np.ndarray) -> np.ndarray:
        total, q = np.zeros((self.n_params, self.n_params)), self._n_sweep
        grams = sums[: self._n_pairs * self._order**2].reshape(-1, self._order, self._order)
        pair = 0
        for a, (rows, left) in enumerate(self._maps):
            for b, (columns, right) in enumerate(self._maps[: a + 1]):
                block = left.T @ (right.T @ self._whole(grams[pair][:q, :q])).T
                total[np.ix_(rows, columns)] += block
                if a != b:
                    total[np.ix_(columns, rows)] += block.T
                pair += 1
        return total

    def _whole(self, gram: np.ndarray) -> np.ndarray:
        """The symmetric matrix of what the kernel stores of it."""
        n_dense = int(self._contexts[0, slots.N_DENSE])
        lower = np.tril(gram)
        # Pairs of sparse entries stand on the side that the order of the row's entries says.
        lower[n_dense:, n_dense:] += np.triu(gram[n_dense:, n_dense:], 1).T
        return lower + np.tril(lower, -1).T


def _compact(matrix: scipy.sparse.csr_array) -> tuple[np.ndarray, Any]:
    """The coefficients that a predictor has, and its map from them alone."""
    own = np.unique(matrix.indices)
    few = matrix[:, own]
    return own, few.toarray() if few.shape[0] * own.size <= SMALL_MAP else few


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

    def same_step(self, sums: JointSums) -> np.ndarray:
        """The step of the last information matrix."""
        step = np.empty_like(sums.score)
        solve_factored(self.factor, self.scale, self.pivot, sums.score, step)
        return step

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


def maximize(
    system: JointSystem,
    start: np.ndarray,
    options: SolverOptions,
    on_trial: bool = False,
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
    on_trial
        Whether to give up as soon as a step must be shortened: `start` was not close.

    Returns
    -------
    JointSolution
        Also where the fit did not converge: its status says why.
    """
    ascent = _Ascent(system, start.astype(np.float64), options, on_trial)
    status = ascent.run()
    m, newton = start.size, ascent.newton
    known = newton.is_definite and status in (Status.CONVERGED, Status.MAX_ITERATIONS)
    return JointSolution(
        params=ascent.params,
        covariance=newton.inverse() if known else np.full((m, m), np.nan),
        log_likelihood=ascent.sums.log_likelihood,
        n_iter=ascent.n_iter,
        n_sweeps=ascent.n_sweeps,
        status=status,
    )


class _Ascent:
    """Steps up from a start: where they stand, and the sums there."""

    def __init__(
        self, system: JointSystem, params: np.ndarray, options: SolverOptions, on_trial: bool
    ):
        self.system, self.params, self.options = system, params, options
        self.shortest = 1.0 if on_trial else SHORTEST_STEP
        self.newton = _Newton(params.size)
        self.n_iter = self.n_sweeps = 0
        self.fresh = True
        self.sums = self._sweep(params, True)

    def run(self) -> Status:
        """Climb until the status is known."""
        if not math.isfinite(self.sums.log_likelihood):
            return Status.NO_START
        last = math.inf
        while self.n_iter < self.options.max_iter:
            sums = self.sums
            if not np.isfinite(sums.information).all() or not np.isfinite(sums.score).all():
                return Status.NOT_FINITE
            step = self.newton.step(sums) if self.fresh else self.newton.same_step(sums)
            half = 0.5 * float(step @ sums.score)
            bound = 2.0 * abs(sums.log_likelihood) + 0.1
            definite = self.newton.is_definite
            if self.fresh and definite and self._is_done(half, last, bound):
                self.params = self.params + step
                return Status.CONVERGED
            keeps = definite and self.system.is_information_costly
            keeps = keeps and self._keeps_information(half, last, bound)
            if not self._advance(step, bound, with_information=not keeps):
                return Status.STEP_TOO_SHORT
            last = half
        return Status.MAX_ITERATIONS

    def _is_done(self, half: float, last: float, bound: float) -> bool:
        """Whether half the decrement is negligible after this step, or steps gain no longer."""
        tol = self.options.tol
        target, gain = tol * tol * bound, half / last if last < math.inf else 1.0
        predicted = half * gain <= PREDICTED_SHARE * target and half <= self._settled(bound)
        stagnates = half <= tol * bound and gain > STAGNATION
        return half <= target or predicted or stagnates

    def _settled(self, bound: float) -> float:
        """Half the decrement of a step that changes standard errors by no more than is allowed.

        They come from before the last step. Over few rows one more sweep is not worth the slack.
        """
        slack = STANDARD_ERROR_SLACK if self.system.has_many_rows else 1.0
        return (slack * self.options.tol) ** 2 * bound

    def _keeps_information(self, half: float, last: float, bound: float) -> bool:
        """Whether the next step may be one with this information: it will not be the last."""
        if self.fresh:
            return KEEP_ABOVE * bound < half <= KEEP_BELOW * bound
        gain = half / last
        return (
            gain <= POOR_GAIN
            and half * gain > (STANDARD_ERROR_SLACK * self.options.tol) ** 2 * bound
        )

    def _advance(self, step: np.ndarray, bound: float, with_information: bool) -> bool:
        """Take the step, or a share of it that does not lower the likelihood, if there is one."""
        length = 1.0
        while length >= self.shortest:
            candidate = self.params + length * step
            tried = self._sweep(candidate, with_information)
            if tried.log_likelihood >= self.sums.log_likelihood - ROUNDING * bound:
                self.params, self.sums, self.fresh = candidate, tried, with_information
                self.n_iter += 1
                if self.options.progress is not None:
                    self.options.progress(self.n_sweeps, -2.0 * tried.log_likelihood)
                return True
            length *= 0.5
        return False

    def _sweep(self, params: np.ndarray, information: bool) -> JointSums:
        self.n_sweeps += 1
        return self.system.sweep(params, information)
