"""Rows of a model given as arrays that are left out because something is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.design.frames.categories import Categories, Column
from fastglm.design.frames.frames import with_nan
from fastglm.design.frames.missing import missing_design_rows, missing_rows
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import take_rows
from fastglm.errors import MissingValueError

__all__ = ["drop_missing"]


def drop_missing(
    given: dict[str, Any],
    design: Design,
    kept: np.ndarray | None,
    n: int,
    is_array: bool,
    counts: dict[str, int],
) -> tuple[dict[str, Column], Design, np.ndarray | None]:
    """Leave out rows in which anything is missing.

    Parameters
    ----------
    given : dict of str to column or array_like
        Response, weights and offsets by argument, each with n rows.
    design : Design
        Of the rows in `kept`.
    kept : ndarray of bool, shape (n,), or None
        Those that a frame of columns left; None for all.
    n : int
    is_array : bool
        Whether the columns of the design may have missing values still.
    counts : dict of str to int
        Missing values by argument, filled in place.

    Returns
    -------
    given : dict of str to column
    design : Design
    kept : ndarray of bool, shape (n,), or None

    Raises
    ------
    MissingValueError
        If no row is left.
    """
    mask = np.zeros(n, dtype=bool)
    arrays = {k: v if isinstance(v, Categories) else with_nan(v) for k, v in given.items()}
    for name, values in arrays.items():
        missing = _rows_without(values)
        if missing is not None and missing.shape == (n,):
            counts[name] = int(missing.sum())
            mask |= missing
    in_design = missing_design_rows(design) if is_array else None
    if in_design is not None:
        counts["X"] = int(in_design.sum())
        mask |= in_design
    keep = ~mask
    if keep.all():
        keep_rows = kept
    else:
        keep_rows = keep if kept is None else keep & kept
        design = take_rows(design, keep if kept is None else keep[kept])
    if keep_rows is None:
        return arrays, design, None
    if not keep_rows.any():
        raise MissingValueError("every row has a missing value: nothing is left to fit.")
    return {k: _taken(v, keep_rows) for k, v in arrays.items()}, design, keep_rows


def _rows_without(values: Column) -> np.ndarray | None:
    """Rows without a value, or without one of several, (n,); None if there are none."""
    if isinstance(values, Categories) or (values.dtype.kind == "f" and values.ndim == 1):
        return missing_rows(values)
    if values.ndim == 0 or values.dtype.kind not in "fO":
        return None
    missing = np.any(values != values, axis=tuple(range(1, values.ndim)))
    return missing if missing.any() else None


def _taken(values: Column, rows: np.ndarray) -> Column:
    """Some of the rows, by a (n,) bool mask; values of another length as they are."""
    if isinstance(values, Categories):
        return values.take(rows) if values.codes.shape == rows.shape else values
    return values[rows] if values.shape[:1] == rows.shape else values
