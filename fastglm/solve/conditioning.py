"""Magnification of rounding and sampling errors by collinear columns, which decides on shortcuts.

Let C be the Gram matrix X'WX of columns scaled to equal length. Errors of its entries of relative
size e change the variance of any combination of coefficients by a share of at most about
e x (largest eigenvalue of C^-1). That eigenvalue, here called the inflation, is 1 for orthogonal
columns, at least the largest variance inflation factor, and up to the square of the condition
number. It comes from the inverse: a diagonal, or the pivots of an elimination, can all look
harmless where it is 1e12 (Kahan's matrix). Every sum that is made faster at the cost of
digits is accepted only where its error times the inflation keeps the promise. Higham (2002),
*Accuracy and Stability of Numerical Algorithms*, chapters 7, 10 and 14.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = [
    "GRAM_ROUNDING",
    "cholesky_error",
    "inflation_of_factor",
    "inflation_of_inverse",
    "inflation_of_sandwich",
    "may_use_cholesky",
    "qr_error",
    "semidefinite_root",
    "significant_digits",
]

#: Rounding errors of the entries of a Gram matrix in double precision, as a share of the product of
#: the lengths of their two columns: sums of many roundings of either sign.
GRAM_ROUNDING = 1e-16
#: Of a triangle by QR, as a share of the length of a column.
QR_ROUNDING = 1e-15
#: Rounding may change a variance by this share before a Gram matrix makes way for a QR
#: factorisation: standard errors by half of it.
VARIANCE_SLACK = 1e-7
#: Of a covariance of unit variances: smaller eigenvalues are rounding errors of 0.
NO_VARIANCE = 1e-13


def may_use_cholesky(inflation: float) -> bool:
    """Whether variances from the Gram matrix, in double precision, have the digits promised."""
    return bool(GRAM_ROUNDING * inflation <= VARIANCE_SLACK)


def cholesky_error(inflation: float) -> float:
    """Relative error of standard errors, by rounding, from a Gram matrix of that inflation."""
    return 0.5 * GRAM_ROUNDING * inflation


def qr_error(inflation: float) -> float:
    """The same from a QR factorisation, which magnifies errors by the condition number alone."""
    return QR_ROUNDING * math.sqrt(inflation)


def significant_digits(error: float) -> int:
    """Digits that a number of that relative error has, from 0 to 15."""
    return 0 if not error < 1.0 else min(15, int(-math.log10(max(error, 1e-15))))


def inflation_of_factor(factor: np.ndarray, gram: np.ndarray) -> float:
    """The inflation of a Gram matrix, (p, p), of whose inverse ``factor @ factor.T`` is made."""
    return float(np.linalg.norm(factor * np.sqrt(np.diag(gram))[:, None], 2)) ** 2


def inflation_of_inverse(inverse: np.ndarray, diagonal: np.ndarray) -> float:
    """The inflation of a Gram matrix from its (p, p) inverse and its own diagonal, (p,)."""
    if not np.isfinite(inverse).all():
        return math.nan
    unit = np.sqrt(np.maximum(diagonal, 0.0))
    return float(np.linalg.norm(inverse * np.outer(unit, unit), 2))


def inflation_of_sandwich(bread: np.ndarray, meat: np.ndarray, variances: np.ndarray) -> float:
    """The inflation for a sandwich covariance: most that errors of its meat's entries count.

    Parameters
    ----------
    bread
        (p, p) columns with ``bread[:, j] @ meat @ bread[:, j]`` the variance of coefficient j; zero
        for coefficients that are aliased.
    meat
        (p, p) sum of products of scores.
    variances
        (p,) those variances.
    """
    parts = np.square(bread).T @ np.maximum(np.diag(meat), 0.0)
    known = parts > 0.0
    with np.errstate(all="ignore"):
        shares = parts[known] / variances[known]
    if not (np.isfinite(shares).all() and (shares > 0.0).all()):
        return math.inf
    return float(shares.max(initial=1.0))


def semidefinite_root(matrix: np.ndarray) -> np.ndarray:
    """F with F F' a positive semidefinite matrix, some of whose rows may be zero."""
    unit = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    kept = np.flatnonzero(unit > 0.0)
    correlation = matrix[np.ix_(kept, kept)] / np.outer(unit[kept], unit[kept])
    try:
        root = np.linalg.cholesky(correlation)
        is_singular = bool((np.diag(root) ** 2 < NO_VARIANCE * kept.size).any())
    except np.linalg.LinAlgError:
        # Fewer clusters than coefficients leave directions without variance.
        is_singular = True
    if is_singular:
        values, vectors = np.linalg.eigh(correlation)
        values[values < NO_VARIANCE * kept.size] = 0.0
        root = vectors * np.sqrt(values)
    factor = np.zeros_like(matrix)
    factor[np.ix_(kept, kept)] = unit[kept, None] * root
    return factor
