"""The column of ones, added to a design that is given as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_constant"]

_HAS_CONSTANT = ("skip", "add", "raise")


def add_constant(
    data: Any, prepend: bool = True, has_constant: str = "skip"
) -> np.ndarray | pd.DataFrame:
    """Add a column of ones, as ``statsmodels.api.add_constant`` does.

    Parameters
    ----------
    data : array_like, shape (n,) or (n, p), or pandas Series or DataFrame
    prepend : bool, default True
        Whether the column comes first, or last.
    has_constant : {"skip", "add", "raise"}, default "skip"
        What to do where a column is constant and not zero already: nothing, add another all the
        same, or raise an error.

    Returns
    -------
    ndarray or pandas.DataFrame, shape (n, p + 1)
        A copy. In a DataFrame the new column is called "const".

    Raises
    ------
    DataError
        If `data` has more than two dimensions, or a constant that ``has_constant="raise"`` forbids.
    ModelError
        If `has_constant` is none of these.

    Examples
    --------
    >>> import fastglm as fg
    >>> fg.add_constant([[2.0], [3.0]]).tolist()
    [[1.0, 2.0], [1.0, 3.0]]
    """
    checked_choice("has_constant", has_constant, _HAS_CONSTANT)
    frame = data.to_frame() if hasattr(data, "to_frame") else data
    is_frame = hasattr(frame, "columns") and hasattr(frame, "insert")
    columns = _as_columns(frame)
    constant = _constant_columns(columns)
    if constant and has_constant == "raise":
        names = list(frame.columns) if is_frame else range(columns.shape[1])
        raise DataError(f"constant already: {', '.join(str(names[k]) for k in constant)}.")
    if constant and has_constant == "skip":
        return frame.copy() if is_frame else columns.copy()
    if not is_frame:
        ones = np.ones((columns.shape[0], 1), dtype=np.float64)
        return np.hstack([ones, columns] if prepend else [columns, ones])
    frame = frame.copy()
    frame.insert(0 if prepend else frame.shape[1], "const", 1.0, allow_duplicates=True)
    return frame


def _as_columns(data: Any) -> np.ndarray:
    columns = np.asarray(data)
    if columns.ndim == 1:
        return columns[:, None]
    if columns.ndim != 2:
        raise DataError(f"data has {columns.ndim} dimensions; it must have one or two.")
    return columns


def _constant_columns(columns: np.ndarray) -> list[int]:
    """Columns that hold one number, not zero, in every row."""
    if not len(columns):
        return []
    first = columns[0]
    same = np.flatnonzero((columns == first).all(axis=0))
    return [int(k) for k in same if first[k] != 0]
