"""Shifts and scales that sweeps apply to dense columns, and the way back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.passes.standardize import standardize_kernel
from fastglm.kernels.passes.unscale import unscale_kernel
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable

#: Number of rows read for approximate means and spreads.
MOMENT_ROWS = 4_096
#: Number of neighbouring rows read together.
SAMPLE_RUN = 64


class Centering(NamedTuple):
    """Columns less multiples of a constant one, ``x - centre``.

    The variance of the intercept, which may lie far from all data, then costs no digits.

    Attributes
    ----------
    center : ndarray, shape (p,)
    constant : int or None
        The constant column, without which every centre is 0.
    value : float
        Its value.
    """

    center: np.ndarray
    constant: int | None
    value: float

    def to_given(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the columns as they came, (p, k), from those of the centred ones."""
        return self._moved(coefficients, -self.center)

    def from_given(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the centred columns, (p, k) or (p,), from those of the given ones."""
        return self._moved(coefficients, self.center)

    def combinations(self, matrix: np.ndarray) -> np.ndarray:
        """Combinations of the centred columns' coefficients, (m, p), from those of the given."""
        if self.constant is None:
            return matrix
        return matrix - np.outer(matrix[:, self.constant] / self.value, self.center)

    def only(self, columns: np.ndarray) -> Centering:
        """Centering of those columns alone, by a (p,) mask."""
        return Centering(np.where(columns, self.center, 0.0), self.constant, self.value)

    def _moved(self, coefficients: np.ndarray, center: np.ndarray) -> np.ndarray:
        moved = coefficients.copy()
        if self.constant is not None:
            moved[self.constant] += (center @ coefficients) / self.value
        return moved


class Inverse(NamedTuple):
    """Coefficients and inverse information of a run, on the given columns.

    Attributes
    ----------
    params : ndarray, shape (p,)
    root : ndarray, shape (p, p)
        ``root root'`` is the inverse information of centred columns; rows of aliased coefficients
        are 0.
    inverse : ndarray, shape (p, p)
        These two are made on demand of a run that has eliminated levels
        (`fastglm.solve.newton.blocked_inverse`).
    centering : Centering
    """

    params: np.ndarray
    root: Any
    inverse: Any
    centering: Centering


class Scaling(NamedTuple):
    """Standardised dense columns ``z = (x - shift) * scale``.

    Attributes
    ----------
    shift, scale : ndarray, shape (n_dense,)
    constant : int
        Dense stored column that is constant, -1 if there is none.
    address : int
        Of the shifts, with the scales behind them.
    """

    shift: np.ndarray
    scale: np.ndarray
    constant: int
    address: int

    def bind(self, table: KernelTable) -> None:
        """Tell kernels by their table."""
        table.bind_scaling(self.address, self.scale.size, self.constant)

    def centering(self, center: np.ndarray, row_table: RowTable) -> Centering:
        """Centering of columns at these centres, (p,)."""
        if self.constant < 0:
            return Centering(center, None, 1.0)
        constant = int(row_table.design_column_of[self.constant])
        return Centering(center, constant, 1.0 / float(self.scale[self.constant]))

    def to_centered(self, columns: np.ndarray, row_table: RowTable) -> tuple[np.ndarray, Centering]:
        """Coefficients of centred columns, (p, k), from standardised ones, and the centring."""
        centered, center = columns.astype(np.float64), np.zeros(row_table.n_columns)
        direct_columns, design_column = row_table.direct_columns
        centered[design_column] *= self.scale[direct_columns, None]
        center[design_column] = self.shift[direct_columns]
        return centered, self.centering(center, row_table)

    def to_params(self, coefficients: np.ndarray, row_table: RowTable) -> np.ndarray:
        """Coefficients of the columns as they came, from those of the standardised columns."""
        params = coefficients.astype(np.float64)
        table = row_table.table.copy()
        self.bind(table)
        table.point(fields.OUTPUT, params)
        table.run(unscale_kernel)
        return params

    def from_params(self, params: np.ndarray, row_table: RowTable) -> np.ndarray:
        """Coefficients of the standardised columns, from those of the columns as they came."""
        coefficients = params.astype(np.float64)
        direct_columns, design_column = row_table.direct_columns
        coefficients[design_column] = params[design_column] / self.scale[direct_columns]
        if self.constant >= 0:
            coefficients[row_table.design_column_of[self.constant]] += (
                self.shift[direct_columns] @ params[design_column]
            )
        return coefficients


def find_scaling(row_table: RowTable, shifted: bool = True) -> Scaling:
    """Approximate means and spreads of the dense columns, from blocks spread over the rows.

    Parameters
    ----------
    row_table
        The design.
    shifted
        False for no shifts: no column is constant.
    """
    numbers = _no_scaling(row_table.n_dense).copy()
    address, table = address_of(numbers), row_table.table.copy()
    table.bind_moments(address, row_table.n_dense, shifted)
    if row_table.n_rows > MOMENT_ROWS:
        read_sample(table, MOMENT_ROWS)
    table.run(standardize_kernel)
    return Scaling(numbers[0], numbers[1], table[fields.CONSTANT], address)


@lru_cache(maxsize=64)
def _no_scaling(n_dense: int) -> np.ndarray:
    """Shifts, scales, means and sums of squares, (4, n_dense), before any row is read."""
    numbers = np.zeros((4, n_dense))
    numbers[1] = 1.0
    return numbers


def read_sample(table: KernelTable, rows: int) -> int:
    """Restrict kernels to about `rows` rows, spread evenly in short runs; returns how many.

    Neighbouring rows are often alike: many short runs have more information than a few long ones.
    """
    n_rows = table[fields.N_ROWS]
    if n_rows <= rows:
        return n_rows
    n_blocks = -(-n_rows // BLOCK_ROWS)
    step = max(1, n_blocks * SAMPLE_RUN // max(rows, 1))
    visited = -(-n_blocks // step)
    length = min(BLOCK_ROWS, -(-rows // (visited * SAMPLE_RUN)) * SAMPLE_RUN)
    table.set(fields.BLOCK_STEP, step)
    table.set(fields.BLOCK_LENGTH, length)
    table.set(fields.N_BLOCKS, visited)
    in_last = min(length, n_rows - (visited - 1) * step * BLOCK_ROWS)
    return (visited - 1) * length + in_last
