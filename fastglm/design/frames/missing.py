"""Missing and infinite values: where they are, and the errors that name them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastglm.design.frames.frames import Categories, Column
from fastglm.design.matrix.parts import Design, Part
from fastglm.errors import MissingValueError, few_of

__all__ = [
    "DROP",
    "all_finite",
    "missing_design_rows",
    "missing_rows",
    "raise_missing",
    "require_finite",
    "require_finite_design",
    "rows_text",
]

#: What to do about rows with a missing value where an option leaves them out.
DROP = 'Pass missing="drop" to leave these rows out.'


def missing_rows(column: Column) -> np.ndarray | None:
    """Rows without a value.

    Parameters
    ----------
    column : ndarray, shape (n,), or Categories

    Returns
    -------
    ndarray of bool, shape (n,), or None
        None if no value is missing. Infinite numbers are not missing.
    """
    if isinstance(column, Categories):
        codes = column.codes
        return codes < 0 if codes.dtype.kind == "i" and codes.min(initial=0) < 0 else None
    # The minimum of an array with a NaN is NaN: one pass without a temporary.
    if column.dtype.kind != "f" or not np.isnan(column.min(initial=0.0)):
        return None
    return np.isnan(column)


def all_finite(values: np.ndarray) -> bool:
    """Whether all values are finite.

    So they are where their sum is: one pass without a temporary. A sum of finite values may be
    beyond the largest number; then the extremes decide, which are both NaN where a value is.
    """
    if values.dtype.kind != "f" or values.size == 0:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return True
    return bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def raise_missing(missing: Mapping[str, np.ndarray]) -> None:
    """Raise if any column has missing values.

    Parameters
    ----------
    missing : mapping of column name to ndarray of bool, shape (n,)
        Only the columns with missing values.

    Raises
    ------
    MissingValueError
        Naming columns with their counts and first rows.
    """
    if not missing:
        return
    found = few_of([f"'{name}' in {rows_text(rows)}" for name, rows in missing.items()], "; ")
    raise MissingValueError(f"Missing values: {found}. {DROP}")


def require_finite(values: np.ndarray, name: str, ignore: np.ndarray | None = None) -> None:
    """Refuse numbers that are infinite or not a number.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
    name : str
        The column, argument or expression they come from.
    ignore : ndarray of bool, shape (n,), optional
        Rows that need not be finite.

    Raises
    ------
    MissingValueError
        With the count and the first rows.
    """
    if all_finite(values):
        return
    rows = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if ignore is not None:
        rows &= ~ignore
    if not rows.any():
        return
    raise MissingValueError(
        f"'{name}' is infinite or not a number in {rows_text(rows)}. "
        'Correct these values, or set them to missing and pass missing="drop".'
    )


def rows_text(rows: np.ndarray) -> str:
    """Count and first rows of a mask, as in ``3 rows (0, 7, 19, counted from 0)``."""
    first = np.flatnonzero(rows)
    shown = ", ".join(str(row) for row in first[:5])
    more = ", ..." if len(first) > 5 else ""
    noun = "row" if len(first) == 1 else "rows"
    return f"{len(first)} {noun} ({shown}{more}, counted from 0)"


def missing_design_rows(design: Design) -> np.ndarray | None:
    """Rows of a design where a column is NaN.

    Returns
    -------
    ndarray of bool, shape (n,), or None
        None if there are none.
    """
    rows = np.zeros(design.n_rows, dtype=bool)
    for part in design.parts:
        for values in part.stored_numbers:
            if not all_finite(values):
                rows |= part.rows_of(np.isnan(values))
    return rows if rows.any() else None


def require_finite_design(design: Design) -> None:
    """Refuse a design with infinite or missing numbers.

    This reads every column; the kernels notice such values by themselves, so that it is needed
    only to name where they are.

    Raises
    ------
    MissingValueError
        Naming the first such column, the count and the first rows.
    """
    for part in design.parts:
        for values in part.stored_numbers:
            if not all_finite(values):
                _refuse_column(design, part)


def _refuse_column(design: Design, part: Part) -> None:
    position = next(i for i, other in enumerate(design.parts) if other is part)
    first = sum(other.n_columns for other in design.parts[:position])
    columns = part.to_dense()
    for j in range(part.n_columns):
        require_finite(columns[:, j], _model_name(design, first + j))


def _model_name(design: Design, stored_column: int) -> str:
    """Find the first design column that a stored column enters."""
    if design.column_map is None:
        return design.names[stored_column]
    indptr, indices, _ = design.column_map
    stored = int(np.flatnonzero(indices == stored_column)[0])
    return design.names[int(np.searchsorted(indptr, stored, side="right")) - 1]
