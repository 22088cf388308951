"""From rows to the estimates of a mixed model of several linear predictors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.mixed.blocks import Block
from fastglm.mixed.generalized import (
    LEAST_PARAMETER,
    GeneralizedEstimate,
    at_boundary,
)
from fastglm.mixed.layout import Layout
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.search import START_SHARE, Begun, Search
from fastglm.mixed.several.problem import SeveralProblem, problem_of
from fastglm.mixed.several.responses import MixedResponse
from fastglm.mixed.several.two_parts import TripledLayout, TwoPartProblem, has_two_parts
from fastglm.mixed.starting import Start
from fastglm.solve.fit import SolverOptions
from fastglm.solve.several_predictors import PredictorSolution

__all__ = ["estimate_several"]

#: Largest start of a coefficient whose estimate without random effects is infinite.
FURTHEST_START = 3.0


def estimate_several(
    rows: MixedRows,
    response: MixedResponse,
    nagq: int,
    start: np.ndarray | None,
    max_iter: int,
    n_threads: int,
) -> tuple[GeneralizedEstimate, Any]:
    """Fit by maximum likelihood; returns the model without random effects as well.

    Coefficients of all predictors, thresholds and logarithms of parameters are estimated together
    with theta: they are the estimate's `beta`.
    """
    model = response.without_effects(rows.fixed)
    problem = _problem(model, response, rows.blocks, nagq, n_threads)
    search = Search(problem, np.zeros(problem.layout.n_theta, dtype=bool))
    begun = _begun(search, model, start, max_iter, n_threads)
    found = search.minimum(begun.x, begun.metric, max_iter)
    estimate = at_boundary(search, found, begun, max_iter)
    p = problem.fixed.p
    estimate = replace(estimate, information=0.5 * estimate.hessian[:p, :p])
    simpler = response.without_alpha()
    last = problem.fixed.from_standardized[-1] @ estimate.beta
    if simpler is None or model.has_columns_of_alpha or last > math.log(LEAST_PARAMETER):
        return estimate, model
    # Alpha is on its way to zero, its boundary.
    theta = np.where(estimate.held, START_SHARE, estimate.theta)
    poisson, counts = estimate_several(rows, simpler, nagq, theta, max_iter, n_threads)
    if poisson.value > estimate.value + 1e-8 * (1.0 + 1e-3 * abs(estimate.value)):
        return estimate, model
    return replace(poisson, at_zero=True), counts


def _problem(
    model: Any, response: MixedResponse, blocks: Sequence[Block], nagq: int, n_threads: int
) -> SeveralProblem:
    if not has_two_parts(blocks):
        return problem_of(model, response, Layout(blocks), nagq, n_threads)
    if nagq != 1:
        raise ModelError(
            "quadrature is for random effects of one linear predictor: use nagq=1, Laplace's "
            "approximation, where ziformula= has a bar."
        )
    return problem_of(model, response, TripledLayout(blocks), 1, n_threads, TwoPartProblem)


def _begun(
    search: Search, model: Any, theta: np.ndarray | None, max_iter: int, n_threads: int
) -> Begun:
    """From the maximum without random effects, and the theta that goes best with it."""
    fixed = search.problem.fixed
    blocks, options = model._blocks(), SolverOptions(max_iter=100, n_threads=n_threads)
    solution = model._estimate(blocks, model._rank_and_scaling(n_threads), None, options)
    params = np.nan_to_num(solution.params, posinf=FURTHEST_START, neginf=-FURTHEST_START)
    beta = np.linalg.solve(fixed.from_standardized, params[fixed.kept])
    begin = Start(beta, 0.0, *_separated(model, blocks, solution, n_threads))
    theta = START_SHARE * search.problem.layout.start_theta() if theta is None else theta
    theta, _, near = search.theta_at(beta, theta, 0.0, max_iter)
    metric = scipy.linalg.block_diag(_information(fixed, solution), near.hessian)
    return Begun(np.concatenate([beta, theta]), metric, begin)


def _information(fixed: Any, solution: PredictorSolution) -> np.ndarray:
    """Twice the information of the standardised coefficients without random effects."""
    back = fixed.from_standardized
    covariance = solution.covariance[np.ix_(fixed.kept, fixed.kept)]
    try:
        information = 2.0 * back.T @ np.linalg.inv(covariance) @ back
    except np.linalg.LinAlgError:
        return np.eye(fixed.p)
    return information if np.isfinite(information).all() else np.eye(fixed.p)


def _separated(
    model: Any, blocks: Any, solution: PredictorSolution, n_threads: int
) -> tuple[dict[str, int], int]:
    """Signs of coefficients without a finite estimate, and how many rows they separate."""
    found = model._search(blocks, solution, "warn", n_threads)
    if found is None:
        return {}, 0
    names = model._names(blocks, model._column_names(model._rank_and_scaling(n_threads)))
    signs = zip(names, np.sign(found.direction).astype(int), strict=True)
    return {name: int(sign) for name, sign in signs if sign}, found.n_rows
