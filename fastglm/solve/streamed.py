"""The loop over rows that are not in memory: a sample gives the start, and passes do the rest.

Every pass is exact: in double precision, over all rows. What would ask single rows again, as a QR
factorisation does, is refused with what to do instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks.table import N_SUMS, SUM_OUTSIDE
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows, RowSource, StreamedRows
from fastglm.solve.aliases import is_suspicious, restore_columns
from fastglm.solve.conditioning import cholesky_error
from fastglm.solve.deviance_units import is_within_share_of_deviance, unit_of_deviance
from fastglm.solve.indistinct import IndistinctColumnsError, doubtful, require_digits
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import (
    MAX_WEIGHT_CHANGE,
    STANDARD_ERROR_SLACK,
    SUBSAMPLE_TOLERANCE,
)
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.outcome import Clock, finish, has_no_valid_start, lost_constant
from fastglm.solve.solution import Solution
from fastglm.solve.streamed_aliases import StreamedAliases

__all__ = ["StreamedSolution", "solve_streamed"]

#: Of the fit to the sample, which need only lead near the optimum.
SAMPLE_ITERATIONS = 15
#: Changes of a variance that shrink by less than this do not settle.
STEADY = 0.5
#: From a step of so small a decrement on, a variance that does not settle never will: it is one of
#: a few thousandths of a standard error, and Newton's method leaves its square.
NEAR = 2e-5
#: Of a step that may be the last of a run with constant weights: its share of the deviance, and
#: its rounding in standard errors as a share of the tolerance.
SMALL_STEP, ROUNDING_OF_A_STEP = 0.01, 1.0
#: What the sample adds to a step gains at most this share of what the step does.
SMALL_CORRECTION = 0.5
#: Most of them, and the decrement from which on the sample's own error is larger than the next.
MOST_CORRECTIONS, CORRECTED = 6, 1e-3


class StreamedSolution(NamedTuple):
    """A maximum, or the best point reached, and which estimates seem to be infinite.

    Attributes
    ----------
    solution : Solution
    growing : tuple of int
        Columns whose variances grew by a constant factor when all else had settled.
    """

    solution: Solution
    growing: tuple[int, ...]


def solve_streamed(
    rows: RowSource,
    family: Family,
    options: SolverOptions,
    *,
    binary: bool = False,
    start_params: np.ndarray | None = None,
    safe_mean: Callable[[], float] | None = None,
    offset_range: tuple[float, float] = (0.0, 0.0),
    shifted: bool = True,
    without: Callable[[np.ndarray], RowSource] | None = None,
) -> StreamedSolution:
    """Maximise the likelihood of rows that need not be in memory, by Fisher scoring.

    Parameters
    ----------
    rows
        Whose layout is a sample of them.
    family, options, binary, start_params, safe_mean, shifted
        As for `fastglm.solve.fit.solve`.
    offset_range
        Least and greatest offset.
    without
        From numbers of columns to the rows with no others, for the fit without aliased ones.

    Returns
    -------
    StreamedSolution

    Raises
    ------
    DataError
        If columns are so nearly combinations of others that sums of products cannot tell.
    """
    clock = Clock()
    again = partial(
        solve_streamed, family=family, options=options, binary=binary, safe_mean=safe_mean,
        offset_range=offset_range,
    )  # fmt: skip
    run = Run(rows, find_scaling(rows.row_table, shifted), family, binary)
    abort_on_halving = False
    if start_params is not None:
        run.start_from(run.scaling.from_params(start_params, rows.row_table))
    else:
        abort_on_halving, looks_aliased = _start_from_sample(run, options)
        others = _without_aliased(run, options, again, without) if looks_aliased else None
        if others is not None:
            return others
    clock.lap("sample")
    growing = _run_to_the_end(run, options, abort_on_halving, safe_mean, offset_range)
    clock.lap("sweeps")
    inverse = run.invert()
    lost = lost_constant(run)
    if run.status == Status.NOT_CONSTANT or lost is not None:
        found = again(rows, start_params=start_params, shifted=False, without=without)
        return found._replace(solution=replace(found.solution, constant=lost))
    if not growing.size:
        try:
            require_digits(run, options)
        except IndistinctColumnsError:
            others = _without_aliased(run, options, again, without)
            if others is None:
                raise
            return others
    return StreamedSolution(finish(run, inverse, None, clock), tuple(growing.tolist()))


def _run_to_the_end(
    run: Run,
    options: SolverOptions,
    abort_on_halving: bool,
    safe_mean: Callable[[], float] | None,
    offset_range: tuple[float, float],
) -> np.ndarray:
    """Runs, and once more from other starts where one has led astray; columns as by `_run`."""
    growing = _run(run, options, abort_on_halving)
    if abort_on_halving and not growing.size and _subsample_start_failed(run):
        run.start_from_response(None)
        growing = _run(run, options)
    if safe_mean is not None and has_no_valid_start(run):
        _restart_from_mean(run, safe_mean(), offset_range, options)
    if run.status == Status.CONVERGED and run.state[at.LEFT_DOMAIN_AT] > 0.0:
        _backtrack_into_domain(run, options)
    return growing


def _without_aliased(
    run: Run,
    options: SolverOptions,
    again: Callable[..., StreamedSolution],
    without: Callable[[np.ndarray], RowSource] | None,
) -> StreamedSolution | None:
    """The fit without columns that are combinations of earlier ones beyond doubt; None if none."""
    if without is None or not isinstance(run.rows, StreamedRows):
        return None
    aliases = StreamedAliases(run, options.n_threads)
    if not aliases.combinations:
        return None
    others = aliases.others
    found = again(without(others), without=lambda columns: without(others[columns]))
    whole = restore_columns(found.solution, run, aliases)
    return StreamedSolution(whole, tuple(others[list(found.growing)].tolist()))


def _start_from_sample(run: Run, options: SolverOptions) -> tuple[bool, bool]:
    """Starts from the coefficients of the sample, or from the response; whether it did.

    And whether some columns of the sample look as if they were combinations of others.

    A weak prior keeps coefficients finite of levels without events in the sample.
    """
    sample = Run(MemoryRows(run.row_table), run.scaling, run.family, run.binary)
    tolerance = SUBSAMPLE_TOLERANCE * run.row_table.n_columns / run.row_table.n_rows
    rough = SolverOptions(
        tolerance, SAMPLE_ITERATIONS, options.n_threads, purpose=at.Purpose.SUBSAMPLE
    )
    sample.start_from_response(None)
    # None where the sample is all rows.
    sample.state[at.RIDGE] = 1.0 - run.row_table.n_rows / run.rows.n_rows
    sample.state[at.RIDGE] *= unit_of_deviance(sample)
    sample.run(rough)
    looks_aliased = sample.status != Status.NOT_FINITE and is_suspicious(sample)
    if sample.status != Status.CONVERGED:
        run.start_from_response(None)
        return False, looks_aliased
    run.start_from(sample.vectors[at.COEFFICIENTS])
    return True, looks_aliased


def _run(run: Run, options: SolverOptions, abort_on_halving: bool = False) -> np.ndarray:
    """`Run.run`, and passes until the variances have settled as well; columns that never settle.

    The solver watches the diagonal of the Gram matrix. The few rows of a level that others are
    compared with do not show there, though all variances may depend on them. Where an estimate is
    infinite, a variance grows by a constant factor: then there is no use in going on.
    """
    state, last, worst_before = run.state, np.zeros(0), math.inf
    run.expect(options)
    # Another link's Hessian is not what is summed, and a step cannot be improved by it.
    corrects = abort_on_halving and run.is_newton and not run.has_constant_weights
    enough = STANDARD_ERROR_SLACK * options.tol
    while run.status == Status.RUNNING:
        run.sweep_and_step(options.n_threads)
        if options.progress is not None:
            options.progress(int(state[at.N_SWEEPS]), float(state[at.DEVIANCE]))
        if abort_on_halving and state[at.STEP_LENGTH] < 1.0:
            break
        variances = np.diag(run.invert().inverse)
        # Constant weights of another link are Fisher's, and the deviance is no parabola.
        if run.has_constant_weights and run.is_newton and run.status == Status.RUNNING:
            _take_exact_step(run, options)
        if corrects and run.status == Status.RUNNING and state[at.DECREMENT] > NEAR:
            _correct_step(run, options)
        may_go_on = state[at.N_ITERATIONS] < options.max_iter and not run.has_constant_weights
        is_done = run.status == Status.CONVERGED
        if may_go_on and last.size and (is_done or state[at.DECREMENT] <= NEAR):
            changes = _changes(variances, last)
            worst = float(changes.max(initial=0.0))
            if worst > max(MAX_WEIGHT_CHANGE, STEADY * worst_before):
                state[at.STATUS] = Status.MAX_ITERATIONS
                return np.flatnonzero(changes > MAX_WEIGHT_CHANGE)
            worst_before = worst
            contraction = state[at.DECREMENT] / state[at.LAST_DECREMENT]
            left = 0.0 if is_within_share_of_deviance(run, options) else contraction
            if is_done and (worst * math.sqrt(contraction) > enough or 0.0 < left < 0.5):
                run.resume()
        elif is_done and may_go_on and math.sqrt(state[at.DECREMENT]) > enough:
            # Nothing to compare with yet: variances change no more than estimates do.
            run.resume()
        last = variances
    return np.zeros(0, dtype=np.intp)


def _correct_step(run: Run, options: SolverOptions) -> None:
    """Adds to a step what the sample tells of the score that it leaves behind, if that is little.

    The score of all rows at the step's end is zero but for the curvature of the likelihood, which
    the sample has in proportion: Newton's method for that score, whose sweeps are of the sample
    alone. The next pass certifies the result: no digit hangs on this.
    Jordan, Lee & Yang (2019), "Communication-efficient distributed statistical inference".
    """
    vectors, decrement = run.vectors, run.state[at.DECREMENT]
    if run.state[at.STEP_LENGTH] < 1.0 or not run.nothing_aliased:
        return
    share = run.rows.n_rows / run.row_table.n_rows
    sample = Run(MemoryRows(run.row_table), run.scaling, run.family, run.binary)
    start, end = vectors[at.COEFFICIENTS].copy(), vectors[at.TRIAL].copy()
    score, gram = _derivatives(sample, start, options)
    whole = _symmetric(run.gram)
    for _ in range(MOST_CORRECTIONS):
        score_there, gram_there = _derivatives(sample, end, options)
        moved = end - start
        left = vectors[at.SCORE] - whole @ moved + share * (score_there - score + gram @ moved)
        information = whole + share * (gram_there - gram)
        try:
            np.linalg.cholesky(information)
        except np.linalg.LinAlgError:
            break
        further = np.linalg.solve(information, left)
        if not 0.0 <= further @ left <= SMALL_CORRECTION * decrement:
            break
        end, decrement = end + further, further @ left
        if decrement <= CORRECTED:
            break
    vectors[at.STEP] += end - vectors[at.TRIAL]
    vectors[at.TRIAL] = end
    run.write_beta(end)


def _derivatives(
    sample: Run, coefficients: np.ndarray, options: SolverOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Score, (p,), and information, (p, p), of a sample at some coefficients."""
    sample.start_from(coefficients)
    sample.sweep_and_step(options.n_threads)
    return sample.vectors[at.SCORE].copy(), _symmetric(sample.gram)


def _symmetric(gram: np.ndarray) -> np.ndarray:
    """The whole of a matrix of which the lower triangle is right."""
    lower = np.tril(gram)
    return lower + np.tril(lower, -1).T


def _take_exact_step(run: Run, options: SolverOptions) -> None:
    """Ends a run with a constant Hessian after a step: it leads to the maximum of a parabola.

    What it leaves is the rounding of its factor, which must be far below the tolerance, in standard
    errors; and it may change little of the deviance, or that would lose digits.
    """
    state = run.state
    decrement, deviance = state[at.DECREMENT], state[at.DEVIANCE]
    n = max(run.rows.n_rows, 1)
    if not 0.0 <= decrement <= SMALL_STEP * deviance or not run.nothing_aliased:
        return
    length = math.sqrt(decrement * n / deviance)
    error = cholesky_error(run.inflation)
    if length * error > ROUNDING_OF_A_STEP * options.tol:
        return
    state[at.STATUS] = Status.CONVERGED
    run.vectors[at.COEFFICIENTS] = run.vectors[at.TRIAL]
    state[at.DEVIANCE] = deviance - decrement
    state[at.PEARSON] -= decrement
    state[at.LAST_DECREMENT], state[at.DECREMENT] = decrement, decrement * error**2


def _changes(variances: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Relative changes of the variances since the pass before, (p,)."""
    known = (variances > 0.0) & (last > 0.0)
    ratio = np.divide(variances, last, out=np.ones_like(last), where=known)
    return np.abs(ratio - 1.0)


def _subsample_start_failed(run: Run) -> bool:
    """Whether to begin again from the response: see `fastglm.solve.fit`."""
    if run.status == Status.MAX_ITERATIONS:
        # As many passes as there may be: more would lead no further.
        return False
    if run.status not in (Status.CONVERGED, Status.NOT_CONSTANT):
        return True
    return bool(run.weight_change > MAX_WEIGHT_CHANGE or doubtful(run).any())


def _restart_from_mean(
    run: Run, mean: float, offset_range: tuple[float, float], options: SolverOptions
) -> None:
    """Starts again from a constant mean, where the model has an intercept.

    Where offsets lead out of the domain, the intercept makes up for the least or greatest of them.
    """
    family, constant = run.family, run.scaling.constant
    offsets = np.array(offset_range)
    with np.errstate(all="ignore"):
        intercept = float(family.link(mean)) if constant >= 0 else 0.0
    if not math.isfinite(intercept):
        return
    moves = (0.0, *(-offsets).tolist())[: 3 if constant >= 0 else 1]
    means = (family.link.inverse(intercept + move + offsets) for move in moves)
    inside = [m for m, mean in zip(moves, means, strict=True) if family.domain.contains(mean).all()]
    if constant < 0 and not inside:
        return
    coefficients = np.zeros(run.row_table.n_columns)
    if constant >= 0:
        coefficients[run.row_table.design_column_of[constant]] = intercept + (
            inside[0] if inside else 0.0
        )
    if run.status == Status.NO_START:
        run.start_from_response(coefficients)
        _run(run, options)
    if has_no_valid_start(run):
        run.start_from(coefficients)
        _run(run, options)


def _backtrack_into_domain(run: Run, options: SolverOptions) -> None:
    """Takes the last step back if it leaves the domain, by one more pass."""
    run.write_beta(run.vectors[at.COEFFICIENTS])
    run.table.mode = 0
    run.rows.add_up(sweep_kernel, run.table, run.partials, options.n_threads)
    if run.partials[0, SUM_OUTSIDE - N_SUMS] > 0.0:
        run.vectors[at.COEFFICIENTS] = run.vectors[at.TRIAL]
        run.state[at.STATUS] = Status.BOUNDARY
