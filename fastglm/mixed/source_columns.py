"""Fixed columns that stay in a source of rows: every use of them is a pass over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.mixed.scaling import KeptColumns
from fastglm.rows.gathered import GatheredRows

__all__ = ["SourceColumns"]


@dataclass(frozen=True, eq=False)
class SourceColumns(KeptColumns):
    """What `fastglm.mixed.scaling.FixedColumns` gives, of columns that are read again and again.

    Attributes
    ----------
    rows : GatheredRows
        Read the columns of the n complete rows.
    kept : ndarray of bool, shape (all columns,)
        Those that are not combinations of earlier ones.
    shift, scale : ndarray, shape (p,)
        How these are standardised.
    constant : int or None
        Which of them is constant, one with its scale.
    """

    rows: GatheredRows
    kept: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    constant: int | None

    @classmethod
    def of(cls, rows: GatheredRows, kept: np.ndarray, constant: int | None) -> SourceColumns:
        """Columns standardised to a mean of 0 and a variance of 1; takes a pass.

        Without a constant column, which is number `constant` of those that are kept, only their
        sizes are made alike.
        """
        p = int(kept.sum())
        plain = cls(rows, kept, np.zeros(p), np.ones(p), constant)
        near, total, squares = np.zeros(p), np.zeros(p), np.zeros(p)
        for place, columns in plain._pieces():
            if place.start == 0 and constant is not None:
                near = columns.mean(axis=0)
            moved = columns - near
            total += moved.sum(axis=0)
            squares += (moved * moved).sum(axis=0)
        mean, shift = total / rows.n_rows, np.zeros(p)
        if constant is not None:
            shift, squares = near + mean, squares - rows.n_rows * mean * mean
            shift[constant] = 0.0
        scale = np.sqrt(np.maximum(squares, 0.0) / rows.n_rows)
        if constant is not None:
            scale[constant] = 1.0
        return cls(rows, kept, shift, np.where(scale > 0.0, scale, 1.0), constant)

    @property
    def p(self) -> int:
        """Number of columns that are not aliased."""
        return self.shift.size

    @property
    def from_standardized(self) -> np.ndarray:
        """The (p, p) matrix from standardised coefficients to coefficients."""
        back = np.diag(1.0 / self.scale)
        if self.constant is not None:
            back[self.constant] -= self.shift / self.scale
        return back

    def _pieces(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Standardised columns of some rows after the other."""
        start = 0
        for design in self.rows.each_design():
            for place, columns in dense_slices(design):
                moved = slice(start + place.start, start + place.stop)
                yield moved, (columns[:, self.kept] - self.shift) / self.scale
            start += design.n_rows

    def predict(self, beta: np.ndarray) -> np.ndarray:
        """X beta, (n,)."""
        found = np.empty(self.rows.n_rows)
        for place, columns in self._pieces():
            found[place] = columns @ beta
        return found

    def room(self, like: np.ndarray) -> np.ndarray:
        """Where to put residuals, (n,), for `score`."""
        return np.empty_like(like)

    def score(self, residual: np.ndarray) -> np.ndarray:
        """X' residual, (p,)."""
        total = np.zeros(self.p)
        for place, columns in self._pieces():
            total += columns.T @ residual[place]
        return total

    def products(self, weight: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' diag(weight) X, (p, p), and X' residual, (p,)."""
        gram, score = np.zeros((self.p, self.p)), np.zeros(self.p)
        for place, columns in self._pieces():
            gram += (columns * weight[place, None]).T @ columns
            score += columns.T @ residual[place]
        return 0.5 * (gram + gram.T), score

    def by_level(self, values: np.ndarray, codes: np.ndarray, q: int) -> np.ndarray:
        """Sums of values, (m, n), times x over levels, (q, m, p)."""
        total = np.zeros((q, len(values), self.p))
        for place, columns in self._pieces():
            level, each = codes[place], np.arange(len(columns) + 1)
            for m, value in enumerate(values[:, place]):
                # By row: which level, and how much.
                by_row = scipy.sparse.csr_array((value, level, each), (len(columns), q))
                total[:, m] += by_row.T @ columns
        return total
