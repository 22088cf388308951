"""Log-likelihood of rows whose linear predictors are constants, with their offsets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

__all__ = ["category_log_likelihood", "constant_log_likelihood"]

#: Gradient of the mean log-likelihood below which the search is done; its square is what is left.
GRADIENT = 1e-7


def category_log_likelihood(codes: np.ndarray, weight: np.ndarray) -> float:
    """That of probabilities which are the shares of the codes of categories, (n,)."""
    counts = np.bincount(codes, weight)
    return float(scipy.special.xlogy(counts, counts / weight.sum()).sum())


def constant_log_likelihood(
    log_density: Callable[[np.ndarray, np.ndarray], np.ndarray],
    predictors: Callable[[np.ndarray, np.ndarray], np.ndarray],
    response: np.ndarray,
    offsets: np.ndarray,
    weight: np.ndarray,
    start: np.ndarray,
) -> float:
    """The largest log-likelihood of constants.

    Parameters
    ----------
    log_density : callable
        Of responses and (K, n) linear predictors, (n,).
    predictors : callable
        From constants, (c,), and offsets, (K, n), to linear predictors.
    response : ndarray, shape (n,) or (n, k)
    offsets : ndarray, shape (K, n)
    weight : ndarray, shape (n,)
    start : ndarray, shape (c,)
        Constants to start from.
    """
    if response.ndim == 1 and not offsets.any():
        response, place = np.unique(response, return_inverse=True)
        weight, offsets = np.bincount(place, weight), offsets[:, : response.size]
    total = weight.sum()

    def loss(constants: np.ndarray) -> float:
        value = -float(weight @ log_density(response, predictors(constants, offsets)) / total)
        # Out of the domain: the search turns back.
        return value if np.isfinite(value) else 1e300

    with np.errstate(all="ignore"):
        found = scipy.optimize.minimize(
            loss, start, method="BFGS", jac="3-point", options={"gtol": GRADIENT}
        )
    return float(-found.fun * total)
