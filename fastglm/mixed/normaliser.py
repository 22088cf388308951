"""What a log-likelihood holds beside the deviance: densities where every mean is its response."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastglm.families import Family
from fastglm.mixed.rows import MixedRows

__all__ = ["normaliser_of"]

#: Distance of the points from which the slope of a normaliser is told, to fourth order.
SLOPE_STEP = 2e-3
MOST_COUNTS = 10_000_000


def normaliser_of(
    rows: MixedRows, family: Family, extra: str, binary: bool
) -> Callable[[float], tuple[float, float]]:
    """Sum of log-densities at a deviance of zero, and its slope, at the log of a parameter."""
    given = rows.fixed
    if binary and given.variance_weights is None:
        return lambda log_extra: (0.0, 0.0)
    y, weights, counts = _distinct(given.response.astype(np.float64), given)
    mean = family.starting_mu(y, weights)
    known: dict[float, float] = {}

    def value(log_extra: float) -> float:
        if log_extra not in known:
            one = math.exp(log_extra)
            here = family.with_estimate(one) if extra == "parameter" else family
            scale = one if extra == "dispersion" else 1.0
            density = here.loglike_obs(y, mean, weights, scale)
            density = density + 0.5 * weights * here.unit_deviance(y, mean) / scale
            known[log_extra] = float(np.sum(counts * np.where(weights > 0.0, density, 0.0)))
        return known[log_extra]

    def both(log_extra: float) -> tuple[float, float]:
        if extra == "none":
            return value(0.0), 0.0
        h = SLOPE_STEP
        near = value(log_extra + h) - value(log_extra - h)
        far = value(log_extra + 2.0 * h) - value(log_extra - 2.0 * h)
        return value(log_extra), (8.0 * near - far) / (12.0 * h)

    return both


def _distinct(y: np.ndarray, given: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Responses, variance weights and how often each pair occurs; counts are put together."""
    weights = given.variance_weights  # type: ignore[attr-defined]
    counts = given.frequencies  # type: ignore[attr-defined]
    counts = np.ones(y.size) if counts is None else counts
    whole = (
        weights is None and (y >= 0.0).all() and y.max() < MOST_COUNTS and (y == np.floor(y)).all()
    )
    if whole:
        table = np.bincount(y.astype(np.int64), counts)
        values = np.flatnonzero(table)
        return values.astype(np.float64), np.ones(values.size), table[values]
    return y, np.ones(y.size) if weights is None else weights, counts
