"""Whole numbers that double precision cannot tell apart."""

from __future__ import annotations

import numpy as np

from fastglm.errors import DataError

__all__ = ["as_double", "require_exact"]

#: Up to here every whole number is a double; half of it, so that rounding does not matter.
LARGE = 2**52
#: Distances between neighbouring doubles that values must span for rounding not to show.
ENOUGH_SPACINGS = 1e8


def require_exact(values: np.ndarray, name: str) -> None:
    """Refuse whole numbers whose differences would be lost to rounding as double precision.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, p)
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
    first = values[:1].reshape(1, -1)
    for j in np.flatnonzero(((first > LARGE) | (first < -LARGE))[0]):
        column = values if values.ndim == 1 else values[:, j]
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


def _is_lost(column: np.ndarray) -> bool:
    as_double = column.astype(np.float64)
    spacing = np.spacing(np.abs(as_double).max())
    if np.ptp(as_double) > ENOUGH_SPACINGS * spacing:
        return False
    # So close together, their differences are exact, also those of unsigned numbers below zero.
    apart = (column - column[0]).view(np.int64)
    return bool((as_double - as_double[0] != apart).any())
