"""Standard errors and intervals of predictions, with the uncertainty of all estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from fastglm.arguments import checked_choice
from fastglm.design.frames.labels import frame_of_rows
from fastglm.errors import ModelError, require_level
from fastglm.inference.intervals.predictive_mixture import Component, Mixture
from fastglm.mixed.algebra import Factor, Schur
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.prediction import (
    NewRows,
    conditional_part,
    effect_sd,
    new_rows,
    quadrature_nodes,
)
from fastglm.mixed.record import MixedFit
from fastglm.responses.designs import linear_predictor

__all__ = ["predict_intervals"]

#: Numbers of right sides that are solved for together.
MOST_NUMBERS = 20_000_000
#: Of differences of variances in theta.
SD_STEP = 1e-4


def predict_intervals(
    fit: MixedFit,
    exog: Any,
    level: str,
    interval: str,
    new_levels: str,
    alpha: float,
    others: dict[str, Any],
) -> Any:
    """Predictions with limits, a pandas DataFrame; see `MixedResults.get_prediction`."""
    checked_choice("level", level, ("conditional", "population", "marginal"))
    checked_choice("interval", interval, ("confidence", "prediction"))
    require_level(alpha)
    if fit.estimate is None:
        fit._model_with_data("standard errors of predictions")
    rows = new_rows(fit, exog, others)
    eta = linear_predictor(rows.design, fit.estimates, fit.n_threads)
    eta = eta if rows.offset is None else eta + rows.offset
    if level == "marginal":
        if interval == "prediction":
            raise ModelError(
                "a new response of a new level is predicted with level='population': leave out "
                "level='marginal'."
            )
        return _marginal(fit, rows, eta, alpha)
    variance = _population_variance(fit, rows)
    if level == "conditional":
        eta = eta + conditional_part(fit, rows, new_levels)
        variance = _conditional_variance(fit, rows)
    se = np.sqrt(np.maximum(variance, 0.0))
    if interval == "prediction":
        return _frame(fit, rows, eta, se, _prediction_limits(fit, rows, eta, se, level, alpha))
    half = scipy.special.ndtri(1.0 - alpha / 2.0) * se
    inverse = fit.family.link.inverse
    low, high = np.sort(np.stack([inverse(eta - half), inverse(eta + half)]), axis=0)
    return _frame(fit, rows, eta, se, (low, high))


def _frame(
    fit: MixedFit,
    rows: NewRows,
    eta: np.ndarray,
    se: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
) -> Any:

    columns = {
        "mean": fit.family.link.inverse(eta),
        "linear": eta,
        "linear_se": se,
        "lower": limits[0],
        "upper": limits[1],
    }
    return frame_of_rows(columns, rows.labels, rows.nan_rows)


def _fixed(fit: MixedFit, rows: NewRows) -> np.ndarray:
    """Standardised columns of the rows that are not aliased, (n, p)."""
    fixed = fit.estimate.fixed
    x = rows.design.to_dense()[:, fixed.kept]
    return np.asarray(x @ fixed.from_standardized)


def _population_variance(fit: MixedFit, rows: NewRows) -> np.ndarray:
    x = _fixed(fit, rows)
    return np.asarray(np.einsum("ni,ij,nj->n", x, fit.estimate.covariance, x))


def _conditional_variance(fit: MixedFit, rows: NewRows) -> np.ndarray:
    """Variance of X beta + Z b less their estimates: new levels have all of their variance.

    Henderson (1975): with d what the columns leave of x when the effects fit it, d' V d + z' C z.
    """
    estimate = fit.estimate
    factor, schur, scale = _parts(estimate)
    x, n = _fixed(fit, rows), rows.design.n_rows
    layout = estimate.layout
    size = layout.q * layout.k + layout.rest_size
    total = np.empty(n)
    step = max(1, MOST_NUMBERS // size)
    for first in range(0, n, step):
        part = slice(first, min(first + step, n))
        own, other, fresh = _loadings(fit, rows, part)
        right = factor.scale(own, other, transposed=True)
        solved = factor.solve(*right)
        quadratic = (right[0] * solved[0]).sum(axis=(0, 1)) + (right[1] * solved[1]).sum(axis=0)
        p = x.shape[1]
        fitted = np.tensordot(right[0], schur.effects[0][:, :, :p], ([0, 1], [0, 1]))
        fitted += right[1].T @ schur.effects[1][:, :p]
        d = x[part] - fitted
        of_fixed = np.einsum("ni,ij,nj->n", d, estimate.covariance, d)
        total[part] = of_fixed + scale * quadratic + fresh
    return total


def _parts(estimate: Any) -> tuple[Factor, Schur, float]:
    if isinstance(estimate, LinearEstimate):
        state = estimate.state
        return state.factor, Schur(state.effects, state.information), state.sigma2
    return estimate.factor, estimate.schur, 1.0


def _loadings(
    fit: MixedFit, rows: NewRows, part: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z' of some rows, (q, k, m) and (R, m), and what levels not seen add to the variance."""
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


def _prediction_limits(
    fit: MixedFit, rows: NewRows, eta: np.ndarray, se: np.ndarray, level: str, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a new response, of a new level for a population prediction."""
    variance = se**2
    if level == "population":
        variance = variance + effect_sd(fit, rows) ** 2
    if fit.is_linear:
        half = scipy.special.ndtri(1.0 - alpha / 2.0) * np.sqrt(variance + fit.scale)
        return eta - half, eta + half
    family, error = fit.family, np.sqrt(variance)
    mean = family.link.inverse(eta)
    distribution = family.distribution(fit.response_dispersion)
    mixture = Mixture(
        [Component(1.0, 1.0, distribution)], family.link.inverse, np.ones(1), eta, error, mean,
        np.abs(family.link.inverse_deriv(eta)) * error,
        np.sqrt(family.variance(mean) * fit.response_dispersion),
    )  # fmt: skip
    return mixture.quantile(alpha / 2.0), mixture.quantile(1.0 - alpha / 2.0)


def _marginal(fit: MixedFit, rows: NewRows, eta: np.ndarray, alpha: float) -> Any:
    """Means over all levels, with errors of coefficients and covariances by the delta method."""
    link, estimate = fit.family.link, fit.estimate
    sd = effect_sd(fit, rows)
    nodes, weights = quadrature_nodes()
    mean, slope, of_sd = np.zeros((3, eta.size))
    for node, weight in zip(nodes, weights, strict=True):
        slopes = weight * link.inverse_deriv(eta + node * sd)
        mean += weight * link.inverse(eta + node * sd)
        slope += slopes
        of_sd += node * slopes
    gradient = np.column_stack(
        [slope[:, None] * _fixed(fit, rows), of_sd[:, None] * _sd_slopes(fit, rows, sd)]
    )
    if isinstance(estimate, LinearEstimate):
        covariance = np.zeros((gradient.shape[1],) * 2)
        covariance[: estimate.fixed.p, : estimate.fixed.p] = estimate.covariance
    else:
        size = gradient.shape[1]
        covariance = np.nan_to_num(estimate.joint_covariance[:size, :size])
    se = np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", gradient, covariance, gradient), 0.0))
    at = link(mean)
    half = scipy.special.ndtri(1.0 - alpha / 2.0) * se / np.abs(link.inverse_deriv(at))
    low, high = np.sort(np.stack([link.inverse(at - half), link.inverse(at + half)]), axis=0)
    columns = {"mean": mean, "mean_se": se, "lower": low, "upper": high}
    return frame_of_rows(columns, rows.labels, rows.nan_rows)


def _sd_slopes(fit: MixedFit, rows: NewRows, sd: np.ndarray) -> np.ndarray:
    """Derivatives of the rows' standard deviations between levels in theta, (n, m)."""
    layout, theta = fit.estimate.layout, fit.theta
    place = {group.group: columns for group, columns in zip(fit.groups, rows.columns, strict=True)}

    def variance(at: np.ndarray) -> np.ndarray:
        factors, total = layout.factors(at), np.zeros(sd.size)
        for b, block in enumerate(layout.blocks):
            root = factors[b, : block.k, : block.k]
            total += ((place[block.group] @ root) ** 2).sum(axis=1)
        return total

    slopes = np.empty((sd.size, theta.size))
    for m in range(theta.size):
        step = np.zeros(theta.size)
        step[m] = SD_STEP
        # The variance is a polynomial of the second degree in most parameters: no error is made.
        slopes[:, m] = (variance(theta + step) - variance(theta - step)) / (2.0 * SD_STEP)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sd[:, None] > 0.0, slopes / (2.0 * sd[:, None]), 0.0)
