"""Ill-conditioned designs: a factor from a streamed QR, and steps with it.

A Gram matrix squares the condition number of its design, so that its factor does not distinguish a
column that is nearly a combination of others from one that is. A QR factorisation does. Blocks of
rows are factored one after another, each stacked below the triangle so far (the sequential
tall-skinny QR of Demmel, Grigori, Hoemmen & Langou, 2012), so that memory does not grow with n. The
step then solves the seminormal equations R'R step = score, which is as good as the score: for a
linear model that is then summed in twice the working precision (`refine_linear`).
"""

from __future__ import annotations

import numpy as np

from fastglm.design.matrix.take import take_rows
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks.row_buffers import DEVIANCE, PRIOR_WEIGHT, QUADRATIC_FORM, WEIGHT
from fastglm.kernels.math.cholesky import solve_factored
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Scaling
from fastglm.passes.triangle import triangle_of_rows
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import (
    MAX_CONTRACTION,
    MAX_WEIGHT_CHANGE,
    PREDICTED_SHARE,
    STANDARD_ERROR_SLACK,
)
from fastglm.solve.newton.run import Run, SolverOptions

__all__ = [
    "aliased_combinations",
    "combination_of_given",
    "eliminate",
    "factor_with_qr",
    "finalize_aliased",
    "is_ill_conditioned",
    "refine_with_qr",
    "solve_upper",
    "standardized_rows",
    "unit_columns",
]

#: Pivots (shares of unexplained variation) below this make a Gram matrix's factor doubtful.
DOUBTFUL_PIVOT = 1e-7
#: A column is aliased if the norm of its part outside the span of earlier ones is below this share
#: of its own; the tolerance of R's ``glm``.
ALIASED_NORM = 1e-11
#: So many times that share are more than rounding makes of it.
CLEARLY = 100.0
#: Norm that rounding leaves of a column of unit norm.
ROUNDING_NORM = 1e-15
MAX_REFINEMENTS = 30
#: Number of steps hardly shorter than the shortest so far after which steps count as rounding.
MAX_STALLS = 6
#: Apparent rise of the deviance that is allowed in a step close to the optimum, in units of half
#: the largest decrement of such a step.
RISE_BY_ROUNDING = 4.0
#: A factor by QR is computed again once a weight has changed by more than this share.
NEW_FACTOR = 1e-2
#: Coefficients of a combination below this share of the largest are rounding errors.
NOTHING = 1e-6


def is_ill_conditioned(run: Run, family: Family, options: SolverOptions) -> bool:
    """Whether the run's Gram matrix is too inaccurate to decide which columns are aliased."""
    if run.state[at.LEAST_PIVOT] >= DOUBTFUL_PIVOT:
        return False
    pivot = run.vectors[at.PIVOT]
    nothing = run.vectors[at.COLUMN_SCALE] == 0.0
    if np.any((pivot < DOUBTFUL_PIVOT) & ~nothing):
        return True
    # Columns of zeros are certainly aliased; those whose rows have lost all weight are not.
    squares, prior = evaluate_rows(
        run.row_table,
        family,
        np.zeros(pivot.size),
        (QUADRATIC_FORM, PRIOR_WEIGHT),
        factor=np.eye(pivot.size)[nothing],
        n_threads=options.n_threads,
    )
    return bool(np.any((squares > 0.0) & (prior > 0.0)))


def finalize_aliased(run: Run, n_threads: int) -> None:
    """Decide by QR, over rows of any weight, which columns are combinations of earlier ones.

    Coefficients that they have, from the start or from when weights told them apart, go to those
    earlier columns.
    """
    row_table, coefficients = run.row_table, run.vectors[at.COEFFICIENTS]
    coefficients[~np.isfinite(coefficients)] = 0.0
    weights = row_table.weights
    present = np.ones(row_table.n_rows) if weights is None else (weights > 0.0).astype(np.float64)
    triangle, scale = unit_columns(triangle_of_rows(row_table, run.scaling, present, n_threads))
    run.kept = eliminate(triangle)[1] > 0.0
    moved = ~run.kept & (coefficients != 0.0) & (scale > 0.0)
    if moved.any():
        predictor = triangle[:, moved] @ (coefficients[moved] / scale[moved])
        combination = np.linalg.lstsq(triangle[:, run.kept], predictor, rcond=None)[0]
        coefficients[run.kept] += scale[run.kept] * combination
    coefficients[~run.kept] = 0.0


def refine_with_qr(run: Run, family: Family, options: SolverOptions, doubtful: bool = True) -> None:
    """Newton steps with the triangle of a QR factorisation, from the coefficients of the run.

    Decides again which columns are aliased, if that is `doubtful`. Does nothing to a run without
    coefficients inside the domain.
    """
    if not np.isfinite(run.state[at.DEVIANCE]):
        return
    state = run.state
    done = state[at.N_ITERATIONS] - 1.0, state[at.N_SWEEPS]
    run.kept = np.ones(run.row_table.n_columns, dtype=bool) if doubtful else ~run.aliased
    factored = _start_with_qr(run, family, options, done)
    if doubtful and not _none_is_aliased(run, factored):
        finalize_aliased(run, options.n_threads)
        factored = _start_with_qr(run, family, options, done)
    stalled, least = 0, np.inf
    for refinement in range(MAX_REFINEMENTS):
        if refinement and not family.has_constant_weights:
            (weight,) = _rows_at(run, family, options, WEIGHT)
            if _weights_differ_by(NEW_FACTOR, weight, factored):
                factored = weight
                factor_with_qr(run, weight, options)
                state[at.N_LBFGS_PAIRS] = 0.0
        if state[at.STATUS] == Status.NOT_FINITE or not _take_step(run, options):
            return
        if state[at.STEP_LENGTH] == 1.0 and _is_small(state, options.tol):
            break
        # L-BFGS pairs of moves that are mostly rounding errors mislead the next steps.
        stalled = stalled + 1 if state[at.DECREMENT] > MAX_CONTRACTION * least else 0
        least = min(least, state[at.DECREMENT])
        if stalled == MAX_STALLS:
            break
    state[at.STATUS] = _judge(run, family, options, factored)


def _start_with_qr(
    run: Run, family: Family, options: SolverOptions, done: tuple[float, float]
) -> np.ndarray:
    """Start from the run's coefficients with a factor there; returns the weights, (n,).

    So many iterations and sweeps are `done`.
    """
    state = run.state
    run.start_from(run.vectors[at.COEFFICIENTS].copy())
    state[at.N_ITERATIONS], state[at.N_SWEEPS] = done
    state[at.TOLERANCE], state[at.MAX_ITERATIONS] = options.tol, at.UNLIMITED
    (weight,) = _rows_at(run, family, options, WEIGHT)
    factor_with_qr(run, weight, options)
    return weight


def _none_is_aliased(run: Run, weight: np.ndarray) -> bool:
    """Whether the factor with these weights shows that no column is a combination of others.

    Over rows that all count once, the part of a column outside the span of others is at least as
    long as with these weights over the root of the largest, and the column itself at most as long
    as with them over the root of the least.
    """
    if run.state[at.STATUS] == Status.NOT_FINITE:
        return False
    if run.row_table.weights is not None:
        weight = weight[run.row_table.weights > 0.0]
    if not weight.min() > 0.0:
        # Rows fitted exactly on a boundary may have none, all of them too.
        return False
    outside = np.sqrt(run.vectors[at.PIVOT].min() * weight.min() / weight.max())
    return bool(outside > CLEARLY * ALIASED_NORM)


def _take_step(run: Run, options: SolverOptions) -> bool:
    """A sweep, and a step with the current factor; returns whether the run goes on."""
    state = run.state
    run.table.mode = 0
    state[at.REUSES_LEFT] = at.UNLIMITED
    deviance = state[at.DEVIANCE]
    allowed = options.tol * (abs(deviance) + 0.1)
    if 0.5 * state[at.DECREMENT] <= allowed:
        # Close to the optimum a rise of the deviance may be rounding: steps are judged by size. But
        # where rows have lost all weight, a step of length 0 in standard errors may lead anywhere.
        state[at.DEVIANCE] += RISE_BY_ROUNDING * allowed
    raised = state[at.DEVIANCE]
    run.sweep_and_step(options.n_threads)
    if state[at.DEVIANCE] == raised:
        # The step was not accepted.
        state[at.DEVIANCE] = deviance
    return bool(state[at.STATUS] == Status.RUNNING)


def _weights_differ_by(share: float, weight: np.ndarray, other: np.ndarray) -> bool:
    """Whether any weight differs by more than a share, which bounds that of the variances."""
    return not bool((np.abs(weight - other) <= share * other).all())


def _judge(run: Run, family: Family, options: SolverOptions, weight: np.ndarray) -> Status:
    """Status after refinement; takes its last step unless the deviance rises or the domain ends.

    `weight` is that of the rows when they were factored last.
    """
    state, vectors = run.state, run.vectors
    accepted = vectors[at.COEFFICIENTS].copy()
    vectors[at.COEFFICIENTS] = vectors[at.TRIAL]
    now, deviance, prior = _rows_at(run, family, options, WEIGHT, DEVIANCE, PRIOR_WEIGHT)
    slack = options.tol * (abs(state[at.DEVIANCE]) + 0.1)
    if not (np.isfinite(now).all() and deviance.sum() <= state[at.DEVIANCE] + slack):
        vectors[at.COEFFICIENTS] = accepted
        return Status.STEP_TOO_SHORT
    if not 0.5 * state[at.DECREMENT] <= slack:
        return Status.MAX_ITERATIONS
    # A column that is no combination of others, but whose rows have lost or still lose all weight,
    # has a coefficient that diverges, or means at the end of their range.
    lost = np.any(run.kept & (vectors[at.PIVOT] == 0.0))
    if lost and _has_reachable_end(family):
        return Status.BOUNDARY
    gone = np.any((now == 0.0) & (prior > 0.0))
    weights_not_converged = np.any(np.abs(now - weight) > MAX_WEIGHT_CHANGE * weight)
    if lost or gone or weights_not_converged:
        return Status.MAX_ITERATIONS
    if _weights_differ_by(STANDARD_ERROR_SLACK * options.tol, now, weight):
        # Standard errors are those of the weights at the estimates, not of weights close by.
        factor_with_qr(run, now, options)
    return Status.CONVERGED


def _has_reachable_end(family: Family) -> bool:
    """Whether a finite linear predictor brings a mean to an end of its domain."""
    ends = np.array([family.domain.lower, family.domain.upper])
    with np.errstate(all="ignore"):
        return bool(np.isfinite(family.link(ends[np.isfinite(ends)])).any())


def _is_small(state: np.ndarray, tol: float) -> bool:
    """Whether steps are as short as those of any other fit at its end."""
    bound = abs(state[at.DEVIANCE]) + 0.1
    return bool(0.5 * state[at.DECREMENT] <= PREDICTED_SHARE * tol * tol * bound)


def _rows_at(run: Run, family: Family, options: SolverOptions, *which: int) -> np.ndarray:
    """Buffers of the rows, (len(which), n), at the run's coefficients."""
    params = run.scaling.to_params(run.vectors[at.COEFFICIENTS], run.row_table)
    return evaluate_rows(run.row_table, family, params, which, n_threads=options.n_threads)


def factor_with_qr(run: Run, weight: np.ndarray, options: SolverOptions) -> None:
    """Put the triangle of the weighted, standardised design where the solver looks for a factor."""
    if not np.isfinite(weight).all():
        run.state[at.STATUS] = Status.NOT_FINITE
        return
    root = np.sqrt(weight)
    triangle, scale = unit_columns(
        triangle_of_rows(run.row_table, run.scaling, root, options.n_threads)
    )
    # The aliased columns are decided, whatever the weights: a kept column whose rows have lost all
    # weight only keeps its coefficient.
    factor, pivot = eliminate(triangle * ~run.aliased, ROUNDING_NORM)
    run.factor[:] = factor
    run.vectors[at.COLUMN_SCALE] = scale
    run.vectors[at.PIVOT] = pivot
    run.state[at.N_ALIASED] = np.count_nonzero(run.aliased)
    run.state[at.FACTOR_SCALE] = 1.0
    run.is_orthogonal = True


def unit_columns(triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns scaled to unit norm, and the scales, (p,); a column of zeros stays."""
    norms = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0.0)
    return triangle * scale, scale


def standardized_rows(run: Run, rows: np.ndarray) -> np.ndarray:
    """Some rows of the design, written out and standardised, (len(rows), p)."""
    row_table, scaling = run.row_table, run.scaling
    columns = take_rows(row_table.design, rows).to_dense()
    direct_columns, design_column = row_table.direct_columns
    columns[:, design_column] = (
        columns[:, design_column] - scaling.shift[direct_columns]
    ) * scaling.scale[direct_columns]
    return columns


def eliminate(
    triangle: np.ndarray, tolerance: float = ALIASED_NORM, keep_inside: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Lower factor and pivots of columns of unit norm, taken from left to right.

    A column is aliased if its part outside the span of earlier ones is not above `tolerance`. It
    must not enter the basis, where its rounding errors would count as a direction; so the columns
    are orthogonalised one by one, each twice (Kahan and Parlett: that is enough). Its row of the
    factor is zero, or with `keep_inside` its coordinates in the basis of the columns before it.
    """
    n_rows, p = triangle.shape
    # With fewer rows than columns, R has fewer rows too.
    basis = np.zeros((n_rows, p))
    factor, pivot = np.zeros((p, p)), np.zeros(p)
    for j in range(p):
        rest = triangle[:, j].copy()
        for _ in range(2):
            inside = basis[:, :j].T @ rest
            factor[j, :j] += inside
            rest -= basis[:, :j] @ inside
        norm = np.linalg.norm(rest)
        if norm > tolerance:
            basis[:, j] = rest / norm
            factor[j, j] = norm
            pivot[j] = norm**2
        elif not keep_inside:
            factor[j, :j] = 0.0
    return factor, pivot


def solve_upper(triangle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of an upper triangle's system, (k, k) and (k, m), without waking BLAS threads."""
    solution = right.copy()
    for j in range(len(triangle) - 1, -1, -1):
        solution[j] -= triangle[j, j + 1 :] @ solution[j + 1 :]
        solution[j] /= triangle[j, j]
    return solution


def aliased_combinations(run: Run) -> dict[int, np.ndarray]:
    """For each aliased column, the combination of earlier columns that it equals.

    Returns
    -------
    dict of int to ndarray, shape (p,)
        Column to coefficients of the earlier columns, on the scale of the columns as they came;
        values that are rounding errors are 0. Columns of zeros are combinations of none.
    """
    vectors = run.vectors
    pivot = vectors[at.PIVOT]
    combinations = {}
    for j in np.flatnonzero(run.aliased):
        if run.eliminated is not None:
            # The Gram matrix has found columns of zeros alone.
            combinations[int(j)] = np.zeros(pivot.size)
            continue
        earlier = pivot.copy()
        earlier[j:] = 0.0
        coefficients = np.zeros(pivot.size)
        products = np.ascontiguousarray(run.gram[:, j])
        solve_factored(run.factor, vectors[at.COLUMN_SCALE], earlier, products, coefficients)
        combinations[int(j)] = combination_of_given(
            run.row_table, run.scaling, int(j), coefficients
        )
    return combinations


def combination_of_given(
    row_table: RowTable, scaling: Scaling, column: int, coefficients: np.ndarray
) -> np.ndarray:
    """Combination that equals a column, (p,), on the scale of the columns as they came.

    `coefficients`, (p,), are those of the standardised columns. Values that are rounding errors
    become 0.
    """
    coefficients = coefficients.copy()
    for k in np.flatnonzero(row_table.design_column_of == column):
        coefficients /= scaling.scale[k]
        if scaling.constant >= 0:
            coefficients[row_table.design_column_of[scaling.constant]] += scaling.shift[k]
    weights = _rounded(scaling.to_params(coefficients, row_table))
    if scaling.constant >= 0:
        # With weights that are not rounded this is a small difference of large numbers.
        intercept = row_table.design_column_of[scaling.constant]
        weights[intercept] = 0.0
        weights[intercept] = (
            _mean_rest(row_table, column, weights) * scaling.scale[scaling.constant]
        )
        weights = _rounded(weights)
    return weights


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Weights of a combination, where those near zero or whole numbers are rounded to these."""
    weights = np.where(np.abs(weights) < NOTHING * np.abs(weights).max(initial=0.0), 0.0, weights)
    nearest = np.rint(weights)
    return np.where(np.abs(weights - nearest) < NOTHING, nearest, weights)


def _mean_rest(row_table: RowTable, column: int, weights: np.ndarray) -> float:
    """Mean of a column less a combination of others, over some of the rows of positive weight."""
    if row_table.weights is None:
        present, n = None, row_table.n_rows
    else:
        present = np.flatnonzero(row_table.weights > 0.0)
        n = present.size
    some = np.unique(np.linspace(0, n - 1, 64).astype(np.intp))
    rows = take_rows(row_table.design, some if present is None else present[some]).to_dense()
    return float(np.mean(rows[:, column] - rows @ weights))
