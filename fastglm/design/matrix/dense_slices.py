"""Passes over a design in NumPy and SciPy, a slice of rows or a part of the columns at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy

from fastglm.design.matrix.parts import Dense, Design, Indicators, Ones, Part, Piecewise, Product
from fastglm.design.matrix.take import take_rows

__all__ = ["dense_slices", "sparse_columns", "transposed_product"]

#: Values of X that are written out at a time.
SLICE_VALUES = 1_000_000


def dense_slices(design: Design) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of rows, each with its design columns written out, (rows, p) float64."""
    length = max(SLICE_VALUES // max(design.n_columns, 1), 1)
    for start in range(0, design.n_rows, length):
        rows = slice(start, min(start + length, design.n_rows))
        yield rows, take_rows(design, np.arange(rows.start, rows.stop)).to_dense()


def sparse_columns(design: Design) -> scipy.sparse.csr_array:
    """The design columns as a sparse matrix, (n, p): for few rows of many levels."""
    stored = scipy.sparse.hstack([_sparse(part) for part in design.parts], format="csr")
    return stored if design.column_map is None else stored @ design.transform_matrix()


def _sparse(part: Part) -> scipy.sparse.csr_array:
    if not isinstance(part, Indicators):
        return scipy.sparse.csr_array(part.to_dense())
    values = _times(np.ones(part.n_rows), part.factors)
    each = np.arange(part.n_rows + 1)
    return scipy.sparse.csr_array(
        (values, part.combined_codes(slice(None)), each), (part.n_rows, part.n_columns)
    )


def transposed_product(design: Design, values: np.ndarray) -> np.ndarray:
    """X'v for (n,) float64 values v: (p,)."""
    sweep = np.concatenate([_part_product(part, values) for part in design.parts])
    if design.column_map is None:
        return sweep
    return design.transform_matrix().T @ sweep


def _part_product(part: Part, values: np.ndarray) -> np.ndarray:
    if isinstance(part, Ones):
        return np.array([values.sum()])
    if isinstance(part, Dense):
        if part.values.dtype == np.float64:
            return part.values.T @ values
        # One column at a time: as a whole, other types would be widened into a copy of X.
        return np.array([column @ values for column in part.values.T])
    if isinstance(part, Piecewise):
        slices = dense_slices(_alone(part))
        return np.sum([columns.T @ values[rows] for rows, columns in slices], axis=0)
    if isinstance(part, Product):
        return np.array([_times(values, part.factors).sum()])
    if isinstance(part, Indicators):
        weights = _times(values, part.factors)
        return np.bincount(part.combined_codes(slice(None)), weights, minlength=part.n_columns)
    return part.matrix.T @ values


def _alone(part: Part) -> Design:
    """The design of one part, each column of which is a design column."""
    names = tuple(map(str, range(part.n_columns)))
    return Design((part,), part.n_rows, names, None, None, ())


def _times(values: np.ndarray, factors: tuple[np.ndarray, ...]) -> np.ndarray:
    for factor in factors:
        values = values * factor
    return values
