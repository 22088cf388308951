"""Standard errors and intervals of predictions, with the uncertainty of all estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.mixed.algebra import Factor, Schur
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.prediction import NewRows, conditional_part, effect_sd, new_rows
from fastglm.mixed.record import MixedFit
from fastglm.responses.designs import linear_predictor

__all__ = ["predict_intervals"]

#: Numbers of right sides that are solved for together.
MOST_NUMBERS = 20_000_000


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
    if level not in ("conditional", "population"):
        raise ModelError(f"level must be conditional or population, not {level!r}.")
    if interval not in ("confidence", "prediction"):
        raise ModelError(f"interval must be confidence or prediction, not {interval!r}.")
    if not 0.0 < alpha < 1.0:
        raise ModelError(f"alpha must be between 0 and 1, not {alpha!r}")
    if fit.estimate is None:
        fit._model_with_data("standard errors of predictions")
    rows = new_rows(fit, exog, others)
    eta = linear_predictor(rows.design, fit.estimates, fit.n_threads)
    eta = eta if rows.offset is None else eta + rows.offset
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
    import pandas as pd

    columns = {
        "mean": fit.family.link.inverse(eta),
        "linear": eta,
        "linear_se": se,
        "lower": limits[0],
        "upper": limits[1],
    }
    frame = pd.DataFrame(columns, index=rows.index)
    frame[rows.nan_rows] = np.nan
    return frame


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
    if not fit.is_linear:
        raise ModelError(
            "prediction intervals are those of linear mixed models: use interval='confidence', or "
            "simulate()."
        )
    variance = se**2 + fit.scale
    if level == "population":
        variance = variance + effect_sd(fit, rows) ** 2
    half = scipy.special.ndtri(1.0 - alpha / 2.0) * np.sqrt(variance)
    return eta - half, eta + half
