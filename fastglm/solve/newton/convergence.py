"""Whether a fit has converged, and what the next sweep has to find out: decisions on the state."""

from __future__ import annotations

import math

from fastglm.errors import Status
from fastglm.kernels.blocks.table import MODE, WITH_GRAM
from fastglm.kernels.compiler.decorators import inline
from fastglm.solve.newton.constants import (
    AHEAD_SHARE,
    CLOSE,
    DEVIANCE_ROUNDING,
    MAX_CONTRACTION,
    MAX_REUSE_CONTRACTION,
    MAX_WEIGHT_CHANGE,
    MIN_CONTRACTION,
    NEGLIGIBLE,
    PREDICTED_SHARE,
    ROUNDING_SHARE,
    SLOW_CONTRACTION,
    STANDARD_ERROR_SLACK,
)
from fastglm.solve.newton.state import (
    DECREMENT,
    DEVIANCE,
    FACTOR_WAS_REUSED,
    HAS_CONSTANT_WEIGHTS,
    IS_NEWTON,
    IS_WEIGHT_CHANGE_UNKNOWN,
    LAST_DECREMENT,
    LEFT_DOMAIN_AT,
    MAX_ITERATIONS,
    N_ITERATIONS,
    N_LBFGS_PAIRS,
    NO_STEP,
    PURPOSE,
    REMAINING_CHANGE,
    REUSES_LEFT,
    STATUS,
    STEP_LENGTH,
    TOLERANCE,
    UNCERTAINTY_CHANGE,
    UNCERTAINTY_SLACK,
    WEIGHT_CHANGE,
    WITHIN_TOLERANCE,
    Purpose,
)

RUNNING = int(Status.RUNNING)
CONVERGED = int(Status.CONVERGED)
TOO_MANY = int(Status.MAX_ITERATIONS)
BOUNDARY = int(Status.BOUNDARY)
SUBSAMPLE = int(Purpose.SUBSAMPLE)
LOW_PRECISION = int(Purpose.LOW_PRECISION)


@inline
def is_acceptable(state, deviance, outside):
    """Whether the trial is inside the domain and no worse than the coefficients before."""
    if outside > 0.0 or not math.isfinite(deviance):
        return False
    last = state[DEVIANCE]
    return deviance <= last + DEVIANCE_ROUNDING * (abs(last) + 0.1)


@inline
def is_at_boundary(state):
    """Whether one of the last two steps would have left the domain had it not been shortened."""
    last = state[LEFT_DOMAIN_AT]
    return last > 0.0 and last >= state[N_ITERATIONS] - 1.0


@inline
def weights_not_converged(state):
    """Whether the last two Gram matrices, where both are known, differ by more than a little."""
    is_own = state[REUSES_LEFT] == 0.0 and state[FACTOR_WAS_REUSED] == 0.0
    known = is_own and state[HAS_CONSTANT_WEIGHTS] == 0.0
    return known and state[WEIGHT_CHANGE] > MAX_WEIGHT_CHANGE


@inline
def contraction_of(state, half, bound):
    """Ratio of the last two decrements; sets what the step leaves to change in the uncertainty."""
    last = state[LAST_DECREMENT]
    contraction = state[DECREMENT] / last if last > 0.0 and math.isfinite(last) else 1.0
    state[REMAINING_CHANGE] = state[UNCERTAINTY_CHANGE] * math.sqrt(contraction)
    if state[FACTOR_WAS_REUSED] == 1.0:
        if state[IS_WEIGHT_CHANGE_UNKNOWN] == 1.0:
            # What a step changes where no few rows alone determine a coefficient.
            state[REMAINING_CHANGE] = math.sqrt(half / bound)
            state[WEIGHT_CHANGE] = state[IS_WEIGHT_CHANGE_UNKNOWN] = 0.0
        if state[IS_NEWTON] == 1.0:
            # Newton's method leaves the square of the step, whatever steps before have left.
            contraction = half / bound
    return contraction


@inline
def end_at_limits(state):
    """Ends a run after its last iteration, and names the end of one that stands at the boundary."""
    if state[STATUS] == RUNNING and state[N_ITERATIONS] >= state[MAX_ITERATIONS]:
        within = state[WITHIN_TOLERANCE] == 1.0 and not weights_not_converged(state)
        state[STATUS] = CONVERGED if within else TOO_MANY
    if state[STATUS] == CONVERGED and is_at_boundary(state):
        state[STATUS] = BOUNDARY


@inline
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
    contraction = contraction_of(state, half, bound)
    finalized = state[REMAINING_CHANGE] <= state[UNCERTAINTY_SLACK] * tolerance
    # What L-BFGS pairs gain varies from step to step.
    predicted = half * (contraction if state[N_LBFGS_PAIRS] == 0.0 else 1.0)
    # Negligible to all rows, a step may still change the weight of one that alone determines a
    # coefficient: where steps shrink fast, one more sweep decides.
    negligible = half <= NEGLIGIBLE * target and (
        contraction > SLOW_CONTRACTION or half <= tolerance * target
    )
    is_refined = predicted <= PREDICTED_SHARE * target and (finalized or negligible)
    stagnates = contraction > MAX_CONTRACTION
    starts = state[PURPOSE] == SUBSAMPLE and half <= tolerance * bound
    leads = state[PURPOSE] == LOW_PRECISION and low_precision_done(state, contraction, tolerance)
    if starts or leads:
        state[STATUS] = CONVERGED
    elif weights_not_converged(state) and (stagnates or contraction < MIN_CONTRACTION):
        state[WITHIN_TOLERANCE] = 0.0
    elif is_refined:
        state[STATUS] = CONVERGED
    elif is_at_boundary(state) and half <= NEGLIGIBLE * tolerance * bound:
        # Further on weights would grow without bound.
        state[STATUS] = CONVERGED
    elif half <= tolerance * bound:
        is_rounding = stagnates and half <= ROUNDING_SHARE * tolerance * bound
        if state[WITHIN_TOLERANCE] == 1.0 and is_rounding:
            state[STATUS] = CONVERGED
            if contraction > 1.0:
                # Nothing but rounding errors, which weights or L-BFGS pairs have magnified.
                state[STEP_LENGTH] = 0.0
        state[WITHIN_TOLERANCE] = 1.0
    end_at_limits(state)


@inline
def leaves_nothing(state, contraction, slack):
    """Whether a step, and the next, leave less than `slack` of estimates and uncertainty.

    Newton's method leaves the square of a step, others what steps before have left.
    """
    bound = abs(state[DEVIANCE]) + 0.1
    half = 0.5 * state[DECREMENT]
    if state[IS_NEWTON] == 1.0 and state[REUSES_LEFT] <= 0.0:
        return half <= slack * bound
    change = 0.0 if state[IS_WEIGHT_CHANGE_UNKNOWN] == 1.0 else state[UNCERTAINTY_CHANGE]
    return half * contraction <= slack * slack * bound and change * contraction <= slack


@inline
def low_precision_done(state, contraction, slack):
    """Whether a precise sweep, and its step, can follow those in single precision."""
    if leaves_nothing(state, contraction, slack):
        return True
    # With the same factor, and no L-BFGS pairs that it goes without, the precise step gains as
    # much.
    is_alike = state[HAS_CONSTANT_WEIGHTS] == 1.0 and state[N_LBFGS_PAIRS] == 0.0
    return is_alike and leaves_nothing(state, contraction * contraction, AHEAD_SHARE * slack)


@inline
def is_slow(state):
    """Whether the last steps converged linearly, close to the optimum."""
    close = 0.5 * state[DECREMENT] <= CLOSE * (abs(state[DEVIANCE]) + 0.1)
    slow = state[DECREMENT] > SLOW_CONTRACTION * state[LAST_DECREMENT]
    return close and slow and state[IS_NEWTON] == 0.0 and not is_at_boundary(state)


@inline
def plan_next_sweep(table, state):
    """Whether the next sweep needs its own Gram matrix, or the factor there is will do."""
    if state[REUSES_LEFT] <= 0.0 or table[MODE] & WITH_GRAM:
        state[REUSES_LEFT] = state[FACTOR_WAS_REUSED] = 0.0
        table[MODE] |= WITH_GRAM
        if state[HAS_CONSTANT_WEIGHTS] == 1.0:
            table[MODE] -= WITH_GRAM
        return
    is_low_precision = state[PURPOSE] == LOW_PRECISION
    slack = state[TOLERANCE] * (1.0 if is_low_precision else STANDARD_ERROR_SLACK)
    is_first = state[LAST_DECREMENT] == NO_STEP
    contraction = state[DECREMENT] / state[LAST_DECREMENT]
    is_done = not is_first and leaves_nothing(state, contraction, slack)
    state[REUSES_LEFT] -= 1.0
    if is_done and is_low_precision:
        state[STATUS] = CONVERGED
    elif (
        is_done
        or (not is_first and contraction > MAX_REUSE_CONTRACTION)
        or state[REUSES_LEFT] <= 0.0
    ):
        table[MODE] |= WITH_GRAM
        state[REUSES_LEFT] = 0.0
        state[FACTOR_WAS_REUSED] = 1.0
