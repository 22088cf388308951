"""Independence of a fit from the units of its response and weights, in which deviances scale.

The convergence test adds 0.1 to the deviance, and fits to samples have a prior of precision one on
the coefficients. Both suit deviances in units of the dispersion. Where the dispersion is estimated,
the deviance is in units of the response instead, and may be far below one.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.errors import Status
from fastglm.solve.newton import state as at
from fastglm.solve.newton.constants import PREDICTED_SHARE
from fastglm.solve.newton.run import Run, SolverOptions

__all__ = ["is_within_share_of_deviance", "run_to_share_of_deviance", "unit_of_deviance"]

#: Constant that the convergence test adds to a deviance (`fastglm.solve.newton.convergence`), and
#: largest number of further steps where that constant decided the test.
FLOOR_OF_DEVIANCE, MORE_STEPS = 0.1, 20
#: Rows from which the unit is estimated.
ROWS = 1024


def unit_of_deviance(run: Run) -> float:
    """Mean null deviance of a sample of rows, at most 1; 1 if the dispersion is known."""
    rows, family = run.row_table, run.family
    if family.dispersion_known or rows.response is None:
        return 1.0
    some = slice(None, None, max(1, rows.n_rows // ROWS))
    y = np.asarray(rows.response[some], dtype=np.float64)
    weights = np.ones(y.size) if rows.weights is None else np.asarray(rows.weights[some])
    if not weights.any():
        return 1.0
    with np.errstate(all="ignore"):
        mean = np.average(y, weights=weights)
        unit = float(np.mean(weights * family.unit_deviance(y, np.full(y.size, mean))))
    return unit if 0.0 < unit < 1.0 else 1.0


def is_within_share_of_deviance(run: Run, options: SolverOptions) -> bool:
    """Whether a converged run meets the tolerance relative to the deviance alone."""
    state, deviance = run.state, float(run.state[at.DEVIANCE])
    is_linear = run.has_constant_weights and run.is_newton
    if run.family.dispersion_known or is_linear or not 0.0 < deviance < FLOOR_OF_DEVIANCE:
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
