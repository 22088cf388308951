"""Averages of outcomes by group, and the sums that they are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Averages", "Sums"]


class Averages(NamedTuple):
    """Averages of k outcomes by group, the groups of each outcome one after the other.

    Attributes
    ----------
    value : ndarray, shape (k g,)
    gradient : ndarray, shape (k g, p)
        Its derivatives in the coefficients.
    apart : ndarray of bool, shape (k g,)
        Whether some row is one of which the rows of the fit do not tell.
    size : ndarray, shape (k g, p)
        Sums of the sizes of what was added up to `gradient`.
    """

    value: np.ndarray
    gradient: np.ndarray
    apart: np.ndarray
    size: np.ndarray

    def less(self, other: Averages) -> Averages:
        """The differences from those of `other`."""
        return Averages(
            self.value - other.value,
            self.gradient - other.gradient,
            self.apart | other.apart,
            self.size + other.size,
        )


class Sums:
    """Sums over rows that averages are made of."""

    def __init__(self) -> None:
        self.values: Any = 0.0
        self.gradient: Any = 0.0
        self.apart: Any = False

    def averages(self, totals: np.ndarray) -> Averages:
        """Averages over so many rows by group, (g,)."""
        k = len(self.values)
        gradient = self.gradient / np.tile(totals, k)[:, None]
        apart = np.tile(np.broadcast_to(self.apart, totals.size), k)
        return Averages((self.values / totals).ravel(), gradient, apart, np.abs(gradient))
