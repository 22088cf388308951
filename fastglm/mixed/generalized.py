"""From rows to the estimates of a generalized linear mixed model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastglm.errors import ModelError
from fastglm.families import Family
from fastglm.families.derivatives import LikelihoodDerivatives, supports_derivatives
from fastglm.mixed.adaptive import adaptive
from fastglm.mixed.algebra import Factor, Schur
from fastglm.mixed.boundary import settle
from fastglm.mixed.curvature import coefficient_hessian, has_closed_hessian, schur_of
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState, Parameters
from fastglm.mixed.layout import Layout
from fastglm.mixed.normaliser import normaliser_of
from fastglm.mixed.optimum import Minimum, difference_columns, difference_hessian, minimise
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.scaling import FixedColumns
from fastglm.mixed.starting import Start, start_of

__all__ = ["GeneralizedEstimate", "estimate_generalized", "search_of"]

#: Where the search for theta begins: Lambda is this share of the identity.
START_SHARE = 0.7
#: Below it a family's parameter is compared with zero, its boundary.
LEAST_PARAMETER = 1e-4
#: Most times that a search which ended on the boundary by chance is sent inwards.
MOST_RETURNS = 3


@dataclass(frozen=True, eq=False)
class GeneralizedEstimate:
    """A fitted generalized linear mixed model, in standardised columns.

    Attributes
    ----------
    layout : Layout
    fixed : FixedColumns
    problem : LaplaceProblem
    state : LaplaceState
        At the estimates.
    held : ndarray of bool, shape (m,)
        Which of theta lie on the boundary.
    hessian : ndarray
        Of the criterion in beta, the free theta and the extra parameter.
    gradient : float
        Its largest derivative in one of these.
    n_evaluations, n_iter : int
    converged : bool
    infinite : dict of str to int
        Signs of coefficients whose estimates are infinite, which separate `n_separated` rows.
    n_separated : int
    at_zero : bool
        Whether the family's parameter was to be estimated and is zero, on its boundary.
    """

    layout: Layout
    fixed: FixedColumns
    problem: LaplaceProblem
    state: LaplaceState
    held: np.ndarray
    hessian: np.ndarray
    gradient: float
    n_evaluations: int
    n_iter: int
    converged: bool
    infinite: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0
    at_zero: bool = False

    @property
    def theta(self) -> np.ndarray:
        """Parameters of the covariances, (m,)."""
        return self.state.parameters.theta

    @property
    def beta(self) -> np.ndarray:
        """Coefficients of standardised columns, (p,)."""
        return self.state.parameters.beta

    @property
    def value(self) -> float:
        """-2 log-likelihood."""
        return self.state.value

    @property
    def dispersion(self) -> float:
        """Of the family."""
        return self.problem.constants(self.state.parameters.log_extra)[1]

    @property
    def sigma(self) -> float:
        """Root of the dispersion: 1 where it is known."""
        return math.sqrt(self.dispersion)

    @property
    def factor(self) -> Factor:
        """H at the estimates."""
        return self.state.factor

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """Conditional modes of the effects, (q, k) and (R,)."""
        return self.state._effects(self.state.spherical)

    @cached_property
    def schur(self) -> Schur:
        """X'WX and the effects of its columns, by the weights of the determinant."""
        return schur_of(self.problem, self.state)

    @cached_property
    def information_inverse(self) -> np.ndarray:
        """Inverse of X' V^-1 X at the modes, (p, p): lme4's covariance without the Hessian."""
        p = self.fixed.p
        return np.linalg.inv(self.schur.matrix[:p, :p])

    @cached_property
    def joint_covariance(self) -> np.ndarray:
        """Of beta, theta and the extra parameter: twice the inverse Hessian; NaN where held."""
        p, m = self.fixed.p, self.theta.size
        has_extra = self.problem.extra != "none"
        free = np.concatenate([np.ones(p, bool), ~self.held, np.ones(int(has_extra), bool)])
        covariance = np.full((p + m + has_extra,) * 2, np.nan)
        covariance[np.ix_(free, free)] = 2.0 * np.linalg.inv(self.hessian)
        return covariance

    @property
    def covariance(self) -> np.ndarray:
        """Of `beta`, (p, p)."""
        p = self.fixed.p
        return self.joint_covariance[:p, :p]

    @property
    def parameter_covariance(self) -> np.ndarray:
        """Of theta and, where there is one, the logarithm of the extra parameter."""
        p = self.fixed.p
        return self.joint_covariance[p:, p:]


def estimate_generalized(
    rows: MixedRows,
    family: Family,
    observed: bool,
    nagq: int,
    start: np.ndarray | None,
    max_iter: int,
    n_threads: int,
) -> GeneralizedEstimate:
    """Fit by maximum likelihood, effects integrated out by quadrature of `nagq` nodes."""
    problem = adaptive(make_problem(rows, family, observed, n_threads), nagq)
    begin = start_of(rows, problem)
    theta = START_SHARE * problem.layout.start_theta() if start is None else start
    search = _Search(problem, np.zeros(theta.size, dtype=bool))
    theta, log_extra, near = search.theta_at(begin.beta, theta, begin.log_extra, max_iter)
    first = np.concatenate([begin.beta, theta, search.extra(log_extra)])
    found = minimise(
        search, first, search.metric(first, near), max_iter=max_iter, hessian_of=search.hessian
    )
    estimate = _settled(search, found, begin, max_iter)
    if problem.extra == "parameter" and found.x[-1] < math.log(LEAST_PARAMETER):
        return _at_zero(rows, estimate, observed, nagq, max_iter, n_threads)
    return estimate


def _at_zero(
    rows: MixedRows,
    estimate: GeneralizedEstimate,
    observed: bool,
    nagq: int,
    max_iter: int,
    n_threads: int,
) -> GeneralizedEstimate:
    """The fit with the family's parameter at zero, its boundary, if that is no worse."""
    family = estimate.problem.derivatives.family.with_estimate(0.0)
    start = np.where(estimate.held, START_SHARE, estimate.theta)
    found = estimate_generalized(rows, family, observed, nagq, start, max_iter, n_threads)
    if found.value > estimate.value + 1e-8 * (1.0 + 1e-3 * abs(estimate.value)):
        return estimate
    return replace(found, at_zero=True)


def search_of(estimate: GeneralizedEstimate) -> _Search:
    """The criterion of a fit as a function of one vector, nothing held."""
    return _Search(estimate.problem, np.zeros(estimate.theta.size, dtype=bool))


class _Search:
    """The criterion as a function of one vector: beta, the free theta and the extra parameter."""

    def __init__(self, problem: LaplaceProblem, held: np.ndarray):
        self.problem, self.held = problem, held
        self.p = problem.fixed.p
        self.has_extra = problem.extra != "none"

    def extra(self, log_extra: float) -> list[float]:
        """The extra parameter, if there is one."""
        return [log_extra] if self.has_extra else []

    def parameters(self, x: np.ndarray) -> Parameters:
        """From the vector; what is held is zero."""
        theta = np.zeros(self.held.size)
        free = ~self.held
        theta[free] = x[self.p : self.p + free.sum()]
        return Parameters(x[: self.p], theta, float(x[-1]) if self.has_extra else 0.0)

    def gradient(self, state: LaplaceState) -> np.ndarray:
        """Of the vector."""
        parts = [state.beta_gradient, state.theta_gradient[~self.held]]
        return np.concatenate([*parts, self.extra(state.extra_gradient if self.has_extra else 0.0)])

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        with np.errstate(all="ignore"):
            state = self.problem.at(self.parameters(x))
            if not math.isfinite(state.value):
                return math.inf, np.zeros_like(x)
            return state.value, self.gradient(state)

    def hessian(self, x: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Second derivatives: in the coefficients by their closed form where there is one."""
        if not has_closed_hessian(self.problem):
            return difference_hessian(self, x, np.diag(near))
        p = self.p
        hessian = np.empty((x.size, x.size))
        hessian[:p, :p] = coefficient_hessian(self.problem, self.problem.at(self.parameters(x)))
        columns = difference_columns(self, x, np.diag(near), range(p, x.size))
        hessian[p:] = columns
        hessian[:p, p:] = columns[:, :p].T
        hessian[p:, p:] = 0.5 * (columns[:, p:] + columns[:, p:].T)
        return hessian

    def of_theta(
        self, beta: np.ndarray, log_extra: float
    ) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """The criterion and its gradient as a function of theta alone: X is read once."""
        eta = self.problem.fixed_eta(beta)

        def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
            with np.errstate(all="ignore"):
                state = self.problem.at(Parameters(beta, theta, log_extra), eta)
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

    def metric(self, x: np.ndarray, near: Minimum) -> np.ndarray:
        """About the Hessian: twice the Schur complement, and that of the search over theta."""
        state = self.problem.at(self.parameters(x))
        size, p = x.size, self.p
        metric = np.zeros((size, size))
        metric[:p, :p] = 2.0 * schur_of(self.problem, state).matrix[:p, :p]
        metric[p:, p:] = near.hessian
        return metric


def _settled(search: _Search, found: Minimum, begin: Start, max_iter: int) -> GeneralizedEstimate:
    """In canonical form; what lies on the boundary is held there."""
    problem, p = search.problem, search.p
    layout = problem.layout
    n_evaluations, n_iter = found.n_evaluations, found.n_iter
    for _ in range(MOST_RETURNS):
        at = search.parameters(found.x)
        theta, held, is_minimum = settle(
            layout, at.theta, found.value, search.of_theta(at.beta, at.log_extra)
        )
        if is_minimum:
            break
        first = np.concatenate([at.beta, theta, search.extra(at.log_extra)])
        found = minimise(search, first, max_iter=max_iter, hessian_of=search.hessian)
        n_evaluations, n_iter = n_evaluations + found.n_evaluations, n_iter + found.n_iter
    if held.any() or not np.array_equal(theta, at.theta):
        search = _Search(problem, held)
        problem.warm = problem.warm_factor = None
        free = np.concatenate([np.ones(p, bool), ~held, np.ones(int(search.has_extra), bool)])
        first = np.concatenate([at.beta, theta[~held], search.extra(at.log_extra)])
        metric = _turned(layout, found.hessian, at.theta, theta, p)[np.ix_(free, free)]
        found = minimise(search, first, metric, max_iter=max_iter, hessian_of=search.hessian)
        n_evaluations, n_iter = n_evaluations + found.n_evaluations, n_iter + found.n_iter
    state = problem.at(search.parameters(found.x))
    gradient = search.gradient(state)
    return GeneralizedEstimate(
        layout=layout, fixed=problem.fixed, problem=problem, state=state, held=held,
        hessian=found.hessian, gradient=float(np.abs(gradient).max(initial=0.0)),
        n_evaluations=n_evaluations, n_iter=n_iter, converged=found.converged,
        infinite=begin.infinite, n_separated=begin.n_separated,
    )  # fmt: skip


def _turned(
    layout: Layout, hessian: np.ndarray, old: np.ndarray, new: np.ndarray, p: int
) -> np.ndarray:
    """The Hessian where parameters changed their sign."""
    sign = np.ones(len(hessian))
    sign[p : p + old.size] = np.where(old * new < 0.0, -1.0, 1.0)
    return hessian * np.outer(sign, sign)


def make_problem(rows: MixedRows, family: Family, observed: bool, n_threads: int) -> LaplaceProblem:
    """The rows in the order of levels, with the derivatives of their family.

    Raises
    ------
    ModelError
        If derivatives of the family or link are not known.
    """
    if not supports_derivatives(family):
        raise ModelError(
            f"mixed models need further derivatives of the likelihood, which {family!r} does not "
            "give: use one of the families gaussian, binomial, poisson, gamma, inverse_gaussian "
            "and negative_binomial with a link of fastglm.families.links."
        )
    given, layout = rows.fixed, Layout(rows.blocks)
    fixed = FixedColumns.of(given.design, given.prior_weights, layout.order, n_threads)
    y = given.response.astype(np.float64)
    prior = np.ones(y.size) if given.prior_weights is None else given.prior_weights
    offset = np.zeros(y.size) if given.offset is None else given.offset
    binary = given.summary.binary and math.isfinite(family.domain.upper)
    if family.free_parameter is not None:
        extra = "parameter"
    else:
        known = family.dispersion_known or not family.n_dispersion_parameters
        extra = "none" if known else "dispersion"
    order = layout.order
    return LaplaceProblem(
        layout=layout, fixed=fixed, derivatives=LikelihoodDerivatives(family, binary),
        y=y[order], prior=prior[order].astype(np.float64), offset=offset[order].astype(np.float64),
        observed=observed, extra=extra, normaliser=normaliser_of(rows, family, extra, binary),
        n_threads=n_threads,
    )  # fmt: skip
