"""Indicators of categoricals, by their codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.matrix.stored_columns import Place, StoredColumns

__all__ = ["Indicators", "multiply"]


@dataclass(frozen=True, eq=False)
class Indicators(StoredColumns):
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

    place: ClassVar[Place] = Place.INDICATORS

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
        columns[own] = multiply(self.factors, self.n_rows)
        return columns

    def combined_codes(self, rows: slice) -> np.ndarray:
        """Which stored column each of some rows has, (rows,)."""
        codes = np.asarray(self.codes[0][rows])
        for others, levels in zip(self.codes[1:], self.levels[1:], strict=True):
            codes = codes.astype(np.intp) * levels + others[rows]
        return codes

    @property
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """The numeric columns."""
        return self.factors

    @property
    def multipliers(self) -> tuple[np.ndarray, ...]:
        """The numeric columns."""
        return self.factors

    def to_sparse(self) -> scipy.sparse.csr_array:
        """One entry in each row."""
        values, each = multiply(self.factors, self.n_rows), np.arange(self.n_rows + 1)
        codes = self.combined_codes(slice(None))
        return scipy.sparse.csr_array((values, codes, each), (self.n_rows, self.n_columns))

    def take(self, rows: np.ndarray, n: int) -> Indicators:
        """The indicators of some rows."""
        codes = tuple(c[rows] for c in self.codes)
        return Indicators(codes, self.levels, tuple(f[rows] for f in self.factors))

    def product(self, matrix: scipy.sparse.csr_array) -> np.ndarray:
        """The matrix's row of each row's level: the indicators need not be written out."""
        own = matrix[self.combined_codes(slice(None))].toarray()
        for factor in self.factors:
            own *= factor[:, None]
        return np.asarray(own)

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v."""
        weights = reduce(np.multiply, self.factors, values)
        return np.bincount(self.combined_codes(slice(None)), weights, minlength=self.n_columns)

    def add_to(self, tables: Any) -> None:
        """Codes and numeric columns."""
        tables.add_indicators(self)


def multiply(factors: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """Product of columns, (n_rows,)."""
    return reduce(np.multiply, factors, np.ones(n_rows))
