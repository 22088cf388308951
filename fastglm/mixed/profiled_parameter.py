"""Estimation of a family's parameter by profiling, such as the power of the Tweedie distribution.

At each value of the parameter the criterion is minimised over all other parameters. By the envelope
theorem the slope of this profile is the derivative at fixed estimates, a difference of two
evaluations. Its curvature follows from the second derivatives, so that a few fits find the minimum.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastglm.errors import BoundaryWarning, warn
from fastglm.families import Family
from fastglm.families.derivatives import LikelihoodDerivatives
from fastglm.mixed.generalized import GeneralizedEstimate, estimate_generalized
from fastglm.mixed.normaliser import normaliser_of
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.search import Search

__all__ = ["estimate_profiled", "is_profiled"]

#: Step of the numerical derivatives in the parameter.
STEP = 1e-4
MOST_FITS = 25
#: Largest last step, in standard errors.
TOLERANCE = 1e-6
#: Longest step, as a share of the distance to the end of the parameter's range.
LONGEST = 0.7


def is_profiled(family: Family) -> bool:
    """Whether the family has a parameter that is estimated by profiling."""
    return family.free_parameter is not None and family.functions.of_parameter is None


def estimate_profiled(
    rows: MixedRows,
    family: Family,
    observed: bool,
    nagq: int,
    start: np.ndarray | None,
    max_iter: int,
    n_threads: int,
) -> GeneralizedEstimate:
    """Fit with the parameter at its maximum likelihood estimate.

    Warns
    -----
    BoundaryWarning
        If the likelihood rises up to the end of the range of values.
    """
    low, high = family.parameter_range(float(rows.fixed.response.min()))
    value, n_evaluations = family.parameter, 0
    for _ in range(MOST_FITS):
        found = estimate_generalized(
            rows, family.with_estimate(value), observed, nagq, start, max_iter, n_threads
        )
        n_evaluations += found.n_evaluations
        start = np.where(found.held, 0.3, found.theta)
        slope, cross, curvature = _derivatives(rows, found, family, value)
        of_profile = curvature - float(cross @ np.linalg.solve(found.hessian, cross))
        step = -slope / abs(of_profile)
        if abs(step) <= TOLERANCE * np.sqrt(2.0 / abs(of_profile)):
            break
        bounded = np.clip(
            value + step, value - LONGEST * (value - low), value + LONGEST * (high - value)
        )
        if min(bounded - low, high - bounded) < STEP:
            warn(
                f"the likelihood still rises at the end of the range of {family.free_parameter}, "
                f"{bounded:.3g}: the data do not look like those of this family.",
                BoundaryWarning,
            )
            step = 0.0
            break
        value = float(bounded)
    return replace(
        found, n_evaluations=n_evaluations, profiled=(cross, of_profile),
        converged=found.converged and abs(step) <= 1e-3,
    )  # fmt: skip


def _derivatives(
    rows: MixedRows, found: GeneralizedEstimate, family: Family, value: float
) -> tuple[float, np.ndarray, float]:
    """First and second derivative in the parameter, and derivatives of the gradient in it."""
    problem, at = found.problem, found.state.parameters
    search = Search(problem, found.held, found.theta)
    x = np.concatenate([at.beta, at.theta[~found.held], search.extra(at.log_extra)])
    values, gradients = [], []
    for near in (value + STEP, value - STEP):
        law = family.with_estimate(near)
        derivatives = LikelihoodDerivatives(law, False)
        other = replace(
            problem, derivatives=derivatives, warm=found.state.spherical,
            normaliser=normaliser_of(rows, law, problem.extra, False),
        )  # fmt: skip
        one, gradient = Search(other, found.held, found.theta)(x)
        values.append(one)
        gradients.append(gradient)
    curvature = (values[0] + values[1] - 2.0 * found.value) / STEP**2
    cross = (gradients[0] - gradients[1]) / (2.0 * STEP)
    return (values[0] - values[1]) / (2.0 * STEP), cross, curvature
