"""From an estimate to the results of a mixed model."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.errors import Status
from fastglm.mixed.boundary import describe_singular
from fastglm.mixed.effects import GroupEffects, variance_components
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.results import MixedResults

__all__ = ["make_results"]


def make_results(
    model: Any, estimate: LinearEstimate | GeneralizedEstimate, method: str, n_threads: int
) -> MixedResults:
    """Results of a `MixedGLM`, in the columns as given."""
    rows, fixed, layout = model.rows.fixed, estimate.fixed, estimate.layout
    family, linear = model.family, isinstance(estimate, LinearEstimate)
    back = fixed.back
    spread = estimate.sigma if linear else 1.0
    given_theta = estimate.state.sigma2 if isinstance(estimate, LinearEstimate) else 1.0
    conditional = (
        estimate.covariance
        if isinstance(estimate, LinearEstimate)
        else given_theta * estimate.information_inverse
    )
    has_parameter = False
    if isinstance(estimate, GeneralizedEstimate):
        has_parameter = estimate.problem.extra != "none"
        if estimate.problem.extra == "parameter":
            value = estimate.problem.constants(estimate.state.parameters.log_extra)[0]
            family = family.with_estimate(value)
    recipes = {recipe.group: recipe for recipe in model.rows.recipes}
    groups = tuple(
        GroupEffects(
            block.group, block.levels, block.names, block.terms,
            spread**2 * _covariance(estimate, b), _modes_of(estimate, b),
            given_theta * estimate.factor.level_covariances(b), recipes[block.group],
        )
        for b, block in enumerate(layout.blocks)
    )  # fmt: skip
    return MixedResults(
        names=tuple(rows.design.names),
        estimates=fixed.spread_out(back @ estimate.beta),
        covariance=fixed.spread_out(back @ estimate.covariance @ back.T),
        conditional_covariance=fixed.spread_out(back @ conditional @ back.T),
        family=family,
        groups=groups,
        components=_components(estimate),
        theta=estimate.theta,
        theta_names=layout.theta_names(),
        parameter_covariance=estimate.parameter_covariance,
        sigma=estimate.sigma,
        criterion=estimate.value,
        n_parameters=fixed.p + estimate.theta.size + int(linear or has_parameter),
        reml=method == "REML",
        method=method,
        nobs=rows.nobs,
        rank=fixed.p,
        status=Status.CONVERGED if estimate.converged else Status.MAX_ITERATIONS,
        gradient=estimate.gradient,
        n_evaluations=estimate.n_evaluations,
        n_iter=estimate.n_iter,
        singular=describe_singular(layout, layout.factors(estimate.theta)),
        formula=model.formula,
        recipe=rows.recipe,
        response_name=rows.response_name,
        response_levels=rows.response_levels,
        has_offset=rows.has_offset,
        has_exposure=rows.has_exposure,
        column_names=rows.column_names,
        weights=rows.weights,
        labelled=rows.index is not None,
        n_dropped=rows.n_dropped,
        missing=rows.missing,
        n_threads=n_threads,
        model=model,
        estimate=estimate,
    )


def _covariance(estimate: LinearEstimate | GeneralizedEstimate, block: int) -> np.ndarray:
    """Lambda Lambda' of a block."""
    k = int(estimate.layout.widths[block])
    root = estimate.layout.factors(estimate.theta)[block, :k, :k]
    return root @ root.T


def _modes_of(estimate: LinearEstimate | GeneralizedEstimate, block: int) -> np.ndarray:
    own, other = estimate.modes
    return own if block == 0 else other[estimate.layout.columns_of(block)]


def _components(estimate: LinearEstimate | GeneralizedEstimate) -> tuple:
    """Variance components with standard errors."""
    layout, theta, covariance = estimate.layout, estimate.theta, estimate.parameter_covariance
    if isinstance(estimate, LinearEstimate):
        return variance_components(
            layout, theta, estimate.sigma, lambda s: s, lambda s: s, covariance
        )
    problem, log_extra = estimate.problem, estimate.state.parameters.log_extra
    residual = (lambda e: float(np.exp(0.5 * e))) if problem.extra == "dispersion" else None
    return variance_components(layout, theta, log_extra, lambda e: 1.0, residual, covariance)
