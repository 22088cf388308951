"""lme4's fast approximation, nAGQ = 0: coefficients and effects are estimated together.

At every theta the coefficients maximise the penalised likelihood along with the modes, rather than
the criterion; only theta is then searched for. Bates et al. (2015), lme4's ``glmer``.
"""

from __future__ import annotations

import numpy as np

from fastglm.errors import ModelError
from fastglm.families import Family
from fastglm.mixed.boundary import hold_at_boundary
from fastglm.mixed.curvature import schur_of
from fastglm.mixed.generalized import (
    MOST_RETURNS,
    GeneralizedEstimate,
    make_problem,
)
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.optimum import minimise
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.search import START_SHARE
from fastglm.mixed.starting import start_of

__all__ = ["estimate_fast"]

#: Distance of points from which slopes in theta are told.
STEP = 1e-4
MOST_STEPS = 50
#: Of the step before the last, relative to the criterion: what is left is its square.
TOLERANCE = 1e-11


class _Joint:
    """The criterion at coefficients that go with theta."""

    def __init__(self, problem: LaplaceProblem, beta: np.ndarray, log_extra: float):
        self.problem, self.beta, self.log_extra = problem, beta, log_extra

    def at(self, theta: np.ndarray) -> LaplaceState:
        """Newton steps in the coefficients, effects following, until nothing is gained."""
        p = self.problem.fixed.p
        for _ in range(MOST_STEPS):
            state = self.problem.at(Parameters(self.beta, theta, self.log_extra))
            if not np.isfinite(state.value) or not p:
                return state
            score = self.problem.score_of(state.rows.residual)
            step = np.linalg.solve(schur_of(self.problem, state, True).matrix[:p, :p], score)
            self.beta = self.beta + step
            if score @ step <= TOLERANCE * (1.0 + abs(state.value)):
                # The criterion is not stationary in beta: what is left must not be seen in it.
                return self.problem.at(Parameters(self.beta, theta, self.log_extra))
        return state

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, and slopes from differences."""
        with np.errstate(all="ignore"):
            value = self.at(theta).value
            slope = np.empty(theta.size)
            for i in range(theta.size):
                up, down = theta.copy(), theta.copy()
                up[i] += STEP
                down[i] -= STEP
                slope[i] = (self.at(up).value - self.at(down).value) / (2.0 * STEP)
        return value, slope


def estimate_fast(
    rows: MixedRows,
    family: Family,
    observed: bool,
    start: np.ndarray | None,
    max_iter: int,
    n_threads: int,
) -> GeneralizedEstimate:
    """Fit theta with coefficients estimated together with the effects.

    Raises
    ------
    ModelError
        If the family has a parameter to estimate besides.
    """
    problem = make_problem(rows, family, observed, n_threads)
    if problem.extra != "none":
        raise ModelError(
            "nagq=0 is for families without a dispersion or parameter to estimate: use nagq=1."
        )
    begin = start_of(rows, problem)
    joint = _Joint(problem, begin.beta, begin.log_extra)
    theta = START_SHARE * problem.layout.start_theta() if start is None else start
    found = minimise(joint, theta, max_iter=max_iter)
    for _ in range(MOST_RETURNS):
        theta, held, is_minimum = hold_at_boundary(problem.layout, found.x, found.value, joint)
        if is_minimum:
            break
        found = minimise(joint, theta, max_iter=max_iter)
    free = ~held
    state = joint.at(theta)
    _, gradient = joint(theta)
    p = problem.fixed.p
    hessian = np.zeros((p + free.sum(),) * 2)
    hessian[:p, :p] = 2.0 * schur_of(problem, state).matrix[:p, :p]
    sign = np.where(theta * found.x < 0.0, -1.0, 1.0)[free]
    hessian[p:, p:] = found.hessian[np.ix_(free, free)] * np.outer(sign, sign)
    return GeneralizedEstimate(
        layout=problem.layout, fixed=problem.fixed, problem=problem, state=state, held=held,
        hessian=hessian, slope=np.concatenate([np.zeros(p), gradient[free]]),
        n_evaluations=found.n_evaluations, n_iter=found.n_iter, converged=found.converged,
        infinite=begin.infinite, n_separated=begin.n_separated,
    )  # fmt: skip
