"""Start of a fit of many rows: from a sample of them, then by sweeps in single precision.

Sweeps before the first one in double precision only provide its start and need not be exact. With a
share s of the rows in the sample, the squared distance of its optimum from that of all rows is
about 1 / s per coefficient, in standard errors. Sweeps of all rows in single precision cost half as
much as in double and come within rounding of the optimum, so that the first sweep in double
precision mostly confirms it.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import Status
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.blocks.table import FLOAT32_GRAM, N_SUMS, SUM_DEVIANCE
from fastglm.passes.scaling import read_sample
from fastglm.solve.aliases import ProvenAliases
from fastglm.solve.deviance_units import unit_of_deviance
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import (
    FEWER_ROWS_PER_COLUMN,
    FINALIZED_LATER_SLACK,
    FLOAT32_SLACK,
    FLOAT32_SWEEPS,
    LEAD_FROM_DENSE,
    LEAD_FROM_SPARSE,
    LEAD_FROM_VALUES,
    LEAST_EIGENVALUE,
    LEAST_LEADING_PIVOT,
    MAX_REUSES,
    REUSE_FROM_COLUMNS,
    REUSE_FROM_DENSE,
    SAMPLE_FROM_VALUES,
    SAMPLE_ROWS_PER_COLUMN,
    SAMPLE_SHARE,
    SCORING_LEAVES,
    SMALL_SAMPLE_SHARE,
    SUBSAMPLE_TOLERANCE,
)
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.starting.sampled_correction import (
    can_correct,
    can_sample_rounding,
    sampled_gradient_correction,
)

__all__ = ["choose_start"]


def choose_start(run: Run, options: SolverOptions, aliases: ProvenAliases) -> bool | None:
    """Start from a sample of the rows if that saves time, else from the response.

    Returns whether it started from a sample; None, without a start, if aliased columns were found
    on the way: the model without them is to be fitted.
    """
    n_values = run.row_table.n_rows * run.row_table.n_stored
    if n_values < SAMPLE_FROM_VALUES and n_values < LEAD_FROM_VALUES:
        run.start_from_response(None)
        return False
    rows = _sample_rows(run)
    if rows:
        of_rows = run.rows, run.scaling, run.family, run.binary
        sample = Run(*of_rows, run.partials, run.eliminated)
        share = _run_on_sample(sample, rows, options, aliases) / run.row_table.n_rows
        if aliases.found:
            return None
        if share > 0.0:
            if not (
                _can_use_float32(run)
                and _is_well_conditioned(sample)
                and _start_in_float32(run, sample, share, options)
            ):
                _start_from_sample(run, sample, share)
            if can_correct(run):
                run.state[at.UNCERTAINTY_SLACK] = FINALIZED_LATER_SLACK
            return True
    elif _is_led_by_one_gram(run, options) and _start_from_one_gram(run, options):
        return True
    elif _is_led_by_one_factor(run, options):
        return _start_with_one_factor(run, options)
    run.start_from_response(None)
    return False


def _is_led_by_one_gram(run: Run, options: SolverOptions) -> bool:
    """Whether the columns are so many, for the rows, that saving Gram matrices saves time."""
    n, p = run.row_table.n_rows, run.row_table.n_dense
    is_wide = p >= LEAD_FROM_DENSE and n * p >= LEAD_FROM_VALUES
    changes = not run.has_constant_weights and _can_use_float32(run)
    return is_wide and changes and options.max_iter > FLOAT32_SWEEPS and run.rows.is_in_memory


def _start_from_one_gram(run: Run, options: SolverOptions) -> bool:
    """Takes the run close to the optimum with one Gram matrix, that at its start.

    That matrix, in single precision, is the preconditioner of single precision sweeps that compute
    none. Results come from the sweep in double precision that follows, with its own Gram matrix.
    Returns whether the sweeps converged.
    """
    first = Run(run.rows, run.scaling, run.family, run.binary, run.partials)
    first.start_from_response(None)
    first.table.mode |= FLOAT32_GRAM
    first.expect(options)
    first.sweep_and_step(options.n_threads)
    may_lead = first.status == Status.RUNNING and first.state[at.N_ALIASED] == 0.0
    if not may_lead or first.state[at.LEAST_PIVOT] < LEAST_LEADING_PIVOT:
        return False
    deviance = float(run.partials[0, SUM_DEVIANCE - N_SUMS])
    run.start_from(first.vectors[at.TRIAL].astype(np.float32).astype(np.float64))
    run.state[at.N_SWEEPS] = 1.0
    run.reuse_factor(first, 1.0, FLOAT32_SWEEPS)
    run.run_in_float32(_leading(options), deviance)
    if run.status != Status.CONVERGED or run.state[at.N_ALIASED] > 0.0:
        return False
    run.resume_double(float32_gram=False)
    return True


def _is_led_by_one_factor(run: Run, options: SolverOptions) -> bool:
    """Whether sparse columns are so many that factors take most of the time.

    They must be the model's own: the diagonal of others, which says what a step changes, is not
    known without a Gram matrix.
    """
    many = run.row_table.n_columns - run.row_table.n_dense >= LEAD_FROM_SPARSE
    changes = not run.row_table.column_map[0].size and not run.has_constant_weights
    return many and changes and options.max_iter > FLOAT32_SWEEPS and run.rows.is_in_memory


def _start_with_one_factor(run: Run, options: SolverOptions) -> bool:
    """Makes the first sweep from the response; its factor leads until steps no longer gain.

    The sweep after these has its own Gram matrix again, so that results do not depend on it.
    Returns whether the run goes on with that factor.
    """
    run.start_from_response(None)
    run.expect(options)
    run.sweep_and_step(options.n_threads)
    may_lead = run.status == Status.RUNNING and run.state[at.N_ALIASED] == 0.0
    if may_lead and run.state[at.LEAST_PIVOT] >= LEAST_LEADING_PIVOT:
        run.lead_on(FLOAT32_SWEEPS)
        return True
    run.start_from_response(None)
    return False


def _leading(options: SolverOptions) -> SolverOptions:
    """Options of sweeps in single precision."""
    most = min(FLOAT32_SWEEPS, options.max_iter)
    return SolverOptions(
        FLOAT32_SLACK, most, options.n_threads, options.progress, purpose=at.Purpose.LOW_PRECISION
    )


def _sample_rows(run: Run) -> int:
    """Number of rows of a sample that is worth fitting first, 0 if none is."""
    n, p = run.row_table.n_rows, run.row_table.n_stored
    if n * p < SAMPLE_FROM_VALUES:
        return 0
    share = SMALL_SAMPLE_SHARE if _is_wide(run) else SAMPLE_SHARE
    rows = max(n // share, SAMPLE_ROWS_PER_COLUMN * p, 32 * BLOCK_ROWS)
    return rows if 2 * rows <= n else 0


def _run_on_sample(
    run: Run, rows: int, options: SolverOptions, aliases: ProvenAliases, last: bool = True
) -> int:
    """Fits the run's model to a sample of about so many rows, with a loose tolerance.

    Returns the number of rows, or 0 if the fit did not converge or aliased columns were found.
    Starts from a smaller sample where that saves time; the factor of the `last` sample is used by
    the first sweeps of all rows. A weak prior keeps coefficients of levels that are rare in the
    sample finite. The sampling error is about one unit of the decrement per coefficient: a
    tolerance far below it would gain nothing.
    """
    fewer = max(rows // SAMPLE_SHARE, FEWER_ROWS_PER_COLUMN * run.row_table.n_stored)
    fewer = _run_on_sample(run, fewer, options, aliases, last=False) if 4 * fewer <= rows else 0
    if aliases.found:
        return 0
    start = run.vectors[at.COEFFICIENTS].copy()
    float32 = fewer and _can_use_float32(run) and _is_well_conditioned(run)
    deviance = run.state[at.DEVIANCE] * rows / max(fewer, 1)
    rows = read_sample(run.table, rows)
    tolerance = SUBSAMPLE_TOLERANCE * run.row_table.n_columns / rows
    # A factor reused for many sweeps must be from near the optimum, unless weights are constant.
    if run.has_constant_weights or not (last and _factor_reuses(run) > 1):
        # A Newton step squares the distance.
        tolerance = math.sqrt(tolerance) if run.is_newton else tolerance / SCORING_LEAVES
    loose = SolverOptions(
        tolerance, max_iter=15, n_threads=options.n_threads, purpose=at.Purpose.SUBSAMPLE
    )
    for in_float32 in (True, False) if float32 else (False,):
        run.start_from(start) if fewer else run.start_from_response(None)
        run.state[at.RIDGE] = unit_of_deviance(run)
        if in_float32:
            run.run_in_float32(loose, deviance)
        else:
            run.run(loose)
        if run.status == Status.CONVERGED:
            return 0 if aliases.are_found_after(run) else rows
    return 0


def _start_from_sample(run: Run, sample: Run, share: float) -> None:
    """Coefficients of the sample, and its factor for the first sweeps."""
    run.start_from(sample.vectors[at.COEFFICIENTS])
    reuses = _factor_reuses(run)
    if reuses and sample.state[at.N_ALIASED] == 0:
        run.reuse_factor(sample, share, reuses)


def _factor_reuses(run: Run) -> int:
    """Number of sweeps that may reuse the factor of a sample.

    Where no weight changes, the first sweep's own factor serves all that follow, until one in
    double precision.
    """
    if run.has_constant_weights:
        return MAX_REUSES if _is_wide(run) and _can_use_float32(run) else 0
    if _is_wide(run):
        return MAX_REUSES
    return 1 if run.row_table.n_stored >= REUSE_FROM_COLUMNS else 0


def _is_wide(run: Run) -> bool:
    """Whether a sweep without a Gram matrix is much cheaper than one with it."""
    return run.row_table.n_dense >= REUSE_FROM_DENSE


def _can_use_float32(run: Run) -> bool:
    """Whether sweeps in single precision save a sweep in double precision."""
    is_linear = run.is_newton and run.has_constant_weights
    return run.row_table.is_dense and not is_linear


def _is_well_conditioned(sample: Run) -> bool:
    """Whether single precision can separate the columns."""
    return _least_eigenvalue(sample) > LEAST_EIGENVALUE


def _least_eigenvalue(sample: Run) -> float:
    """Lower bound on the smallest eigenvalue of the sample's Gram matrix without its prior."""
    prior = sample.state[at.RIDGE] * sample.vectors[at.COLUMN_SCALE].max() ** 2
    sample.invert()
    return 1.0 / sample.inflation - prior


def _start_in_float32(run: Run, sample: Run, share: float, options: SolverOptions) -> bool:
    """Takes the run from the sample's coefficients to near the optimum; returns whether it did."""
    deviance = sample.state[at.DEVIANCE] / share
    loose = _leading(options)
    if loose.max_iter > 1 and can_correct(run) and run.is_newton and not _is_wide(run):
        start = sample.vectors[at.COEFFICIENTS].astype(np.float32).astype(np.float64)
        run.start_from(start)
        run.run_in_float32(loose._replace(max_iter=1), deviance)
        if run.status == Status.MAX_ITERATIONS and run.state[at.N_ALIASED] == 0.0:
            if can_sample_rounding(run) and sampled_gradient_correction(run, start, options):
                run.resume_double(float32_gram=True)
                return True
            run.resume()
            run.run_in_float32(loose, deviance)
    else:
        _start_from_sample(run, sample, share)
        run.run_in_float32(loose, deviance)
    if run.status != Status.CONVERGED or run.state[at.N_ALIASED] > 0.0:
        return False
    run.resume_double(float32_gram=can_correct(run) and can_sample_rounding(run))
    return True
