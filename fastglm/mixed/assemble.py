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

__all__ = ["groups_of_fit", "make_results", "rows_of_fit", "still_moving"]


def make_results(
    model: Any, estimate: LinearEstimate | GeneralizedEstimate, method: str, n_threads: int
) -> MixedResults:
    """Results of a `MixedGLM`, in the columns as given."""
    rows, fixed = model.rows, estimate.fixed
    family, n_own = _fitted_family(model.family, estimate)
    return MixedResults(
        names=tuple(rows.design.names),
        **_coefficients(estimate),
        family=family,
        groups=groups_of_fit(estimate, model.mixed_rows.fitted_formulas),
        components=_components(estimate),
        theta=estimate.theta,
        theta_names=estimate.layout.theta_names(),
        parameter_covariance=estimate.parameter_covariance,
        sigma=estimate.sigma,
        criterion=estimate.value,
        n_parameters=fixed.p + estimate.theta.size + n_own,
        reml=method == "REML",
        method=method,
        rank=fixed.p,
        status=Status.CONVERGED if estimate.converged else Status.MAX_ITERATIONS,
        gradient=float(np.abs(estimate.slope).max(initial=0.0)),
        n_evaluations=estimate.n_evaluations,
        n_iter=estimate.n_iter,
        singular=describe_singular(estimate.layout, estimate.layout.factors(estimate.theta)),
        formula=model.formula,
        infinite=getattr(estimate, "infinite", {}),
        n_separated=getattr(estimate, "n_separated", 0),
        **rows_of_fit(rows) | {"nobs": model.mixed_rows.nobs},
        n_threads=n_threads,
        model=model,
        estimate=estimate,
    )


def still_moving(estimate: LinearEstimate | GeneralizedEstimate, names: tuple[str, ...]) -> str:
    """The parameter that the criterion, for its curvature, still falls along most.

    `names` are those of the fixed columns.
    """
    free = [
        name for name, h in zip(estimate.layout.theta_names(), estimate.held, strict=True) if not h
    ]
    labels = [f"the covariance parameter {name}" for name in free]
    hessian = estimate.hessian
    if isinstance(estimate, LinearEstimate):
        hessian = hessian[np.ix_(~estimate.held, ~estimate.held)]
    else:
        kept = zip(names, estimate.fixed.kept, strict=True)
        labels = [f"the coefficient of {name}" for name, is_kept in kept if is_kept] + labels
        extra = {"parameter": "the family's parameter", "dispersion": "the dispersion"}
        labels += [extra[estimate.problem.extra]] if estimate.problem.extra in extra else []
    size = estimate.slope**2 / np.maximum(np.abs(np.diag(hessian)), 1e-300)
    return labels[int(np.argmax(size))] if labels else "no parameter"


def _fitted_family(family: Any, estimate: LinearEstimate | GeneralizedEstimate) -> tuple[Any, int]:
    """The family with its estimated parameter, and how many parameters are its own or sigma."""
    if isinstance(estimate, LinearEstimate):
        return family, 1
    if estimate.at_zero:
        return estimate.problem.derivatives.family, 1
    if estimate.problem.extra == "parameter":
        value = estimate.problem.constants(estimate.state.parameters.log_extra)[0]
        return family.with_estimate(value), 1
    fitted = estimate.problem.derivatives.family
    return fitted, fitted.n_dispersion_parameters if estimate.problem.extra == "dispersion" else 0


def _coefficients(estimate: LinearEstimate | GeneralizedEstimate) -> dict[str, Any]:
    """Estimates and both covariances, NaN for aliased columns."""
    fixed, back = estimate.fixed, estimate.fixed.from_standardized
    conditional = (
        estimate.covariance
        if isinstance(estimate, LinearEstimate)
        else estimate.information_inverse
    )
    return {
        "estimates": fixed.spread_out(back @ estimate.beta),
        "covariance": fixed.spread_out(back @ estimate.covariance @ back.T),
        "conditional_covariance": fixed.spread_out(back @ conditional @ back.T),
    }


def groups_of_fit(
    estimate: LinearEstimate | GeneralizedEstimate, fitted_formulas: tuple
) -> tuple[GroupEffects, ...]:
    """The random effects of every factor."""
    scale = estimate.state.sigma2 if isinstance(estimate, LinearEstimate) else 1.0
    by_group = {fitted_formula.group: fitted_formula for fitted_formula in fitted_formulas}
    return tuple(
        GroupEffects(
            block.group, block.levels, block.names, block.terms,
            scale * _covariance_of_block(estimate, b), _modes_of_block(estimate, b),
            scale * estimate.factor.level_covariances(b), by_group[block.group],
        )
        for b, block in enumerate(estimate.layout.blocks)
    )  # fmt: skip


def rows_of_fit(rows: Any) -> dict[str, Any]:
    """What results say of the rows."""
    same = (
        "nobs", "fitted_formula", "response_name", "response_levels", "has_offset", "has_exposure",
        "column_names", "weights", "n_dropped", "missing",
    )  # fmt: skip
    return {name: getattr(rows, name) for name in same} | {"labelled": rows.has_names}


def _covariance_of_block(estimate: LinearEstimate | GeneralizedEstimate, block: int) -> np.ndarray:
    """Lambda Lambda' of a block."""
    k = int(estimate.layout.widths[block])
    root = estimate.layout.factors(estimate.theta)[block, :k, :k]
    return root @ root.T


def _modes_of_block(estimate: LinearEstimate | GeneralizedEstimate, block: int) -> np.ndarray:
    """Conditional modes of a block, (q, k)."""
    own, other = estimate.modes
    return own if block == 0 else other[estimate.layout.columns_of(block)]


def _components(estimate: LinearEstimate | GeneralizedEstimate) -> tuple:
    """Variance components with standard errors."""
    layout, theta, covariance = estimate.layout, estimate.theta, estimate.parameter_covariance
    if isinstance(estimate, LinearEstimate):
        sigma = (estimate.sigma, 1.0)
        return variance_components(layout, theta, sigma, sigma, covariance)
    residual = None
    if estimate.problem.extra == "dispersion":
        residual = (estimate.sigma, 0.5 * estimate.sigma)
    return variance_components(layout, theta, (1.0, 0.0), residual, covariance)
