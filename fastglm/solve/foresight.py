"""What some chunks of rows tell of all rows, where little is left to tell: it saves a sweep.

Every sweep keeps the sums of each chunk. Some chunks, spread evenly, are swept once more, after the
step or in double precision, and what this changes of their sums stands for what it would change of
those of all rows. Before the last sweep that is the remainder of the score which the Gram matrix of
all rows does not foretell (Jordan, Lee & Yang (2019), "Communication-efficient distributed
statistical inference", *JASA* 114, with the second derivative of all rows beside the first); after
it, what the last step and rounded columns change of the Gram matrix and of Pearson's statistic. The
chunks differ among each other, which tells how far the estimate may be off.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import Status
from fastglm.kernels import context as slots
from fastglm.kernels.context import N_SUMS, NARROWED, SINGLE, SUM_PEARSON, WITH_DIAGONAL, WITH_GRAM
from fastglm.kernels.sweep import sweep_kernel
from fastglm.solve import state as at
from fastglm.solve.chunks import Chunks, clear_of, enough_chunks
from fastglm.solve.convergence import STANDARD_ERROR_SLACK
from fastglm.solve.newton import factor_kernel
from fastglm.solve.run import Run, SolverOptions
from fastglm.solve.threads import launch

__all__ = ["correct_step", "may_foretell", "settle"]

#: Chunks that are swept once more to tell a remainder, and how many there must be of all.
CHUNKS, LEAST_OF_ALL = 16, 8
#: A correction that asks for steps with more than this share of the decrement is not small.
SMALL = 1e-2
#: Sums of these chunks, in proportion, may differ from those of all by this share.
ALIKE = 0.5
#: Share of what standard errors may be off that may be sampling error.
ERROR_SHARE = 0.35


class _Chunks(Chunks):
    """Some chunks of a run, with their sums by name."""

    def __init__(self, run: Run, about: int) -> None:
        super().__init__(run.partials, about)
        self._order, self._q = run.layout.gram_order, run.layout.n_sweep

    @property
    def grams(self) -> np.ndarray:
        """Gram matrices of dense columns, (k, q, q), up to their diagonals."""
        order, q = self._order, self._q
        return self.sums[:, : order * order].reshape(-1, order, order)[:, :q, :q]

    @property
    def scores(self) -> np.ndarray:
        """Scores, (k, q)."""
        first = self._order * self._order
        return self.sums[:, first : first + self._q]


def may_foretell(run: Run) -> bool:
    """Whether there are chunks enough."""
    return run.n_chunks >= LEAST_OF_ALL


def correct_step(run: Run, start: np.ndarray, options: SolverOptions) -> bool:
    """Adds to the step of all rows what some chunks tell, if it is little; where THETA leads.

    The run, of dense columns alone, has made one sweep in single precision, with a Gram matrix, at
    the coefficients `start`, (p,), and its link is canonical. Returns whether the chunks will be
    able to settle a sweep that follows.
    """
    chunks, vectors = _Chunks(run, CHUNKS), run.vectors
    k, below, scores = len(chunks.sums), np.tril(chunks.grams), chunks.scores.copy()
    vectors[at.THETA] = reached = vectors[at.CANDIDATE].astype(np.float32).astype(np.float64)
    moved = reached - start
    diagonals = np.diagonal(below, axis1=1, axis2=2)
    foretold = below @ moved + np.swapaxes(below, 1, 2) @ moved - diagonals * moved
    run.write_beta(reached)
    run.set_precision(single=True)
    chunks.visit(sweep_kernel, run.context, SINGLE | WITH_DIAGONAL, options.n_threads)
    run.set_precision(single=False)
    remainders = chunks.weight * (chunks.scores - scores + foretold)
    # The step itself has been rounded: what the Gram matrix foretells is not quite zero.
    score = vectors[at.SCORE] - run.gram @ moved + remainders.sum(axis=0)
    errors = (remainders - remainders.mean(axis=0)).T * math.sqrt(k / (k - 1))
    solved = np.linalg.solve(run.gram, np.column_stack([score, errors]))
    further, decrement = solved[:, 0], run.state[at.DECREMENT]
    diagonal = run.gram.diagonal()
    unlike = np.abs(chunks.weight * diagonals.sum(axis=0) - diagonal)
    if not (further @ score <= SMALL * decrement and (unlike <= ALIKE * diagonal).all()):
        return False
    vectors[at.THETA] = reached + further
    # What the chunks will be asked after a step as long as the error of this correction.
    changes = np.diagonal(chunks.grams, axis1=1, axis2=2) - diagonals
    length = math.sqrt((errors * solved[:, 1:]).sum() / decrement)
    error = length * (chunks.error_of(changes) / diagonal).max()
    return bool(error <= ERROR_SHARE * STANDARD_ERROR_SLACK * options.tol)


def settle(run: Run, options: SolverOptions) -> bool:
    """Brings the uncertainty of a run that has converged to its result; False if a sweep must.

    Its sums are those before the last step, and its Gram matrix may be narrowed. What the step and
    double precision change in some chunks is added in proportion, where that is certain enough.
    """
    state, context = run.state, run.context
    allowed = STANDARD_ERROR_SLACK * options.tol
    is_narrowed = bool(context[slots.MODE] & NARROWED)
    is_left = state[at.UNCERTAINTY_SLACK] > STANDARD_ERROR_SLACK and state[at.UNSETTLED] > allowed
    if run.status != Status.CONVERGED or not (is_left or is_narrowed):
        return True
    few = enough_chunks(run.n_chunks, run.layout.n_rows)
    chunks = _Chunks(run, max(CHUNKS, few) if is_left else few)
    total, q, order = run.partials[0], run.layout.n_sweep, run.layout.gram_order
    gram, pearson = slice(order * order), total.size - N_SUMS + SUM_PEARSON
    changes_gram = is_narrowed or not run.has_constant_weights
    if is_narrowed and not total[gram].any():
        # Weights are constant: a sweep before the last had the Gram matrix.
        total[gram].reshape(order, order)[:q, :q] = run.gram
        run.write_beta(run.vectors[at.CANDIDATE])
        chunks.visit(sweep_kernel, context, WITH_GRAM | NARROWED, options.n_threads)
    before = chunks.sums.copy()
    run.write_beta(run.vectors[at.THETA])
    mode = WITH_GRAM if changes_gram else 0
    chunks.visit(sweep_kernel, context, mode, options.n_threads)
    change = chunks.sums - before
    watched = np.arange(q) * (order + 1) if changes_gram else np.arange(0)
    if run.pearson_weight:
        watched = np.append(watched, pearson)
    watched = watched[total[watched] > 0.0]
    errors, size = chunks.error_of(change), total[watched]
    error = errors[watched]
    if is_left:
        # Rows unlike those of the chunks, however few, have a change of their own.
        unlike = np.abs(chunks.weight * before[:, watched].sum(axis=0) - size)
        error = np.maximum(error, state[at.UNSETTLED] * unlike)
    if not (error <= ERROR_SHARE * allowed * size).all():
        state[at.UNCERTAINTY_SLACK] = STANDARD_ERROR_SLACK
        run.go_on_precisely(narrowed=False)
        return False
    change = chunks.weight * change.sum(axis=0)
    if not is_left:
        change = clear_of(change, errors)
    total[pearson] += change[pearson]
    state[at.PEARSON] = total[pearson]
    if changes_gram:
        total[gram] += change[gram]
        launch(factor_kernel, context, 1, 1)
    return True
