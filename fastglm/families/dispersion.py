"""Sums from which a family estimates its dispersion, beside bias-reduced coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["DispersionEvidence"]


class DispersionEvidence(NamedTuple):
    """Sums from which a dispersion is estimated with less bias.

    Attributes
    ----------
    deviance, pearson : float
        Of the fit.
    df_resid : float
        Observations less coefficients.
    rank : int
        Number of coefficients that are no combinations of others.
    median : bool
        Whether the bias of the median is reduced, not that of the mean.
    weights, counts : ndarray, shape (k,)
        Weights that divide the dispersion, and how many observations have each.
    """

    deviance: float
    pearson: float
    df_resid: float
    rank: int
    median: bool
    weights: np.ndarray
    counts: np.ndarray

    @property
    def lost(self) -> float:
        """Observations fewer; Kosmidis, Kenne Pagui & Sartori (2020), section 5."""
        return 2.0 / 3.0 if self.median else 0.0
