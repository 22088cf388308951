"""Piecewise polynomials of one column: their values, and sums over the rows that learn them."""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.compiler.decorators import entry, inline, inline_sums
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer

__all__ = [
    "CUBIC",
    "PIECES_SIZE",
    "QUINTIC",
    "evaluate_column",
    "evaluate_pieces",
    "gather_between",
    "piece_moments",
    "polynomial_sums",
]

# What a table of piecewise polynomials of one column holds, int64.
(
    PIECES_COLUMN,  # address of the column, contiguous float64
    PIECES_BREAKS,  # float64 (m + 1,), increasing: the ends of the pieces
    PIECES_COEFFICIENTS,  # float64 (k, m, CUBIC or QUINTIC)
    PIECES_PRESENT,  # int64 (k, 2): the first piece that is not zero, and the one after the last
    N_PIECES,  # m
    N_POWERS,  # CUBIC or QUINTIC
    PIECES_SIZE,
) = range(7)
#: Coefficients of a piece, of powers of the distance from its middle in halves of its length.
CUBIC, QUINTIC = 4, 6
#: Rows that are added up before their sum is added to that of all.
_SUM_ROWS = 1_024


@inline
def _evaluate_piece(x, rows, begin, end, from_value, coefficients, n_powers, target, shift, scale):
    """The polynomial of one piece, shifted and scaled, in rows from a value on."""
    unit = 1.0 / (end - begin)
    c0, c1 = (coefficients[0] - shift) * scale, coefficients[1] * scale
    c2, c3 = coefficients[2] * scale, coefficients[3] * scale
    if n_powers == CUBIC:
        for i in range(rows):
            u = ((x[i] - begin) - (end - x[i])) * unit
            value = ((c3 * u + c2) * u + c1) * u + c0
            target[i] = value if x[i] >= from_value else target[i]
    else:
        c4, c5 = coefficients[4] * scale, coefficients[5] * scale
        for i in range(rows):
            u = ((x[i] - begin) - (end - x[i])) * unit
            value = ((((c5 * u + c4) * u + c3) * u + c2) * u + c1) * u + c0
            target[i] = value if x[i] >= from_value else target[i]


@inline
def evaluate_column(table, start, rows, j, target, shift, scale):
    """(f(x) - shift) * scale of some rows, f the j-th of piecewise polynomials; NaN of NaN.

    Pieces are gone through one after another, so that rows are in vector lanes: there are few in
    which a spline is not zero.
    """
    x = pointer(table[PIECES_COLUMN] + 8 * start, float64)
    breaks = pointer(table[PIECES_BREAKS], float64)
    present = pointer(table[PIECES_PRESENT] + 16 * j, int64)
    n_pieces, n_powers = table[N_PIECES], table[N_POWERS]
    own = pointer(table[PIECES_COEFFICIENTS] + 8 * n_powers * n_pieces * j, float64)
    first, last = present[0], present[1]
    zero = (0.0 - shift) * scale
    for i in range(rows):
        target[i] = (x[i] - x[i]) + zero
    for m in range(first, last):
        from_value = breaks[m] if m > 0 else -math.inf
        coefficients = offset_pointer(own, n_powers * m)
        begin, end = breaks[m], breaks[m + 1]
        _evaluate_piece(
            x, rows, begin, end, from_value, coefficients, n_powers, target, shift, scale
        )
    if last < n_pieces:
        beyond = breaks[last]
        for i in range(rows):
            target[i] = zero if x[i] >= beyond else target[i]


@entry
def evaluate_pieces(table, n_rows, n_columns, result):
    """All piecewise polynomials of a table, int64 (PIECES_SIZE,), in each row: (k, n)."""
    address = result.ctypes.data
    for start in range(0, n_rows, _SUM_ROWS):
        rows = min(_SUM_ROWS, n_rows - start)
        for j in range(n_columns):
            target = pointer(address + 8 * (n_rows * j + start), float64)
            evaluate_column(table, start, rows, j, target, 0.0, 1.0)


@inline_sums
def _add_powers(x, rows, begin, end, from_value, to_value, sums):
    """Adds powers of the rows' places in a piece, from `from_value` on and before `to_value`."""
    unit = 1.0 / (end - begin)
    s0 = s1 = s2 = s3 = s4 = s5 = 0.0
    for i in range(rows):
        u = ((x[i] - begin) - (end - x[i])) * unit
        p0 = 1.0 if from_value <= x[i] < to_value else 0.0
        p1 = p0 * u
        p2 = p1 * u
        p3 = p2 * u
        p4 = p3 * u
        s0 += p0
        s1 += p1
        s2 += p2
        s3 += p3
        s4 += p4
        s5 += p4 * u
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3
    sums[4] += s4
    sums[5] += s5


@entry
def piece_moments(values, breaks):
    """Sums of powers, as coefficients are of, over the values of each piece, (m, QUINTIC)."""
    n_pieces = breaks.shape[0] - 1
    sums = np.zeros((n_pieces, QUINTIC))
    for start in range(0, values.shape[0], _SUM_ROWS):
        rows = min(_SUM_ROWS, values.shape[0] - start)
        x = values[start : start + rows]
        for m in range(n_pieces):
            from_value = breaks[m] if m > 0 else -math.inf
            to_value = breaks[m + 1] if m < n_pieces - 1 else math.inf
            _add_powers(x, rows, breaks[m], breaks[m + 1], from_value, to_value, sums[m])
    return sums


@inline_sums
def _add_squares(values, first, last, alpha, beta, degree, before, now):
    """Sums of p(x)**2 and x p(x)**2 of some rows, p the polynomial of a recurrence.

    `before` and `now` have room for a value of each of these rows.
    """
    rows = last - first
    for i in range(rows):
        before[i], now[i] = 0.0, 1.0
    for k in range(degree):
        a, b = alpha[k], beta[k]
        for i in range(rows):
            value = (values[first + i] - a) * now[i] - b * before[i]
            before[i], now[i] = now[i], value
    squares = moments = 0.0
    for i in range(rows):
        square = now[i] * now[i]
        squares += square
        moments += values[first + i] * square
    return squares, moments


@entry
def polynomial_sums(values, alpha, beta, degree):
    """Sums over all rows of p(x)**2 and x p(x)**2, p of some degree in a recurrence.

    It is p_k+1 = (x - alpha_k) p_k - beta_k p_k-1, with p_0 = 1 and p_-1 = 0.
    """
    before, now = np.empty(_SUM_ROWS), np.empty(_SUM_ROWS)
    squares = moments = 0.0
    for first in range(0, values.shape[0], _SUM_ROWS):
        last = min(first + _SUM_ROWS, values.shape[0])
        some = _add_squares(values, first, last, alpha, beta, degree, before, now)
        squares += some[0]
        moments += some[1]
    return squares, moments


@inline
def _gather(values, first, last, low, high, room, place):
    """Collects those of some rows' values; returns the next free place, and how many are less."""
    below, end = 0, room.shape[0] - 1
    for i in range(first, last):
        value = values[i]
        below += 1 if value < low else 0
        room[min(place, end)] = value
        place += 1 if low <= value <= high else 0
    return place, below


@entry
def gather_between(values, low, high, room, counts):
    """Collects the values from `low` to `high` in `room`, as far as it goes, for each of these.

    `low` and `high`, (k,), `room`, (k, any), and `counts`, int64 (2, k): how many values are less
    than `low`, and how many there are to collect.
    """
    for k in range(low.shape[0]):
        counts[0, k] = counts[1, k] = 0
    for first in range(0, values.shape[0], _SUM_ROWS):
        last = min(first + _SUM_ROWS, values.shape[0])
        for k in range(low.shape[0]):
            place, below = _gather(values, first, last, low[k], high[k], room[k], counts[1, k])
            counts[0, k] += below
            counts[1, k] = place
