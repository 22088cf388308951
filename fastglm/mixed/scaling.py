"""Fixed columns standardised, and coefficients brought back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.passes.given_rows import GivenRows
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["FixedColumns", "KeptColumns"]


class KeptColumns:
    """Coefficients that are not aliased, by the mask `kept` among all."""

    kept: np.ndarray

    def spread_out(self, values: np.ndarray) -> np.ndarray:
        """(p,) numbers, or a (p, p) matrix, among all coefficients, NaN for aliased ones."""
        out = np.full((self.kept.size,) * values.ndim, np.nan)
        if values.ndim == 1:
            out[self.kept] = values
        else:
            out[np.ix_(self.kept, self.kept)] = values
        return out


@dataclass(frozen=True, eq=False)
class FixedColumns(KeptColumns):
    """The p fixed columns that are not aliased, standardised; rows in the order of the data.

    Attributes
    ----------
    rows : GivenRows or None
        None if there is no column.
    n_rows : int
    kept : ndarray of bool, shape (all columns,)
        Those that are not combinations of earlier ones.
    """

    rows: GivenRows | None
    n_rows: int
    kept: np.ndarray

    @classmethod
    def of(cls, design: Design, weights: np.ndarray | None, n_threads: int) -> FixedColumns:
        """The columns of a design."""
        kept, constant = np.ones(design.n_columns, dtype=bool), None
        if not kept.size:
            return cls(None, design.n_rows, kept)
        found = rank_and_scaling(design, weights, n_threads)
        kept = ~found.aliased
        if not kept.any():
            return cls(None, design.n_rows, kept)
        if found.constant is not None and kept[found.constant]:
            constant = found.constant
        if not kept.all():
            design = select_columns(design, np.flatnonzero(kept))
        return cls(GivenRows(design, constant is not None, n_threads), design.n_rows, kept)

    @property
    def p(self) -> int:
        """Number of columns that are not aliased."""
        return 0 if self.rows is None else self.rows.p

    @property
    def constant(self) -> int | None:
        """Which of the p is constant, one with its scale."""
        return None if self.rows is None else self.rows.constant

    @property
    def from_standardized(self) -> np.ndarray:
        """The (p, p) matrix from standardised coefficients to coefficients."""
        return np.empty((0, 0)) if self.rows is None else self.rows.standard.from_standardized

    @property
    def log_scale(self) -> float:
        """How much larger a form's log determinant is for the columns as given."""
        return -2.0 * float(np.linalg.slogdet(self.from_standardized)[1]) if self.p else 0.0

    def predict(self, beta: np.ndarray) -> np.ndarray:
        """X beta, (n,)."""
        return np.zeros(self.n_rows) if self.rows is None else self.rows.predict(beta)

    def room(self, like: np.ndarray) -> np.ndarray:
        """Where to put residuals, (n,), for `score`, which then copies nothing."""
        return np.empty_like(like) if self.rows is None else self.rows.residual

    def score(self, residual: np.ndarray) -> np.ndarray:
        """X' residual, (p,)."""
        return np.empty(0) if self.rows is None else self.rows.score(residual)

    def products(self, weight: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' diag(weight) X, (p, p), and X' residual, (p,)."""
        if self.rows is None:
            return np.empty((0, 0)), np.empty(0)
        return self.rows.products(weight, residual)

    def by_level(self, values: np.ndarray, codes: np.ndarray, q: int) -> np.ndarray:
        """Sums of values, (m, n), times x over levels, (q, m, p)."""
        if self.rows is None:
            return np.empty((q, len(values), 0))
        return self.rows.by_group(values, codes, q)
