"""The criterion of a generalized mixed model as a function of one vector, and its start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from fastglm.errors import StartError
from fastglm.mixed.curvature import coefficient_hessian, has_closed_hessian, schur_of
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.optimum import (
    NEAR,
    ROUNDING,
    Minimum,
    difference_columns,
    difference_hessian,
    minimise,
)
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.starting import Start

__all__ = ["START_SHARE", "Begun", "Search"]

#: Start of the search for theta: Lambda is this share of the identity.
START_SHARE = 0.7
#: Least standard deviation to start from, of several factors.
LEAST_START = 0.05
#: Relative change that a Hessian may have on the last step: standard errors have half of it.
SAME_HESSIAN = 4e-6
#: Decrement, and its share of the criterion, before a Hessian by differences in all parameters:
#: from there the last step does not change it, so that it need not be found twice.
NEAR_ENOUGH, SHARE = 1e-12, 1e-17


@dataclass(frozen=True, eq=False)
class Begun:
    """Start of the search over all parameters.

    Attributes
    ----------
    x : ndarray, shape (m,)
    metric : ndarray, shape (m, m)
        About the Hessian there.
    start : Start or None
        What the model without random effects says; None if a sample says that there is nothing.
    """

    x: np.ndarray
    metric: np.ndarray
    start: Start | None


class Search:
    """The criterion as a function of one vector: beta, the free theta and the extra parameter."""

    def __init__(self, problem: LaplaceProblem, held: np.ndarray, theta: np.ndarray | None = None):
        self.problem, self.held = problem, held
        #: Values of parameters that are held: zero but for correlations at their end.
        self.theta = np.zeros(held.size) if theta is None else theta
        self.p = problem.fixed.p
        #: Schur complement of the last Hessian.
        self.information: np.ndarray | None = None
        self._last: tuple[np.ndarray, LaplaceState] | None = None
        self.has_extra = problem.extra != "none"

    def extra(self, log_extra: float) -> list[float]:
        """The extra parameter, if there is one."""
        return [log_extra] if self.has_extra else []

    def parameters(self, x: np.ndarray) -> Parameters:
        """Parameters from the vector and the held values."""
        theta = self.theta.copy()
        free = ~self.held
        theta[free] = x[self.p : self.p + free.sum()]
        return Parameters(x[: self.p], theta, float(x[-1]) if self.has_extra else 0.0)

    def gradient(self, state: LaplaceState) -> np.ndarray:
        """Of the vector."""
        return np.concatenate([state.beta_gradient, self.gradient_of_theta(state)])

    def gradient_of_theta(self, state: LaplaceState) -> np.ndarray:
        """Of the free theta and the extra parameter."""
        extra = self.extra(state.extra_gradient if self.has_extra else 0.0)
        return np.concatenate([state.theta_gradient[~self.held], extra])

    def at(self, x: np.ndarray) -> LaplaceState:
        """The criterion at a point; kept for the next call at the same point."""
        if self._last is None or not np.array_equal(self._last[0], x):
            self._last = x.copy(), self.problem.at(self.parameters(x))
        return self._last[1]

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        with np.errstate(all="ignore"):
            state = self.at(x)
            if not math.isfinite(state.value):
                return math.inf, np.zeros_like(x)
            return state.value, self.gradient(state)

    def minimum(self, start: np.ndarray, metric: np.ndarray | None, max_iter: int) -> Minimum:
        """The minimum over all parameters."""
        closed = has_closed_hessian(self.problem)
        return minimise(
            self, start, metric, max_iter=max_iter, hessian_of=self.hessian, same=SAME_HESSIAN,
            near=NEAR if closed else NEAR_ENOUGH, rounding=ROUNDING if closed else SHARE,
        )  # fmt: skip

    def from_start(self, begin: Start, theta: np.ndarray | None, max_iter: int) -> Begun:
        """From coefficients without random effects, and the theta that goes best with them.

        Of several factors the theta that each would have alone: a factor of all costs more.
        """
        layout = self.problem.layout
        if theta is None and len(layout.blocks) > 1 and type(self.problem) is LaplaceProblem:
            theta, log_extra, curvature = self._each_alone(begin, max_iter)
            first = np.concatenate([begin.beta, theta, self.extra(log_extra)])
            return Begun(first, self.metric(first, curvature), begin)
        theta = START_SHARE * layout.start_theta() if theta is None else theta
        theta, log_extra, near = self.theta_at(begin.beta, theta, begin.log_extra, max_iter)
        first = np.concatenate([begin.beta, theta, self.extra(log_extra)])
        return Begun(first, self.metric(first, near.hessian), begin)

    def _each_alone(self, begin: Start, max_iter: int) -> tuple[np.ndarray, float, np.ndarray]:
        """Theta, the extra parameter and their curvature from models of each factor alone."""
        layout = self.problem.layout
        size = layout.n_theta + self.has_extra
        theta, curvature = np.empty(layout.n_theta), np.zeros((size, size))
        log_extra = np.inf
        for number in range(len(layout.blocks)):
            alone = self.problem.of_block(number)
            first = START_SHARE * alone.layout.start_theta()
            search = Search(alone, np.zeros(first.size, dtype=bool))
            own, own_extra, near = search.theta_at(begin.beta, first, begin.log_extra, max_iter)
            places = layout.theta_of_block(number)
            theta[places] = alone.layout.lifted(alone.layout.canonical(own), LEAST_START)
            m = own.size
            curvature[np.ix_(places, places)] = near.hessian[:m, :m]
            if self.has_extra and own_extra < log_extra:
                # What other factors explain is scatter in the model of one.
                log_extra, curvature[-1, -1] = own_extra, near.hessian[-1, -1]
        return theta, log_extra if self.has_extra else 0.0, curvature

    def hessian(self, x: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Second derivatives: in the coefficients by their closed form where there is one."""
        if not has_closed_hessian(self.problem):
            return difference_hessian(self, x, np.diag(near))
        p = self.p
        hessian = np.empty((x.size, x.size))
        eta = self.at(x).given_eta
        curvature = coefficient_hessian(self.problem, self.at(x))
        hessian[:p, :p], self.information = curvature

        def change(up: np.ndarray, down: np.ndarray) -> np.ndarray:
            # X is read once, for the differences of the rows' derivatives.
            states = [self.problem.at(self.parameters(point), eta) for point in (up, down)]
            rows = states[0].working_residual - states[1].working_residual
            rest = [self.gradient_of_theta(state) for state in states]
            return np.concatenate([self.problem.score_of(rows), rest[0] - rest[1]])

        columns = difference_columns(change, x, np.diag(near), range(p, x.size))
        hessian[p:] = columns
        hessian[:p, p:] = columns[:, :p].T
        hessian[p:, p:] = 0.5 * (columns[:, p:] + columns[:, p:].T)
        return hessian

    def of_theta(
        self, beta: np.ndarray, log_extra: float
    ) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """The criterion and its gradient as a function of theta alone: X is read once, if ever."""
        eta = cache(lambda: self.problem.fixed_eta(beta))

        def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
            with np.errstate(all="ignore"):
                state = self.problem.at(Parameters(beta, theta, log_extra), eta())
                if not math.isfinite(state.value):
                    return math.inf, np.zeros_like(theta)
                return state.value, state.theta_gradient

        return function

    def theta_at(
        self, beta: np.ndarray, theta: np.ndarray, log_extra: float, max_iter: int
    ) -> tuple[np.ndarray, float, Minimum]:
        """The best theta and extra parameter at given coefficients: X is read once."""
        eta, m = self.problem.fixed_eta(beta), theta.size

        def function(x: np.ndarray) -> tuple[float, np.ndarray]:
            parameters = Parameters(beta, x[:m], float(x[-1]) if self.has_extra else 0.0)
            with np.errstate(all="ignore"):
                state = self.problem.at(parameters, eta)
                if not math.isfinite(state.value):
                    return math.inf, np.zeros_like(x)
                slope = self.extra(state.extra_gradient if self.has_extra else 0.0)
                return state.value, np.concatenate([state.theta_gradient, slope])

        first = np.concatenate([theta, self.extra(log_extra)])
        found = minimise(function, first, max_iter=max_iter, polish=False, near=1e-2)
        return found.x[:m], float(found.x[-1]) if self.has_extra else 0.0, found

    def metric(self, x: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """About the Hessian: twice the Schur complement, and a curvature in what is not beta."""
        state = self.at(x)
        if not state.found:
            raise StartError(
                "no modes of the random effects were found at the start: the responses do not go "
                "with the family and link, or columns are of very different sizes. Rescale them, "
                "or choose another link."
            )
        size, p = x.size, self.p
        metric = np.zeros((size, size))
        metric[:p, :p] = 2.0 * schur_of(self.problem, state).matrix[:p, :p]
        metric[p:, p:] = curvature
        return metric
