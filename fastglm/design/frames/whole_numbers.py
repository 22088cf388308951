"""Whole numbers that double precision cannot tell apart."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from fastglm.errors import DataError

__all__ = [
    "as_double",
    "is_plain",
    "require_exact",
    "require_exact_objects",
    "require_told_apart",
]

#: Up to here every whole number is a double; half of it, so that rounding does not matter.
LARGE = 2**52
#: Distances between neighbouring doubles that values must span for rounding not to show.
ENOUGH_SPACINGS = 1e8


def is_plain(values: Any) -> bool:
    """Whether it is an array of float64 as kernels read them, not masked and of no other type."""
    return type(values) is np.ndarray and values.dtype == np.float64


def require_exact(values: Any, name: str) -> None:
    """Refuse whole numbers whose differences would be lost to rounding as double precision.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, p), or sparse matrix
        Of any dtype; only integers of 64 bits are looked at.
    name
        For the message; of several columns, what they are columns of.

    Raises
    ------
    DataError
        Naming the column and what to subtract.

    Notes
    -----
    Values that span so little are all about as large as the first: others cost no look at them.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.shape[0]:
        return
    first = values[:1] if isinstance(values, np.ndarray) else values[[0]].toarray()
    first = first.reshape(1, -1)
    for j in np.flatnonzero(((first > LARGE) | (first < -LARGE))[0]):
        column = values if values.ndim == 1 else values[:, j]
        if not isinstance(column, np.ndarray):
            column = values[:, [j]].toarray().ravel()
        if _is_lost(column):
            what = name if values.ndim == 1 else f"Column {j} of {name}"
            least = int(column.min())
            raise DataError(
                f"{what} holds whole numbers such as {int(column[0])}, which double precision "
                f"rounds to multiples of {int(np.spacing(abs(float(column[0]))))}: what they "
                f"differ by would be lost. Subtract a whole number such as {least} first."
            )


def as_double(values: np.ndarray, name: str) -> np.ndarray:
    """The values in double precision, which must not lose what whole numbers differ by."""
    require_exact(values, name)
    return values.astype(np.float64, copy=False)


def require_exact_objects(values: np.ndarray, name: str) -> None:
    """`require_exact` of the whole numbers among Python objects, which may stand beside missing."""
    whole = [value for value in values.ravel() if isinstance(value, Integral)]
    try:
        require_exact(np.array(whole, dtype=np.int64), name)
    except OverflowError:
        require_told_apart(np.array(whole, dtype=np.float64), name)


def require_told_apart(levels: np.ndarray, name: str) -> None:
    """Refuse levels, (k,), that are doubles too large to tell whole numbers apart.

    Different numbers of accounts, say, may have been made the same level before they were read.

    Raises
    ------
    DataError
        Naming the column and what to do.
    """
    if levels.dtype.kind != "f" or not levels.size:
        return
    largest = levels[np.argmax(np.abs(np.nan_to_num(levels, posinf=0.0, neginf=0.0)))]
    if abs(largest) > 2 * LARGE:
        raise DataError(
            f"{name} holds numbers such as {_written(largest)} in double precision, which does not "
            "tell whole numbers of that size apart: different ones would be one level. Read the "
            "column as text, or as integers without missing values."
        )


def _written(number: float) -> str:
    return f"{number:.0f}" if abs(number) < 1e22 else f"{number:g}"


def _is_lost(column: np.ndarray) -> bool:
    as_double = column.astype(np.float64)
    spacing = np.spacing(np.abs(as_double).max())
    if np.ptp(as_double) > ENOUGH_SPACINGS * spacing:
        return False
    # So close together, their differences are exact, also those of unsigned numbers below zero.
    apart = (column - column[0]).view(np.int64)
    return bool((as_double - as_double[0] != apart).any())
