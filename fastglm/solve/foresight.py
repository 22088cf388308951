"""What a few chunks of rows tell of all rows after a step, which saves a sweep of them.

Every sweep keeps the sums of each chunk. Some chunks, spread evenly, are swept once more after the
step. What changed in their sums stands for what would change in those of all rows: not for the
change itself, which the score and the Gram matrix of all rows foretell, but for the small remainder
that these do not. Jordan, Lee & Yang (2019), "Communication-efficient distributed statistical
inference", *JASA* 114, with the second derivative of all rows beside the first.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import Status
from fastglm.kernels import context as slots
from fastglm.kernels.context import N_SUMS, SINGLE, SUM_PEARSON, WITH_GRAM
from fastglm.kernels.sweep import sweep_kernel
from fastglm.solve import state as at
from fastglm.solve.convergence import STANDARD_ERROR_SLACK
from fastglm.solve.newton import factor_kernel
from fastglm.solve.run import Run, SolverOptions
from fastglm.solve.threads import launch

__all__ = ["correct_step", "may_foretell", "settle"]

#: Chunks that are swept once more: in single precision before the sweep that is to be the last, and
#: after it.
CHUNKS_BEFORE, CHUNKS_AFTER = 16, 8
#: A correction that asks for steps with more than this share of the decrement is not small.
SMALL = 1e-2
#: Sums of these chunks, in proportion, may differ from those of all by this share.
ALIKE = 0.5
#: Share of what standard errors may be off that may be sampling error.
ERROR_SHARE = 0.5


class _Chunks:
    """Some chunks of a run, and their sums, (k, sums of a chunk), as the last sweep left them.

    The first chunk, where those of all are added up, is none of them.
    """

    def __init__(self, run: Run, about: int) -> None:
        self._run = run
        self._step = max(2, run.n_chunks // about)
        self.sums = run.partials[self._step // 2 :: self._step]
        #: Chunks there are for each of these.
        self.weight = run.n_chunks / len(self.sums)

    def sweep(self, mode: int, n_threads: int) -> None:
        """Sums anew, at the coefficients where the run's sweeps read them."""
        context = self._run.context.copy()
        context[slots.MODE], context[slots.CHUNK_STEP] = mode, self._step
        launch(sweep_kernel, context, len(self.sums), n_threads)


def may_foretell(run: Run) -> bool:
    """Whether there are chunks enough."""
    return run.n_chunks >= CHUNKS_BEFORE


def correct_step(run: Run, start: np.ndarray, n_threads: int) -> float:
    """Adds to the step of all rows what a few chunks tell.

    The run, of dense columns alone, has made one sweep in single precision, with a Gram matrix, at
    the coefficients `start`, (p,), and its link is canonical. THETA becomes where the step leads.
    Returns which decrement the sampling error of the correction would have, infinity if this was
    not small.
    """
    p, order, vectors = start.size, run.layout.gram_order, run.vectors
    chunks = _Chunks(run, CHUNKS_BEFORE)
    k = len(chunks.sums)
    below = np.tril(chunks.sums[:, : order * order].reshape(k, order, order)[:, :p, :p])
    first_scores = chunks.sums[:, order * order :][:, :p].copy()
    reached = vectors[at.CANDIDATE].astype(np.float32).astype(np.float64)
    moved = reached - start
    diagonals = np.diagonal(below, axis1=1, axis2=2)
    foretold = below @ moved + np.swapaxes(below, 1, 2) @ moved - diagonals * moved
    run.beta[:p] = reached
    run.set_precision(single=True)
    chunks.sweep(SINGLE, n_threads)
    run.set_precision(single=False)
    remainders = chunks.weight * (chunks.sums[:, order * order :][:, :p] - first_scores + foretold)
    # The step itself has been rounded: what the Gram matrix foretells is not quite zero.
    score = vectors[at.SCORE] - run.gram @ moved + remainders.sum(axis=0)
    errors = (remainders - remainders.mean(axis=0)).T * math.sqrt(k / (k - 1))
    solved = np.linalg.solve(run.gram, np.column_stack([score, errors]))
    further = solved[:, 0]
    vectors[at.THETA] = reached + further
    vectors[at.STEP] = vectors[at.THETA] - start
    if not further @ score <= SMALL * run.state[at.DECREMENT]:
        return math.inf
    return float((errors * solved[:, 1:]).sum())


def settle(run: Run, options: SolverOptions) -> bool:
    """Brings the uncertainty of a run that has converged to its result; False if a sweep must.

    Its sums are those before the last step. What this changed in a few chunks is added in
    proportion, if these are alike enough for that.
    """
    state = run.state
    allowed = STANDARD_ERROR_SLACK * options.tol
    is_open = state[at.UNCERTAINTY_SLACK] > STANDARD_ERROR_SLACK and state[at.UNSETTLED] > allowed
    if run.status != Status.CONVERGED or not is_open:
        return True
    chunks, total = _Chunks(run, CHUNKS_AFTER), run.partials[0]
    before = chunks.sums.copy()
    run.write_beta(run.vectors[at.THETA])
    chunks.sweep(0 if run.has_constant_weights else WITH_GRAM, options.n_threads)
    order = run.layout.gram_order
    gram, pearson = slice(order * order), total.size - N_SUMS + SUM_PEARSON
    if run.has_constant_weights:
        chunks.sums[:, gram] = before[:, gram]
    change = chunks.sums - before
    watched = np.arange(run.layout.n_sweep) * (order + 1)
    if run.pearson_weight:
        watched = np.append(watched, pearson)
    known = watched[total[watched] > 0.0]
    error = change[:, known].std(axis=0, ddof=1) * math.sqrt(len(change)) * chunks.weight
    unlike = np.abs(chunks.weight * before[:, known].sum(axis=0) / total[known] - 1.0)
    if not ((error <= ERROR_SHARE * allowed * total[known]) & (unlike <= ALIKE)).all():
        state[at.UNCERTAINTY_SLACK] = STANDARD_ERROR_SLACK
        run.go_on_precisely()
        return False
    change = chunks.weight * change.sum(axis=0)
    total[gram] += change[gram]
    total[pearson] += change[pearson]
    state[at.PEARSON] = total[pearson]
    launch(factor_kernel, run.context, 1, 1)
    return True
