"""The design matrix as it is stored: blocks of columns that are never expanded.

A `Design` is a list of parts side by side. Together they give the *stored columns*, the ones the
kernels read. A sparse `column_map` turns them into the *design columns*, the ones that carry
coefficients: a treatment-coded categorical is one `Indicators` part with all its levels, and the
transform leaves its reference level out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, TypeAlias

import numpy as np
import scipy

from fastglm.design.matrix.indicators import Indicators, multiply
from fastglm.design.matrix.piecewise import Piecewise
from fastglm.design.matrix.stored_columns import Place, StoredColumns
from fastglm.records import fast_init

__all__ = [
    "Dense",
    "Design",
    "Indicators",
    "Ones",
    "Part",
    "Piecewise",
    "Product",
    "Sparse",
    "empty_design",
    "transform_matrix",
]


@dataclass(frozen=True, eq=False)
class Dense(StoredColumns):
    """Numeric columns stored as one matrix: one stored column each.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        Any strides; float64, float32, any integer or boolean dtype. Never copied.
    """

    values: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.values.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of stored columns."""
        return self.values.shape[1]

    @property
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """The matrix."""
        return (self.values,)

    @property
    def multipliers(self) -> tuple[np.ndarray, ...] | None:
        """A single column itself."""
        return (self.values[:, 0],) if self.n_columns == 1 else None

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, n_columns) float64."""
        return self.values.astype(np.float64)

    def take(self, rows: np.ndarray, n: int) -> Dense:
        """The columns of some rows."""
        return Dense(self.values[rows])

    def select(self, wanted: np.ndarray) -> tuple[list[Dense], np.ndarray]:
        """A part for each run of columns of a mask, none of them copied."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]])))
        runs = edges.reshape(-1, 2).tolist()
        return [Dense(self.values[:, first:last]) for first, last in runs], wanted

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v."""
        if self.values.dtype == np.float64:
            return self.values.T @ values
        # One column at a time: as a whole, other types would be widened into a copy of X.
        return np.array([column @ values for column in self.values.T])

    def add_to(self, tables: Any) -> None:
        """A source for each column."""
        tables.add_dense(self)


@dataclass(frozen=True, eq=False)
class Product(StoredColumns):
    """One stored column: the product of numeric columns, formed block by block in the kernel.

    Parameters
    ----------
    factors : tuple of ndarray, each shape (n,)
        At least one; any numeric or boolean dtype and stride. One factor is a plain column.
    """

    factors: tuple[np.ndarray, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.factors[0].shape[0]

    @property
    def n_columns(self) -> int:
        """Number of stored columns, always 1."""
        return 1

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, 1) float64."""
        return multiply(self.factors, self.n_rows)[:, None]

    @property
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """The factors."""
        return self.factors

    @property
    def multipliers(self) -> tuple[np.ndarray, ...]:
        """The factors."""
        return self.factors

    def take(self, rows: np.ndarray, n: int) -> Product:
        """The column of some rows."""
        return Product(tuple(f[rows] for f in self.factors))

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v."""
        return np.array([reduce(np.multiply, self.factors, values).sum()])

    def add_to(self, tables: Any) -> None:
        """One column of all factors."""
        tables.add_product(self.factors)


@dataclass(frozen=True, eq=False)
class Sparse(StoredColumns):
    """Numeric columns stored as a sparse matrix: one stored column each.

    Parameters
    ----------
    matrix : scipy.sparse CSR or CSC matrix or array, shape (n, k)
        Kernels read rows. A CSR matrix of float64 is read where it lies; of a CSC matrix, and of
        one with unsorted or repeated entries, fits keep a copy by rows: 12 bytes per entry.
    """

    place: ClassVar[Place] = Place.SPARSE

    matrix: Any

    @property
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """The entries."""
        return (self.matrix.data,)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.matrix.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of stored columns."""
        return self.matrix.shape[1]

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, n_columns) float64."""
        return self.matrix.toarray().astype(np.float64)

    def take(self, rows: np.ndarray, n: int) -> Sparse:
        """The columns of some rows."""
        return Sparse(self.matrix.tocsr()[rows])

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v."""
        return np.asarray(self.matrix.T @ values)

    def rows_of(self, mask: np.ndarray) -> np.ndarray:
        """Rows of the entries that a mask chooses."""
        rows = np.zeros(self.n_rows, dtype=bool)
        rows[self.matrix.tocoo().row[mask]] = True
        return rows

    def add_to(self, tables: Any) -> None:
        """The whole matrix."""
        tables.sparse.append(self.matrix)


@dataclass(frozen=True)
class Ones(StoredColumns):
    """The intercept: one stored column of ones that takes no storage.

    Parameters
    ----------
    n : int
        Number of rows.
    """

    n: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.n

    @property
    def n_columns(self) -> int:
        """Number of stored columns, always 1."""
        return 1

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, 1) float64."""
        return np.ones((self.n, 1))

    @property
    def multipliers(self) -> tuple[np.ndarray, ...]:
        """None but ones."""
        return ()

    def take(self, rows: np.ndarray, n: int) -> Ones:
        """Fewer ones."""
        return Ones(n)

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """The sum."""
        return np.array([values.sum()])

    def add_to(self, tables: Any) -> None:
        """A column of no factors."""
        tables.add_product(())


Part: TypeAlias = Dense | Product | Piecewise | Indicators | Sparse | Ones


@fast_init
@dataclass(frozen=True, eq=False)
class Design:
    """A design matrix in parts.

    Parameters
    ----------
    parts : tuple of Part
        Their stored columns stand side by side, q in all.
    n_rows : int
        Number of rows, n.
    names : tuple of str
        Names of the p design columns.
    column_map : tuple (indptr, indices, data) or None
        The (q, p) matrix in compressed sparse column form that turns stored columns into model
        columns: ``X_model = X_sweep @ transform``. None is the identity, and then q equals p.
    constant : int or None
        Index of a design column known to hold one value, not zero, in every row, if there is one.
    terms : tuple of (str, slice)
        Each term of the model and the design columns it owns, in order.
    """

    parts: tuple[Part, ...]
    n_rows: int
    names: tuple[str, ...]
    column_map: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    constant: int | None
    terms: tuple[tuple[str, slice], ...]

    @property
    def n_stored_columns(self) -> int:
        """Number of columns the kernels read, q."""
        return sum(part.n_columns for part in self.parts)

    @property
    def n_columns(self) -> int:
        """Number of design columns, p."""
        return len(self.names)

    def to_dense(self) -> np.ndarray:
        """Model columns written out: the slow, readable meaning of a design.

        Returns
        -------
        ndarray, shape (n, p), float64
        """
        if self.column_map is None or not self.column_map[0].size:
            return self._stored_columns()
        written = np.zeros((self.n_rows, self.n_columns))
        to_columns = self.transform_matrix().tocsr()
        start = 0
        for part in self.parts:
            block = to_columns[start : start + part.n_columns]
            start += part.n_columns
            columns = np.unique(block.indices)
            written[:, columns] += part.product(block[:, columns])
        return written

    def _stored_columns(self) -> np.ndarray:
        """The columns that kernels read, written out, (n, q)."""
        written, start = np.empty((self.n_rows, self.n_stored_columns)), 0
        for part in self.parts:
            written[:, start : start + part.n_columns] = part.to_dense()
            start += part.n_columns
        return written

    def transform_matrix(self) -> scipy.sparse.csc_array:
        """The transform as a matrix, (q, p)."""
        return transform_matrix(self.column_map, self.n_stored_columns, self.n_columns)


def empty_design(n_rows: int) -> Design:
    """A design without columns; the ones that it stores are read by none."""
    nothing = np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0)
    return Design((Ones(n_rows),), n_rows, (), nothing, None, ())


def transform_matrix(
    column_map: tuple[np.ndarray, np.ndarray, np.ndarray] | None, n_stored: int, n_columns: int
) -> scipy.sparse.csc_array:
    """The (n_stored, n_columns) matrix of a transform; the identity for None and for no columns."""
    if column_map is None or not column_map[0].size:
        return scipy.sparse.eye_array(n_stored, format="csc")
    indptr, indices, data = column_map
    return scipy.sparse.csc_array((data, indices, indptr), shape=(n_stored, n_columns))
