"""The design matrix as it is stored: blocks of columns that are never expanded.

A `Design` is a list of parts side by side. Together they give the *stored columns*, the ones the
kernels read. A sparse `column_map` turns them into the *design columns*, the ones that carry
coefficients: a treatment-coded categorical is one `Indicators` part with all its levels, and the
transform leaves its reference level out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, TypeAlias

import numpy as np
import scipy

from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.math import pieces
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
class Dense:
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

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, n_columns) float64."""
        return self.values.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Product:
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
        return _multiply(self.factors, self.n_rows)[:, None]


@dataclass(frozen=True, eq=False)
class Piecewise:
    """Piecewise polynomials of one numeric column, evaluated block by block in the kernel.

    Parameters
    ----------
    values : ndarray, shape (n,), float64
        The column, contiguous, with finite values.
    breaks : ndarray, shape (m + 1,), float64
        Ends of the m pieces, increasing. The first and the last piece go on beyond them.
    coefficients : ndarray, shape (k, m, 4) or (k, m, 6), float64
        Of the powers, from 0 on, of the distance from the middle of a piece in halves of its
        length: one stored column for each of the k.
    """

    values: np.ndarray
    breaks: np.ndarray
    coefficients: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.values.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of stored columns."""
        return self.coefficients.shape[0]

    @property
    def n_evaluated(self) -> int:
        """Pieces that are not zero, of all columns: what a row costs to evaluate."""
        return int(np.diff(self._present()).sum())

    def _present(self) -> np.ndarray:
        """The first piece of each column that is not zero, and the one after the last, (k, 2)."""
        is_there = (self.coefficients != 0.0).any(axis=2)
        ends = is_there.shape[1] - is_there[:, ::-1].argmax(axis=1)
        rows = np.column_stack([is_there.argmax(axis=1), ends])
        return np.where(is_there.any(axis=1)[:, None], rows, 0).astype(np.int64)

    def kernel_table(self) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """The table of `fastglm.kernels.math.pieces`, and what it has the addresses of."""
        present = self._present()
        arrays = tuple(
            np.ascontiguousarray(array, dtype=np.float64)
            for array in (self.values, self.breaks, self.coefficients)
        )
        table = np.empty(pieces.PIECES_SIZE, dtype=np.int64)
        table[pieces.PIECES_COLUMN] = address_of(arrays[0])
        table[pieces.PIECES_BREAKS] = address_of(arrays[1])
        table[pieces.PIECES_COEFFICIENTS] = address_of(arrays[2])
        table[pieces.PIECES_PRESENT] = address_of(present)
        table[pieces.N_PIECES], table[pieces.N_POWERS] = self.coefficients.shape[1:]
        return table, (*arrays, present)

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, n_columns) float64 in Fortran order."""
        table, kept_alive = self.kernel_table()
        result = np.empty((self.n_columns, self.n_rows))
        pieces.evaluate_pieces(table, self.n_rows, self.n_columns, result)
        del kept_alive
        return result.T


@dataclass(frozen=True, eq=False)
class Indicators:
    """The indicators of one or more crossed categoricals, times numeric columns.

    Parameters
    ----------
    codes : tuple of ndarray, each shape (n,)
        Integer codes from 0 to levels - 1, any integer dtype.
    levels : tuple of int
        Number of levels of each categorical.
    factors : tuple of ndarray, each shape (n,)
        Numeric columns that multiply every indicator; empty for the plain indicators.

    Notes
    -----
    There are ``prod(levels)`` stored columns, one per combination of levels; the last categorical
    varies fastest.
    """

    codes: tuple[np.ndarray, ...]
    levels: tuple[int, ...]
    factors: tuple[np.ndarray, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.codes[0].shape[0]

    @property
    def n_columns(self) -> int:
        """Number of stored columns."""
        return prod(self.levels)

    def to_dense(self) -> np.ndarray:
        """Sweep columns written out, (n, n_columns) float64."""
        columns = np.zeros((self.n_rows, self.n_columns))
        own = (np.arange(self.n_rows), self.combined_codes(slice(None)))
        columns[own] = _multiply(self.factors, self.n_rows)
        return columns

    def combined_codes(self, rows: slice) -> np.ndarray:
        """Which stored column each of some rows has, (rows,)."""
        codes = np.asarray(self.codes[0][rows])
        for others, levels in zip(self.codes[1:], self.levels[1:], strict=True):
            codes = codes.astype(np.intp) * levels + others[rows]
        return codes


@dataclass(frozen=True, eq=False)
class Sparse:
    """Numeric columns stored as a sparse matrix: one stored column each.

    Parameters
    ----------
    matrix : scipy.sparse CSR or CSC matrix or array, shape (n, k)
        Kernels read rows. A CSR matrix of float64 is read where it lies; of a CSC matrix, and of
        one with unsorted or repeated entries, fits keep a copy by rows: 12 bytes per entry.
    """

    matrix: Any

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


@dataclass(frozen=True)
class Ones:
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
            if isinstance(part, Indicators):
                # The row of each row's level: the indicators need not be written out.
                own = block[:, columns][part.combined_codes(slice(None))].toarray()
                for factor in part.factors:
                    own *= factor[:, None]
            else:
                # A sparse product: it wakes no BLAS threads, which would keep cores from kernels.
                own = part.to_dense() @ block[:, columns]
            written[:, columns] += own
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


def _multiply(factors: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    return reduce(np.multiply, factors, np.ones(n_rows))
