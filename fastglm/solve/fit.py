"""The loop: sweep, step, until it converges; a sample of rows goes first where there are many."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from fastglm.design.layout import Layout
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels import context as slots
from fastglm.kernels.block import TILE
from fastglm.kernels.context import FROM_RESPONSE, N_SUMS, WITH_GRAM
from fastglm.kernels.planes import BLOCK_ROWS
from fastglm.kernels.sweep import sweep_kernel
from fastglm.solve import state as at
from fastglm.solve.cholesky import invert
from fastglm.solve.newton import iterate, step
from fastglm.solve.scaling import Scaling, find_scaling, sample_blocks
from fastglm.solve.state import N_VECTORS, STATE_SIZE
from fastglm.solve.threads import launch

__all__ = ["Progress", "Solution", "SolverOptions", "count_chunks", "solve"]

#: Called after each sweep with the number of sweeps so far and the deviance.
Progress = Callable[[int, float], None]

#: Values of X in a chunk: less would not repay handing it to a thread.
CHUNK_VALUES = 65_536
MAX_CHUNKS = 128
#: Bytes that all partial sums together may take, short of the four chunks that there are at least.
PARTIAL_BYTES = 32_000_000
#: A sample is tried when X has more values than this.
SAMPLE_FROM_VALUES = 2_000_000
SAMPLE_SHARE = 16
SAMPLE_ROWS_PER_COLUMN = 64
#: From this many columns on, a sweep without a Gram matrix is much cheaper than one with it.
FREEZE_FROM_COLUMNS = 48
MAX_FROZEN_SWEEPS = 8


@dataclass(frozen=True)
class SolverOptions:
    """What the caller chose about the solver; see `fastglm.GLM.fit`."""

    tol: float = 1e-8
    max_iter: int = 50
    n_threads: int = 1
    progress: Progress | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """One maximum of the likelihood, or the best point reached.

    Attributes
    ----------
    params : ndarray, shape (p,)
        Coefficients of the model's columns; NaN where aliased.
    information_inverse : ndarray, shape (p, p)
        Inverse of X'WX at `params`; rows and columns of aliased coefficients are NaN.
    deviance, pearson_chi2 : float
    n_iter, n_sweeps : int
        Accepted steps, and passes over all rows.
    status : Status
    decrement : float
        Last step' score: at convergence, the squared distance to the optimum in standard errors.
    gain : float
        The decrement over the one before it, 1 if there was none: near a maximum, close to 0.
    constant : int or None
        Model column that is constant, if there is one: the intercept.
    timings : dict of str to float
        Seconds spent in each stage.
    """

    params: np.ndarray
    information_inverse: np.ndarray
    deviance: float
    pearson_chi2: float
    n_iter: int
    n_sweeps: int
    status: Status
    decrement: float
    gain: float
    constant: int | None
    timings: dict[str, float]


class _Run:
    """The arrays of one fit: a copy of the layout's table, and what the solver reads and writes."""

    def __init__(self, layout: Layout, scaling: Scaling, family: Family, binary: bool):
        p, q = layout.n_columns, layout.n_sweep
        n_padded = -(-layout.n_dense // TILE) * TILE
        order = max(q, n_padded)
        size = order * order + q + N_SUMS
        self.layout = layout
        self.n_chunks = count_chunks(layout, 8 * size)
        self.partials = np.empty((self.n_chunks, size))
        self.beta = np.zeros(max(q, n_padded))
        self.parameters = np.array([family.parameter, 1.0, family.link.parameter])
        self.scaling = scaling
        self.state = np.zeros(STATE_SIZE)
        self.vectors = np.zeros((N_VECTORS, p))
        self.gram = np.empty((p, p))
        self.factor = np.zeros((p, p))
        self.work = np.empty((q, p) if layout.transform[0].size else (0, p))
        context = layout.context.copy()
        context[slots.N_CHUNKS] = self.n_chunks
        context[slots.PARTIALS] = self.partials.ctypes.data
        context[slots.BETA] = self.beta.ctypes.data
        context[slots.PARAMETERS] = self.parameters.ctypes.data
        context[slots.SHIFT] = scaling.shift.ctypes.data
        context[slots.SCALE] = scaling.scale.ctypes.data
        context[slots.CONSTANT] = scaling.constant
        context[slots.FORWARD_ROWS] = family.link.forward_rows.address
        context[slots.INVERSE_ROWS] = family.link.inverse_rows.address
        context[slots.START_ROWS] = family.start_rows.address
        context[slots.RESPOND_ROWS] = family.respond_rows_for(binary).address
        self.context = context

    def start_from_response(self, safe: np.ndarray | None) -> None:
        """The first sweep takes its linear predictor from the response; `safe` is the way back."""
        self._reset(safe)
        self.context[slots.MODE] = WITH_GRAM | FROM_RESPONSE

    def start_from(self, theta: np.ndarray) -> None:
        """The first sweep evaluates these coefficients."""
        self._reset(theta)
        self.vectors[at.CANDIDATE] = theta
        start, index, value = self.layout.transform
        if start.size:
            owner = np.repeat(np.arange(theta.size), np.diff(start))
            self.beta[:] = np.bincount(index, value * theta[owner], minlength=self.beta.size)
        else:
            self.beta[: theta.size] = theta
        self.context[slots.MODE] = WITH_GRAM

    def freeze(self, sample: _Run, share: float) -> None:
        """Begin with the factor of a sample that holds this share of the rows."""
        self.factor[:] = sample.factor
        self.vectors[at.COLUMN_SCALE] = sample.vectors[at.COLUMN_SCALE]
        self.vectors[at.PIVOT] = sample.vectors[at.PIVOT]
        self.state[at.FACTOR_SCALE] = share
        self.state[at.FROZEN] = MAX_FROZEN_SWEEPS
        self.context[slots.MODE] = 0

    def _reset(self, theta: np.ndarray | None) -> None:
        self.state[:] = 0.0
        self.state[at.DEVIANCE] = math.inf
        self.state[at.DECREMENT] = math.inf
        self.state[at.STEP_LENGTH] = 1.0
        # Nothing of a start that was given up may stay.
        self.vectors[:] = 0.0
        if theta is not None:
            self.vectors[at.THETA] = theta

    def run(self, options: SolverOptions, on_trial: bool = False) -> None:
        """Sweeps and steps until the status is no longer RUNNING, or a start on trial fails.

        It has failed once a step must be shortened: Newton's method is far from its optimum.
        """
        state, context = self.state, self.context
        state[at.TOLERANCE] = options.tol
        state[at.MAX_ITERATIONS] = options.max_iter
        matrices = (self.gram, self.factor, self.work)
        if self.n_chunks == 1:
            iterate(
                sweep_kernel.address, context, self.layout.transform, state, self.vectors, matrices
            )
            return
        while state[at.STATUS] == Status.RUNNING:
            launch(sweep_kernel, context, self.n_chunks, options.n_threads)
            step(context, self.layout.transform, state, self.vectors, matrices)
            if options.progress is not None:
                options.progress(int(state[at.N_SWEEPS]), float(state[at.DEVIANCE]))
            if on_trial and state[at.STEP_LENGTH] < 1.0:
                return


def count_chunks(layout: Layout, partial_bytes: int = 1) -> int:
    """Chunks of rows: from the size of the data alone, so that sums never depend on threads."""
    wanted = min(MAX_CHUNKS, layout.n_rows * layout.n_sweep // CHUNK_VALUES)
    return max(1, min(wanted, max(4, PARTIAL_BYTES // partial_bytes)))


def _run_on_sample(run: _Run, rows: int, options: SolverOptions) -> bool:
    """Fits the run's model to blocks spread over the rows; whether that converged."""
    step_between, n_blocks = sample_blocks(run.layout, rows)
    run.context[slots.BLOCK_STEP] = step_between
    run.context[slots.N_BLOCKS] = n_blocks
    run.start_from_response(None)
    quick = SolverOptions(tol=1e-4, max_iter=15, n_threads=options.n_threads)
    run.run(quick)
    return run.state[at.STATUS] == Status.CONVERGED


def _sample_rows(layout: Layout) -> int:
    """Rows of a sample that is worth fitting first, 0 if none is."""
    if layout.n_rows * layout.n_sweep < SAMPLE_FROM_VALUES:
        return 0
    rows = max(
        layout.n_rows // SAMPLE_SHARE, SAMPLE_ROWS_PER_COLUMN * layout.n_sweep, 32 * BLOCK_ROWS
    )
    return rows if 4 * rows <= layout.n_rows else 0


def solve(
    layout: Layout,
    family: Family,
    options: SolverOptions,
    *,
    binary: bool = False,
    start_params: np.ndarray | None = None,
    safe_mean: float | None = None,
) -> Solution:
    """Maximise the likelihood by Fisher scoring.

    Parameters
    ----------
    layout
        Design, response, prior weights and offset.
    family
        With its link.
    options
        Tolerance, most iterations, threads.
    binary
        Whether every response is exactly 0 or 1.
    start_params
        (p,) coefficients to start from; None starts from the response.
    safe_mean
        A mean inside the family's domain, from which an intercept can start if all else fails.

    Returns
    -------
    Solution
        Also where the fit did not converge: its status says why.
    """
    clock = _Clock()
    scaling = find_scaling(layout)
    clock.lap("scaling")
    run = _Run(layout, scaling, family, binary)
    clock.lap("setup")
    on_trial = False
    if start_params is not None:
        run.start_from(scaling.from_params(start_params, layout))
    else:
        on_trial = _choose_start(run, family, binary, options)
    clock.lap("warm start")
    run.run(options, on_trial)
    if on_trial and _sample_misled(run):
        run.start_from_response(None)
        run.run(options)
    if run.state[at.STATUS] == Status.NOT_CONSTANT:
        # The column that looked constant in the sample of rows is not: no shifts, then.
        run = _Run(layout, find_scaling(layout, shifted=False), family, binary)
        run.start_from_response(None)
        run.run(options)
    if run.state[at.STATUS] == Status.NO_START and safe_mean is not None:
        _restart_from_mean(run, family, safe_mean, options)
    clock.lap("sweeps")
    return _finish(run, clock)


def _choose_start(run: _Run, family: Family, binary: bool, options: SolverOptions) -> bool:
    """Start from a sample of the rows where that pays, else from the response; whether it did."""
    rows = _sample_rows(run.layout)
    if rows:
        sample = _Run(run.layout, run.scaling, family, binary)
        if _run_on_sample(sample, rows, options):
            run.start_from(sample.vectors[at.THETA])
            if run.layout.n_dense >= FREEZE_FROM_COLUMNS and sample.state[at.N_ALIASED] == 0:
                run.freeze(sample, rows / run.layout.n_rows)
            return True
    run.start_from_response(None)
    return False


def _sample_misled(run: _Run) -> bool:
    """Whether the run from a sample's coefficients must be done again from the response.

    A level that is rare in the sample may have a huge coefficient there. Its rows then have weights
    near zero: Newton steps overshoot, or its column looks like a combination of others.
    """
    status = run.state[at.STATUS]
    return status not in (Status.CONVERGED, Status.NOT_CONSTANT) or run.state[at.N_ALIASED] > 0


def _restart_from_mean(run: _Run, family: Family, safe_mean: float, options: SolverOptions) -> None:
    """Starts again with steps measured from a constant mean, where the model has an intercept."""
    if run.scaling.constant < 0:
        return
    safe = np.zeros(run.layout.n_columns)
    safe[run.layout.dense_owner[run.scaling.constant]] = family.link(safe_mean)
    run.start_from_response(safe)
    run.run(options)


def _finish(run: _Run, clock: _Clock) -> Solution:
    vectors, state, layout = run.vectors, run.state, run.layout
    inverse = np.empty_like(run.gram)
    invert(run.factor, vectors[at.COLUMN_SCALE], vectors[at.PIVOT], inverse, run.gram)
    params = vectors[at.THETA].copy()
    run.scaling.undo(params, inverse, layout)
    if state[at.N_ALIASED]:
        aliased = vectors[at.PIVOT] == 0.0
        params[aliased] = np.nan
        inverse[aliased] = np.nan
        inverse[:, aliased] = np.nan
    clock.lap("covariance")
    return Solution(
        params=params,
        information_inverse=inverse,
        deviance=float(state[at.DEVIANCE]),
        pearson_chi2=float(state[at.PEARSON]),
        n_iter=int(state[at.N_ITERATIONS]),
        n_sweeps=int(state[at.N_SWEEPS]),
        status=Status(int(state[at.STATUS])),
        decrement=float(state[at.DECREMENT]),
        gain=_gain(float(state[at.DECREMENT]), float(state[at.LAST_DECREMENT])),
        constant=None
        if run.scaling.constant < 0
        else int(layout.dense_owner[run.scaling.constant]),
        timings=clock.laps,
    )


def _gain(decrement: float, last: float) -> float:
    return decrement / last if 0.0 < last < math.inf else 1.0


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name] = now - self._last
        self._last = now
