"""Sparse matrices that are categories written as zeros and ones, read as codes.

Columns that never share a row, side by side, are one categorical: what an encoder makes of a
frame. Read as codes they take the way of a factor in a formula, whose sums of products are
counts; as a sparse matrix every pair of entries of a row would be added for itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.design.matrix.parts import Indicators, Part, Product

__all__ = ["MIN_COLUMNS", "coded_parts"]

#: Codes per row that may take the place of one stored entry per row, on average: a code without an
#: entry costs as much as one with it.
MAX_CODES_PER_ENTRY = 1.5
#: Columns below which a sparse matrix is read as it is: its sums are few.
MIN_COLUMNS = 16

ColumnMap = tuple[np.ndarray, np.ndarray, np.ndarray]


def coded_parts(matrix: Any) -> tuple[tuple[Part, ...], ColumnMap] | None:
    """Parts that hold a sparse matrix as categoricals, and the map from their columns to its own.

    Parameters
    ----------
    matrix : scipy.sparse CSR matrix or array, shape (n, k)

    Returns
    -------
    parts : tuple of Part
        One for each run of columns of which a row has at most one.
    column_map : tuple of ndarray
        Pointers, rows and values of the map in compressed sparse column form.

    None if so many categoricals would be needed that the entries are read faster one by one, if
    entries of a row are repeated or not in order, or if one is not finite.
    """
    n_rows, n_columns = matrix.shape
    if n_columns < MIN_COLUMNS or not np.isfinite(matrix.data).all():
        return None
    if not matrix.has_canonical_format:
        return None
    first = _first_columns(matrix)
    if len(first) * n_rows > MAX_CODES_PER_ENTRY * matrix.nnz:
        return None
    group = np.searchsorted(first, matrix.indices, side="right") - 1
    order = np.argsort(group, kind="stable")
    rows = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))[order]
    indices, data = matrix.indices[order], matrix.data[order]
    ends = np.searchsorted(group[order], np.arange(len(first) + 1))
    last = np.append(first[1:], n_columns)
    parts: list[Part] = []
    stored: list[np.ndarray] = []
    n_stored = 0
    for k, (start, stop) in enumerate(zip(first, last, strict=True)):
        own = slice(ends[k], ends[k + 1])
        part = _part(rows[own], indices[own] - start, data[own], int(stop - start), n_rows)
        parts.append(part)
        stored.append(n_stored + np.arange(stop - start))
        n_stored += part.n_columns
    at = np.concatenate(stored).astype(np.int64)
    return tuple(parts), (np.arange(n_columns + 1, dtype=np.int64), at, np.ones(n_columns))


def _first_columns(matrix: Any) -> np.ndarray:
    """The first column of each run: as few runs as can be, no two entries of a row in one."""
    indices, indptr = matrix.indices, matrix.indptr
    # The entries that have another one before them in their row.
    later = np.ones(len(indices), dtype=bool)
    later[indptr[:-1][np.diff(indptr) > 0]] = False
    at = np.flatnonzero(later)
    # Of each column, the nearest one before it that shares a row with it.
    before = np.full(matrix.shape[1], -1, dtype=np.int64)
    np.maximum.at(before, indices[at], indices[at - 1])
    first = [0]
    for column, nearest in enumerate(before.tolist()):
        if nearest >= first[-1]:
            first.append(column)
    return np.array(first)


def _part(
    rows: np.ndarray, codes: np.ndarray, values: np.ndarray, n_levels: int, n_rows: int
) -> Part:
    """One run of columns; rows without an entry have a level that no column reads."""
    if n_levels == 1:
        column = np.zeros(n_rows, dtype=values.dtype)
        column[rows] = values
        return Product((column,))
    all_codes = np.full(n_rows, n_levels, dtype=np.int32)
    all_codes[rows] = codes
    n_levels += len(rows) < n_rows
    if (values == 1).all():
        return Indicators((all_codes,), (n_levels,))
    column = np.zeros(n_rows, dtype=np.float64)
    column[rows] = values
    return Indicators((all_codes,), (n_levels,), (column,))
