"""Coefficients and scores on the standardised columns of a row table, and back on its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastglm.passes.row_table import RowTable
from fastglm.passes.scaling import Centering, Scaling

__all__ = ["StandardizedColumns"]


@dataclass(frozen=True, eq=False)
class StandardizedColumns:
    """The standardised columns of a row table.

    Parameters
    ----------
    scaling : Scaling
    row_table : RowTable
    """

    scaling: Scaling
    row_table: RowTable

    def to_standardized(self, columns: np.ndarray) -> np.ndarray:
        """Standardised coefficients from each column of a (p, k) matrix of coefficients."""
        return np.column_stack([self.scaling.from_params(c, self.row_table) for c in columns.T])

    def to_standardized_centered(self, columns: np.ndarray, centering: Centering) -> np.ndarray:
        """Standardised coefficients from each column of a (p, k) matrix for centred columns."""
        scaling, row_table = self.scaling, self.row_table
        if scaling.constant < 0:
            return self.to_standardized(centering.to_given(columns))
        coefficients = columns.astype(np.float64)
        direct_columns, design_column = row_table.direct_columns
        coefficients[design_column] /= scaling.scale[direct_columns, None]
        moved = (scaling.shift[direct_columns] - centering.center[design_column]) @ columns[
            design_column
        ]
        coefficients[row_table.design_column_of[scaling.constant]] += moved
        return coefficients

    def scores(self, stored_scores: np.ndarray) -> np.ndarray:
        """Scores of the standardised design columns, (m, p), from those of stored ones, (m, q)."""
        return (self.row_table.transform_matrix().T @ stored_scores.T).T

    def to_params(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients from standardised ones, (m, p) each."""
        return coefficients @ self.from_standardized.T

    @cached_property
    def from_standardized(self) -> np.ndarray:
        """The (p, p) matrix from standardised coefficients to coefficients."""
        unit = np.eye(self.row_table.n_columns)
        return np.column_stack([self.scaling.to_params(c, self.row_table) for c in unit])
