"""The fit of rows that are not in memory: a start from a sample, then passes over all rows.

Every pass is exact: in double precision, over all rows. There is no QR factorisation; designs that
need one raise `IndistinctColumnsError`, whose message says what to do instead.
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
from fastglm.solve.domain_boundary import ends_at_boundary
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

#: Largest number of iterations of the fit to the sample, which only has to come near the optimum.
SAMPLE_ITERATIONS = 15
#: Changes of a variance from pass to pass converge if their ratio is below this.
STEADY = 0.5
#: Newton decrement below which variances must converge: such a step is a few thousandths of a
#: standard error long, and Newton's method squares that. Others belong to infinite estimates.
NEAR = 2e-5
#: Limits for a step that ends a run with constant weights: its reduction of the deviance as a share
#: of it, and its rounding error, in standard errors, as a share of the tolerance.
SMALL_STEP, ROUNDING_OF_A_STEP = 0.01, 1.0
#: Largest gain of a correction by the sample, as a share of the gain of the step it corrects.
SMALL_CORRECTION = 0.5
#: Largest number of corrections of a step, and the decrement below which the sampling error of a
#: correction is larger than the correction.
MOST_CORRECTIONS, CORRECTED = 6, 1e-3


class StreamedSolution(NamedTuple):
    """A maximum, or the best point reached, and the estimates that seem to be infinite.

    Attributes
    ----------
    solution : Solution
    growing : tuple of int
        Columns whose variances still grew by a constant factor when all others had converged.
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
        Source of passes over the rows; its row table is a sample of them.
    family, options, binary, start_params, safe_mean, shifted
        As for `fastglm.solve.fit.solve`.
    offset_range
        Smallest and largest offset.
    without
        Function that returns the rows with some columns only, for the fit without aliased ones.

    Returns
    -------
    StreamedSolution

    Raises
    ------
    DataError
        If columns are too nearly collinear for the Gram matrix.
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
    lost = None if ends_at_boundary(run, family) else lost_constant(run)
    if run.status == Status.NOT_CONSTANT or lost is not None:
        found = again(rows, start_params=start_params, shifted=False, without=without)
        return found._replace(solution=replace(found.solution, constant=lost))
    if ends_at_boundary(run, family):
        # Which needs all rows at once, as weights without bound make any columns look alike.
        run.state[at.STATUS], run.state[at.N_ALIASED] = Status.STEP_TOO_SHORT, 0.0
    elif not growing.size:
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
    """Runs the fit, again from another start if one fails; returns columns as `_run` does."""
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
    """The fit without columns that are verified to be aliased; None if there are none."""
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
    """Starts a run from the coefficients of the sample, or from the response if that fails.

    Returns whether it started from the sample, and whether columns of the sample look aliased. A
    weak prior keeps coefficients of levels without events in the sample finite.
    """
    sample = Run(MemoryRows(run.row_table), run.scaling, run.family, run.binary)
    tolerance = SUBSAMPLE_TOLERANCE * run.row_table.n_columns / run.row_table.n_rows
    rough = SolverOptions(
        tolerance, SAMPLE_ITERATIONS, options.n_threads, purpose=at.Purpose.SUBSAMPLE
    )
    sample.start_from_response(None)
    # No prior where the sample is all rows.
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
    """Iterates until coefficients and variances have converged; returns columns that do not.

    The solver itself checks the diagonal of the Gram matrix, where the few rows of a reference
    level do not show, though all variances may depend on them. The variance of an infinite estimate
    grows by a constant factor with every pass: the run then ends.
    """
    state, last, worst_before = run.state, np.zeros(0), math.inf
    run.expect(options)
    # Only for Newton steps: with other links the summed matrix is not the Hessian of the sample.
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
            # The first variances have none to compare with: they change by no more than estimates.
            run.resume()
        last = variances
    return np.zeros(0, dtype=np.intp)


def _correct_step(run: Run, options: SolverOptions) -> None:
    """Adds to a step a correction estimated from the sample, if it is small.

    At the end of a Newton step the score of all rows is what the quadratic approximation of the
    likelihood missed. The sample's score, scaled to all rows, estimates it, and Newton steps on the
    sample reduce it. The next pass over all rows verifies the result, which does not depend on it.
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
    """Score, (p,), and information, (p, p), of the sample at given coefficients."""
    sample.start_from(coefficients)
    sample.sweep_and_step(options.n_threads)
    return sample.vectors[at.SCORE].copy(), _symmetric(sample.gram)


def _symmetric(gram: np.ndarray) -> np.ndarray:
    """The symmetric matrix with the given lower triangle."""
    lower = np.tril(gram)
    return lower + np.tril(lower, -1).T


def _take_exact_step(run: Run, options: SolverOptions) -> None:
    """Ends a run with a constant Hessian after one step, which reaches the maximum of a parabola.

    Two conditions: the rounding error of the step must be far below the tolerance, in standard
    errors, and the step must change little of the deviance, which would otherwise lose digits.
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
    """Relative changes of the variances since the previous pass, (p,)."""
    known = (variances > 0.0) & (last > 0.0)
    ratio = np.divide(variances, last, out=np.ones_like(last), where=known)
    return np.abs(ratio - 1.0)


def _subsample_start_failed(run: Run) -> bool:
    """Whether to start again from the response; see `fastglm.solve.fit`."""
    if run.status == Status.MAX_ITERATIONS:
        # The passes are used up: another start would not have any.
        return False
    if run.status not in (Status.CONVERGED, Status.NOT_CONSTANT):
        return True
    return bool(run.weight_change > MAX_WEIGHT_CHANGE or doubtful(run).any())


def _restart_from_mean(
    run: Run, mean: float, offset_range: tuple[float, float], options: SolverOptions
) -> None:
    """Starts again from a constant mean, where the model has an intercept.

    Where offsets lead out of the domain, the intercept compensates the smallest or largest of them.
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
    """Undoes the last step if it leaves the domain, which takes a pass."""
    run.write_beta(run.vectors[at.COEFFICIENTS])
    run.table.mode = 0
    run.rows.add_up(sweep_kernel, run.table, run.partials, options.n_threads)
    if run.partials[0, SUM_OUTSIDE - N_SUMS] > 0.0:
        run.vectors[at.COEFFICIENTS] = run.vectors[at.TRIAL]
        run.state[at.STATUS] = Status.BOUNDARY
