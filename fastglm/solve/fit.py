"""The loop of sweeps and steps until convergence; large fits start from a sample of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks.row_buffers import LINEAR_PREDICTOR, MEAN, PRIOR_WEIGHT
from fastglm.passes.chunks import count_chunks
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Inverse, find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.solve.aliases import PROVING, ProvenAliases, restore_columns
from fastglm.solve.conditioning import may_use_cholesky
from fastglm.solve.deviance_units import (
    in_unit_of_weights,
    run_to_share_of_deviance,
    unit_of_weights,
)
from fastglm.solve.domain_boundary import ends_at_boundary, settle_at_boundary
from fastglm.solve.linear_refinement import refine_linear
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import MAX_WEIGHT_CHANGE
from fastglm.solve.newton.run import Progress, Run, SolverOptions
from fastglm.solve.outcome import Clock, finish, has_no_valid_start, lost_constant
from fastglm.solve.qr_refinement import (
    DOUBTFUL_PIVOT,
    finalize_aliased,
    is_ill_conditioned,
    refine_with_qr,
)
from fastglm.solve.shortcuts import Shortcuts
from fastglm.solve.solution import Solution
from fastglm.solve.starting.sampled_correction import finalize_information

__all__ = ["Progress", "SolverOptions", "count_chunks", "solve"]

# Statuses after which coefficients are refined. A run that ended otherwise has no coefficients, or
# lies on the boundary of the domain, where unbounded weights make any design look ill-conditioned.
_REFINABLE = (Status.CONVERGED, Status.MAX_ITERATIONS, Status.STEP_TOO_SHORT)


def solve(
    row_table: RowTable,
    family: Family,
    options: SolverOptions,
    *,
    binary: bool = False,
    start_params: np.ndarray | None = None,
    safe_mean: Callable[[], float] | None = None,
    start_decrement: float = math.inf,
    shifted: bool = True,
    eliminates: bool = True,
) -> Solution:
    """Maximise the likelihood by Fisher scoring.

    Parameters
    ----------
    row_table
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
        Gives a mean inside the domain, from which an intercept can start if all else fails.
    start_decrement
        Newton decrement of the step that led to `start_params`, for the contraction of the first
        step.
    shifted
        False to leave columns uncentred even if there is a constant.
    eliminates
        Whether a categorical with many levels may be eliminated first.

    Returns
    -------
    Solution
        Also where the fit did not converge: its status says why.
    """

    def again(row_table: RowTable, **changed: Any) -> Solution:
        return solve(row_table, family, options, binary=binary, safe_mean=safe_mean, **changed)

    unit = 1.0 if row_table.weights is None else unit_of_weights(row_table.weights)
    if unit != 1.0:
        as_asked = partial(again, shifted=shifted, eliminates=eliminates)
        start = {"start_params": start_params, "start_decrement": start_decrement / unit}
        return in_unit_of_weights(as_asked(row_table.in_unit(unit), **start), unit)
    clock = Clock()
    scaling = find_scaling(row_table, shifted)
    clock.lap("scaling")
    eliminated = None
    if eliminates and not row_table.is_dense:
        eliminated = Shortcuts.of(options).eliminate(row_table)
    run = Run(MemoryRows(row_table), scaling, family, binary, eliminated=eliminated)
    clock.lap("setup")
    aliases = ProvenAliases(run, options.n_threads)
    abort_on_halving = _start(run, options, aliases, start_params, start_decrement)
    if abort_on_halving is None:
        others = partial(again, shifted=shifted, eliminates=eliminates)
        return _solve_others(run, aliases, others, None)
    clock.lap("warm start")
    _run_to_the_end(run, options, abort_on_halving, aliases)
    if safe_mean is not None:
        _use_the_mean(run, family, safe_mean, options, tries=start_params is None)
    if run.status == Status.CONVERGED and _may_have_left(run, family):
        _backtrack_into_domain(run, family, options)
    clock.lap("sweeps")
    if eliminated is not None and not _may_eliminate(run, family):
        if aliases.of_few_columns:
            return _solve_others(run, aliases, partial(again, shifted=shifted), start_params)
        there = {"start_params": start_params, "start_decrement": start_decrement}
        return again(row_table, **there, shifted=shifted, eliminates=False)
    inverse = _refine(run, family, options, aliases, clock)
    lost = lost_constant(run)
    if run.status == Status.NOT_CONSTANT or lost is not None:
        there = {"start_params": start_params, "eliminates": eliminates}
        solution = again(row_table, **there, shifted=False)
        return replace(solution, constant=lost)
    return finish(run, inverse, refine_linear(run, family, options), clock)


def _start(
    run: Run,
    options: SolverOptions,
    aliases: ProvenAliases,
    start_params: np.ndarray | None,
    start_decrement: float,
) -> bool | None:
    """Set the start; whether halved steps abort the run, or None if columns proved aliased."""
    if start_params is None:
        return Shortcuts.of(options).start(run, options, aliases)
    run.start_from(run.scaling.from_params(start_params, run.row_table))
    if math.isfinite(start_decrement):
        run.set_previous_decrement(start_decrement)
    return False


def _solve_others(
    run: Run,
    aliases: ProvenAliases,
    again: Callable[..., Solution],
    start_params: np.ndarray | None,
) -> Solution:
    """The fit without aliased columns; start values of these are moved to the other columns."""
    kept, start = aliases.others, None
    if start_params is not None:
        start = start_params.astype(np.float64)
        for j, combination in aliases.given.items():
            start += start_params[j] * combination
        start = start[kept]
    return restore_columns(again(run.row_table.of_columns(kept), start_params=start), run, aliases)


def _run_to_the_end(
    run: Run, options: SolverOptions, abort_on_halving: bool, aliases: ProvenAliases
) -> None:
    """Runs the fit, and again from the response if the start from a sample failed."""
    _run(run, options, abort_on_halving)
    while not finalize_information(run, options):
        run.run(options, abort_on_halving)
    if abort_on_halving and _subsample_start_failed(run, aliases):
        run.start_from_response(None)
        _run(run, options)


def _run(run: Run, options: SolverOptions, abort_on_halving: bool = False) -> None:
    run.run(options, abort_on_halving)
    run_to_share_of_deviance(run, options)
    if run.status == Status.BOUNDARY and run.family.is_unbounded:
        # Within the tolerance, after a step to means that overflow: there is no boundary.
        run.state[at.STATUS] = Status.CONVERGED


def _use_the_mean(
    run: Run, family: Family, safe_mean: Callable[[], float], options: SolverOptions, tries: bool
) -> None:
    """Starts from a constant mean if no other start works; `tries` it as well where it may win."""
    if has_no_valid_start(run):
        _restart_from_mean(run, family, safe_mean(), options)
    elif tries and _may_be_in_another_part(run, family):
        _try_from_mean(run, family, safe_mean(), options)


def _refine(
    run: Run, family: Family, options: SolverOptions, aliases: ProvenAliases, clock: Clock
) -> Inverse:
    """The inverse of the run's information, from a QR factorisation if the Gram matrix fails.

    It fails if it cannot separate columns, or has lost the digits that variances need.
    """
    if ends_at_boundary(run, family):
        settle_at_boundary(run, family, options)
        clock.lap("boundary")
        if run.is_orthogonal:
            return run.invert()
    inverse = run.invert()
    if run.status in _REFINABLE and run.eliminated is None:
        doubtful = is_ill_conditioned(run, family, options)
        if doubtful and aliases.explain(run):
            aliases.leave_out_of(run)
            doubtful, inverse = False, run.invert()
            clock.lap(PROVING)
        if doubtful or not Shortcuts.of(options).may_use_cholesky(run):
            refine_with_qr(run, family, options, doubtful)
            if ends_at_boundary(run, family):
                settle_at_boundary(run, family, options)
            inverse = run.invert()
            clock.lap("orthogonal factor")
    elif run.status == Status.BOUNDARY and run.state[at.N_ALIASED] > 0.0:
        finalize_aliased(run, options.n_threads)
        inverse = run.invert()
    return inverse


def _may_eliminate(run: Run, family: Family) -> bool:
    """Whether the result of a run that eliminated levels is valid.

    Such a run takes columns in another order, so that it may alias the wrong one of several
    collinear columns, and it has no QR factorisation. Such designs are fitted again in the order of
    the columns; levels without rows are not a reason for it.
    """
    assert run.eliminated is not None
    if run.status == Status.NOT_CONSTANT:
        return True
    if ends_at_boundary(run, family):
        return False
    run.invert()
    if run.status not in _REFINABLE or not may_use_cholesky(run.inflation):
        return False
    doubtful = run.vectors[at.PIVOT] < DOUBTFUL_PIVOT
    return not doubtful.any() or run.eliminated.explain(doubtful, run.row_table.weights)


def _subsample_start_failed(run: Run, aliases: ProvenAliases) -> bool:
    """Whether the run from a sample's coefficients failed and must start from the response.

    A level that is rare in the sample may have a huge coefficient there. Its rows then have weights
    near zero: Newton steps overshoot, or its column looks like a combination of others, or the
    coefficient goes on growing.
    """
    if run.status not in (Status.CONVERGED, Status.NOT_CONSTANT):
        return True
    if run.state[at.N_ALIASED] > 0:
        if run.eliminated is not None:
            is_explained = run.eliminated.explain(run.aliased, run.row_table.weights)
        else:
            is_explained = aliases.explain(run)
        if not is_explained:
            return True
    return run.weight_change > MAX_WEIGHT_CHANGE


def _restart_from_mean(run: Run, family: Family, safe_mean: float, options: SolverOptions) -> None:
    """Starts again from a constant mean, where the model has an intercept."""
    safe = _constant_mean(run, family, safe_mean, options)
    if safe is None:
        return
    if run.status == Status.NO_START:
        run.start_from_response(safe)
        _run(run, options)
    if has_no_valid_start(run):
        run.start_from(safe)
        _run(run, options)


def _constant_mean(
    run: Run, family: Family, mean: float, options: SolverOptions
) -> np.ndarray | None:
    """Coefficients, (p,), with which every row has the given mean before its offset is added.

    Where offsets lead out of the domain, the intercept compensates the smallest or largest of them;
    without an intercept all coefficients are 0.
    """
    row_table, constant = run.row_table, run.scaling.constant
    coefficients, offset = np.zeros(row_table.n_columns), np.zeros(1)
    with np.errstate(all="ignore"):
        intercept = float(family.link(mean)) if constant >= 0 else 0.0
    if not math.isfinite(intercept):
        return None
    if row_table.offset is not None and not family.is_unbounded:
        wanted = LINEAR_PREDICTOR, PRIOR_WEIGHT
        offset, prior = evaluate_rows(
            row_table, family, coefficients, wanted, n_threads=options.n_threads
        )
        offset = offset[prior > 0.0]
    moves = (0.0, -offset.min(), -offset.max())[: 3 if constant >= 0 else 1]
    means = (family.link.inverse(intercept + move + offset) for move in moves)
    inside = [m for m, mean in zip(moves, means, strict=True) if family.domain.contains(mean).all()]
    if constant < 0:
        return coefficients if inside else None
    coefficients[row_table.design_column_of[constant]] = intercept + (inside[0] if inside else 0.0)
    return coefficients


def _may_be_in_another_part(run: Run, family: Family) -> bool:
    """Whether a better optimum may lie on the other side of linear predictors without a mean.

    An example are means 1 / eta of either sign: responses of both signs start rows on both sides
    of eta = 0, which no step can cross.
    """
    in_parts = math.isinf(family.domain.lower) and family.link.mean_range is None
    return in_parts and run.status == Status.CONVERGED


def _try_from_mean(run: Run, family: Family, mean: float, options: SolverOptions) -> None:
    """Searches a better optimum from a constant mean; restores the run's state if there is none."""
    start = _constant_mean(run, family, mean, options)
    if start is None:
        return
    coefficients, deviance = run.vectors[at.COEFFICIENTS].copy(), run.state[at.DEVIANCE]
    run.start_from(start)
    _run(run, options)
    if run.status != Status.CONVERGED or not run.state[at.DEVIANCE] < deviance:
        run.start_from(coefficients)
        _run(run, options)


def _may_have_left(run: Run, family: Family) -> bool:
    """Whether the last step, which no sweep has evaluated, can lead out of the domain.

    The step is tiny. With many rows only a fit with shortened steps is checked: steps near an
    optimum that close to the boundary have been shortened.
    """
    close = run.n_chunks == 1 or run.state[at.LEFT_DOMAIN_AT] > 0.0
    return close and not family.is_unbounded


def _backtrack_into_domain(run: Run, family: Family, options: SolverOptions) -> None:
    """Undoes the last step if it leaves the domain."""
    params = run.scaling.to_params(run.vectors[at.COEFFICIENTS], run.row_table)
    mean, prior = evaluate_rows(
        run.row_table, family, params, (MEAN, PRIOR_WEIGHT), n_threads=options.n_threads
    )
    if not family.domain.contains(mean[prior > 0.0]).all():
        run.vectors[at.COEFFICIENTS] = run.vectors[at.TRIAL]
        run.state[at.STATUS] = Status.BOUNDARY
