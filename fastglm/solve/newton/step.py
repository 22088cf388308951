"""One step of Fisher scoring, compiled: from a sweep's sums to the next coefficients to try.

The score form, ``X'WX step = X'residual``, rather than the working-response form: its rounding
errors shrink with the residual, so that every step refines the one before.
McCullagh & Nelder (1989), section 2.5; Marschner (2011), "glm2", for the step halving.
"""

from __future__ import annotations

import math

from numba.core.types import float32, float64, int64

from fastglm.errors import Status
from fastglm.kernels.blocks.block import gram_size, padded_size
from fastglm.kernels.blocks.table import (
    BETA,
    COLUMN_MAP_START,
    FLOAT32,
    FROM_RESPONSE,
    GRAM,
    MODE,
    N_DESIGN,
    N_ELIMINATED,
    N_KEPT,
    N_ROWS,
    N_STORED,
    PARTIALS,
    STATE,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
    TRIANGLE,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import entry, inline, noinline
from fastglm.kernels.compiler.intrinsics import call_row_block, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import dot, factorize_gram
from fastglm.solve.newton.constants import (
    FEW_ROWS_SWEPT,
    MOST_SWEEPS,
    RANK_TOLERANCE,
    SHORTEST_STEP,
)
from fastglm.solve.newton.convergence import (
    is_acceptable,
    is_at_boundary,
    is_slow,
    judge_convergence,
    plan_next_sweep,
)
from fastglm.solve.newton.elimination import factorize_eliminated, schur_of_given
from fastglm.solve.newton.gram import add_partials, column_map_of, gram_to_design, score_to_design
from fastglm.solve.newton.lbfgs import keep_lbfgs_pair, solve_for, solve_lbfgs
from fastglm.solve.newton.state import (
    COEFFICIENTS,
    COLUMN_SCALE,
    DECREMENT,
    DEVIANCE,
    DIAGONAL,
    FACTOR_SCALE,
    FACTOR_WAS_REUSED,
    IS_NEWTON,
    IS_WEIGHT_CHANGE_UNKNOWN,
    LAST_DECREMENT,
    LAST_SCORE,
    LEAST_PIVOT,
    LEFT_DOMAIN_AT,
    MAX_ITERATIONS,
    N_ALIASED,
    N_ITERATIONS,
    N_LBFGS_PAIRS,
    N_SWEEPS,
    NO_DEVIANCE,
    NO_STEP,
    PEARSON,
    PEARSON_WEIGHT,
    PIVOT,
    REUSES_LEFT,
    RIDGE,
    SCORE,
    STATUS,
    STEP,
    STEP_LENGTH,
    TRIAL,
    UNCERTAINTY_CHANGE,
    WEIGHT_CHANGE,
    WITHIN_TOLERANCE,
)
from fastglm.solve.newton.vectors import copy_vector, vector

RUNNING = int(Status.RUNNING)
CONVERGED = int(Status.CONVERGED)
TOO_MANY = int(Status.MAX_ITERATIONS)
TOO_SHORT = int(Status.STEP_TOO_SHORT)
NOT_FINITE = int(Status.NOT_FINITE)
NOT_CONSTANT = int(Status.NOT_CONSTANT)
NO_START = int(Status.NO_START)
BOUNDARY = int(Status.BOUNDARY)


@noinline
def try_step(table, state):
    """Puts accepted coefficients plus the current share of the step where the sweep reads them."""
    start, index, value = column_map_of(table)
    beta = pointer(table[BETA], float64)
    coefficients, step = vector(table, COEFFICIENTS), vector(table, STEP)
    trial = vector(table, TRIAL)
    length, p = state[STEP_LENGTH], table[N_DESIGN]
    for j in range(p):
        trial[j] = coefficients[j] + length * step[j]
        if table[MODE] & FLOAT32 and state[STATUS] == RUNNING:
            # Sweeps must take the step from where they were evaluated.
            trial[j] = float32(trial[j])
    if table[COLUMN_MAP_START] == 0:
        for j in range(p):
            beta[j] = trial[j]
        return
    for a in range(table[N_STORED]):
        beta[a] = 0.0
    for j in range(p):
        for e in range(start[j], start[j + 1]):
            beta[index[e]] += value[e] * trial[j]


@inline
def shorten(table, state):
    """Half of the step that left the domain or raised the deviance.

    Where no share of a step is any good, the L-BFGS pairs may be to blame: once more without them.
    Where most steps must be shortened many times over, sweeps run out before iterations do.
    """
    sweeps = state[N_SWEEPS]
    too_many = sweeps >= MOST_SWEEPS * state[MAX_ITERATIONS]
    if too_many and sweeps * table[N_ROWS] > FEW_ROWS_SWEPT and math.isfinite(state[DEVIANCE]):
        state[STATUS] = TOO_MANY
        return
    state[STEP_LENGTH] *= 0.5
    if state[STEP_LENGTH] < SHORTEST_STEP:
        if state[N_LBFGS_PAIRS] == 0.0:
            state[STATUS] = NO_START if state[DEVIANCE] == NO_DEVIANCE else TOO_SHORT
            if state[WITHIN_TOLERANCE] == 1.0 and is_at_boundary(state):
                state[STATUS] = BOUNDARY
            return
        state[N_LBFGS_PAIRS] = 0.0
        state[STEP_LENGTH] = 1.0
        solve_lbfgs(table, state)
    table[MODE] |= WITH_GRAM
    try_step(table, state)


@noinline
def keep_information(table, state):
    """Keeps the last Gram matrix, or Schur complement, to compare the next one with.

    None where what stands is that of a sample, or of another start.
    """
    kept = table[N_KEPT] if table[N_ELIMINATED] > 0 else table[N_DESIGN]
    gram = pointer(table[GRAM], float64)
    last = pointer(table[GRAM] + 8 * kept * kept, float64)
    is_own = state[FACTOR_WAS_REUSED] == 0.0 and state[N_ITERATIONS] > 1.0
    for a in range(kept):
        for b in range(a + 1):
            value = 0.0
            if is_own and table[N_ELIMINATED] > 0:
                value = schur_of_given(table, a, b)
            elif is_own:
                value = gram[a * kept + b]
            last[a * kept + b] = value


@inline
def factor_gram(table, state, padded_order):
    """Gram matrix of the model's columns of the sweep that has just been, and its factor."""
    p = table[N_DESIGN]
    gram, scale = pointer(table[GRAM], float64), vector(table, COLUMN_SCALE)
    pivot = vector(table, PIVOT)
    keep_information(table, state)
    if table[N_ELIMINATED] > 0:
        aliased = factorize_eliminated(table, padded_order, state[RIDGE])
    else:
        gram_to_design(table, padded_order)
        for j in range(p):
            gram[j * p + j] += state[RIDGE]
        triangle = pointer(table[TRIANGLE], float64)
        aliased = factorize_gram(gram, triangle, scale, pivot, p, RANK_TOLERANCE)
    least = 1.0
    for j in range(p):
        least = min(least, pivot[j])
    if aliased < 0:
        state[STATUS] = NOT_FINITE
    state[N_ALIASED] = aliased
    state[LEAST_PIVOT] = least
    state[FACTOR_SCALE] = 1.0


def factor(table_address, unused):
    """Factor of the Gram matrix that stands where all chunks' are added up; returns 0."""
    table = pointer(table_address, int64)
    _, padded_order = padded_size(table)
    factor_gram(table, pointer(table[STATE], float64), padded_order)
    return 0


factor_kernel = RowBlock(factor, "factor", {})


@inline
def compare_diagonal(table, state, padded_order):
    """Relative change of the Gram matrix's diagonal since the last sweep that had it; keeps it."""
    p, with_gram = table[N_DESIGN], table[MODE] & WITH_GRAM
    gram, last = pointer(table[GRAM], float64), vector(table, DIAGONAL)
    scale = vector(table, COLUMN_SCALE)
    total = pointer(table[PARTIALS], float64)
    change = 0.0
    for j in range(p):
        value = 0.0
        if with_gram and table[N_ELIMINATED] > 0:
            # The Gram matrix is not whole, but this is how its columns have been scaled.
            value = 1.0 / (scale[j] * scale[j]) if scale[j] > 0.0 else 0.0
        elif with_gram:
            value = gram[j * p + j]
        else:
            value = total[j * (padded_order + 1)]
        if not with_gram and table[COLUMN_MAP_START] != 0:
            # What the stored columns add up to takes more than a diagonal.
            value, change = 0.0, 1.0
        if value > 0.0:
            change = max(change, abs(value / last[j] - 1.0) if last[j] > 0.0 else 1.0)
        last[j] = value
    state[WEIGHT_CHANGE] = min(change, 1.0)
    state[IS_WEIGHT_CHANGE_UNKNOWN] = 1.0 if state[WEIGHT_CHANGE] == 1.0 else 0.0
    state[UNCERTAINTY_CHANGE] = max(state[UNCERTAINTY_CHANGE], state[WEIGHT_CHANGE])


@inline
def find_score(table, state):
    """Score of the sweep that has just been, and the L-BFGS pair that it gives."""
    score, trial = vector(table, SCORE), vector(table, TRIAL)
    copy_vector(table, SCORE, LAST_SCORE)
    score_to_design(table)
    for j in range(table[N_DESIGN]):
        score[j] -= state[RIDGE] * trial[j]
    if table[MODE] & WITH_GRAM and state[IS_NEWTON] == 1.0:
        state[N_LBFGS_PAIRS] = 0.0
    elif is_slow(state) or (state[REUSES_LEFT] > 0.0 and state[N_ITERATIONS] > 1.0):
        keep_lbfgs_pair(table, state)


@inline
def find_step(table, state):
    """Newton step from the factor of the sweep's Gram matrix, or from a reused one."""
    p = table[N_DESIGN]
    score, step = vector(table, SCORE), vector(table, STEP)
    # Fisher's own decrement first: L-BFGS pairs that mislead must not make it look converged.
    solve_for(table, score, step)
    decrement = state[FACTOR_SCALE] * dot(step, score, p)
    if state[N_LBFGS_PAIRS] > 0.0:
        solve_lbfgs(table, state)
        decrement = max(decrement, dot(step, score, p))
    else:
        for j in range(p):
            step[j] *= state[FACTOR_SCALE]
    state[LAST_DECREMENT] = state[DECREMENT]
    state[DECREMENT] = decrement
    if not math.isfinite(decrement):
        state[STATUS] = NOT_FINITE


@inline
def penalty(table, state):
    """Penalty of the ridge, on the scale of the deviance."""
    trial = vector(table, TRIAL)
    return state[RIDGE] * dot(trial, trial, table[N_DESIGN])


@inline
def accept(table, state, deviance, pearson):
    """Makes the trial the coefficients to go on from."""
    copy_vector(table, TRIAL, COEFFICIENTS)
    moved = state[PEARSON_WEIGHT] * abs(pearson - state[PEARSON])
    state[UNCERTAINTY_CHANGE] = moved / pearson if pearson > 0.0 else 0.0
    state[DEVIANCE] = deviance
    state[PEARSON] = pearson
    state[N_ITERATIONS] += 1.0


@inline
def measure_from_start(table, state):
    """Turns coefficients, which the first sweep solved for, into a step from the safe start."""
    step, coefficients = vector(table, STEP), vector(table, COEFFICIENTS)
    for j in range(table[N_DESIGN]):
        step[j] -= coefficients[j]
    state[DECREMENT] = NO_STEP


@inline
def take_last_step(table):
    """Makes the trial the result, without a sweep; the coefficients before take its place."""
    coefficients, trial = vector(table, COEFFICIENTS), vector(table, TRIAL)
    for j in range(table[N_DESIGN]):
        coefficients[j], trial[j] = trial[j], coefficients[j]


@inline
def judge_trial(table, state, sums):
    """Whether to go on from the trial, by the sums there; False asks for a shorter step."""
    deviance = sums[SUM_DEVIANCE] + penalty(table, state)
    if table[MODE] & FLOAT32:
        # Not evaluated: an estimate, which stays.
        deviance = state[DEVIANCE]
    if sums[SUM_NOT_CONSTANT] > 0.0:
        state[STATUS] = NOT_CONSTANT
    elif table[MODE] & FROM_RESPONSE:
        table[MODE] -= FROM_RESPONSE
        if math.isnan(deviance):
            state[STATUS] = NOT_FINITE
    elif is_acceptable(state, deviance, sums[SUM_OUTSIDE]):
        accept(table, state, deviance, sums[SUM_PEARSON])
    else:
        if sums[SUM_OUTSIDE] > 0.0:
            state[LEFT_DOMAIN_AT] = state[N_ITERATIONS] + 1.0
        return False
    return True


def take_step(table_address, unused):
    """Everything between two sweeps: accept or halve, factor, solve, judge, set the next try.

    Called by address with that of the table of a run; returns the status.
    """
    table = pointer(table_address, int64)
    state = pointer(table[STATE], float64)
    padded_order = add_partials(table)
    sums_at = gram_size(table) + table[N_STORED]
    sums = pointer(table[PARTIALS] + 8 * sums_at, float64)
    state[N_SWEEPS] += 1.0
    from_response = table[MODE] & FROM_RESPONSE
    if not judge_trial(table, state, sums):
        shorten(table, state)
        return int64(state[STATUS])
    if state[STATUS] == RUNNING:
        find_score(table, state)
        if table[MODE] & WITH_GRAM:
            factor_gram(table, state, padded_order)
        if table[MODE] & (WITH_GRAM | WITH_DIAGONAL):
            compare_diagonal(table, state, padded_order)
    if state[STATUS] == RUNNING:
        find_step(table, state)
    if state[STATUS] == RUNNING:
        state[STEP_LENGTH] = 1.0
        if from_response:
            measure_from_start(table, state)
        elif state[REUSES_LEFT] <= 0.0:
            judge_convergence(state)
        plan_next_sweep(table, state)
        try_step(table, state)
        if state[STATUS] == CONVERGED:
            take_last_step(table)
    return int64(state[STATUS])


step_kernel = RowBlock(take_step, "step", {})


@entry
def iterate(kernel, step, table, n_chunks):
    """Sweeps and steps to the end on the calling thread, for problems too small to share out."""
    status = RUNNING
    while status == RUNNING:
        for chunk in range(n_chunks):
            call_row_block(kernel, table, chunk)
        status = call_row_block(step, table, 0)
