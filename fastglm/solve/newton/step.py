"""One step of Fisher scoring, compiled: from a sweep's sums to the next coefficients to try.

The score form, ``X'WX step = X'residual``, rather than the working-response form: its rounding
errors shrink with the residual, so that every step refines the one before.
McCullagh & Nelder (1989), section 2.5; Marschner (2011), "glm2", for the step halving.
"""

from __future__ import annotations

import math

from numba.core.types import float32, float64, int64

from fastglm.errors import Status
from fastglm.kernels.blocks.block import padded_size
from fastglm.kernels.blocks.table import (
    BETA,
    FROM_RESPONSE,
    GRAM,
    MODE,
    N_MODEL,
    N_SWEEP,
    PARTIALS,
    SINGLE,
    STATE,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
    TRANSFORM_START,
    TRIANGLE,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import called, entry, inlined
from fastglm.kernels.compiler.intrinsics import call_row_block, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import dot, factorize_gram
from fastglm.solve.newton.convergence import (
    UNKNOWN,
    is_acceptable,
    is_at_boundary,
    is_slow,
    judge_convergence,
    plan_next_sweep,
)
from fastglm.solve.newton.gram import add_partials, gram_to_model, score_to_model, transform_of
from fastglm.solve.newton.secants import keep_secant, solve_for, solve_with_secants
from fastglm.solve.newton.state import (
    CANDIDATE,
    COLUMN_SCALE,
    DECREMENT,
    DEVIANCE,
    DIAGONAL,
    FACTOR_SCALE,
    FROZEN,
    IS_NEWTON,
    LAST_DECREMENT,
    LAST_SCORE,
    LEAST_PIVOT,
    LEFT_DOMAIN_AT,
    N_ALIASED,
    N_ITERATIONS,
    N_SECANTS,
    N_SWEEPS,
    PEARSON,
    PEARSON_WEIGHT,
    PIVOT,
    RANK_TOLERANCE,
    RIDGE,
    SCORE,
    SHORTEST_STEP,
    STATUS,
    STEP,
    STEP_LENGTH,
    THETA,
    UNCERTAINTY_CHANGE,
    WEIGHT_CHANGE,
    WITHIN_TOLERANCE,
)
from fastglm.solve.newton.vectors import copy_vector, vector

RUNNING = int(Status.RUNNING)
CONVERGED = int(Status.CONVERGED)
TOO_SHORT = int(Status.STEP_TOO_SHORT)
NOT_FINITE = int(Status.NOT_FINITE)
NOT_CONSTANT = int(Status.NOT_CONSTANT)
NO_START = int(Status.NO_START)
BOUNDARY = int(Status.BOUNDARY)


@called
def try_step(context, state):
    """Puts accepted coefficients plus the current share of the step where the sweep reads them."""
    start, index, value = transform_of(context)
    beta = pointer(context[BETA], float64)
    theta, step = vector(context, THETA), vector(context, STEP)
    candidate = vector(context, CANDIDATE)
    length, p = state[STEP_LENGTH], context[N_MODEL]
    for j in range(p):
        candidate[j] = theta[j] + length * step[j]
        if context[MODE] & SINGLE and state[STATUS] == RUNNING:
            # Sweeps must take the step from where they were evaluated.
            candidate[j] = float32(candidate[j])
    if context[TRANSFORM_START] == 0:
        for j in range(p):
            beta[j] = candidate[j]
        return
    for a in range(context[N_SWEEP]):
        beta[a] = 0.0
    for j in range(p):
        for e in range(start[j], start[j + 1]):
            beta[index[e]] += value[e] * candidate[j]


@inlined
def shorten(context, state):
    """Half of the step that left the domain or raised the deviance.

    Where no share of a step is any good, the secants may be to blame: once more without them.
    """
    state[STEP_LENGTH] *= 0.5
    if state[STEP_LENGTH] < SHORTEST_STEP:
        if state[N_SECANTS] == 0.0:
            state[STATUS] = NO_START if math.isinf(state[DEVIANCE]) else TOO_SHORT
            if state[WITHIN_TOLERANCE] == 1.0 and is_at_boundary(state):
                state[STATUS] = BOUNDARY
            return
        state[N_SECANTS] = 0.0
        state[STEP_LENGTH] = 1.0
        solve_with_secants(context, state)
    context[MODE] |= WITH_GRAM
    try_step(context, state)


@inlined
def factor_gram(context, state, padded_order):
    """Gram matrix of the model's columns of the sweep that has just been, and its factor."""
    p = context[N_MODEL]
    gram, scale = pointer(context[GRAM], float64), vector(context, COLUMN_SCALE)
    gram_to_model(context, padded_order)
    for j in range(p):
        gram[j * p + j] += state[RIDGE]
    triangle = pointer(context[TRIANGLE], float64)
    pivot = vector(context, PIVOT)
    aliased = factorize_gram(gram, triangle, scale, pivot, p, RANK_TOLERANCE)
    least = 1.0
    for j in range(p):
        least = min(least, pivot[j])
    if aliased < 0:
        state[STATUS] = NOT_FINITE
    state[N_ALIASED] = aliased
    state[LEAST_PIVOT] = least
    state[FACTOR_SCALE] = 1.0


def factor(context_address, unused):
    """Factor of the Gram matrix that stands where all chunks' are added up; returns 0."""
    context = pointer(context_address, int64)
    _, padded_order = padded_size(context)
    factor_gram(context, pointer(context[STATE], float64), padded_order)
    return 0


factor_kernel = RowBlock(factor, "factor", {})


@inlined
def compare_diagonal(context, state, padded_order):
    """How much the Gram matrix's diagonal changed since a sweep that knew it; keeps it."""
    p, with_gram = context[N_MODEL], context[MODE] & WITH_GRAM
    gram, last = pointer(context[GRAM], float64), vector(context, DIAGONAL)
    total = pointer(context[PARTIALS], float64)
    change = 0.0
    for j in range(p):
        value = gram[j * p + j] if with_gram else total[j * (padded_order + 1)]
        if not with_gram and context[TRANSFORM_START] != 0:
            # What the sweep's own columns add up to takes more than a diagonal.
            value, change = 0.0, UNKNOWN
        if value > 0.0:
            change = max(change, abs(value / last[j] - 1.0) if last[j] > 0.0 else UNKNOWN)
        last[j] = value
    state[WEIGHT_CHANGE] = min(change, UNKNOWN)
    state[UNCERTAINTY_CHANGE] = max(state[UNCERTAINTY_CHANGE], state[WEIGHT_CHANGE])


@inlined
def find_score(context, state, padded_order):
    """Score of the sweep that has just been, and the secant that it gives."""
    score, candidate = vector(context, SCORE), vector(context, CANDIDATE)
    copy_vector(context, SCORE, LAST_SCORE)
    score_to_model(context, padded_order)
    for j in range(context[N_MODEL]):
        score[j] -= state[RIDGE] * candidate[j]
    if context[MODE] & WITH_GRAM and state[IS_NEWTON] == 1.0:
        state[N_SECANTS] = 0.0
    elif is_slow(state) or (state[FROZEN] > 0.0 and state[N_ITERATIONS] > 1.0):
        keep_secant(context, state)


@inlined
def find_step(context, state):
    """Newton step from the factor of the sweep's Gram matrix, or from a frozen one."""
    p = context[N_MODEL]
    score, step = vector(context, SCORE), vector(context, STEP)
    # Fisher's own decrement first: secants that mislead must not make it look converged.
    solve_for(context, score, step)
    decrement = state[FACTOR_SCALE] * dot(step, score, p)
    if state[N_SECANTS] > 0.0:
        solve_with_secants(context, state)
        decrement = max(decrement, dot(step, score, p))
    else:
        for j in range(p):
            step[j] *= state[FACTOR_SCALE]
    state[LAST_DECREMENT] = state[DECREMENT]
    state[DECREMENT] = decrement
    if not math.isfinite(decrement):
        state[STATUS] = NOT_FINITE


@inlined
def penalty(context, state):
    """What the ridge adds to the deviance."""
    candidate = vector(context, CANDIDATE)
    return state[RIDGE] * dot(candidate, candidate, context[N_MODEL])


@inlined
def accept(context, state, deviance, pearson):
    """Makes the candidate the coefficients to go on from."""
    copy_vector(context, CANDIDATE, THETA)
    moved = state[PEARSON_WEIGHT] * abs(pearson - state[PEARSON])
    state[UNCERTAINTY_CHANGE] = moved / pearson if pearson > 0.0 else 0.0
    state[DEVIANCE] = deviance
    state[PEARSON] = pearson
    state[N_ITERATIONS] += 1.0


@inlined
def measure_from_start(context, state):
    """Turns coefficients, which the first sweep solved for, into a step from the safe start."""
    step, theta = vector(context, STEP), vector(context, THETA)
    for j in range(context[N_MODEL]):
        step[j] -= theta[j]
    state[DECREMENT] = math.inf


@inlined
def take_last_step(context):
    """Makes the candidate the result, without a sweep; the coefficients before take its place."""
    theta, candidate = vector(context, THETA), vector(context, CANDIDATE)
    for j in range(context[N_MODEL]):
        theta[j], candidate[j] = candidate[j], theta[j]


def take_step(context_address, unused):
    """Everything between two sweeps: accept or halve, factor, solve, judge, set the next try.

    Called by address with that of the table of a run; returns the status.
    """
    context = pointer(context_address, int64)
    state = pointer(context[STATE], float64)
    padded_order = add_partials(context)
    sums_at = padded_order * padded_order + context[N_SWEEP]
    sums = pointer(context[PARTIALS] + 8 * sums_at, float64)
    state[N_SWEEPS] += 1.0
    deviance = sums[SUM_DEVIANCE] + penalty(context, state)
    if context[MODE] & SINGLE:
        # Not evaluated: an estimate, which stays.
        deviance = state[DEVIANCE]
    from_response = context[MODE] & FROM_RESPONSE
    if sums[SUM_NOT_CONSTANT] > 0.0:
        state[STATUS] = NOT_CONSTANT
    elif from_response:
        context[MODE] -= FROM_RESPONSE
        if math.isnan(deviance):
            state[STATUS] = NOT_FINITE
    elif is_acceptable(state, deviance, sums[SUM_OUTSIDE]):
        accept(context, state, deviance, sums[SUM_PEARSON])
    else:
        if sums[SUM_OUTSIDE] > 0.0:
            state[LEFT_DOMAIN_AT] = state[N_ITERATIONS] + 1.0
        shorten(context, state)
        return int64(state[STATUS])
    if state[STATUS] == RUNNING:
        find_score(context, state, padded_order)
        if context[MODE] & WITH_GRAM:
            factor_gram(context, state, padded_order)
        if context[MODE] & (WITH_GRAM | WITH_DIAGONAL):
            compare_diagonal(context, state, padded_order)
    if state[STATUS] == RUNNING:
        find_step(context, state)
    if state[STATUS] == RUNNING:
        state[STEP_LENGTH] = 1.0
        if from_response:
            measure_from_start(context, state)
        elif state[FROZEN] <= 0.0:
            judge_convergence(state)
        plan_next_sweep(context, state)
        try_step(context, state)
        if state[STATUS] == CONVERGED:
            take_last_step(context)
    return int64(state[STATUS])


step_kernel = RowBlock(take_step, "step", {})


@entry
def iterate(kernel, step, context, n_chunks):
    """Sweeps and steps to the end on the calling thread, for problems too small to share out."""
    status = RUNNING
    while status == RUNNING:
        for chunk in range(n_chunks):
            call_row_block(kernel, context, chunk)
        status = call_row_block(step, context, 0)
