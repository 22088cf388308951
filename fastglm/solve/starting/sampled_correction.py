"""Corrections of a sweep's sums, estimated from some chunks of rows, that save a sweep.

Every sweep keeps the sums of each chunk. Some chunks, spread evenly, are swept once more, after the
step or in double precision; the change of their sums estimates that of the sums of all rows. Before
the last sweep it is the remainder of the score that the Gram matrix of all rows does not predict
(Jordan, Lee & Yang (2019), "Communication-efficient distributed statistical inference", *JASA* 114,
with the second derivative of all rows beside the first); after it, the change of the Gram matrix
and of Pearson's statistic by the last step and by rounded columns. The spread of the chunks bounds
the error of the estimate.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import Status
from fastglm.kernels.blocks.table import (
    FLOAT32,
    FLOAT32_GRAM,
    N_SUMS,
    SUM_PEARSON,
    WITH_GRAM,
)
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.chunks import (
    FLOAT32_ROUNDING,
    Chunks,
    clear_of,
    enough_chunks,
    may_sample_rounding,
)
from fastglm.passes.products import design_gram
from fastglm.passes.scaling import Inverse
from fastglm.passes.standardized import StandardizedColumns
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import (
    ALIKE,
    CHUNKS,
    ERROR_SHARE,
    LEAST_OF_ALL,
    MAX_CONTRACTION,
    MOST_COLUMNS,
    MOST_OF_ALL,
    SMALL,
    STANDARD_ERROR_SLACK,
)
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.newton.step import factor_kernel
from fastglm.solve.remaining_weight_change import remaining_change

__all__ = [
    "can_correct",
    "can_sample_rounding",
    "finalize_information",
    "sampled_gradient_correction",
]


class _Chunks(Chunks):
    """Some chunks of a run, with their sums by name."""

    def __init__(self, run: Run, about: int) -> None:
        super().__init__(run.partials, about)
        self._order, self._q = run.row_table.gram_order, run.row_table.n_stored

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


def can_correct(run: Run) -> bool:
    """Whether there are enough chunks."""
    return run.n_chunks >= LEAST_OF_ALL and run.eliminated is None


def can_sample_rounding(run: Run) -> bool:
    """Whether some chunks can estimate rounding errors after magnification by the run's inverse."""
    run.invert()
    return may_sample_rounding(run.row_table.n_rows, run.inflation)


def sampled_gradient_correction(run: Run, start: np.ndarray, options: SolverOptions) -> bool:
    """Correct the step of all rows by some chunks, in COEFFICIENTS, if the correction is small.

    The run, of dense columns alone, has made one sweep in single precision, with a Gram matrix, at
    the coefficients `start`, (p,), and its link is canonical. Returns whether the chunks
    suffice to finalize the information after the sweep that follows.
    """
    chunks, vectors = _Chunks(run, CHUNKS), run.vectors
    k, before = len(chunks.sums), chunks.sums.copy()
    below, scores = np.tril(chunks.grams), chunks.scores.copy()
    vectors[at.COEFFICIENTS] = reached = vectors[at.TRIAL].astype(np.float32).astype(np.float64)
    moved = reached - start
    diagonals = np.diagonal(below, axis1=1, axis2=2)
    predicted = below @ moved + np.swapaxes(below, 1, 2) @ moved - diagonals * moved
    run.write_beta(reached)
    run.set_precision(float32=True)
    chunks.visit(sweep_kernel, run.table, FLOAT32 | WITH_GRAM, options.n_threads)
    run.set_precision(float32=False)
    remainders = chunks.weight * (chunks.scores - scores + predicted)
    # The step itself has been rounded: the score that the Gram matrix predicts is not quite zero.
    score = vectors[at.SCORE] - run.gram @ moved + remainders.sum(axis=0)
    errors = (remainders - remainders.mean(axis=0)).T * math.sqrt(k / (k - 1))
    solved = np.linalg.solve(run.gram, np.column_stack([score, errors]))
    further, decrement = solved[:, 0], run.state[at.DECREMENT]
    diagonal = run.gram.diagonal()
    unlike = np.abs(chunks.weight * diagonals.sum(axis=0) - diagonal)
    if not (further @ score <= SMALL * decrement and (unlike <= ALIKE * diagonal).all()):
        return False
    vectors[at.COEFFICIENTS] = reached + further
    # The chunks must later estimate the change by a step as long as the error of this one.
    length = math.sqrt((errors * solved[:, 1:]).sum() / decrement)
    variances = _Variances(run, run.invert(), run.partials[0])
    error = length * variances.error_of(chunks, before, chunks.sums - before, 0.0)
    return bool(error <= ERROR_SHARE * STANDARD_ERROR_SLACK * options.tol)


def finalize_information(run: Run, options: SolverOptions) -> bool:
    """Bring the information of a converged run to its result; False if that takes a sweep.

    Its sums are those before the last step, and its Gram matrix may be of float32 columns. The
    changes of some chunks by the step and by double precision are added in proportion, if their
    error, magnified by the inverse, is a small part of the allowed error of standard errors.
    """
    if options.purpose != at.Purpose.RESULT:
        # Nothing of its uncertainty is reported.
        return True
    state, allowed = run.state, STANDARD_ERROR_SLACK * options.tol
    if not can_correct(run) and state[at.DECREMENT] <= allowed * allowed:
        # The last step has changed too little to matter, and no chunk is needed.
        return True
    has_float32_gram = bool(run.table.mode & FLOAT32_GRAM)
    may_go_on = run.status == Status.CONVERGED and state[at.N_ITERATIONS] < options.max_iter
    # A remainder that does not contract is rounding, which another sweep does not reduce.
    stagnates = 0.0 < MAX_CONTRACTION * state[at.LAST_DECREMENT] < state[at.DECREMENT]
    if may_go_on and not stagnates:
        left = remaining_change(run, allowed, has_float32_gram)
        state[at.REMAINING_CHANGE] = max(state[at.REMAINING_CHANGE], left)
        # Enough chunks can estimate a change that is not too large.
        most = state[at.UNCERTAINTY_SLACK] * options.tol if can_correct(run) else allowed
        if left > most and not has_float32_gram:
            run.resume_double(float32_gram=False)
            return False
    if not can_correct(run):
        # No change is left for chunks to estimate.
        return True
    if may_go_on and not stagnates and _few_rows_move(run, allowed):
        run.resume_double(float32_gram=False)
        return False
    is_left = (
        state[at.UNCERTAINTY_SLACK] > STANDARD_ERROR_SLACK and state[at.REMAINING_CHANGE] > allowed
    )
    if run.status != Status.CONVERGED or not (is_left or has_float32_gram):
        return True
    inverse = run.invert()
    correction = None
    if not has_float32_gram or may_sample_rounding(run.row_table.n_rows, run.inflation):
        correction = _Correction(run, is_left, has_float32_gram, options)
    if correction is None or not correction.is_certain(inverse, ERROR_SHARE * allowed):
        state[at.UNCERTAINTY_SLACK] = STANDARD_ERROR_SLACK
        run.resume_double(float32_gram=False)
        return False
    correction.add()
    return True


def _few_rows_move(run: Run, allowed: float) -> bool:
    """Whether the last step may have changed weights that alone determine a coefficient.

    The contraction of steps does not bound those rows. They are in one chunk, which has most of a
    column's sum of squares.
    """
    if not run.row_table.is_dense or run.has_constant_weights:
        return False
    if run.state[at.DECREMENT] <= allowed * allowed:
        return False
    diagonal = np.arange(run.row_table.n_stored) * (run.row_table.gram_order + 1)
    # The partial sums of the first chunk are those of all rows.
    total, others = run.partials[0, diagonal], run.partials[1:, diagonal]
    most = np.maximum(others.max(axis=0), total - others.sum(axis=0))
    return bool((most > MOST_OF_ALL * total).any())


class _Correction:
    """Changes of some chunks' sums by the last step and by double precision."""

    def __init__(self, run: Run, is_left: bool, has_float32_gram: bool, options: SolverOptions):
        self.run, self.is_left, self.has_float32_gram = run, is_left, has_float32_gram
        table, inflation = run.table, run.inflation if has_float32_gram else 1.0
        few = enough_chunks(run.n_chunks, run.row_table.n_rows, inflation)
        self.chunks = chunks = _Chunks(run, max(CHUNKS, few) if is_left else few)
        self.total, q, order = run.partials[0], run.row_table.n_stored, run.row_table.gram_order
        self.gram, self.pearson = slice(order * order), self.total.size - N_SUMS + SUM_PEARSON
        self.changes_gram = has_float32_gram or not run.has_constant_weights
        self.diagonal = np.arange(q) * (order + 1)
        if has_float32_gram and not self.total[self.gram].any():
            # Weights are constant: the Gram matrix is that of an earlier sweep.
            self.total[self.gram].reshape(order, order)[:q, :q] = run.gram
            run.write_beta(run.vectors[at.TRIAL])
            chunks.visit(sweep_kernel, table, WITH_GRAM | FLOAT32_GRAM, options.n_threads)
        self.before = chunks.sums.copy()
        run.write_beta(run.vectors[at.COEFFICIENTS])
        mode = WITH_GRAM if self.changes_gram else 0
        chunks.visit(sweep_kernel, table, mode, options.n_threads)
        self.change = chunks.sums - self.before

    @property
    def _remaining_change(self) -> float:
        """Largest remaining change of a weight, as a share."""
        return float(self.run.state[at.REMAINING_CHANGE]) if self.is_left else 0.0

    def is_certain(self, inverse: Inverse, most: float) -> bool:
        """Whether the error is below `most`, as a share, of every variance and the dispersion."""
        if self.run.pearson_weight and not (self._errors(np.array([self.pearson])) <= most).all():
            return False
        if not self.changes_gram:
            return True
        diagonal = self._errors(self.diagonal)
        if (self.run.inflation * diagonal <= most).all():
            return True
        # Few changes are magnified as much as the inverse could: variances give the actual factor.
        if self.run.row_table.n_columns > MOST_COLUMNS:
            return False
        return self._error_of_variances(inverse) + self._rounding_elsewhere() <= most

    def _errors(self, watched: np.ndarray) -> np.ndarray:
        """Errors of the changes of all rows' sums, as shares of the sums."""
        known = watched[self.total[watched] > 0.0]
        errors = self.chunks.error_of(self.change[:, known]) / self.total[known]
        own = self._remaining_change + (FLOAT32_ROUNDING if self.has_float32_gram else 0.0)
        return np.maximum(errors, own * self._unlike(known))

    def _unlike(self, watched: np.ndarray) -> np.ndarray:
        """Differences of the chunks' sums, in proportion, from these sums, as shares."""
        size = self.total[watched]
        return np.abs(self.chunks.weight * self.before[:, watched].sum(axis=0) / size - 1.0)

    def _rounding_elsewhere(self) -> float:
        """Largest error of a variance, as a share, by rounding of rows unlike those of chunks."""
        known = self.diagonal[self.total[self.diagonal] > 0.0]
        if not self.has_float32_gram:
            return 0.0
        return float(self.run.inflation * FLOAT32_ROUNDING * self._unlike(known).max(initial=0.0))

    def _error_of_variances(self, inverse: Inverse) -> float:
        """Largest error of a coefficient's variance, as a share; see `_Variances`."""
        variances = _Variances(self.run, inverse, self.total)
        return variances.error_of(self.chunks, self.before, self.change, self._remaining_change)

    def add(self) -> None:
        """Add the correction, in proportion, to the sums of all rows; factor their Gram matrix."""
        chunks, total = self.chunks, self.total
        change = chunks.weight * self.change.sum(axis=0)
        if not self.is_left:
            change = clear_of(change, chunks.error_of(self.change))
        total[self.pearson] += change[self.pearson]
        self.run.state[at.PEARSON] = total[self.pearson]
        if self.changes_gram:
            total[self.gram] += change[self.gram]
            self.run.table.run(factor_kernel)


class _Variances:
    """Variances of coefficients as sums over rows: u'Gu for the column u of the inverse G^-1."""

    def __init__(self, run: Run, inverse: Inverse, total: np.ndarray) -> None:
        self._row_table = run.row_table
        standard = StandardizedColumns(run.scaling, run.row_table)
        root = standard.to_standardized_centered(inverse.root, inverse.centering)
        self._columns = (root @ inverse.root.T)[:, run.vectors[at.PIVOT] > 0.0]
        self._whole = self._parts(total)

    def _parts(self, sums: np.ndarray) -> np.ndarray:
        """Parts of the variances that rows with these sums contribute."""
        gram = design_gram(self._row_table, sums[: self._row_table.gram_order**2])
        return np.asarray(np.einsum("ij,ij->j", self._columns, gram @ self._columns))

    def error_of(
        self, chunks: Chunks, before: np.ndarray, change: np.ndarray, elsewhere: float
    ) -> float:
        """Largest error, as a share, of changes of all rows estimated by those of chunks.

        Weights of rows unlike those of chunks change by at most a share `elsewhere`.
        """
        errors = chunks.error_of(np.array([self._parts(part) for part in change]))
        unlike = np.abs(chunks.weight * self._parts(before.sum(axis=0)) - self._whole)
        with np.errstate(all="ignore"):
            shares = np.maximum(errors, elsewhere * unlike) / self._whole
        return float(shares.max(initial=0.0)) if np.isfinite(shares).all() else math.inf
