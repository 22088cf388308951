"""Fixed columns written out and standardised, and coefficients brought back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.design.matrix.parts import Dense, Design
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["FixedColumns"]

#: Rows from which means and spreads are taken: they need not be exact, only undone exactly.
SAMPLE_ROWS = 4_096


@dataclass(frozen=True, eq=False)
class FixedColumns:
    """The p fixed columns that are not aliased, standardised.

    Attributes
    ----------
    columns : ndarray, shape (n, p), float64
        Standardised, in the order of the layout's rows: every pass reads them so.
    shift, scale : ndarray, shape (p,)
        What was taken off and then multiplied by.
    kept : ndarray of bool, shape (all columns,)
        Those that are not combinations of earlier ones.
    constant : int or None
        Which of the p is constant, one with its scale.
    """

    columns: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    kept: np.ndarray
    constant: int | None

    @classmethod
    def of(
        cls, design: Design, weights: np.ndarray | None, order: np.ndarray, n_threads: int
    ) -> FixedColumns:
        """The columns of a design, rows in the given order."""
        x = _dense(design)
        kept, constant = np.ones(x.shape[1], dtype=bool), None
        if x.shape[1]:
            found = rank_and_scaling(design, weights, n_threads)
            kept = ~found.aliased
            if found.constant is not None and kept[found.constant]:
                constant = int(np.count_nonzero(kept[: found.constant]))
        x = x if kept.all() else x[:, kept]
        step = max(1, len(x) // SAMPLE_ROWS)
        sample = x[::step]
        shift, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
        if constant is not None:
            shift = sample.mean(axis=0)
            shift[constant] = 0.0
        spread = np.sqrt(np.mean((sample - shift) ** 2, axis=0))
        scale[spread > 0.0] = 1.0 / spread[spread > 0.0]
        columns = np.take(x, order, axis=0)
        columns -= shift
        columns *= scale
        return cls(columns, shift, scale, kept, constant)

    @property
    def p(self) -> int:
        """Number of columns that are not aliased."""
        return self.columns.shape[1]

    @property
    def from_standardized(self) -> np.ndarray:
        """The (p, p) matrix from standardised coefficients to coefficients."""
        matrix = np.diag(self.scale)
        if self.constant is not None:
            value = 1.0 / self.scale[self.constant]
            moved = -self.shift * self.scale / value
            moved[self.constant] = self.scale[self.constant]
            matrix[self.constant] = moved
        return matrix

    @property
    def log_scale(self) -> float:
        """How much larger a form's log determinant is for the columns as given."""
        return -2.0 * float(np.linalg.slogdet(self.from_standardized)[1]) if self.p else 0.0

    def spread_out(self, values: np.ndarray) -> np.ndarray:
        """(p,) numbers, or a (p, p) matrix, among all columns, NaN for aliased ones."""
        out = np.full((self.kept.size,) * values.ndim, np.nan)
        if values.ndim == 1:
            out[self.kept] = values
        else:
            out[np.ix_(self.kept, self.kept)] = values
        return out


def _dense(design: Design) -> np.ndarray:
    """The columns as one array of float64 by rows; a view of the data where it is that."""
    if design.column_map is None and len(design.parts) == 1 and isinstance(design.parts[0], Dense):
        return np.ascontiguousarray(design.parts[0].values, dtype=np.float64)
    return np.ascontiguousarray(design.to_dense())
