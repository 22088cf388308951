"""Quantiles of a column of many rows, as NumPy's, without sorting or copying it whole."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.math.pieces import gather_between

__all__ = ["distinct_quantiles", "quantiles"]

#: Values that are sorted to know where a quantile must be.
_SAMPLE = 4_096
#: Places in the sorted sample, to either side, where it is looked for: four standard errors.
_MARGIN = 128
#: More quantiles are found faster by sorting all values.
_MOST_SOUGHT = 12


def quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """``np.quantile(values, shares)``.

    Parameters
    ----------
    values : ndarray, shape (n,), float64
        Contiguous, finite.
    shares : ndarray, shape (k,)
        Between 0 and 1.
    """
    if values.size < 4 * _SAMPLE or shares.size > _MOST_SOUGHT:
        return _of_sorted(np.sort(values), shares)
    sample = np.sort(values[:: values.size // _SAMPLE])
    places = np.rint(shares * (sample.size - 1)).astype(np.intp)
    low = sample[np.maximum(places - _MARGIN, 0)]
    high = sample[np.minimum(places + _MARGIN, sample.size - 1)]
    room = np.empty((shares.size, values.size // 8))
    counts = np.empty((2, shares.size), dtype=np.int64)
    gather_between(values, low, high, room, counts)
    ranks, found = shares * (values.size - 1), np.empty(shares.size)
    for k, (rank, below, count) in enumerate(zip(ranks.tolist(), *counts.tolist(), strict=True)):
        first = int(rank) - below
        if 0 <= first < count - 1 and count < room.shape[1]:
            some = room[k, :count]
            some.partition([first, first + 1])
            found[k] = _between(float(some[first]), float(some[first + 1]), rank - int(rank))
        else:
            # A sample of every so many rows misleads where rows repeat; ties may be too many.
            found[k] = np.quantile(values, shares[k])
    return found


def distinct_quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """``np.quantile(np.unique(values), shares)``, of the same arguments as `quantiles`."""
    in_order = np.sort(values)
    differs = in_order[1:] != in_order[:-1]
    if not differs.all():
        in_order = in_order[np.concatenate([[True], differs])]
    return _of_sorted(in_order, shares)


def _of_sorted(in_order: np.ndarray, shares: np.ndarray) -> np.ndarray:
    ranks = np.asarray(shares) * (in_order.size - 1)
    first = np.minimum(ranks.astype(np.intp), in_order.size - 1)
    after = np.minimum(first + 1, in_order.size - 1)
    pairs = zip(in_order[first].tolist(), in_order[after].tolist(), ranks - first, strict=True)
    return np.array([_between(low, high, float(part)) for low, high, part in pairs])


def _between(low: float, high: float, part: float) -> float:
    """A part of the way from one value to the next, with NumPy's rounding."""
    if part < 0.5:
        return low + (high - low) * part
    return high - (high - low) * (1.0 - part)
