"""Sums of products of scores in coordinates where the columns are orthonormal, row by row.

With ``F F' = (X'WX)^-1``, rows ``z = F'x`` have ``Z'WZ = I``, and a sandwich covariance is
``F (sum of squared score residuals times z z') F'``. Where columns are nearly collinear, sums of
x x' have lost the digits that F would need; sums of z z' have not. Writing rows out and
multiplying them takes far longer than the kernels do: it is for designs that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.families import Family
from fastglm.kernels.blocks.row_buffers import QUADRATIC_FORM, RESIDUAL, WEIGHT
from fastglm.kernels.passes.score_products import FULL_LEVERAGE, HC4_EXPONENT
from fastglm.passes.products import CrossProducts
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering
from fastglm.passes.standardized import StandardizedColumns
from fastglm.solve.conditioning import inflation_of_sandwich

__all__ = ["OrthogonalRows", "ScoreProducts", "lag_products"]


@dataclass(frozen=True, eq=False)
class ScoreProducts:
    """Sums over all rows, in orthogonal coordinates.

    Attributes
    ----------
    meat : ndarray, shape (p, p)
        Products of scores.
    score : ndarray, shape (p,)
        Scores.
    n_undefined : int
        Rows of leverage 1 where their residuals needed them to be less.
    inflation : float
        By what errors of the entries of sums over the given columns have been magnified on the way
        here; 0 if they come from the rows.
    """

    meat: np.ndarray
    score: np.ndarray
    n_undefined: int = 0
    inflation: float = 0.0

    @classmethod
    def from_sums(
        cls, products: CrossProducts, root: np.ndarray, centering: Centering
    ) -> ScoreProducts:
        """From sums over standardised columns; `root` is F for centred ones."""
        return cls.from_gram(
            products.gram, products.standard, root, centering, products.score, products.n_undefined
        )

    @classmethod
    def from_gram(
        cls,
        gram: np.ndarray,
        standard: StandardizedColumns,
        root: np.ndarray,
        centering: Centering,
        score: np.ndarray | None = None,
        n_undefined: int = 0,
    ) -> ScoreProducts:
        """The same from a sum of products of scores alone."""
        standardized = standard.to_standardized_centered(root, centering)
        meat = standardized.T @ gram @ standardized
        variances = np.einsum("ij,ij->i", root @ meat, root)
        inflation = inflation_of_sandwich(standardized @ root.T, gram, variances)
        score = np.zeros(len(root)) if score is None else standardized.T @ score
        return cls(0.5 * (meat + meat.T), score, n_undefined, inflation)


class OrthogonalRows:
    """Rows of a fit in orthogonal coordinates.

    Parameters
    ----------
    row_table
        With response and the weights of single observations.
    family, params
        The model and its (p,) coefficients; NaN counts as zero.
    root, centering
        F for centred columns, (p, p), rows of aliased coefficients zero, and the centring.
    n_threads
        From `usable_threads`.
    """

    def __init__(
        self,
        row_table: RowTable,
        family: Family,
        params: np.ndarray,
        root: np.ndarray,
        centering: Centering,
        n_threads: int,
    ):
        self.design, self.root, self.centering = row_table.design, root, centering
        self.weight, self.residual, self.form = evaluate_rows(
            row_table,
            family,
            params,
            (WEIGHT, RESIDUAL, QUADRATIC_FORM),
            factor=root.T,
            centering=centering,
            n_threads=n_threads,
        )

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        for rows, columns in dense_slices(self.design):
            yield rows, (columns - self.centering.center) @ self.root

    def score_products(
        self, power: int, mean_leverage: float, frequencies: np.ndarray | None
    ) -> ScoreProducts:
        """As `fastglm.solve.score_products.score_products`."""
        residual, n_undefined = self.residual, 0
        if power:
            leverage = self.weight * self.form
            left = 1.0 - leverage
            full = left < FULL_LEVERAGE
            n_undefined, left = int(full.sum()), np.where(full, 1.0, left)
            exponent = np.minimum(4.0, leverage / mean_leverage) if power == HC4_EXPONENT else power
            residual = residual / left ** (0.5 * exponent)
        times = np.ones_like(residual) if frequencies is None else frequencies
        meat, score = np.zeros_like(self.root), np.zeros(len(self.root))
        for rows, z in self._blocks():
            scores = z * residual[rows, None]
            meat += scores.T @ (scores * times[rows, None])
            score += scores.T @ times[rows]
        return ScoreProducts(meat, score, n_undefined)

    def scores(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Scores of the rows, a slice of them at a time."""
        for rows, z in self._blocks():
            yield rows, z * self.residual[rows, None]

    def group_sums(self, groups: np.ndarray, n_groups: int) -> np.ndarray:
        """Sums of the scores over groups of rows, (n_groups, p)."""
        scores = np.zeros((n_groups, len(self.root)))
        for rows, z in self._blocks():
            codes = np.asarray(groups[rows], dtype=np.int64)
            entries = self.residual[rows], codes, np.arange(codes.size + 1)
            members = scipy.sparse.csr_array(entries, shape=(codes.size, n_groups))
            scores += members.T @ z
        return scores

    def group_products(self, groups: np.ndarray, n_groups: int) -> ScoreProducts:
        """As `fastglm.passes.products.group_scores`."""
        scores = self.group_sums(groups, n_groups)
        return ScoreProducts(scores.T @ scores, scores.sum(axis=0))

    def hac_products(self, n_lags: int) -> ScoreProducts:
        """As `fastglm.passes.products.hac_products`."""
        p = len(self.root)
        meat, last = np.zeros_like(self.root), np.zeros((n_lags, p))
        ending = (slice(0, 0), np.zeros((n_lags, p)))
        for rows, z in (*self._blocks(), ending):
            scores = z if z is ending[1] else z * self.residual[rows, None]
            padded = np.vstack([last, scores])
            sums = np.vstack([np.zeros(p), np.cumsum(padded, axis=0)])
            windows = sums[n_lags + 1 :] - sums[: len(scores)]
            meat += windows.T @ windows
            last = padded[len(padded) - n_lags :]
        return ScoreProducts(meat, np.zeros(p))


def lag_products(
    scores: Iterable[tuple[slice, np.ndarray]], weights: np.ndarray, unit: np.ndarray
) -> np.ndarray:
    """Weighted sum of products of scores with those of rows up to some lags before, (p, p).

    Parameters
    ----------
    scores
        Slices of the rows in their order, and their scores.
    weights : ndarray, shape (n_lags + 1,)
        Weights of the lags from 0 on.
    unit : ndarray, shape (n,)
        Rows of different units have no product with each other.
    """
    n_lags, meat, last = len(weights) - 1, None, None
    for rows, values in scores:
        kept = values[:0] if last is None else last
        known = np.vstack([kept, values])
        units = unit[rows.start - len(kept) : rows.stop]
        for lag in range(n_lags + 1):
            first = max(len(kept), lag)
            now, before = slice(first, None), slice(first - lag, len(known) - lag)
            same = units[now] == units[before]
            product = weights[lag] * (known[now][same].T @ known[before][same])
            meat = (
                product if meat is None else meat + (product if lag == 0 else product + product.T)
            )
        last = known[max(0, len(known) - n_lags) :]
    return np.asarray(meat)
