"""One step of Fisher scoring, compiled: from a sweep's sums to the next coefficients to try.

The score form, ``X'WX step = X'residual``, rather than the working-response form: its rounding
errors shrink with the residual, so that every step refines the one before.
McCullagh & Nelder (1989), section 2.5; Marschner (2011), "glm2", for the step halving.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64

from fastglm.errors import Status
from fastglm.kernels.block import padded_size
from fastglm.kernels.context import (
    BETA,
    FROM_RESPONSE,
    MODE,
    N_CHUNKS,
    N_DENSE,
    N_SUMS,
    N_SWEEP,
    PARTIALS,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
    WITH_GRAM,
)
from fastglm.kernels.jit import call_row_block, called, entry, inlined, pointer
from fastglm.solve.cholesky import dot, factorize, solve
from fastglm.solve.state import (
    CANDIDATE,
    COLUMN_SCALE,
    DECREMENT,
    DEVIANCE,
    FACTOR_SCALE,
    FROZEN,
    IS_NEWTON,
    IS_ROUGH,
    LAST_DECREMENT,
    LAST_SCORE,
    LEFT_DOMAIN_AT,
    MAX_ITERATIONS,
    MEMORY,
    N_ALIASED,
    N_ITERATIONS,
    N_SECANTS,
    N_SWEEPS,
    PEARSON,
    PIVOT,
    RANK_TOLERANCE,
    RIDGE,
    SCORE,
    SECANTS,
    SHORTEST_STEP,
    STATUS,
    STEP,
    STEP_LENGTH,
    THETA,
    TOLERANCE,
    UNCERTAINTY_CHANGE,
    WITHIN_TOLERANCE,
)

RUNNING = int(Status.RUNNING)
CONVERGED = int(Status.CONVERGED)
TOO_MANY = int(Status.MAX_ITERATIONS)
TOO_SHORT = int(Status.STEP_TOO_SHORT)
NOT_FINITE = int(Status.NOT_FINITE)
NOT_CONSTANT = int(Status.NOT_CONSTANT)
NO_START = int(Status.NO_START)
BOUNDARY = int(Status.BOUNDARY)

# A deviance is a sum with rounding errors: a rise by less than this share of it is none.
DEVIANCE_ROUNDING = 1e-12
# Standard errors come from weights at the last coefficients that were evaluated. What is left to
# change of them is about the last change times the ratio of the last two steps; up to this many
# times tol is good enough. A step as small as this share of its bound settles it as well.
STANDARD_ERROR_SLACK = 5.0
NEGLIGIBLE = 1e-4
# A refining step after which this share of the decrement is left has reached rounding.
STAGNATION = 0.9
# Close to the optimum, Newton steps leave far less than this share of the decrement. Where Fisher's
# information is not the Hessian more is left, and secants are worth keeping.
SLOW_GAIN = 1e-3
# A frozen factor that leaves more than this share is not worth keeping.
POOR_GAIN = 0.1
# In the place of the number of sweeps to go with a frozen factor: the last one was such a sweep.
THAWED = -1.0
CLOSE = 1e-2


@inlined
def copy_vector(vectors, source, target):
    """Copies one vector of the solver's over another."""
    for j in range(vectors.shape[1]):
        vectors[target, j] = vectors[source, j]


@called
def add_partials(context):
    """Adds all chunks' partials to the first, in order; returns its address and its size."""
    order = context[N_SWEEP]
    _, padded_order = padded_size(context)
    size = padded_order * padded_order + order + N_SUMS
    total = pointer(context[PARTIALS], float64)
    first = 0 if context[MODE] & WITH_GRAM else padded_order * padded_order
    for chunk in range(1, context[N_CHUNKS]):
        partial = pointer(context[PARTIALS] + 8 * size * chunk, float64)
        for k in range(first, size):
            total[k] += partial[k]
    return padded_order


@inlined
def symmetric_entry(total, padded_order, n_dense, a, b):
    """Entry (a, b) of the whole Gram matrix; see `fastglm.kernels.gram` for what is stored."""
    high, low = max(a, b), min(a, b)
    value = total[high * padded_order + low]
    if low >= n_dense and high > low:
        value += total[low * padded_order + high]
    return value


@called
def gram_to_model(context, padded_order, transform, gram, work):
    """Gram matrix of the model's columns, transform' G transform, into `gram` (lower and upper)."""
    start, index, value = transform
    total = pointer(context[PARTIALS], float64)
    n_dense = context[N_DENSE]
    p = gram.shape[0]
    if start.shape[0] == 0:
        for a in range(p):
            for b in range(a + 1):
                gram[a, b] = symmetric_entry(total, padded_order, n_dense, a, b)
                gram[b, a] = gram[a, b]
        return
    for a in range(context[N_SWEEP]):
        for b in range(p):
            s = 0.0
            for e in range(start[b], start[b + 1]):
                s += symmetric_entry(total, padded_order, n_dense, a, index[e]) * value[e]
            work[a, b] = s
    for a in range(p):
        for b in range(a + 1):
            s = 0.0
            for e in range(start[a], start[a + 1]):
                s += value[e] * work[index[e], b]
            gram[a, b] = s
            gram[b, a] = s


@called
def score_to_model(context, padded_order, transform, score):
    """Score of the model's columns, transform' g."""
    start, index, value = transform
    total = pointer(context[PARTIALS], float64)
    first = padded_order * padded_order
    for b in range(score.shape[0]):
        if start.shape[0] == 0:
            score[b] = total[first + b]
        else:
            s = 0.0
            for e in range(start[b], start[b + 1]):
                s += total[first + index[e]] * value[e]
            score[b] = s


@called
def candidate_to_sweep(context, transform, candidate):
    """Coefficients of the sweep's columns, transform @ candidate."""
    start, index, value = transform
    beta = pointer(context[BETA], float64)
    if start.shape[0] == 0:
        for b in range(candidate.shape[0]):
            beta[b] = candidate[b]
        return
    for a in range(context[N_SWEEP]):
        beta[a] = 0.0
    for b in range(candidate.shape[0]):
        for e in range(start[b], start[b + 1]):
            beta[index[e]] += value[e] * candidate[b]


@called
def try_step(context, transform, state, vectors):
    """Puts accepted coefficients plus the current share of the step where the sweep reads them."""
    length = state[STEP_LENGTH]
    for j in range(vectors.shape[1]):
        vectors[CANDIDATE, j] = vectors[THETA, j] + length * vectors[STEP, j]
    candidate_to_sweep(context, transform, vectors[CANDIDATE])


@inlined
def is_acceptable(state, deviance, outside):
    """Whether the candidate is inside the domain and no worse than the coefficients before."""
    if outside > 0.0 or not math.isfinite(deviance):
        return False
    last = state[DEVIANCE]
    return deviance <= last + DEVIANCE_ROUNDING * (abs(last) + 0.1)


@called
def judge_convergence(state):
    """Sets the status from the decrement: met the tolerance, then refined as far as rounding lets.

    The tolerance is met at half the decrement <= tol (|deviance| + 0.1). Coefficients are then
    within about sqrt(tol) standard errors, which is not enough for standard errors and slowly
    converging links: sweeps go on until the decrement predicted for the coefficients after the
    step is within tol squared, or until they stop gaining.
    """
    bound = abs(state[DEVIANCE]) + 0.1
    half = 0.5 * state[DECREMENT]
    tolerance = state[TOLERANCE]
    target = tolerance * tolerance * bound
    last = state[LAST_DECREMENT]
    gain = state[DECREMENT] / last if last > 0.0 and math.isfinite(last) else 1.0
    left = state[UNCERTAINTY_CHANGE] * math.sqrt(gain)
    if state[FROZEN] == THAWED:
        # No Gram matrix to compare with; this is what a step changes of it where no few rows
        # alone determine a coefficient.
        left = math.sqrt(half / bound)
    settled = left <= STANDARD_ERROR_SLACK * tolerance
    # What secants gain varies from step to step.
    predicted = half * (gain if state[N_SECANTS] == 0.0 else 1.0)
    is_refined = predicted <= target and (settled or half <= NEGLIGIBLE * target)
    if is_refined or (state[IS_ROUGH] == 1.0 and half <= tolerance * bound):
        state[STATUS] = CONVERGED
    elif is_at_boundary(state) and half <= NEGLIGIBLE * tolerance * bound:
        # Further on weights would grow without bound.
        state[STATUS] = CONVERGED
    elif half <= tolerance * bound:
        stagnates = gain > STAGNATION
        if state[WITHIN_TOLERANCE] == 1.0 and stagnates:
            state[STATUS] = CONVERGED
        state[WITHIN_TOLERANCE] = 1.0
    if state[STATUS] == RUNNING and state[N_ITERATIONS] >= state[MAX_ITERATIONS]:
        state[STATUS] = CONVERGED if state[WITHIN_TOLERANCE] == 1.0 else TOO_MANY
    if state[STATUS] == CONVERGED and is_at_boundary(state):
        state[STATUS] = BOUNDARY


@inlined
def is_at_boundary(state):
    """Whether one of the last two steps would have left the domain had it not been shortened."""
    last = state[LEFT_DOMAIN_AT]
    return last > 0.0 and last >= state[N_ITERATIONS] - 1.0


@inlined
def is_slow(state):
    """Whether the last steps converged linearly, close to the optimum."""
    close = 0.5 * state[DECREMENT] <= CLOSE * (abs(state[DEVIANCE]) + 0.1)
    slow = state[DECREMENT] > SLOW_GAIN * state[LAST_DECREMENT]
    return close and slow and state[IS_NEWTON] == 0.0 and not is_at_boundary(state)


@called
def keep_secant(state, vectors):
    """Remembers the last move and the change of score it brought; the oldest pair goes."""
    length = state[STEP_LENGTH]
    curvature = 0.0
    for j in range(vectors.shape[1]):
        change = vectors[LAST_SCORE, j] - vectors[SCORE, j]
        curvature += length * vectors[STEP, j] * change
    if not curvature > 0.0:
        return
    kept = int(state[N_SECANTS])
    if kept == MEMORY:
        kept -= 1
        for m in range(kept):
            copy_vector(vectors, SECANTS + m + 1, SECANTS + m)
            copy_vector(vectors, SECANTS + MEMORY + m + 1, SECANTS + MEMORY + m)
    for j in range(vectors.shape[1]):
        vectors[SECANTS + kept, j] = length * vectors[STEP, j]
        vectors[SECANTS + MEMORY + kept, j] = vectors[LAST_SCORE, j] - vectors[SCORE, j]
    state[N_SECANTS] = kept + 1


@called
def solve_with_secants(factor, state, vectors):
    """Step from the factor, corrected by the secants kept (limited-memory BFGS, two loops).

    Nocedal & Wright (2006), *Numerical Optimization*, algorithm 7.4, with Fisher's information in
    the place of the initial Hessian. Without secants it is the Fisher scoring step.
    """
    kept = int(state[N_SECANTS])
    right = vectors[CANDIDATE]
    copy_vector(vectors, SCORE, CANDIDATE)
    weights = np.empty(MEMORY)
    for m in range(kept - 1, -1, -1):
        move, change = vectors[SECANTS + m], vectors[SECANTS + MEMORY + m]
        weights[m] = dot(move, right, right.size) / dot(move, change, right.size)
        for j in range(right.size):
            right[j] -= weights[m] * change[j]
    step = vectors[STEP]
    solve(factor, vectors[COLUMN_SCALE], vectors[PIVOT], right, step)
    for j in range(step.size):
        step[j] *= state[FACTOR_SCALE]
    for m in range(kept):
        move, change = vectors[SECANTS + m], vectors[SECANTS + MEMORY + m]
        correction = weights[m] - dot(change, step, step.size) / dot(move, change, step.size)
        for j in range(step.size):
            step[j] += correction * move[j]


@called
def shorten(context, transform, state, vectors, factor):
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
        solve_with_secants(factor, state, vectors)
    context[MODE] |= WITH_GRAM
    try_step(context, transform, state, vectors)


@called
def diagonal_change(gram, last_scale):
    """Largest relative change of the diagonal, given 1 / sqrt of what it was; 1 if not known."""
    change = 0.0
    for j in range(gram.shape[0]):
        if gram[j, j] > 0.0:
            change = max(change, abs(gram[j, j] * last_scale[j] * last_scale[j] - 1.0))
    return min(change, 1.0)


@called
def find_step(context, padded_order, transform, state, vectors, matrices):
    """Newton step from the sweep's Gram matrix, or from a frozen factor where there is none."""
    gram, factor, work = matrices
    copy_vector(vectors, SCORE, LAST_SCORE)
    score_to_model(context, padded_order, transform, vectors[SCORE])
    for j in range(vectors.shape[1]):
        vectors[SCORE, j] -= state[RIDGE] * vectors[CANDIDATE, j]
    if context[MODE] & WITH_GRAM and state[IS_NEWTON] == 1.0:
        state[N_SECANTS] = 0.0
    elif is_slow(state) or (state[FROZEN] > 0.0 and state[N_ITERATIONS] > 1.0):
        keep_secant(state, vectors)
    if context[MODE] & WITH_GRAM:
        gram_to_model(context, padded_order, transform, gram, work)
        for j in range(gram.shape[0]):
            gram[j, j] += state[RIDGE]
        change = diagonal_change(gram, vectors[COLUMN_SCALE])
        state[UNCERTAINTY_CHANGE] = max(state[UNCERTAINTY_CHANGE], change)
        aliased = factorize(gram, factor, vectors[COLUMN_SCALE], vectors[PIVOT], RANK_TOLERANCE)
        if aliased < 0:
            state[STATUS] = NOT_FINITE
            return
        state[N_ALIASED] = aliased
        state[FACTOR_SCALE] = 1.0
    # Fisher's own decrement first: secants that mislead must not make it look converged.
    p = vectors.shape[1]
    solve(factor, vectors[COLUMN_SCALE], vectors[PIVOT], vectors[SCORE], vectors[STEP])
    decrement = state[FACTOR_SCALE] * dot(vectors[STEP], vectors[SCORE], p)
    if state[N_SECANTS] > 0.0:
        solve_with_secants(factor, state, vectors)
        decrement = max(decrement, dot(vectors[STEP], vectors[SCORE], p))
    else:
        for j in range(p):
            vectors[STEP, j] *= state[FACTOR_SCALE]
    state[LAST_DECREMENT] = state[DECREMENT]
    state[DECREMENT] = decrement
    if not math.isfinite(decrement):
        state[STATUS] = NOT_FINITE


@called
def plan_next_sweep(context, state):
    """Whether the next sweep needs its own Gram matrix, or gains enough from the frozen factor."""
    if state[FROZEN] <= 0.0 or context[MODE] & WITH_GRAM:
        context[MODE] |= WITH_GRAM
        state[FROZEN] = 0.0
        return
    slack = STANDARD_ERROR_SLACK * state[TOLERANCE]
    bound = abs(state[DEVIANCE]) + 0.1
    state[FROZEN] -= 1.0
    is_first = math.isinf(state[LAST_DECREMENT])
    gain = state[DECREMENT] / state[LAST_DECREMENT]
    is_done = 0.5 * state[DECREMENT] * gain <= slack * slack * bound
    if (not is_first and (is_done or gain > POOR_GAIN)) or state[FROZEN] <= 0.0:
        context[MODE] |= WITH_GRAM
        state[FROZEN] = THAWED


@inlined
def penalty(state, vectors):
    """What the ridge adds to the deviance."""
    total = 0.0
    for j in range(vectors.shape[1]):
        total += vectors[CANDIDATE, j] * vectors[CANDIDATE, j]
    return state[RIDGE] * total


@called
def take_step(context, transform, state, vectors, matrices):
    """Everything between two sweeps: accept or halve, factor, solve, judge, set the next try."""
    padded_order = add_partials(context)
    sums = pointer(context[PARTIALS], float64)
    sums_at = padded_order * padded_order + context[N_SWEEP]
    state[N_SWEEPS] += 1.0
    if sums[sums_at + SUM_NOT_CONSTANT] > 0.0:
        state[STATUS] = NOT_CONSTANT
        return
    deviance = sums[sums_at + SUM_DEVIANCE] + penalty(state, vectors)
    from_response = context[MODE] & FROM_RESPONSE
    if from_response:
        if math.isnan(deviance):
            state[STATUS] = NOT_FINITE
            return
        context[MODE] -= FROM_RESPONSE
    else:
        outside = sums[sums_at + SUM_OUTSIDE]
        if not is_acceptable(state, deviance, outside):
            if outside > 0.0:
                state[LEFT_DOMAIN_AT] = state[N_ITERATIONS] + 1.0
            shorten(context, transform, state, vectors, matrices[1])
            return
        copy_vector(vectors, CANDIDATE, THETA)
        state[DEVIANCE] = deviance
        pearson = sums[sums_at + SUM_PEARSON]
        state[UNCERTAINTY_CHANGE] = (
            abs(pearson - state[PEARSON]) / pearson if pearson > 0.0 else 0.0
        )
        state[PEARSON] = pearson
        state[N_ITERATIONS] += 1.0
    with_gram = context[MODE] & WITH_GRAM
    find_step(context, padded_order, transform, state, vectors, matrices)
    if state[STATUS] != RUNNING:
        return
    state[STEP_LENGTH] = 1.0
    if from_response:
        # The sweep solved for coefficients; what leads there from the safe start is the step.
        for j in range(vectors.shape[1]):
            vectors[STEP, j] -= vectors[THETA, j]
        state[DECREMENT] = math.inf
    elif with_gram:
        judge_convergence(state)
    plan_next_sweep(context, state)
    try_step(context, transform, state, vectors)
    if state[STATUS] == CONVERGED:
        copy_vector(vectors, CANDIDATE, THETA)


@entry
def step(context, transform, state, vectors, matrices):
    """`take_step` for a sweep that Python launched."""
    take_step(context, transform, state, vectors, matrices)


@entry
def iterate(kernel, context, transform, state, vectors, matrices):
    """Sweeps and steps to the end on the calling thread, for problems too small to share out."""
    address = np.int64(context.ctypes.data)
    while state[STATUS] == RUNNING:
        for chunk in range(context[N_CHUNKS]):
            call_row_block(kernel, address, chunk)
        take_step(context, transform, state, vectors, matrices)
