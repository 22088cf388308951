"""Standard errors and intervals of predictions, with the uncertainty of all estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from fastglm.arguments import checked_choice
from fastglm.design.frames.labels import frame_of_rows
from fastglm.errors import ModelError, require_level
from fastglm.inference.intervals.predictive_mixture import Component, Mixture
from fastglm.mixed.following import (
    columns_of_estimates,
    marginal_parts,
    random_parts,
    require_estimate,
    variance_of,
)
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
    require_estimate(fit, level)
    rows = new_rows(fit, exog, others, level if interval == "confidence" else "conditional")
    eta = linear_predictor(rows.design, fit.estimates, fit.n_threads)
    eta = eta if rows.offset is None else eta + rows.offset
    if level == "marginal":
        if interval == "prediction":
            raise ModelError(
                "a new response of a new level is predicted with level='population': leave out "
                "level='marginal'."
            )
        return _marginal(fit, rows, eta, alpha)
    parts = None
    if level == "conditional":
        eta, parts = eta + conditional_part(fit, rows, new_levels), random_parts(fit, rows)
    variance = variance_of(fit, _fixed(fit, rows), parts)
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
    return columns_of_estimates(fit, rows.design.to_dense())


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
    link = fit.family.link
    sd = effect_sd(fit, rows)
    nodes, weights = quadrature_nodes()
    mean, slope, of_sd = np.zeros((3, eta.size))
    for node, weight in zip(nodes, weights, strict=True):
        slopes = weight * link.inverse_deriv(eta + node * sd)
        mean += weight * link.inverse(eta + node * sd)
        slope += slopes
        of_sd += node * slopes
    gradient = slope[:, None] * _fixed(fit, rows)
    parts = None if fit.is_linear else marginal_parts(fit, rows, sd)
    se = np.sqrt(np.maximum(variance_of(fit, gradient, parts, of_sd), 0.0))
    at = link(mean)
    half = scipy.special.ndtri(1.0 - alpha / 2.0) * se / np.abs(link.inverse_deriv(at))
    low, high = np.sort(np.stack([link.inverse(at - half), link.inverse(at + half)]), axis=0)
    columns = {"mean": mean, "mean_se": se, "lower": low, "upper": high}
    return frame_of_rows(columns, rows.labels, rows.nan_rows)
