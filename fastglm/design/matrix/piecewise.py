"""Piecewise polynomials of a column: splines, and functions that are evaluated in the kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastglm.design.matrix.stored_columns import StoredColumns
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.math import pieces

__all__ = ["SLICE_VALUES", "Piecewise"]

#: Values of X that are written out at a time.
SLICE_VALUES = 1_000_000


@dataclass(frozen=True, eq=False)
class Piecewise(StoredColumns):
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
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """The column."""
        return (self.values,)

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

    def take(self, rows: np.ndarray, n: int) -> Piecewise:
        """The columns of some rows."""
        return replace(self, values=self.values[rows])

    def select(self, wanted: np.ndarray) -> tuple[list[Piecewise], np.ndarray]:
        """The columns of a mask."""
        return [replace(self, coefficients=self.coefficients[wanted])], wanted

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v, of some rows at a time."""
        length, products = max(SLICE_VALUES // max(self.n_columns, 1), 1), []
        for start in range(0, self.n_rows, length):
            rows = slice(start, min(start + length, self.n_rows))
            columns = np.ascontiguousarray(replace(self, values=self.values[rows]).to_dense())
            products.append(columns.T @ values[rows])
        return np.asarray(np.sum(products, axis=0))

    def add_to(self, tables: Any) -> None:
        """A column evaluated in the kernel for each."""
        tables.add_piecewise(self)
