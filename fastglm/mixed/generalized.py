"""From rows to the estimates of a generalized linear mixed model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastglm.errors import ModelError
from fastglm.families import Family
from fastglm.families.derivatives import LikelihoodDerivatives, supports_derivatives
from fastglm.mixed.adaptive import adaptive
from fastglm.mixed.algebra import Factor, Schur
from fastglm.mixed.boundary import hold_at_boundary
from fastglm.mixed.curvature import schur_of
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.layout import Layout
from fastglm.mixed.normaliser import normaliser_of
from fastglm.mixed.optimum import Minimum
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.sampling import sampled_levels
from fastglm.mixed.scaling import FixedColumns
from fastglm.mixed.search import START_SHARE, Begun, Search
from fastglm.mixed.starting import start_of

__all__ = [
    "LEAST_PARAMETER",
    "GeneralizedEstimate",
    "at_boundary",
    "estimate_generalized",
    "search_of",
]

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
    slope : ndarray
        Its derivatives in these.
    n_evaluations, n_iter : int
    converged : bool
    infinite : dict of str to int
        Signs of coefficients whose estimates are infinite, which separate `n_separated` rows.
    n_separated : int
    information : ndarray, shape (p, p), or None
        Schur complement of the coefficients at the last Hessian, where that has it.
    profiled : tuple of ndarray and float, or None
        Of a parameter that others were profiled over: derivatives of the gradient in it, and the
        curvature of the profile.
    at_zero : bool
        Whether the family's parameter was to be estimated and is zero, on its boundary.
    """

    layout: Layout
    fixed: FixedColumns
    problem: LaplaceProblem
    state: LaplaceState
    held: np.ndarray
    hessian: np.ndarray
    slope: np.ndarray
    n_evaluations: int
    n_iter: int
    converged: bool
    infinite: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0
    information: np.ndarray | None = None
    at_zero: bool = False
    profiled: tuple[np.ndarray, float] | None = None

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
        p, known = self.fixed.p, self.information
        return np.linalg.inv(self.schur.matrix[:p, :p] if known is None else known)

    @cached_property
    def joint_covariance(self) -> np.ndarray:
        """Of beta, theta and the extra parameter: twice the inverse Hessian; NaN where held."""
        p, m = self.fixed.p, self.theta.size
        has_extra = self.problem.extra != "none"
        free = np.concatenate([np.ones(p, bool), ~self.held, np.ones(int(has_extra), bool)])
        covariance = np.full((p + m + has_extra,) * 2, np.nan)
        inverse = np.linalg.inv(self.hessian)
        if self.profiled is not None:
            cross, curvature = self.profiled
            moved = inverse @ cross
            inverse += np.outer(moved, moved) / curvature
        covariance[np.ix_(free, free)] = 2.0 * inverse
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
    search = Search(problem, np.zeros(problem.layout.n_theta, dtype=bool))
    sample = None if start is not None else sampled_levels(rows)
    begun = None
    if sample is not None:
        some = estimate_generalized(sample[0], family, observed, nagq, None, max_iter, n_threads)
        begun = _from_sample(search, some, sample[1])
    if begun is None:
        begun = search.from_start(start_of(rows, problem), start, max_iter)
    found = search.minimum(begun.x, begun.metric, max_iter)
    estimate = at_boundary(search, found, begun, max_iter)
    if problem.extra == "parameter" and found.x[-1] < math.log(LEAST_PARAMETER):
        return _at_zero(rows, estimate, observed, nagq, max_iter, n_threads)
    return estimate


def _from_sample(search: Search, sample: GeneralizedEstimate, factor: float) -> Begun | None:
    """From the fit of some levels, of which there are so many in all; None where that is odd.

    What separates all rows separates some of them: where the latter have no such direction, and
    no column less, there is none.
    """
    fixed = search.problem.fixed
    same = np.array_equal(sample.fixed.kept, fixed.kept)
    if not same or not sample.converged or sample.held.any() or sample.infinite:
        return None
    if sample.at_zero:
        return None
    turn, p = np.linalg.solve(sample.fixed.from_standardized, fixed.from_standardized), fixed.p
    metric = factor * sample.hessian
    metric[:p] = turn.T @ metric[:p]
    metric[:, :p] = metric[:, :p] @ turn
    at = sample.state.parameters
    first = np.concatenate([np.linalg.solve(turn, at.beta), at.theta, search.extra(at.log_extra)])
    return Begun(first, metric, None)


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


def search_of(estimate: GeneralizedEstimate) -> Search:
    """The criterion of a fit as a function of one vector, nothing held."""
    return Search(estimate.problem, np.zeros(estimate.theta.size, dtype=bool))


def at_boundary(search: Search, found: Minimum, begun: Begun, max_iter: int) -> GeneralizedEstimate:
    """In canonical form; what lies on the boundary is held there."""
    problem, p = search.problem, search.p
    layout = problem.layout
    n_evaluations, n_iter = found.n_evaluations, found.n_iter
    for _ in range(MOST_RETURNS):
        at = search.parameters(found.x)
        theta, held, is_minimum = hold_at_boundary(
            layout, at.theta, found.value, search.of_theta(at.beta, at.log_extra)
        )
        if is_minimum:
            break
        first = np.concatenate([at.beta, theta, search.extra(at.log_extra)])
        found = search.minimum(first, None, max_iter)
        n_evaluations, n_iter = n_evaluations + found.n_evaluations, n_iter + found.n_iter
    if held.any() or not np.array_equal(theta, at.theta):
        known, search = search.information, Search(problem, held, theta)
        problem.warm = problem.warm_factor = None
        free = np.concatenate([np.ones(p, bool), ~held, np.ones(int(search.has_extra), bool)])
        first = np.concatenate([at.beta, theta[~held], search.extra(at.log_extra)])
        metric = _turned(layout, found.hessian, at.theta, theta, p)[np.ix_(free, free)]
        if np.array_equal(np.abs(theta), np.abs(at.theta)):
            # The same point by another name: only signs have changed.
            found, search.information = replace(found, x=first, hessian=metric), known
        else:
            found = search.minimum(first, metric, max_iter)
            n_evaluations, n_iter = n_evaluations + found.n_evaluations, n_iter + found.n_iter
    state = search.at(found.x)
    gradient = search.gradient(state)
    return GeneralizedEstimate(
        layout=layout, fixed=problem.fixed, problem=problem, state=state, held=held,
        hessian=found.hessian, slope=gradient,
        n_evaluations=n_evaluations, n_iter=n_iter, converged=found.converged,
        infinite=begun.start.infinite if begun.start else {},
        n_separated=begun.start.n_separated if begun.start else 0, information=search.information,
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
            "give: use one of the families gaussian, binomial, poisson, gamma, inverse_gaussian, "
            "negative_binomial and tweedie with a link of fastglm.families.links."
        )
    given, layout = rows.fixed, Layout(rows.blocks)
    if rows.elsewhere is None:
        fixed = FixedColumns.of(given.design, given.prior_weights, n_threads)
    else:
        fixed = rows.elsewhere.columns
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
        y=y[order], prior=prior[order].astype(np.float64), offset=offset.astype(np.float64),
        observed=observed, extra=extra, normaliser=normaliser_of(rows, family, extra, binary),
        n_threads=n_threads,
    )  # fmt: skip
