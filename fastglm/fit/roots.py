"""Roots of the covariance of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    pass

__all__ = ["covariance_root", "trusted_root"]


def covariance_root(fit: Any) -> np.ndarray:
    """(p, p) matrix F with F F' the covariance of the coefficients of centred columns."""
    if fit.covariance_root is not None:
        return fit.covariance_root
    return fit.inverse_information_factor * np.sqrt(fit.scale)


def trusted_root(fit: Any, matrix: np.ndarray, by_covariance: np.ndarray) -> np.ndarray:
    """Root of the covariance of combinations, the rows of (m, p), by the root that the fit has.

    A covariance of collinear coefficients has lost digits that its root has not; but several ways
    of clustering may leave a matrix without a root, of which `by_covariance` is as good as can be.
    """
    root = fit.centering.combinations(matrix) @ covariance_root(fit)
    known, kept = (np.square(r).sum(axis=1) for r in (by_covariance, root))
    is_same = fit.orthogonal or np.allclose(known, kept, rtol=1e-4, atol=0.0, equal_nan=True)
    return root if is_same else by_covariance
