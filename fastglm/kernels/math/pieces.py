"""Piecewise polynomials of one column: their values, and the sums that their means follow from."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.compiler.decorators import entry, inline

__all__ = ["evaluate_pieces", "piece_moments"]


@inline
def _find_piece(value, breaks, n_pieces):
    """The last piece that begins at or before a value; the first for values before all."""
    piece = 0
    for m in range(1, n_pieces):
        piece += 1 if value >= breaks[m] else 0
    return piece


@entry
def evaluate_pieces(values, breaks, coefficients, result):
    """Polynomials of each value in its piece.

    Contiguous float64 arrays: `values` (n,); `breaks` (m + 1,), increasing; `coefficients`
    (m, degree + 1, k) of powers of the distance from the middle of a piece in halves of its length;
    `result` (k, n).
    """
    n_pieces, n_powers, k = coefficients.shape
    for i in range(values.shape[0]):
        piece = _find_piece(values[i], breaks, n_pieces)
        begin, end = breaks[piece], breaks[piece + 1]
        u = ((values[i] - begin) - (end - values[i])) / (end - begin)
        for j in range(k):
            total = coefficients[piece, n_powers - 1, j]
            for power in range(n_powers - 2, -1, -1):
                total = total * u + coefficients[piece, power, j]
            result[j, i] = total


@entry
def piece_moments(values, breaks, n_powers):
    """Sums of those powers over the values of each piece, (m, n_powers)."""
    n_pieces = breaks.shape[0] - 1
    sums = np.zeros((n_pieces, n_powers))
    for i in range(values.shape[0]):
        piece = _find_piece(values[i], breaks, n_pieces)
        begin, end = breaks[piece], breaks[piece + 1]
        u = ((values[i] - begin) - (end - values[i])) / (end - begin)
        total = 1.0
        for power in range(n_powers):
            sums[piece, power] += total
            total *= u
    return sums
