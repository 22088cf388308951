"""Columns of several linear predictors that share one vector of coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.matrix.dense_slices import dense_slices, transposed_product
from fastglm.design.matrix.parts import Design
from fastglm.mixed.scaling import KeptColumns

__all__ = ["PredictorColumns"]


@dataclass(frozen=True, eq=False)
class PredictorColumns(KeptColumns):
    """Columns of all predictors as functions of the p standardised coefficients not aliased.

    Attributes
    ----------
    design : Design
        All columns that occur in any predictor.
    maps : list of sparse matrix, shape (columns of the design, p)
        From standardised coefficients to those of each predictor.
    offsets : ndarray, shape (K, n), or None
    kept : ndarray of bool, shape (all coefficients,)
    from_standardized : ndarray, shape (p, p)
    """

    design: Design
    maps: list[np.ndarray]
    offsets: np.ndarray | None
    kept: np.ndarray
    from_standardized: np.ndarray

    @classmethod
    def of(cls, model: Any, n_threads: int) -> PredictorColumns:
        """Those of a model of `fastglm.responses`."""
        blocks, found = model._blocks(), model._rank_and_scaling(n_threads)
        kept = ~model._aliased(blocks, found)
        back = model._from_standardized(blocks, found)[np.ix_(kept, kept)]
        maps = [scipy.sparse.csr_array(each)[:, kept] @ back for each in model._maps(blocks)]
        return cls(model._design(), maps, model._offsets(), kept, back)

    #: No column is told apart as the constant: each predictor may have its own.
    constant: ClassVar[int | None] = None

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return int(self.kept.sum())

    def predict(self, beta: np.ndarray) -> np.ndarray:
        """Linear predictors, (K, n), offsets included."""
        coefficients = np.column_stack([each @ beta for each in self.maps])
        etas = np.empty((len(self.maps), self.design.n_rows))
        for rows, columns in dense_slices(self.design):
            etas[:, rows] = (columns @ coefficients).T
        if self.offsets is not None:
            etas += self.offsets
        return etas

    def room(self, like: np.ndarray) -> np.ndarray:
        """Where to put residuals, (K, n), for `score`."""
        return np.empty_like(like)

    def score(self, residuals: np.ndarray) -> np.ndarray:
        """Derivatives in the coefficients, (p,), from those in the predictors, (K, n)."""
        total = np.zeros(self.p)
        for each, residual in zip(self.maps, residuals, strict=True):
            total += each.T @ transposed_product(self.design, residual)
        return total

    def by_level(self, values: np.ndarray, codes: np.ndarray, q: int) -> np.ndarray:
        """Sums over levels, (q, m, p), of values, (m, K, n), times the predictors' columns."""
        total = np.zeros((q, len(values), self.p))
        for rows, columns in dense_slices(self.design):
            place, each = codes[rows], np.arange(len(columns) + 1)
            for k, one in enumerate(self.maps):
                own = columns @ one
                for m, value in enumerate(values[:, k, rows]):
                    # By row: which level, and how much.
                    by_row = scipy.sparse.csr_array((value, place, each), (len(columns), q))
                    total[:, m] += by_row.T @ own
        return total
