"""Whether a fit has converged, and what the next sweep has to find out: decisions on the state."""

from __future__ import annotations

import math

from fastglm.errors import Status
from fastglm.kernels.blocks.table import MODE, WITH_GRAM
from fastglm.kernels.compiler.decorators import inline
from fastglm.solve.newton.state import (
    DECREMENT,
    DEVIANCE,
    HAS_CONSTANT_WEIGHTS,
    IS_NEWTON,
    LAST_DECREMENT,
    LEFT_DOMAIN_AT,
    MAX_ITERATIONS,
    N_ITERATIONS,
    N_LBFGS_PAIRS,
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
)

RUNNING = int(Status.RUNNING)
CONVERGED = int(Status.CONVERGED)
TOO_MANY = int(Status.MAX_ITERATIONS)
BOUNDARY = int(Status.BOUNDARY)

# A deviance is a sum with rounding errors: a rise by less than this share of it is none.
DEVIANCE_ROUNDING = 1e-12
# Standard errors come from weights at the last coefficients that were evaluated. What is left to
# change of them is about the last change times the ratio of the last two steps; up to this many
# times tol is good enough, of variances, whose square roots they are. A step as small as this share
# of its bound settles it as well.
STANDARD_ERROR_SLACK = 10.0
NEGLIGIBLE = 1e-4
# The predicted decrement may be wrong by a factor: only this share of the target is good enough.
PREDICTED_SHARE = 1e-2
# A refining step after which this share of the decrement is left has reached rounding, if no more
# is left than this share of the tolerance; else it is slow, and may have far to go.
MAX_CONTRACTION = 0.9
ROUNDING_SHARE = 1e-6
# Where weights still change by more than this share from step to step, a decrement that does not
# shrink is no rounding: it is small because the weights are, far from any optimum. So is one that
# has all but vanished at a stroke. In between, convergence is steady, if only to a supremum.
MAX_WEIGHT_CHANGE = 0.1
MIN_CONTRACTION = 1e-6
# Close to the optimum, where half the decrement is within this share of the deviance, Newton steps
# leave far less than SLOW_CONTRACTION of the decrement. Where Fisher's information is not the
# Hessian more is left, and L-BFGS pairs are worth keeping.
CLOSE = 1e-2
SLOW_CONTRACTION = 1e-3
# A reused factor that leaves more than this share is not worth keeping.
MAX_REUSE_CONTRACTION = 0.1
# Remainder of a step and of the precise one after it, as a share of the slack.
AHEAD_SHARE = 0.1
# In the place of the number of sweeps to go with a reused factor: the last one was such a sweep.
LAST_FACTOR_REUSED = -1.0
# What a run that gives no results is for: to start another, of a sample, or all rows in single
# precision. The latter is done once the step leaves nothing that single precision could see.
SUBSAMPLE, LOW_PRECISION = 1.0, 2.0
# In the place of the change of weights: there was nothing to compare with.
UNKNOWN = 1.0


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
    known = state[REUSES_LEFT] == 0.0 and state[HAS_CONSTANT_WEIGHTS] == 0.0
    return known and state[WEIGHT_CHANGE] > MAX_WEIGHT_CHANGE


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
    last = state[LAST_DECREMENT]
    contraction = state[DECREMENT] / last if last > 0.0 and math.isfinite(last) else 1.0
    left = state[UNCERTAINTY_CHANGE] * math.sqrt(contraction)
    if state[REUSES_LEFT] == LAST_FACTOR_REUSED:
        if state[WEIGHT_CHANGE] == UNKNOWN:
            # What a step changes where no few rows alone determine a coefficient.
            left = math.sqrt(half / bound)
            state[WEIGHT_CHANGE] = 0.0
        if state[IS_NEWTON] == 1.0:
            # Newton's method leaves the square of the step, whatever steps before have left.
            contraction = half / bound
    finalized = left <= state[UNCERTAINTY_SLACK] * tolerance
    state[REMAINING_CHANGE] = left
    # What L-BFGS pairs gain varies from step to step.
    predicted = half * (contraction if state[N_LBFGS_PAIRS] == 0.0 else 1.0)
    # Negligible to all rows, a step may still change the weight of one that alone determines a
    # coefficient: where steps shrink fast, one more sweep settles that.
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
    if state[STATUS] == RUNNING and state[N_ITERATIONS] >= state[MAX_ITERATIONS]:
        within = state[WITHIN_TOLERANCE] == 1.0 and not weights_not_converged(state)
        state[STATUS] = CONVERGED if within else TOO_MANY
    if state[STATUS] == CONVERGED and is_at_boundary(state):
        state[STATUS] = BOUNDARY


@inline
def leaves_nothing(state, contraction, slack):
    """Whether a step, and the next, leave less than `slack` of estimates and uncertainty.

    Newton's method leaves the square of a step, others what steps before have left.
    """
    bound = abs(state[DEVIANCE]) + 0.1
    half = 0.5 * state[DECREMENT]
    if state[IS_NEWTON] == 1.0 and state[REUSES_LEFT] <= 0.0:
        return half <= slack * bound
    change = state[UNCERTAINTY_CHANGE] if state[WEIGHT_CHANGE] != UNKNOWN else 0.0
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
        state[REUSES_LEFT] = 0.0
        table[MODE] |= WITH_GRAM
        if state[HAS_CONSTANT_WEIGHTS] == 1.0:
            table[MODE] -= WITH_GRAM
        return
    is_low_precision = state[PURPOSE] == LOW_PRECISION
    slack = state[TOLERANCE] * (1.0 if is_low_precision else STANDARD_ERROR_SLACK)
    is_first = math.isinf(state[LAST_DECREMENT])
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
        state[REUSES_LEFT] = LAST_FACTOR_REUSED
