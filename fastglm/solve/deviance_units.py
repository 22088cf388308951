"""Independence of a fit from the units of its response and weights, in which deviances scale.

The convergence test adds 0.1 to the deviance, and fits to samples have a prior of precision one on
the coefficients. Both suit deviances in units of the dispersion and weights of about one. Where the
dispersion is estimated, the deviance is in units of the response instead; it is in those of the
weights always, and may be far below one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.errors import Status
from fastglm.solve.newton import state as at
from fastglm.solve.newton.blocked_inverse import OnDemand
from fastglm.solve.newton.constants import PREDICTED_SHARE
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.solution import Solution

__all__ = [
    "in_unit_of_weights",
    "is_within_share_of_deviance",
    "largest_weight",
    "run_to_share_of_deviance",
    "unit_of_deviance",
    "unit_of_weights",
]

#: Constant that the convergence test adds to a deviance (`fastglm.solve.newton.convergence`), and
#: largest number of further steps where that constant decided the test.
FLOOR_OF_DEVIANCE, MORE_STEPS = 0.1, 20
#: Rows from which the unit is estimated.
ROWS = 1024
#: Weights whose largest is between these are as good as ones.
LEAST_WEIGHT, MOST_WEIGHT = 0.25, 2.0**300


def largest_weight(weights: np.ndarray | None) -> float:
    """One where there are no weights, or none above zero."""
    largest = 1.0 if weights is None or not weights.size else float(weights.max())
    return largest if 0.0 < largest < math.inf else 1.0


def unit_of_weights(weights: np.ndarray | None) -> float:
    """A power of four by which the largest weight is about one; 1 where weights may stay."""
    largest = largest_weight(weights)
    if LEAST_WEIGHT <= largest <= MOST_WEIGHT:
        return 1.0
    return 4.0 ** (math.frexp(largest)[1] // 2)


def in_unit_of_weights(solution: Solution, unit: float) -> Solution:
    """The solution of weights `unit` times as large as those that were fitted."""
    root = math.sqrt(unit)
    with np.errstate(over="ignore"):
        return replace(
            solution,
            information_inverse=_multiplied(solution.information_inverse, 1.0 / root, twice=True),
            inverse_information_factor=_multiplied(solution.inverse_information_factor, 1.0 / root),
            deviance=solution.deviance * unit,
            pearson_chi2=solution.pearson_chi2 * unit,
            decrement=solution.decrement * unit,
        )


def unit_of_deviance(run: Run) -> float:
    """Mean null deviance of some rows, or largest weight if the dispersion is known; at most 1."""
    rows, family = run.row_table, run.family
    if rows.response is None or (family.dispersion_known and rows.weights is None):
        return 1.0
    some = slice(None, None, max(1, rows.n_rows // ROWS))
    y = np.asarray(rows.response[some], dtype=np.float64)
    weights = np.ones(y.size) if rows.weights is None else np.asarray(rows.weights[some])
    if not weights.any():
        return 1.0
    if family.dispersion_known:
        return min(1.0, largest_weight(weights))
    with np.errstate(all="ignore"):
        mean = np.average(y, weights=weights)
        unit = float(np.mean(weights * family.unit_deviance(y, np.full(y.size, mean))))
    return unit if 0.0 < unit < 1.0 else 1.0


def _multiplied(matrix: Any, factor: float, twice: bool = False) -> Any:
    """A root of an inverse information with its entries multiplied; `twice`, the inverse."""
    if isinstance(matrix, OnDemand):
        of = matrix.blocks
        roots = {"own": of.own * factor, "cross": of.cross * factor, "root": of.root * factor}
        return replace(matrix, blocks=replace(of, **roots))
    return matrix * factor * factor if twice else matrix * factor


def is_within_share_of_deviance(run: Run, options: SolverOptions) -> bool:
    """Whether a converged run meets the tolerance relative to the deviance alone."""
    state, deviance = run.state, float(run.state[at.DEVIANCE])
    if (run.has_constant_weights and run.is_newton) or deviance >= FLOOR_OF_DEVIANCE:
        return True
    if run.family.dispersion_known:
        # Small for its weights, or because the fit is perfect: up to the floor there as well.
        deviance += FLOOR_OF_DEVIANCE * unit_of_deviance(run)
    if not 0.0 < deviance < FLOOR_OF_DEVIANCE:
        return True
    last = float(state[at.LAST_DECREMENT])
    contraction = float(state[at.DECREMENT]) / last if 0.0 < last < math.inf else 1.0
    left = 0.5 * float(state[at.DECREMENT]) * contraction
    return left <= PREDICTED_SHARE * options.tol**2 * deviance


def run_to_share_of_deviance(run: Run, options: SolverOptions) -> None:
    """Takes further steps, until rounding stops them, if the tolerance's constant ended the run."""
    if run.status != Status.CONVERGED or is_within_share_of_deviance(run, options):
        return
    state = run.state
    share = math.sqrt(float(state[at.DEVIANCE]) / FLOOR_OF_DEVIANCE)
    most = min(options.max_iter, int(state[at.N_ITERATIONS]) + MORE_STEPS)
    state[at.UNCERTAINTY_SLACK] /= share
    run.resume()
    run.run(options._replace(tol=share * options.tol, max_iter=most))
    state[at.UNCERTAINTY_SLACK] *= share
    run.expect(options)
    if run.status in (Status.MAX_ITERATIONS, Status.STEP_TOO_SHORT):
        # Rounding errors are larger than the tolerance: the earlier convergence stands.
        state[at.STATUS] = Status.CONVERGED
