"""Residuals of the fitted rows. McCullagh & Nelder (1989), section 2.4, unless noted otherwise.

Every function gives (n,) float64: numbers of single observations, whatever their frequencies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.errors import require_seed
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "RESIDUALS",
    "anscombe_residuals",
    "deviance_residuals",
    "normal_quantiles",
    "pearson_residuals",
    "quantile_residuals",
    "response_residuals",
    "working_residuals",
]


def _response(fit: Fit) -> np.ndarray:
    return fit._rows_beside_columns("residuals").response


def _weights(fit: Fit) -> np.ndarray:
    rows = fit._rows_beside_columns("residuals")
    return np.ones(rows.n_rows) if rows.variance_weights is None else rows.variance_weights


def response_residuals(fit: Fit) -> np.ndarray:
    """Response less fitted mean."""
    return _response(fit) - fit.row_values(row_buffers.MEAN)[0]


def pearson_residuals(fit: Fit) -> np.ndarray:
    """Response residual over the square root of variance function / prior weight."""
    mean, squared = fit.row_values(row_buffers.MEAN, row_buffers.PEARSON)
    return np.copysign(np.sqrt(squared), _response(fit) - mean)


def deviance_residuals(fit: Fit) -> np.ndarray:
    """Signed square root of each row's part of the deviance."""
    mean, deviance = fit.row_values(row_buffers.MEAN, row_buffers.DEVIANCE)
    return signed_root(deviance, _response(fit) - mean)


def signed_root(deviance: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Square root of parts of the deviance, with the sign of response less mean."""
    # Rounding may leave the deviance of a perfect fit a little below zero.
    return np.copysign(np.sqrt(np.maximum(deviance, 0.0)), difference)


def working_residuals(fit: Fit) -> np.ndarray:
    """Response residual on the scale of the linear predictor."""
    mean, slope = fit.row_values(row_buffers.MEAN, row_buffers.SLOPE)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (_response(fit) - mean) / slope


def anscombe_residuals(fit: Fit) -> np.ndarray:
    """Residuals on the scale that makes the response most nearly normal.

    (A(y) - A(mu)) / (A'(mu) sqrt(V(mu) / weight)), where A is the integral of V**(-1/3). Anscombe
    (1953), *Journal of the Royal Statistical Society B* 15, discussion.
    """
    family = fit.family
    (mean,) = fit.row_values(row_buffers.MEAN)
    # Close to the mean the integrals cancel: single precision would leave few digits.
    response = np.asarray(_response(fit), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = family.anscombe_difference(response, mean)
        distance = distance / family.variance(mean) ** (1.0 / 6.0)
    return distance * np.sqrt(_weights(fit))


def quantile_residuals(fit: Fit, seed: int = 0) -> np.ndarray:
    """Normal quantiles of the probabilities of smaller responses; exactly normal if all is right.

    Where responses are discrete the probability is drawn from between those of a smaller and of a
    smaller or equal response. Dunn & Smyth (1996), *Journal of Computational and Graphical
    Statistics* 5. A row of weight 0 gives NaN.

    Parameters
    ----------
    results
    seed
        Of the draws.

    Raises
    ------
    ModelError
        If the family does not define how responses are distributed.
    """
    require_seed(seed)
    distribution = fit.family.distribution(fit.response_dispersion)
    (mean,) = fit.row_values(row_buffers.MEAN)
    response, weights = np.asarray(_response(fit), np.float64), _weights(fit)
    with np.errstate(divide="ignore", invalid="ignore"):
        tails, below = distribution.tails(response, mean, weights), None
        if distribution.lattice is not None or distribution.mass_at_zero:
            below = distribution.tails_below(response, mean, weights)
        residuals = normal_quantiles(tails, below, seed)
    return np.where(weights > 0.0, residuals, np.nan)


def normal_quantiles(
    tails: tuple[np.ndarray, np.ndarray],
    below: tuple[np.ndarray, np.ndarray] | None,
    seed: int,
) -> np.ndarray:
    """Normal quantiles of lower and upper tails; drawn from between them and those below."""
    lower, upper = tails
    if below is not None:
        share = np.random.default_rng(seed).random(lower.size)
        lower = below[0] + share * (lower - below[0])
        upper = upper + (1.0 - share) * (below[1] - upper)
    return np.where(lower < 0.5, scipy.special.ndtri(lower), -scipy.special.ndtri(upper))


#: Residuals that need no more than the fit, by the names R and statsmodels give them.
RESIDUALS: dict[str, Callable[[Fit], np.ndarray]] = {
    "response": response_residuals,
    "pearson": pearson_residuals,
    "deviance": deviance_residuals,
    "working": working_residuals,
    "anscombe": anscombe_residuals,
}
