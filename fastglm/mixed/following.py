"""Prediction variances of mixed models: derivatives of random effects in the other parameters.

The variance of a prediction combines that of the random effects given the parameters with that of
the parameters, on which the effects depend: Henderson (1975), "Best linear unbiased estimation and
prediction under a selection model". Derivatives of the modes in the covariance parameters are added
as by Kristensen et al. (2016), "TMB: automatic differentiation and Laplace approximation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.errors import DataError, ModelError
from fastglm.mixed.algebra import Factor
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.generalized import GeneralizedEstimate, search_of
from fastglm.mixed.prediction import NewRows
from fastglm.mixed.record import MixedFit

__all__ = [
    "RandomParts",
    "columns_of_estimates",
    "marginal_parts",
    "random_parts",
    "require_estimate",
    "sd_slopes",
    "variance_of",
]

#: Largest number of values of right-hand sides that are solved for together.
MOST_NUMBERS = 20_000_000
#: Step of numerical derivatives of the modes in theta.
STEP = 1e-5
#: Step of numerical derivatives of variances in theta.
SD_STEP = 1e-4


@dataclass(frozen=True, eq=False)
class RandomParts:
    """Derivatives and variances of the random parts of the linear predictors of n rows.

    Attributes
    ----------
    of_beta : ndarray, shape (n, p)
        Minus the derivatives in the standardised coefficients.
    of_theta : ndarray, shape (n, m)
        Derivatives in the other parameters; m is 0 in a linear model, as in lme4.
    variance : ndarray, shape (n,)
        Variance given all parameters and the data; for a level not in the data, the full variance.
    """

    of_beta: np.ndarray
    of_theta: np.ndarray
    variance: np.ndarray


def random_parts(fit: MixedFit, rows: NewRows) -> RandomParts:
    """Derivatives and variances of rows: Henderson (1975), in theta by numerical derivatives."""
    estimate, n = fit.estimate, rows.design.n_rows
    factor, effects, scale = _parts(estimate)
    layout = estimate.layout
    slopes = [] if isinstance(estimate, LinearEstimate) else _mode_slopes(estimate)
    size = layout.q * layout.k + layout.rest_size
    total, of_beta = np.empty(n), np.empty((n, estimate.fixed.p))
    of_theta = np.empty((n, len(slopes)))
    step = max(1, MOST_NUMBERS // size)
    for first in range(0, n, step):
        part = slice(first, min(first + step, n))
        own, other, fresh = _loadings(fit, rows, part)
        for m, (of_own, of_other) in enumerate(slopes):
            of_theta[part, m] = np.tensordot(own, of_own, ([0, 1], [0, 1])) + other.T @ of_other
        right = factor.scale(own, other, transposed=True)
        solved = factor.solve(*right)
        quadratic = (right[0] * solved[0]).sum(axis=(0, 1)) + (right[1] * solved[1]).sum(axis=0)
        of_beta[part] = np.tensordot(right[0], effects[0], ([0, 1], [0, 1]))
        of_beta[part] += right[1].T @ effects[1]
        total[part] = scale * quadratic + fresh
    return RandomParts(of_beta, of_theta, total)


def variance_of(
    fit: MixedFit, gradient: np.ndarray, parts: RandomParts | None = None, slope: Any = 1.0
) -> np.ndarray:
    """Variance of the prediction error of functions of the rows' linear predictors, (n,).

    Parameters
    ----------
    fit : MixedFit
    gradient : ndarray, shape (n, p)
        Derivatives of the functions in the standardised coefficients, with random parts fixed.
    parts : RandomParts, optional
        The random parts; None for predictions at random effects of zero.
    slope : float or ndarray, shape (n,)
        Derivatives of the functions in the random parts.
    """
    covariance = _fixed_covariance(fit)
    if parts is None:
        return np.asarray(np.einsum("ni,ij,nj->n", gradient, covariance, gradient))
    if fit.cov_type == "cluster":
        raise ModelError(
            "the covariance by clusters says nothing of single levels: use level='population', or "
            "the fit without it."
        )
    of_row = np.reshape(slope, (-1, 1))
    d = gradient - of_row * parts.of_beta
    if parts.of_theta.size and fit.cov_type == "nonrobust":
        d = np.hstack([d, of_row * parts.of_theta])
        # Parameters held on the boundary count as known: their NaN becomes 0.
        joint = np.nan_to_num(fit.estimate.joint_covariance)
        covariance = joint[: d.shape[1], : d.shape[1]]
    return np.asarray(np.einsum("ni,ij,nj->n", d, covariance, d) + slope**2 * parts.variance)


def columns_of_estimates(fit: MixedFit, x: np.ndarray) -> np.ndarray:
    """Columns that are not aliased, (n, p), standardised as the estimates of the fit are.

    A loaded copy has no standardised estimates: it has the columns as they are.
    """
    if fit.estimate is None:
        return np.asarray(x[:, ~np.isnan(fit.estimates)])
    fixed = fit.estimate.fixed
    return np.asarray(x[:, fixed.kept] @ fixed.from_standardized)


def require_estimate(fit: MixedFit, level: str) -> None:
    """Refuse predictions whose errors need more than a loaded copy has.

    Raises
    ------
    DataError
        If the fit is such a copy.
    """
    # Marginal means of a linear model are those of the population.
    of_fixed = level == "population" or (fit.is_linear and level == "marginal")
    if fit.estimate is None and not of_fixed:
        raise DataError(
            f"standard errors at level='{level}' need the data of the fit, which a loaded or "
            "pickled copy is without: use level='population', or fit the model again."
        )


def _fixed_covariance(fit: MixedFit) -> np.ndarray:
    """Covariance of the coefficients that go with `columns_of_estimates`, (p, p)."""
    if fit.estimate is None:
        kept = ~np.isnan(fit.estimates)
        return np.asarray(fit.covariance[np.ix_(kept, kept)])
    fixed = fit.estimate.fixed
    to_standard = np.linalg.inv(fixed.from_standardized)
    return np.asarray(to_standard @ fit.covariance[np.ix_(fixed.kept, fixed.kept)] @ to_standard.T)


def _parts(estimate: Any) -> tuple[Factor, tuple[np.ndarray, np.ndarray], float]:
    """Factor of H, minus derivatives of the effects in the coefficients, and scale of H^-1."""
    if isinstance(estimate, LinearEstimate):
        state, p = estimate.state, estimate.fixed.p
        own, other = state.effects
        return state.factor, (own[:, :, :p], other[:, :p]), state.sigma2
    return estimate.factor, _column_effects(estimate), 1.0


def _column_effects(estimate: GeneralizedEstimate) -> tuple[np.ndarray, np.ndarray]:
    """Minus the derivatives of the spherical modes in the coefficients, (q, k, p) and (R, p)."""
    state, problem, layout = estimate.state, estimate.problem, estimate.layout
    own = other = np.zeros((layout.rest_size, problem.fixed.p))
    for number, block in enumerate(layout.blocks):
        table = problem.column_table(state, block)
        if number == 0:
            own = table
        else:
            other[layout.columns_of(number)] = table
    factor = state.observed_factor
    return factor.solve(*factor.scale(own, other, transposed=True))


def _mode_slopes(estimate: GeneralizedEstimate) -> list[tuple[np.ndarray, np.ndarray]]:
    """Derivatives of the modes, (q, k) and (R,), in theta and the extra parameter."""
    at, problem, search = estimate.state.parameters, estimate.problem, search_of(estimate)
    x = np.concatenate([at.beta, at.theta, search.extra(at.log_extra)])
    units = np.ones(x.size)
    units[at.beta.size : at.beta.size + at.theta.size] = estimate.layout.theta_units()
    warm, eta = (problem.warm, problem.warm_factor), estimate.state.given_eta
    found = []
    for i in range(at.beta.size, x.size):
        width = STEP * units[i]
        step = width * (np.arange(x.size) == i)
        up, down = (
            state._effects(state.spherical)
            for state in (
                problem.at(search.parameters(x + side * step), eta) for side in (1.0, -1.0)
            )
        )
        found.append(((up[0] - down[0]) / (2.0 * width), (up[1] - down[1]) / (2.0 * width)))
    problem.warm, problem.warm_factor = warm
    return found


def _loadings(
    fit: MixedFit, rows: NewRows, part: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z' of m rows, (q, k, m) and (R, m), and the variance of levels not in the data, (m,)."""
    layout = fit.estimate.layout
    m = part.stop - part.start
    own, other = np.zeros((layout.q, layout.k, m)), np.zeros((layout.rest_size, m))
    fresh, number = np.zeros(m), np.arange(m)
    for b, group in enumerate(fit.groups):
        codes, columns = rows.codes[b][part], rows.columns[b][part]
        seen = codes >= 0
        if b == 0:
            own[codes[seen], :, number[seen]] = columns[seen]
        else:
            places = layout.columns_of(b)[codes[seen]]
            other[places, number[seen][:, None]] = columns[seen]
        variance = np.einsum("na,ab,nb->n", columns, group.covariance, columns)
        fresh += np.where(seen, 0.0, variance)
    return own, other, fresh


def marginal_parts(fit: MixedFit, rows: NewRows, sd: np.ndarray) -> RandomParts:
    """`RandomParts` for marginal means: derivatives of the rows' standard deviations `sd`, (n,).

    They take the place of derivatives of the random parts themselves.
    """
    slopes = np.empty((sd.size, 0))
    if not isinstance(fit.estimate, LinearEstimate):
        slopes = sd_slopes(fit, rows, sd)
    return RandomParts(np.zeros((sd.size, fit.estimate.fixed.p)), slopes, np.zeros(sd.size))


def sd_slopes(fit: MixedFit, rows: NewRows, sd: np.ndarray, predictor: int = 0) -> np.ndarray:
    """Derivatives of the standard deviations of a predictor's random part in theta, (n, m)."""
    layout, theta = fit.estimate.layout, fit.theta
    place = {
        group.group: columns * (group.predictors == predictor)
        for group, columns in zip(fit.groups, rows.columns, strict=True)
    }

    def variance(at: np.ndarray) -> np.ndarray:
        factors, total = layout.factors(at), np.zeros(sd.size)
        for b, block in enumerate(layout.blocks):
            root = factors[b, : block.k, : block.k]
            total += ((place[block.group] @ root) ** 2).sum(axis=1)
        return total

    slopes, widths = np.empty((sd.size, theta.size)), SD_STEP * layout.theta_units()
    for m, width in enumerate(widths):
        step = np.zeros(theta.size)
        step[m] = width
        # The variance is quadratic in most parameters, for which central differences are exact.
        slopes[:, m] = (variance(theta + step) - variance(theta - step)) / (2.0 * width)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sd[:, None] > 0.0, slopes / (2.0 * sd[:, None]), 0.0)
