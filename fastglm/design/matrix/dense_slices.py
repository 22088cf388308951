"""Passes over a design in NumPy and SciPy, a slice of rows or a part of the columns at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy

from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.piecewise import SLICE_VALUES
from fastglm.design.matrix.take import take_rows

__all__ = ["SLICE_VALUES", "dense_slices", "sparse_columns", "transposed_product"]


def dense_slices(design: Design) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of rows, each with its design columns written out, (rows, p) float64."""
    length = max(SLICE_VALUES // max(design.n_columns, 1), 1)
    for start in range(0, design.n_rows, length):
        rows = slice(start, min(start + length, design.n_rows))
        yield rows, take_rows(design, np.arange(rows.start, rows.stop)).to_dense()


def sparse_columns(design: Design) -> scipy.sparse.csr_array:
    """The design columns as a sparse matrix, (n, p): for few rows of many levels."""
    stored = scipy.sparse.hstack([part.to_sparse() for part in design.parts], format="csr")
    return stored if design.column_map is None else stored @ design.transform_matrix()


def transposed_product(design: Design, values: np.ndarray) -> np.ndarray:
    """X'v for (n,) float64 values v: (p,)."""
    sweep = np.concatenate([part.transposed_product(values) for part in design.parts])
    if design.column_map is None:
        return sweep
    return design.transform_matrix().T @ sweep
