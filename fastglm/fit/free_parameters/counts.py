"""Weights of the rows by their counts."""

from __future__ import annotations

import numpy as np

from fastglm.errors import DataError

__all__ = ["added", "weights_by_count"]

#: Counts are tabulated up to their maximum, which must be below this.
LARGEST_COUNT = 50_000_000


def weights_by_count(response: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sum of the prior weights, (largest + 1,), of the rows that have each count.

    Raises
    ------
    DataError
        Naming a row whose response is no count, or too large.
    """
    y = response if weights is None else np.where(weights > 0, response, 0)
    with np.errstate(invalid="ignore"):
        count = y.astype(np.int64)
    if y.max(initial=0) >= LARGEST_COUNT or (count != y).any():
        row = int(np.argmax((count != y) | (y >= LARGEST_COUNT)))
        raise DataError(
            f"alpha is estimated from counts below {LARGEST_COUNT:,}, but the response is "
            f"{y[row]:g} in row {row}: give NegativeBinomial(alpha=...), or use "
            "family='quasipoisson'."
        )
    return np.bincount(count, weights=weights)


def added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sum of two tables, one of which may end before the other."""
    longer, shorter = (one, other) if one.size >= other.size else (other, one)
    total = longer.astype(np.float64)
    total[: shorter.size] += shorter
    return total
