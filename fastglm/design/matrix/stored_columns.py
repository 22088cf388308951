"""What all kinds of stored columns have in common."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import scipy

__all__ = ["Place", "StoredColumns"]


class Place(IntEnum):
    """Where kernels have stored columns: dense ones first."""

    DENSE = 0
    INDICATORS = 1
    SPARSE = 2


class StoredColumns:
    """Base of the parts of a design.

    A kind of column is a class of this base; `take`, `to_dense`, `transposed_product` and `add_to`
    are its own, the others where the defaults are not right or slow.
    """

    place: ClassVar[Place] = Place.DENSE

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        raise NotImplementedError

    @property
    def n_columns(self) -> int:
        """Number of stored columns."""
        raise NotImplementedError

    @property
    def stored_numbers(self) -> tuple[np.ndarray, ...]:
        """Arrays of the numbers that must be finite, their rows along the first axis."""
        return ()

    @property
    def multipliers(self) -> tuple[np.ndarray, ...] | None:
        """Columns whose product is each column, but for indicators; None if there are none."""
        return None

    def to_dense(self) -> np.ndarray:
        """Stored columns written out, (n, n_columns) float64."""
        raise NotImplementedError

    def to_sparse(self) -> scipy.sparse.csr_array:
        """The same as a sparse matrix."""
        return scipy.sparse.csr_array(self.to_dense())

    def take(self, rows: np.ndarray, n: int) -> Any:
        """The columns of `n` rows, copied; `rows` is a mask or their numbers."""
        raise NotImplementedError

    def select(self, wanted: np.ndarray) -> tuple[list[Any], np.ndarray]:
        """Parts with the columns of a mask, and which columns these parts have, (n_columns,)."""
        return [self], np.ones(wanted.size, dtype=bool)

    def product(self, matrix: scipy.sparse.csr_array) -> np.ndarray:
        """Stored columns times a sparse (n_columns, k) matrix: (n, k)."""
        # It wakes no BLAS threads, which would keep cores from kernels.
        return np.asarray(self.to_dense() @ matrix)

    def transposed_product(self, values: np.ndarray) -> np.ndarray:
        """X'v for (n,) float64 values v: (n_columns,)."""
        raise NotImplementedError

    def rows_of(self, mask: np.ndarray) -> np.ndarray:
        """Rows, (n,) bool, of the entries of one of `stored_numbers` that a mask chooses."""
        return np.asarray(mask.reshape(len(mask), -1).any(axis=1))

    def add_to(self, tables: Any) -> None:
        """Add the columns to the tables of `fastglm.passes.row_table`."""
        raise NotImplementedError
