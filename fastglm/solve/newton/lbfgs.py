"""Steps from a factor, corrected by what earlier steps brought: compiled parts of the solver."""

from __future__ import annotations

from numba.core.types import float64

from fastglm.kernels.blocks.table import N_DESIGN, N_ELIMINATED, TRIANGLE
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.math.cholesky import dot, solve
from fastglm.solve.newton.elimination import solve_eliminated
from fastglm.solve.newton.state import (
    COLUMN_SCALE,
    FACTOR_SCALE,
    LAST_SCORE,
    LBFGS_PAIRS,
    LBFGS_WEIGHTS,
    MEMORY,
    N_LBFGS_PAIRS,
    PIVOT,
    SCORE,
    STEP,
    STEP_LENGTH,
    TRIAL,
)
from fastglm.solve.newton.vectors import copy_vector, vector


@inline
def keep_lbfgs_pair(table, state):
    """Remembers the last move and the change of score it brought; the oldest pair goes."""
    length, p = state[STEP_LENGTH], table[N_DESIGN]
    step = vector(table, STEP)
    score, last_score = vector(table, SCORE), vector(table, LAST_SCORE)
    curvature = 0.0
    for j in range(p):
        curvature += length * step[j] * (last_score[j] - score[j])
    if not curvature > 0.0:
        return
    kept = int(state[N_LBFGS_PAIRS])
    if kept == MEMORY:
        kept -= 1
        for m in range(kept):
            copy_vector(table, LBFGS_PAIRS + m + 1, LBFGS_PAIRS + m)
            copy_vector(table, LBFGS_PAIRS + MEMORY + m + 1, LBFGS_PAIRS + MEMORY + m)
    move, change = vector(table, LBFGS_PAIRS + kept), vector(table, LBFGS_PAIRS + MEMORY + kept)
    for j in range(p):
        move[j] = length * step[j]
        change[j] = last_score[j] - score[j]
    state[N_LBFGS_PAIRS] = kept + 1


@inline
def solve_for(table, right, result):
    """Solution with the current factor."""
    if table[N_ELIMINATED] > 0:
        solve_eliminated(table, right, result)
        return
    triangle = pointer(table[TRIANGLE], float64)
    scale, pivot = vector(table, COLUMN_SCALE), vector(table, PIVOT)
    solve(triangle, scale, pivot, right, result, table[N_DESIGN])


@noinline
def solve_lbfgs(table, state):
    """Step from the factor, corrected by the L-BFGS pairs kept (limited-memory BFGS, two loops).

    Nocedal & Wright (2006), *Numerical Optimization*, algorithm 7.4, with Fisher's information in
    the place of the initial Hessian. Without L-BFGS pairs it is the Fisher scoring step.
    """
    p, kept = table[N_DESIGN], int(state[N_LBFGS_PAIRS])
    step, right = vector(table, STEP), vector(table, TRIAL)
    copy_vector(table, SCORE, TRIAL)
    for m in range(kept - 1, -1, -1):
        move, change = vector(table, LBFGS_PAIRS + m), vector(table, LBFGS_PAIRS + MEMORY + m)
        share = dot(move, right, p) / dot(move, change, p)
        state[LBFGS_WEIGHTS + m] = share
        for j in range(p):
            right[j] -= share * change[j]
    solve_for(table, right, step)
    for j in range(p):
        step[j] *= state[FACTOR_SCALE]
    for m in range(kept):
        move, change = vector(table, LBFGS_PAIRS + m), vector(table, LBFGS_PAIRS + MEMORY + m)
        correction = state[LBFGS_WEIGHTS + m] - dot(change, step, p) / dot(move, change, p)
        for j in range(p):
            step[j] += correction * move[j]
