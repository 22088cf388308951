"""Covariances in saved fits: of each a triangle of its root on centred columns, and variances.

The root keeps the digits that the covariance itself would lose among columns far from zero or close
to each other. Whatever else is needed of a covariance is computed from it when a fit is loaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.fit.json_numbers import pack, pack_triangle, unpack, unpack_triangle
from fastglm.passes.scaling import Centering

__all__ = ["describe_covariance", "read_covariance"]

#: Covariances may differ by this share of the standard errors from those of their root; one that
#: is not positive semidefinite, as several ways of clustering can give, is saved beside it.
TOLERANCE = 1e-9


def describe_covariance(
    root: np.ndarray, matrix: np.ndarray, centering: Centering, is_definite: bool
) -> dict[str, Any]:
    """A covariance of the estimates, (p, p), and its root on centred columns, as plain JSON types.

    Parameters
    ----------
    root
        F with F F' the covariance of the coefficients of centred columns.
    matrix
        That of the coefficients; NaN where aliased.
    centering
        Of the columns.
    is_definite
        Whether the root is surely that of the covariance, however far apart rounding has led them.
    """
    if not np.isfinite(root).all():
        return {"matrix": pack_triangle(matrix)}
    # The same covariance has a root that is triangular.
    lower = np.asarray(np.linalg.qr(root.T, mode="r")).T if root.size else root
    variances = np.diag(matrix).copy()
    known = ~np.isnan(variances)
    both = np.outer(known, known)
    with np.errstate(invalid="ignore", over="ignore"):
        sd = np.sqrt(variances)
        apart = np.abs(_covariance(lower, variances, centering) - matrix)
        is_same = is_definite or (apart <= TOLERANCE * np.outer(sd, sd))[both].all()
    if is_same and (np.isnan(matrix) == ~both).all():
        return {"root": pack_triangle(lower), "variances": pack(variances)}
    return {"root": pack_triangle(lower), "matrix": pack_triangle(matrix)}


def read_covariance(
    saved: dict[str, Any], centering: Centering, p: int
) -> tuple[np.ndarray, np.ndarray]:
    """The root and the covariance that `describe_covariance` described.

    Raises
    ------
    DataError
        If these are not matrices of p columns.
    """
    if "matrix" not in saved:
        root = unpack_triangle(saved["root"], p, symmetric=False)
        return root, _covariance(root, unpack(saved["variances"], p), centering)
    matrix = unpack_triangle(saved["matrix"], p, symmetric=True)
    if "root" in saved:
        return unpack_triangle(saved["root"], p, symmetric=False), matrix
    return np.full((p, p), np.nan), matrix


def _covariance(root: np.ndarray, variances: np.ndarray, centering: Centering) -> np.ndarray:
    """The covariance of the estimates, with those variances; NaN where they are."""
    with np.errstate(invalid="ignore", over="ignore"):
        given = centering.to_given(root)
        matrix = given @ given.T
    unknown = np.isnan(variances)
    matrix[unknown] = np.nan
    matrix[:, unknown] = np.nan
    np.fill_diagonal(matrix, variances)
    return matrix
