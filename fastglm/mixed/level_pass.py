"""One pass over the levels of a single factor: criterion and derivatives, and what they need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.mixed.algebra import over_rows
from fastglm.mixed.layout import Layout
from fastglm.mixed.level_criterion import sum_criterion
from fastglm.mixed.modes import MODE_TOLERANCE

__all__ = ["LevelSums"]


@dataclass(frozen=True, eq=False)
class LevelSums:
    """What one pass over the levels of a single factor finds.

    Attributes
    ----------
    modes : ndarray, shape (q, k)
    products : ndarray, shape (q, k, k)
        Z'WZ of the determinant's weights.
    residual : ndarray, shape (n,)
        Derivatives in the linear predictors, in the order of levels.
    curvature : ndarray, shape (n, 3)
        Likewise: weights, their derivatives, and weights of products of columns in second
        derivatives; (0, 3) where they were not asked for.
    values : ndarray, shape (n_chunks,)
        The criterion.
    totals : ndarray, shape (n_chunks, k, k)
        Its derivatives in Lambda.
    extras : ndarray, shape (n_chunks, 2)
        And in the logarithms of a dispersion and of the family's parameter, where asked for.
    failed : ndarray, shape (n_chunks,)
        Levels whose mode was not found.
    """

    modes: np.ndarray
    products: np.ndarray
    residual: np.ndarray
    curvature: np.ndarray
    values: np.ndarray
    totals: np.ndarray
    extras: np.ndarray
    failed: np.ndarray

    @classmethod
    def empty(cls, layout: Layout, modes: np.ndarray, with_curvature: bool) -> LevelSums:
        """Room for the sums."""
        n, k, n_chunks = layout.n_rows, layout.k, layout.chunks.size - 1
        return cls(
            modes, np.zeros((layout.q, k, k)), np.empty(n),
            np.empty((n if with_curvature else 0, 3)), np.zeros(n_chunks),
            np.zeros((n_chunks, k, k)), np.zeros((n_chunks, 2)), np.zeros(n_chunks, dtype=np.int64),
        )  # fmt: skip

    @property
    def value(self) -> float:
        """Criterion of all levels."""
        return float(self.values.sum())

    @property
    def found(self) -> bool:
        """Whether every mode was found."""
        return not self.failed.any() and bool(np.isfinite(self.modes).all())

    def fill(
        self,
        layout: Layout,
        factor: np.ndarray,
        eta: np.ndarray,
        blocks: np.ndarray,
        parameters: np.ndarray,
        y: np.ndarray,
        prior: np.ndarray,
        observed: bool,
        with_extras: bool,
        n_threads: int,
    ) -> None:
        """Visit every level.

        Parameters
        ----------
        layout : Layout
        factor : ndarray, shape (k, k)
            Lambda.
        eta : ndarray, shape (n,)
            Fixed part of the linear predictors, in the order of the data.
        blocks, parameters : ndarray
            Addresses of the family's row blocks, and what they read.
        y, prior : ndarray, shape (n,)
            In the order of levels.
        observed : bool
            Whether the determinant is of observed weights.
        with_extras : bool
            Whether derivatives in a dispersion or the family's parameter are asked for.
        n_threads : int
        """
        over_rows(
            sum_criterion, layout, n_threads, layout.start, layout.order, layout.z_planes, factor,
            eta, blocks, parameters, y, prior, MODE_TOLERANCE, observed, with_extras, self.modes,
            self.products, self.residual, self.curvature, self.values, self.totals, self.extras,
            self.failed,
        )  # fmt: skip
