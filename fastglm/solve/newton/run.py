"""One run of the solver: its arrays, where it starts, and the loop of sweeps and steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.table import (
    FROM_RESPONSE,
    N_SUMS,
    NARROWED,
    SINGLE,
    WITH_DIAGONAL,
    WITH_GRAM,
    address_of,
)
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.passes.chunks import count_chunks, enter_single_precision
from fastglm.passes.layout import Layout
from fastglm.passes.scaling import Inverse, Scaling
from fastglm.solve.newton import state as at
from fastglm.solve.newton.convergence import STANDARD_ERROR_SLACK, THAWED
from fastglm.solve.newton.state import N_VECTORS, STATE_SIZE
from fastglm.solve.newton.step import iterate, step_kernel
from fastglm.solve.newton.unscale import from_standardised

__all__ = ["Progress", "Run", "SolverOptions"]

#: Called after each sweep with the number of sweeps so far and the deviance.
Progress = Callable[[int, float], None]


class SolverOptions(NamedTuple):
    """What the caller chose about the solver; see `fastglm.GLM.fit`."""

    tol: float = 1e-8
    max_iter: int = 50
    n_threads: int = 1
    progress: Progress | None = None
    #: Not 0 to stop without refining estimates and standard errors: STARTING or LEADING.
    rough: float = 0.0
    #: True for no shortcut at all: no sample, no single precision, a QR factorisation always.
    exact: bool = False


class Run:
    """The arrays of one fit: a copy of the layout's table, and what the solver reads and writes."""

    def __init__(
        self,
        layout: Layout,
        scaling: Scaling,
        family: Family,
        binary: bool,
        partials: np.ndarray | None = None,
    ):
        self.layout = layout
        self.scaling = scaling
        self.context = context = layout.context.copy()
        self._allocate(partials)
        scaling.enter(context)
        self._parameters[:] = family.parameter, 1.0, family.link.parameter
        context[slots.FORWARD_ROWS] = family.link.forward_rows.address
        context[slots.START_ROWS] = family.start_rows.address
        self.family, self.binary = family, binary
        self.set_precision(single=False)
        # A dispersion counts as it stands, variances under a square root. Where it is known,
        # Pearson's statistic is only reported: worth no further sweep over many rows.
        only_reported = family.dispersion_known and self.n_chunks > 1
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
        layout, context = self.layout, self.context
        p, q = layout.n_columns, layout.n_sweep
        order = layout.gram_order
        partial = order * order + q + N_SUMS
        self.n_chunks = context[slots.N_CHUNKS] = count_chunks(layout, 8 * partial)
        sizes = {
            slots.VECTORS: N_VECTORS * p,
            slots.GRAM: p * p,
            slots.TRIANGLE: p * p,
            slots.STATE: STATE_SIZE,
            slots.PARAMETERS: 3,
            slots.BETA: order,
            slots.GRAM_WORK: q * p if layout.transform[0].size else 0,
            slots.PARTIALS: self.n_chunks * partial if partials is None else 0,
        }
        memory = np.zeros(sum(sizes.values()))
        address = address_of(memory)
        for slot, size in sizes.items():
            context[slot] = address
            address += 8 * size
        rows = N_VECTORS + 2 * p
        matrix, rest = memory[: rows * p].reshape(rows, p), memory[rows * p :]
        self.vectors = matrix[:N_VECTORS]
        self.gram, self.factor = matrix[N_VECTORS : N_VECTORS + p], matrix[N_VECTORS + p :]
        self.state, rest = rest[:STATE_SIZE], rest[STATE_SIZE:]
        self._parameters, self.beta = rest[:3], rest[3 : 3 + order]
        #: Gram matrix, (order, order), score and sums of each chunk; of all chunks in the first.
        if partials is None:
            partials = memory[-self.n_chunks * partial :].reshape(self.n_chunks, partial)
        else:
            context[slots.PARTIALS] = address_of(partials)
        self.partials = partials

    def set_precision(self, single: bool) -> None:
        """Lets sweeps compute in single precision, without a deviance, or in double again."""
        context, family = self.context, self.family
        if single:
            enter_single_precision(context, family)
            return
        context[slots.MODE] &= ~SINGLE
        context[slots.INVERSE_ROWS] = family.link.inverse_rows.address
        context[slots.RESPOND_ROWS] = family.respond_rows_for(self.binary).address

    @property
    def status(self) -> int:
        """How the run stands, a `Status`."""
        return int(self.state[at.STATUS])

    @property
    def weight_change(self) -> float:
        """How much the last step changed the Gram matrix's diagonal, 0 if that is not known."""
        known = self.state[at.N_SWEEPS] > 1.0 and not self.has_constant_weights
        return float(self.state[at.WEIGHT_CHANGE]) if known else 0.0

    def invert(self) -> Inverse:
        """Coefficients and inverse information of the given columns; see `Scaling.undo`."""
        return from_standardised(self.scaling, self.context, self.layout)

    @property
    def inflation(self) -> float:
        """By what the last inverse magnifies errors; see `fastglm.solve.conditioning`."""
        return float(self.state[at.INFLATION])

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
        self.context[slots.MODE] = WITH_GRAM | FROM_RESPONSE

    def start_from(self, theta: np.ndarray) -> None:
        """The first sweep evaluates these coefficients."""
        self._reset(theta)
        self._evaluate_next(theta)

    def go_on_precisely(self, narrowed: bool) -> None:
        """Leaves single precision, in which the run has converged, for a sweep that certifies it.

        The last step and sums remain to compare with, but for a factor that was frozen. Gram
        matrices are to be `narrowed`, if they will be settled, or precise as well.
        """
        state = self.state
        state[at.STATUS] = Status.RUNNING
        state[at.DEVIANCE] = math.inf
        state[at.N_SECANTS] = state[at.WITHIN_TOLERANCE] = 0.0
        if state[at.FROZEN] > 0.0:
            state[at.FROZEN] = THAWED
        self._evaluate_next(self.vectors[at.THETA])
        if narrowed:
            self.context[slots.MODE] |= NARROWED

    def go_on(self) -> None:
        """The next sweep evaluates THETA, wherever the last step led."""
        self.state[at.STATUS] = Status.RUNNING
        self._evaluate_next(self.vectors[at.THETA])

    def _evaluate_next(self, theta: np.ndarray) -> None:
        self.vectors[at.CANDIDATE] = theta
        self.write_beta(theta)
        self.context[slots.MODE] = WITH_GRAM

    def write_beta(self, theta: np.ndarray) -> None:
        """Puts coefficients where sweeps read them."""
        start, index, value = self.layout.transform
        if start.size:
            owner = np.repeat(np.arange(theta.size), np.diff(start))
            self.beta[:] = np.bincount(index, value * theta[owner], minlength=self.beta.size)
        else:
            self.beta[: theta.size] = theta

    def freeze(self, sample: Run, share: float, sweeps: int) -> None:
        """Begin with the factor of a sample of this share of the rows, for so many sweeps."""
        self.factor[:] = sample.factor
        self.vectors[at.COLUMN_SCALE] = sample.vectors[at.COLUMN_SCALE]
        self.vectors[at.PIVOT] = sample.vectors[at.PIVOT]
        self.state[at.FACTOR_SCALE] = share
        self.state[at.FROZEN] = sweeps
        # After a single one there is nothing to compare a diagonal with before the Gram matrix.
        changes = sweeps > 1 and not self.has_constant_weights
        self.context[slots.MODE] = WITH_DIAGONAL if changes else 0

    def follow(self, decrement: float) -> None:
        """There was a step before the first, of this decrement, but its Gram matrix is gone."""
        self.state[at.DECREMENT], self.state[at.FROZEN] = decrement, THAWED

    def _reset(self, theta: np.ndarray | None) -> None:
        self.state[:] = 0.0
        self.state[at.DEVIANCE] = math.inf
        self.state[at.DECREMENT] = math.inf
        self.state[at.STEP_LENGTH] = 1.0
        self.state[at.IS_NEWTON] = self.is_newton
        self.state[at.HAS_CONSTANT_WEIGHTS] = self.has_constant_weights
        self.state[at.PEARSON_WEIGHT] = self.pearson_weight
        self.state[at.UNCERTAINTY_SLACK] = STANDARD_ERROR_SLACK
        # Nothing of a start that was given up may stay.
        self.vectors[:] = 0.0
        if theta is not None:
            self.vectors[at.THETA] = theta

    def sweep_and_step(self, n_threads: int) -> None:
        """One pass over the rows, and what follows from its sums."""
        launch(sweep_kernel, self.context, self.n_chunks, n_threads)
        launch(step_kernel, self.context, 1, 1)

    def run(self, options: SolverOptions, on_trial: bool = False) -> None:
        """Sweeps and steps until the status is no longer RUNNING, or a start on trial fails.

        It has failed once a step must be shortened: Newton's method is far from its optimum.
        """
        state, context = self.state, self.context
        state[at.TOLERANCE] = options.tol
        state[at.MAX_ITERATIONS] = options.max_iter
        state[at.IS_ROUGH] = options.rough
        if self.n_chunks == 1:
            iterate(sweep_kernel.address, step_kernel.address, address_of(context), 1)
            return
        while self.status == Status.RUNNING:
            self.sweep_and_step(options.n_threads)
            if options.progress is not None:
                options.progress(int(state[at.N_SWEEPS]), float(state[at.DEVIANCE]))
            if on_trial and state[at.STEP_LENGTH] < 1.0:
                return

    def run_in_single_precision(self, options: SolverOptions, deviance: float) -> None:
        """As `run` on trial, from its start on, with sweeps in single precision.

        An estimate of the deviance stands in for the deviance itself, whose logarithms take much of
        the time of a sweep.
        """
        self.state[at.DEVIANCE] = deviance
        self.set_precision(single=True)
        self.run(options, on_trial=True)
        self.set_precision(single=False)
