"""Outcome of a run of the solver, and its solution."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np

from fastglm.errors import Status
from fastglm.passes.scaling import Inverse
from fastglm.records import filled
from fastglm.solve.conditioning import cholesky_error, qr_error
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run
from fastglm.solve.qr_refinement import aliased_combinations
from fastglm.solve.solution import Solution

#: By number: calling the class takes longer.
STATUSES = tuple(Status)

__all__ = ["Clock", "finish", "has_no_valid_start", "lost_constant"]


def lost_constant(run: Run) -> int | None:
    """The intercept that takes the shifts of columns, if it is a combination of earlier ones.

    It is one as well if it takes part in what an earlier column seems to be a combination of.
    """
    constant = run.scaling.constant
    if run.nothing_aliased or constant < 0 or not run.scaling.shift.any():
        return None
    design_column = int(run.row_table.design_column_of[constant])
    if run.aliased[design_column]:
        return design_column
    if not run.aliased[:design_column].any():
        return None
    combinations = aliased_combinations(run)
    takes_part = any(
        combinations[j][design_column] != 0.0 for j in combinations if j < design_column
    )
    return design_column if takes_part else None


def has_no_valid_start(run: Run) -> bool:
    """Whether the run found no place to start, or went where no row has any weight."""
    if run.status in (Status.NO_START, Status.NOT_FINITE):
        return True
    constant = run.scaling.constant
    if run.state[at.N_ALIASED] == 0.0 or constant < 0:
        return False
    return bool(run.vectors[at.COLUMN_SCALE, run.row_table.design_column_of[constant]] == 0.0)


def finish(run: Run, inverted: Inverse, refined: np.ndarray | None, clock: Clock) -> Solution:
    """What a run has found, of which `inverted` and `refined` are the best estimates."""
    # NumPy takes longer to give one number than to list all.
    vectors, state = run.vectors, run.state.tolist()
    combinations = aliased_combinations(run) if state[at.N_ALIASED] > 0.0 else {}
    params, root, inverse, centering = inverted
    params = params if refined is None else refined
    if combinations:
        params[run.aliased] = np.nan
    if not run.nothing_aliased:
        unknown = vectors[at.PIVOT] == 0.0
        if run.eliminated is not None:
            inverse = inverse.without(unknown)
        else:
            inverse[unknown] = np.nan
            inverse[:, unknown] = np.nan
    clock.lap("covariance")
    decrement, last = state[at.DECREMENT], state[at.LAST_DECREMENT]
    values = {
        "params": params,
        "information_inverse": inverse,
        "inverse_information_factor": root,
        "centering": centering,
        "deviance": state[at.DEVIANCE],
        "pearson_chi2": state[at.PEARSON],
        "n_iter": int(state[at.N_ITERATIONS]),
        "n_sweeps": int(state[at.N_SWEEPS]),
        "status": STATUSES[int(state[at.STATUS])],
        "decrement": decrement,
        "weight_change": run.weight_change,
        "contraction": decrement / last if 0.0 < last < math.inf else 1.0,
        "constant": centering.constant,
        "numerical_error": _numerical_error(run),
        "orthogonal": run.is_orthogonal,
        "combinations": combinations,
        "timings": clock.laps,
    }
    return filled(Solution, values)


def _numerical_error(run: Run) -> float:
    bound = qr_error if run.is_orthogonal else cholesky_error
    return bound(run.inflation)


class Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """Ends the lap of that name."""
        now = perf_counter()
        self.laps[name] = now - self._last
        self._last = now
