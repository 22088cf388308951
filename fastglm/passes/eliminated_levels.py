"""The categorical of many levels, if any, whose coefficients a fit eliminates first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastglm.design.matrix.parts import Indicators
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import TILE
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import MANY_LEVELS, RowTable

__all__ = ["EliminatedLevels", "find_eliminated_levels"]


class EliminatedLevels(NamedTuple):
    """Levels of one categorical, the last stored columns, exactly one of which a row has.

    Attributes
    ----------
    level_column : ndarray of int64, shape (n_levels,)
        Design column that is the indicator of each, -1 if none is.
    kept_column : ndarray of int64, shape (n_kept,)
        All other design columns.
    order : int
        Of the partial Gram matrix of the other stored columns.
    part : Indicators
        The categorical.
    """

    level_column: np.ndarray
    kept_column: np.ndarray
    order: int
    part: Indicators

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return self.level_column.size

    @property
    def n_kept(self) -> int:
        """Number of design columns that are kept."""
        return self.kept_column.size

    @property
    def gram_size(self) -> int:
        """See `fastglm.kernels.blocks.block.gram_size`."""
        return self.order * self.order + self.n_levels * (self.order + 1)

    def bind(self, table: KernelTable) -> None:
        """Tell kernels by their table."""
        table.set(fields.N_ELIMINATED, self.n_levels)
        table.set(fields.N_KEPT, self.n_kept)
        table.point(fields.KEPT_COLUMN, self.kept_column)
        table.point(fields.LEVEL_COLUMN, self.level_column)

    def explain(self, aliased: np.ndarray, weights: np.ndarray | None) -> bool:
        """Whether all aliased columns, a (p,) mask, are levels without a row of positive weight."""
        code = self.part.combined_codes(slice(None))
        if weights is not None:
            code = code[weights > 0.0]
        is_empty = np.bincount(code, minlength=self.n_levels) == 0
        empty = self.level_column[is_empty & (self.level_column >= 0)]
        return bool(np.isin(np.flatnonzero(aliased), empty).all())


def find_eliminated_levels(row_table: RowTable) -> EliminatedLevels | None:
    """The last categorical of a row table, if it has many levels.

    Levels that are one design column, and part of no other, are eliminated; other columns are made
    of reference levels and sums of levels. There must be more levels of the first kind.
    """
    start, index, value = row_table.column_map
    if not start.size:
        return None
    parts = [part for part in row_table.design.parts if isinstance(part, Indicators)]
    if not parts or row_table.table[fields.SPARSE_START] != 0:
        return None
    part = max(parts, key=lambda part: part.n_columns)
    n_levels = part.n_columns
    if n_levels < MANY_LEVELS:
        return None
    first = row_table.n_stored - n_levels
    single = np.flatnonzero(np.diff(start) == 1)
    entry = start[single]
    is_level = (index[entry] >= first) & (value[entry] == 1.0)
    columns, levels = single[is_level], index[entry[is_level]] - first
    if 2 * columns.size < n_levels or np.unique(levels).size < levels.size:
        return None
    level_column = np.full(n_levels, -1)
    level_column[levels] = columns
    kept_column = np.setdiff1d(np.arange(row_table.n_columns), columns)
    order = max(first, -(-row_table.n_dense // TILE) * TILE)
    return EliminatedLevels(level_column, kept_column, order, part)
