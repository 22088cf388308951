"""One run of the solver: its arrays, where it starts, and the loop of sweeps and steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.table import (
    FLOAT32_GRAM,
    FROM_RESPONSE,
    N_SUMS,
    WITH_DIAGONAL,
    WITH_GRAM,
    address_of,
)
from fastglm.kernels.math.cholesky import solve_factored
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.eliminated_levels import EliminatedLevels
from fastglm.passes.scaling import Inverse, Scaling
from fastglm.passes.source import RowSource
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import STANDARD_ERROR_SLACK
from fastglm.solve.newton.elimination import elimination_size, solve_eliminated_kernel
from fastglm.solve.newton.state import N_VECTORS, STATE_SIZE, Purpose
from fastglm.solve.newton.step import iterate, step_kernel
from fastglm.solve.newton.unscale import from_eliminated, from_standardized

__all__ = ["Progress", "Run", "SolverOptions"]

#: Pieces of a run's memory, in their order.
_PIECES = np.array(
    [
        fields.STATE,
        fields.PARAMETERS,
        fields.VECTORS,
        fields.GRAM,
        fields.TRIANGLE,
        fields.BETA,
        fields.GRAM_WORK,
        fields.ELIMINATION,
        fields.PARTIALS,
    ]
)
#: The state before the first sweep.
_FIRST_STATE = np.zeros(STATE_SIZE)
_FIRST_STATE[at.DEVIANCE], _FIRST_STATE[at.DECREMENT] = at.NO_DEVIANCE, at.NO_STEP
_FIRST_STATE[at.STEP_LENGTH] = 1.0
_FIRST_STATE[at.UNCERTAINTY_SLACK] = STANDARD_ERROR_SLACK

#: Called after each sweep with the number of sweeps so far and the deviance.
Progress = Callable[[int, float], None]


@lru_cache(maxsize=64)
def _starts(
    p: int, kept: int, order: int, work: int, more: int, sums: int
) -> tuple[int, np.ndarray]:
    """Numbers in a run's memory, and bytes before each of its pieces."""
    sizes = STATE_SIZE, 3, N_VECTORS * p, 2 * kept * kept, kept * kept, order, work, more, sums
    ends = np.cumsum(sizes)
    return int(ends[-1]), 8 * (ends - sizes)


class SolverOptions(NamedTuple):
    """Options of the solver; see `fastglm.GLM.fit`."""

    tol: float = 1e-8
    max_iter: int = 50
    n_threads: int = 1
    progress: Progress | None = None
    #: Only a run for results refines estimates and standard errors.
    purpose: Purpose = Purpose.RESULT
    #: True for no shortcut at all: no sample, no single precision, a QR factorisation always.
    exact: bool = False


class Run:
    """The arrays of one fit: a copy of the kernel table, and what the solver reads and writes."""

    def __init__(
        self,
        rows: RowSource,
        scaling: Scaling,
        family: Family,
        binary: bool,
        partials: np.ndarray | None = None,
        eliminated: EliminatedLevels | None = None,
    ):
        self.rows, self.row_table, self.eliminated = rows, rows.row_table, eliminated
        self.scaling = scaling
        self.table = table = rows.row_table.table.copy()
        self._allocate(partials)
        table.bind_scaling(scaling.address, scaling.scale.size, scaling.constant)
        self._parameters[:] = family.parameter, 1.0, family.link.parameter
        table.bind_family(family, binary)
        self.family, self.binary = family, binary
        # A dispersion counts as it stands, variances under a square root. Where it is known,
        # Pearson's statistic is only reported: worth no further sweep over many rows.
        has_many_rows = self.n_chunks > 1 or not rows.is_in_memory
        only_reported = family.dispersion_known and has_many_rows
        self.pearson_weight = 0.0 if only_reported else 2.0
        self.kept: np.ndarray | None = None
        #: Whether the factor is that of a QR factorisation.
        self.is_orthogonal = False
        self.is_newton = family.has_canonical_link
        self.has_constant_weights = family.has_constant_weights

    def _allocate(self, partials: np.ndarray | None) -> None:
        """Zeros for all arrays, in one piece of memory, and their addresses in the table.

        Only the chunks' sums may be those of another run: new memory comes page by page, which
        takes as long as sweeps of a sample where there are many columns.
        """
        row_table, table = self.row_table, self.table
        p, q = row_table.n_columns, row_table.n_stored
        order, kept, more = row_table.gram_order, p, 0
        partial = order * order + q + N_SUMS
        if self.eliminated is not None:
            self.eliminated.bind(table)
            kept, n_levels = self.eliminated.n_kept, self.eliminated.n_levels
            partial = self.eliminated.gram_size + q + N_SUMS
            more = elimination_size(n_levels, kept)
        self.n_chunks = self.rows.count_partials(8 * partial)
        work = q * kept if row_table.column_map[0].size else 0
        sums = self.n_chunks * partial if partials is None else 0
        self._kept, self._sizes = kept, (order, more, self.n_chunks, partial)
        size, starts = _starts(p, kept, order, work, more, sums)
        self._memory = memory = np.zeros(size)
        self._begin = begin = address_of(memory)
        table.point_pieces(_PIECES, begin + starts, self.n_chunks)
        self.state, self._parameters = memory[:STATE_SIZE], memory[STATE_SIZE : STATE_SIZE + 3]
        first = STATE_SIZE + 3
        self.vectors = memory[first : first + N_VECTORS * p].reshape(N_VECTORS, p)
        if partials is not None:
            self.partials = partials
            table.point(fields.PARTIALS, partials)

    # Most fits of few rows read none of these: they are made when they are asked for.

    def _piece(self, field: int, *shape: int) -> np.ndarray:
        """The array of that shape whose address is in a field of the table."""
        first = (self.table[field] - self._begin) // 8
        return self._memory[first : first + math.prod(shape)].reshape(shape)

    @cached_property
    def gram(self) -> np.ndarray:
        """Gram matrix of the columns that are not eliminated, (kept, kept)."""
        return self._piece(fields.GRAM, 2, self._kept, self._kept)[0]

    @cached_property
    def last_information(self) -> np.ndarray:
        """Information of these in the sweep before that had a Gram matrix, (kept, kept).

        In its lower triangle; 0 where not known.
        """
        return self._piece(fields.GRAM, 2, self._kept, self._kept)[1]

    @cached_property
    def factor(self) -> np.ndarray:
        """The last factor, (kept, kept)."""
        return self._piece(fields.TRIANGLE, self._kept, self._kept)

    @cached_property
    def beta(self) -> np.ndarray:
        """Coefficients of stored columns, as sweeps read them."""
        return self._piece(fields.BETA, self._sizes[0])

    @cached_property
    def _elimination(self) -> np.ndarray:
        return self._piece(fields.ELIMINATION, self._sizes[1])

    @cached_property
    def partials(self) -> np.ndarray:
        """Gram matrix, (order, order), score and sums of each chunk; of all chunks in the first."""
        return self._piece(fields.PARTIALS, *self._sizes[2:])

    def set_precision(self, float32: bool) -> None:
        """Lets sweeps compute in single precision, without a deviance, or in double again."""
        if float32:
            self.table.bind_float32(self.family)
        else:
            self.table.bind_family(self.family, self.binary)

    @property
    def status(self) -> int:
        """A `Status`."""
        return int(self.state[at.STATUS])

    @property
    def weight_change(self) -> float:
        """Relative change of the Gram matrix's diagonal by the last step; 0 if not known."""
        known = self.state[at.N_SWEEPS] > 1.0 and not self.has_constant_weights
        return float(self.state[at.WEIGHT_CHANGE]) if known else 0.0

    def invert(self) -> Inverse:
        """Coefficients and inverse information of the given columns; see `from_standardized`."""
        if self.eliminated is not None:
            return from_eliminated(self.scaling, self.table, self.row_table, self.eliminated)
        return from_standardized(self.scaling, self.table, self.row_table)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solution with the last factor, (p,); 0 for aliased columns."""
        solution = np.empty((2, right.size))
        if self.eliminated is None:
            scale, pivot = self.vectors[at.COLUMN_SCALE], self.vectors[at.PIVOT]
            solve_factored(self.factor, scale, pivot, right, solution[1])
        else:
            solution[0] = right
            table = self.table.copy()
            table.point(fields.OUTPUT, solution)
            table.run(solve_eliminated_kernel)
        return solution[1]

    @property
    def inflation(self) -> float:
        """By what the last inverse magnifies errors; see `fastglm.solve.conditioning`."""
        return float(self.state[at.INFLATION])

    @property
    def information(self) -> np.ndarray:
        """That of columns that are not eliminated, (kept, kept): right in the lower triangle."""
        if self.eliminated is None:
            return self.gram
        n_levels, kept = self.eliminated.n_levels, self.eliminated.n_kept
        schur = self._elimination[n_levels * kept :][: kept * kept].reshape(kept, kept)
        scale = self.vectors[at.COLUMN_SCALE][self.eliminated.kept_column]
        unit = np.divide(1.0, scale, out=np.zeros(kept), where=scale > 0.0)
        return schur * np.outer(unit, unit)

    def levels_met(self) -> np.ndarray:
        """Number of eliminated levels with which each column has rows in common, (p,)."""
        met = np.zeros(self.row_table.n_columns)
        if self.eliminated is not None:
            n_levels, n_kept = self.eliminated.n_levels, self.eliminated.n_kept
            cross = self._elimination[: n_levels * n_kept].reshape(n_levels, n_kept)
            met[self.eliminated.kept_column] = np.count_nonzero(cross, axis=0)
        return met

    @property
    def nothing_aliased(self) -> bool:
        """Whether the last factor left no column out."""
        return self.kept is None and bool(self.state[at.LEAST_PIVOT] > 0.0)

    @property
    def aliased(self) -> np.ndarray:
        """Mask of the aliased columns: by the QR factorisation if there was one, else by pivots."""
        return self.vectors[at.PIVOT] == 0.0 if self.kept is None else ~self.kept

    def start_from_response(self, safe: np.ndarray | None) -> None:
        """The first sweep takes its linear predictor from the response; `safe` is the way back."""
        self._reset(safe)
        self.table.mode = WITH_GRAM | FROM_RESPONSE

    def start_from(self, coefficients: np.ndarray) -> None:
        """The first sweep evaluates these coefficients."""
        self._reset(coefficients)
        self._evaluate_next(coefficients)

    def resume_double(self, float32_gram: bool) -> None:
        """Leaves single precision, in which the run has converged, for a sweep that certifies it.

        The last step and sums remain to compare with, but for a factor that was reused. Gram
        matrices are to be `float32_gram`, if they will be finalized, or precise as well.
        """
        state = self.state
        state[at.STATUS] = Status.RUNNING
        state[at.DEVIANCE] = at.NO_DEVIANCE
        state[at.N_LBFGS_PAIRS] = state[at.WITHIN_TOLERANCE] = 0.0
        if state[at.REUSES_LEFT] > 0.0:
            state[at.REUSES_LEFT], state[at.FACTOR_WAS_REUSED] = 0.0, 1.0
        self._evaluate_next(self.vectors[at.COEFFICIENTS])
        if float32_gram:
            self.table.mode |= FLOAT32_GRAM

    def resume(self) -> None:
        """The next sweep evaluates COEFFICIENTS, wherever the last step led."""
        self.state[at.STATUS] = Status.RUNNING
        self._evaluate_next(self.vectors[at.COEFFICIENTS])

    def _evaluate_next(self, coefficients: np.ndarray) -> None:
        self.vectors[at.TRIAL] = coefficients
        self.write_beta(coefficients)
        self.table.mode = WITH_GRAM

    def write_beta(self, coefficients: np.ndarray) -> None:
        """Puts coefficients where sweeps read them."""
        start, index, value = self.row_table.column_map
        if start.size:
            design_column = np.repeat(np.arange(coefficients.size), np.diff(start))
            self.beta[:] = np.bincount(
                index, value * coefficients[design_column], minlength=self.beta.size
            )
        else:
            self.beta[: coefficients.size] = coefficients

    def reuse_factor(self, sample: Run, share: float, sweeps: int) -> None:
        """Begin with the factor of a sample of this share of the rows, for so many sweeps."""
        self.factor[:] = sample.factor
        self.vectors[at.COLUMN_SCALE] = sample.vectors[at.COLUMN_SCALE]
        self.vectors[at.PIVOT] = sample.vectors[at.PIVOT]
        self._elimination[:] = sample._elimination
        self.state[at.FACTOR_SCALE] = share
        self.state[at.REUSES_LEFT] = sweeps
        # After a single one there is nothing to compare a diagonal with before the Gram matrix.
        changes = sweeps > 1 and not self.has_constant_weights and self.eliminated is None
        self.table.mode = WITH_DIAGONAL if changes else 0

    def lead_on(self, sweeps: int) -> None:
        """Keep the factor of the sweep that has just been for so many more."""
        self.state[at.REUSES_LEFT] = sweeps
        self.table.mode = WITH_DIAGONAL

    def set_previous_decrement(self, decrement: float) -> None:
        """There was a step before the first, of this decrement, but its Gram matrix is gone."""
        self.state[at.DECREMENT], self.state[at.FACTOR_WAS_REUSED] = decrement, 1.0

    def _reset(self, coefficients: np.ndarray | None) -> None:
        self.state[:] = _FIRST_STATE
        self.state[at.IS_NEWTON] = self.is_newton
        self.state[at.HAS_CONSTANT_WEIGHTS] = self.has_constant_weights
        self.state[at.PEARSON_WEIGHT] = self.pearson_weight
        # Nothing of a start that was given up may stay.
        self.vectors[:] = 0.0
        if coefficients is not None:
            self.vectors[at.COEFFICIENTS] = coefficients

    def sweep_and_step(self, n_threads: int) -> None:
        """One pass over the rows, and what follows from its sums."""
        self.rows.add_up(sweep_kernel, self.table, self.partials, n_threads)
        self.table.run(step_kernel)

    def expect(self, options: SolverOptions) -> None:
        """Tells the solver when to stop."""
        self.state[at.TOLERANCE] = options.tol
        self.state[at.MAX_ITERATIONS] = options.max_iter
        self.state[at.PURPOSE] = options.purpose

    def run(self, options: SolverOptions, abort_on_halving: bool = False) -> None:
        """Sweeps and steps until the status is no longer RUNNING, or a start on trial fails.

        It has failed once a step must be shortened: Newton's method is far from its optimum.
        """
        state = self.state
        self.expect(options)
        if self.n_chunks == 1 and self.rows.is_in_memory:
            iterate(sweep_kernel.address, step_kernel.address, self.table.address, 1)
            return
        while self.status == Status.RUNNING:
            self.sweep_and_step(options.n_threads)
            if options.progress is not None:
                options.progress(int(state[at.N_SWEEPS]), float(state[at.DEVIANCE]))
            if abort_on_halving and state[at.STEP_LENGTH] < 1.0:
                return

    def run_in_float32(self, options: SolverOptions, deviance: float) -> None:
        """As `run` on trial, from its start on, with sweeps in single precision.

        An estimate of the deviance stands in for the deviance itself, whose logarithms take much of
        the time of a sweep.
        """
        self.state[at.DEVIANCE] = deviance
        self.set_precision(float32=True)
        self.run(options, abort_on_halving=True)
        self.set_precision(float32=False)
