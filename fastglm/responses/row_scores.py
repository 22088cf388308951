"""Scores of the rows of a fit with several predictors, as they are and adjusted for leverage.

With ``F F'`` the inverse information and ``Z`` the K rows of the predictors' columns of a row, its
score is ``Z's`` and its share of the information ``P = F'Z'WZF``; the shares of all rows add up to
the identity. Of one predictor P has one eigenvalue other than 0, the leverage. ``(I - P)^(-1/2)``
takes the place of its square root for HC2, as in Kauermann & Carroll (2001), *Journal of the
American Statistical Association* 96, and ``(I - P)^-1``, one Newton step without the row, for HC3,
as in Mancl & DeRouen (2001), *Biometrics* 57. The trace of P is the leverage in HC4's exponent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.design.matrix.dense_slices import SLICE_VALUES, dense_slices
from fastglm.design.matrix.parts import Design
from fastglm.kernels.passes.score_products import FULL_LEVERAGE, HC4_EXPONENT
from fastglm.solve.orthogonal_rows import ScoreProducts

__all__ = ["RowScores"]


@dataclass(frozen=True, eq=False)
class RowScores:
    """Derivatives of the rows of a fit with m coefficients and K predictors.

    Attributes
    ----------
    design : Design
        Columns of all predictors, side by side.
    maps : sequence of sparse array, shape (p, m)
        From coefficients to those of these columns, for each predictor.
    from_standardized : ndarray, shape (m, m)
        From standardised coefficients to those of the maps.
    back : ndarray, shape (m, m)
        From standardised coefficients to those of the fit.
    derivatives : ndarray
        As `fastglm.passes.several_predictors.LinearPredictors.row_derivatives` gives them.
    """

    design: Design
    maps: Sequence[Any]
    from_standardized: np.ndarray
    back: np.ndarray
    derivatives: np.ndarray

    def scores(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Some rows and their scores in standardised coefficients, (c, m), weights included."""
        for numbers, columns in dense_slices(self.design):
            scores = sum(
                (columns * each[numbers, None]) @ matrix
                for each, matrix in zip(self.derivatives, self.maps, strict=False)
            )
            yield numbers, np.asarray(scores) @ self.from_standardized

    def adjusted_products(
        self, root: np.ndarray, power: int, mean_leverage: float, frequencies: np.ndarray | None
    ) -> ScoreProducts:
        """Sums of products of scores in the coordinates of F, a power of I - P divided out.

        Parameters
        ----------
        root
            F in standardised coefficients, (m, m).
        power
            Power of I - P that the product of a score with itself is divided by; HC4_EXPONENT for
            that of HC4.
        mean_leverage
            m / n.
        frequencies
            (n,) equal observations that a row stands for; None for ones.
        """
        m, n_undefined = len(root), 0
        meat, score = np.zeros((m, m)), np.zeros(m)
        for numbers, forms in self._forms(root):
            times = np.ones(len(forms))
            if frequencies is not None:
                times = np.maximum(frequencies[numbers], np.finfo(float).tiny)
            first, second = self._of_observations(numbers, times)
            adjusted, is_full = _without_own_share(forms, first, second, power, mean_leverage)
            n_undefined += int(is_full.sum())
            own = np.einsum("ckm,ck->cm", forms, np.where(is_full[:, None], 0.0, adjusted))
            meat += own.T @ (own * times[:, None])
            score += times @ own
        return ScoreProducts(meat, score, n_undefined)

    def _forms(self, root: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Some rows and their Z F, (c, K, m)."""
        of_columns = [matrix @ (self.from_standardized @ root) for matrix in self.maps]
        length = max(SLICE_VALUES // (len(self.maps) * len(root)), 1)
        for numbers, columns in dense_slices(self.design):
            for start in range(0, len(columns), length):
                some = columns[start : start + length]
                first = numbers.start + start
                forms = np.stack([some @ each for each in of_columns], axis=1)
                yield slice(first, first + len(some)), forms

    def _of_observations(self, numbers: slice, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores (c, K) and negative second derivatives (c, K, K) of single observations."""
        k = len(self.maps)
        values = (self.derivatives[:, numbers] / times).T
        second = np.empty((len(values), k, k))
        a, b = np.tril_indices(k)
        second[:, a, b] = second[:, b, a] = values[:, k:]
        return values[:, :k], second


def _without_own_share(
    forms: np.ndarray, first: np.ndarray, second: np.ndarray, power: int, mean_leverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """``t`` with ``(ZF)'t = (I - P)^(-power/2) (ZF)'s``, (c, K), and where P reaches 1, (c,).

    With C the root of ``ZF (ZF)'`` the eigenvalues of P that are not 0 are those of CWC, which is
    small and symmetric whether or not W is positive definite.
    """
    values, vectors = np.linalg.eigh(forms @ forms.transpose(0, 2, 1))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)
    share, axes = np.linalg.eigh(root @ second @ root)
    is_full = share[:, -1] > 1.0 - FULL_LEVERAGE
    share[is_full] = 0.0
    exponent = np.full(len(share), 0.5 * power)
    if power == HC4_EXPONENT:
        exponent = 0.5 * np.clip(share.sum(axis=1) / mean_leverage, 0.0, 4.0)
    grown = np.expm1(-exponent[:, None] * np.log1p(-share))
    safe = np.where(share == 0.0, 1.0, share)
    gain = np.where(share == 0.0, exponent[:, None], grown / safe)
    along = np.einsum("cab,ca->cb", axes, np.einsum("cab,cb->ca", root, first))
    back = np.einsum("cab,cb->ca", axes, gain * along)
    return first + np.einsum("cab,cb->ca", second @ root, back), is_full
