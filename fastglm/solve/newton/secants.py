"""Steps from a factor, corrected by what earlier steps brought: compiled parts of the solver."""

from __future__ import annotations

from numba.core.types import float64

from fastglm.kernels.blocks.table import N_MODEL, TRIANGLE
from fastglm.kernels.compiler.decorators import called, inlined
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.math.cholesky import dot, solve
from fastglm.solve.newton.state import (
    CANDIDATE,
    COLUMN_SCALE,
    FACTOR_SCALE,
    LAST_SCORE,
    MEMORY,
    N_SECANTS,
    PIVOT,
    SCORE,
    SECANT_WEIGHTS,
    SECANTS,
    STEP,
    STEP_LENGTH,
)
from fastglm.solve.newton.vectors import copy_vector, vector


@inlined
def keep_secant(context, state):
    """Remembers the last move and the change of score it brought; the oldest pair goes."""
    length, p = state[STEP_LENGTH], context[N_MODEL]
    step = vector(context, STEP)
    score, last_score = vector(context, SCORE), vector(context, LAST_SCORE)
    curvature = 0.0
    for j in range(p):
        curvature += length * step[j] * (last_score[j] - score[j])
    if not curvature > 0.0:
        return
    kept = int(state[N_SECANTS])
    if kept == MEMORY:
        kept -= 1
        for m in range(kept):
            copy_vector(context, SECANTS + m + 1, SECANTS + m)
            copy_vector(context, SECANTS + MEMORY + m + 1, SECANTS + MEMORY + m)
    move, change = vector(context, SECANTS + kept), vector(context, SECANTS + MEMORY + kept)
    for j in range(p):
        move[j] = length * step[j]
        change[j] = last_score[j] - score[j]
    state[N_SECANTS] = kept + 1


@inlined
def solve_for(context, right, result):
    """Solution with the current factor."""
    triangle = pointer(context[TRIANGLE], float64)
    scale, pivot = vector(context, COLUMN_SCALE), vector(context, PIVOT)
    solve(triangle, scale, pivot, right, result, context[N_MODEL])


@called
def solve_with_secants(context, state):
    """Step from the factor, corrected by the secants kept (limited-memory BFGS, two loops).

    Nocedal & Wright (2006), *Numerical Optimization*, algorithm 7.4, with Fisher's information in
    the place of the initial Hessian. Without secants it is the Fisher scoring step.
    """
    p, kept = context[N_MODEL], int(state[N_SECANTS])
    step, right = vector(context, STEP), vector(context, CANDIDATE)
    copy_vector(context, SCORE, CANDIDATE)
    for m in range(kept - 1, -1, -1):
        move, change = vector(context, SECANTS + m), vector(context, SECANTS + MEMORY + m)
        share = dot(move, right, p) / dot(move, change, p)
        state[SECANT_WEIGHTS + m] = share
        for j in range(p):
            right[j] -= share * change[j]
    solve_for(context, right, step)
    for j in range(p):
        step[j] *= state[FACTOR_SCALE]
    for m in range(kept):
        move, change = vector(context, SECANTS + m), vector(context, SECANTS + MEMORY + m)
        correction = state[SECANT_WEIGHTS + m] - dot(change, step, p) / dot(move, change, p)
        for j in range(p):
            step[j] += correction * move[j]
