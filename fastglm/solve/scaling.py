"""Shifts and scales that the sweep applies to dense columns, and how they are undone.

Both are rounded so that applying them is exact in floating point for data of ordinary precision:
scales to powers of two, shifts to a few leading bits. A column is shifted only if a column of ones
stands before it, so the span of every column and those before it stays the same, and with it
which columns are aliased.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastglm.design.layout import Layout
from fastglm.kernels import context as slots
from fastglm.kernels.context import address_of
from fastglm.kernels.jit import entry, inlined
from fastglm.kernels.moments import moments_kernel
from fastglm.kernels.planes import BLOCK_ROWS
from fastglm.solve.cholesky import invert_factor, multiply_root
from fastglm.solve.threads import launch

#: Rows that are read to find approximate means and spreads.
MOMENT_ROWS = 4_096
#: Neighbouring rows that are read together.
SAMPLE_RUN = 64


@inlined
def _power_of_two_below(value):
    """1 over the power of two next above a positive value; 1 if there is none to speak of."""
    if not (value > 0.0 and value < math.inf):
        return 1.0
    _, exponent = math.frexp(value)
    return math.ldexp(1.0, -min(max(exponent, -1000), 1000))


@inlined
def _few_bits(mean, spread):
    """The mean to within a spread, in as few bits as that takes."""
    unit = 1.0 / _power_of_two_below(spread)
    rounded = np.rint(mean / unit) * unit
    return rounded if spread > 0.0 and math.isfinite(rounded) else mean


@entry
def _choose(numbers, rows, owner, shifted):
    """Fills shifts and scales from means and sums of squares; returns the constant column or -1."""
    shift, scale, means, squares = numbers[0], numbers[1], numbers[2], numbers[3]
    n_dense = owner.shape[0]
    constant = -1
    if shifted:
        for j in range(n_dense):
            mean = means[j]
            is_constant = owner[j] >= 0 and squares[j] == 0.0 and mean != 0.0
            is_first = constant < 0 or owner[j] < owner[constant]
            # Dividing by the constant must give exactly one.
            if is_constant and is_first and mean * (1.0 / mean) == 1.0:
                constant = j
    for j in range(n_dense):
        mean, spread = means[j], math.sqrt(squares[j] / rows)
        shift[j], scale[j] = 0.0, 1.0
        if owner[j] < 0:
            continue
        if j == constant:
            scale[j] = 1.0 / mean
        elif constant >= 0 and owner[j] > owner[constant] and math.isfinite(mean):
            shift[j] = _few_bits(mean, spread)
            scale[j] = _power_of_two_below(spread)
        else:
            scale[j] = _power_of_two_below(math.hypot(mean, spread))
    return constant


@inlined
def _unscale_column(column, shift, scale, owner, constant):
    """Brings one vector from standardised to given columns, in place."""
    moved = 0.0
    for j in range(owner.shape[0]):
        if owner[j] >= 0 and j != constant:
            column[owner[j]] *= scale[j]
            moved += shift[j] * column[owner[j]]
    if constant >= 0:
        intercept = owner[constant]
        column[intercept] = (column[intercept] - moved) * scale[constant]


@entry
def _unscale(theta, shift, scale, owner, constant):
    """Coefficients, from standardised columns to given ones."""
    _unscale_column(theta, shift, scale, owner, constant)


@entry
def _undo(
    theta,
    factor,
    column_scale,
    pivot,
    shift,
    scale,
    owner,
    constant,
    results,
):
    """Coefficients, root of the inverse information on centred columns, and the inverse."""
    p = factor.shape[0]
    root, inverse = results[:p], results[p : 2 * p]
    centre, kept = results[2 * p], results[2 * p + 1]
    _unscale_column(theta, shift, scale, owner, constant)
    invert_factor(factor, column_scale, pivot, root)
    for j in range(owner.shape[0]):
        if owner[j] >= 0:
            centre[owner[j]] = shift[j]
            for k in range(root.shape[0]):
                root[owner[j], k] *= scale[j]
    if constant < 0:
        multiply_root(root, inverse)
        return
    intercept = owner[constant]
    for k in range(root.shape[0]):
        kept[k] = root[intercept, k]
    for j in range(owner.shape[0]):
        if owner[j] >= 0:
            for k in range(root.shape[0]):
                root[intercept, k] -= shift[j] * scale[constant] * root[owner[j], k]
    multiply_root(root, inverse)
    for k in range(root.shape[0]):
        root[intercept, k] = kept[k]


class Centring(NamedTuple):
    """Columns less multiples of a constant one, ``x - centre``: what is large of them is gone.

    Squares of coefficients on such columns keep the digits that those of the intercept, far from
    all data, would cost.

    Attributes
    ----------
    centre : ndarray, shape (p,)
    constant : int or None
        The constant column, without which every centre is 0.
    value : float
        Its value.
    """

    centre: np.ndarray
    constant: int | None
    value: float

    def to_given(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the columns as they came, (p, k), from those of the centred ones."""
        return self._moved(coefficients, -self.centre)

    def from_given(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the centred columns, (p, k) or (p,), from those of the given ones."""
        return self._moved(coefficients, self.centre)

    def combinations(self, matrix: np.ndarray) -> np.ndarray:
        """Combinations of the centred columns' coefficients, (m, p), from those of the given."""
        if self.constant is None:
            return matrix
        return matrix - np.outer(matrix[:, self.constant] / self.value, self.centre)

    def only(self, columns: np.ndarray) -> Centring:
        """Centring of those columns alone, by a (p,) mask."""
        return Centring(np.where(columns, self.centre, 0.0), self.constant, self.value)

    def _moved(self, coefficients: np.ndarray, centre: np.ndarray) -> np.ndarray:
        moved = coefficients.copy()
        if self.constant is not None:
            moved[self.constant] += (centre @ coefficients) / self.value
        return moved


class Scaling(NamedTuple):
    """Standardised dense columns ``z = (x - shift) * scale``.

    Attributes
    ----------
    shift, scale : ndarray, shape (n_dense,)
    constant : int
        Dense sweep column that is taken to be constant, -1 if there is none.
    address : int
        Of the shifts, with the scales behind them.
    """

    shift: np.ndarray
    scale: np.ndarray
    constant: int
    address: int

    def undo(
        self,
        theta: np.ndarray,
        factor: np.ndarray,
        column_scale: np.ndarray,
        pivot: np.ndarray,
        layout: Layout,
    ) -> tuple[np.ndarray, np.ndarray, Centring]:
        """Bring coefficients and inverse information to the given columns.

        Parameters
        ----------
        theta
            (p,) coefficients of the standardised columns, overwritten.
        factor, column_scale, pivot
            Of their information, by `fastglm.solve.cholesky.factorize_gram`.
        layout
            The design.

        Returns
        -------
        root : ndarray, shape (p, p)
            ``root root'`` is the inverse information of centred columns; rows of aliased
            coefficients are 0.
        inverse : ndarray, shape (p, p)
        centring : Centring
        """
        p = len(factor)
        results = np.zeros((2 * p + 2, p))
        scales = self.shift, self.scale, layout.dense_owner, self.constant
        _undo(theta, factor, column_scale, pivot, *scales, results)
        return results[:p], results[p:-2], self._centring(results[-2], layout)

    def _centring(self, centre: np.ndarray, layout: Layout) -> Centring:
        if self.constant < 0:
            return Centring(centre, None, 1.0)
        constant = int(layout.dense_owner[self.constant])
        return Centring(centre, constant, 1.0 / float(self.scale[self.constant]))

    def to_centred(self, columns: np.ndarray, layout: Layout) -> tuple[np.ndarray, Centring]:
        """Coefficients of centred columns, (p, k), from standardised ones, and the centring."""
        centred, centre = columns.astype(np.float64), np.zeros(layout.n_columns)
        owned, owner = layout.owned
        centred[owner] *= self.scale[owned, None]
        centre[owner] = self.shift[owned]
        return centred, self._centring(centre, layout)

    def to_params(self, theta: np.ndarray, layout: Layout) -> np.ndarray:
        """Coefficients of the columns as they came, from those of the standardised columns."""
        params = theta.astype(np.float64)
        _unscale(params, self.shift, self.scale, layout.dense_owner, self.constant)
        return params

    def from_params(self, params: np.ndarray, layout: Layout) -> np.ndarray:
        """Coefficients of the standardised columns, from those of the columns as they came."""
        theta = params.astype(np.float64)
        owned, owner = layout.owned
        theta[owner] = params[owner] / self.scale[owned]
        if self.constant >= 0:
            theta[layout.dense_owner[self.constant]] += self.shift[owned] @ params[owner]
        return theta


def find_scaling(layout: Layout, shifted: bool = True) -> Scaling:
    """Approximate means and spreads of the dense columns, from blocks spread over the rows.

    Parameters
    ----------
    layout
        The design.
    shifted
        False to leave out shifts: no column is constant after all.
    """
    # Shifts, scales, means and sums of squares.
    numbers = np.zeros((4, layout.n_dense))
    numbers[1] = 1.0
    address, row = address_of(numbers), 8 * layout.n_dense
    context = layout.context.copy()
    context[slots.SHIFT] = address
    context[slots.SCALE] = address + row
    context[slots.OUTPUT] = address + 2 * row
    rows = read_sample(context, MOMENT_ROWS)
    launch(moments_kernel, context, 1, 1)
    constant = _choose(numbers, rows, layout.dense_owner, shifted)
    return Scaling(numbers[0], numbers[1], constant, address)


def read_sample(context: np.ndarray, rows: int) -> int:
    """Make kernels read about `rows` rows, spread evenly in short runs; returns how many.

    Neighbouring rows are often alike: many short runs tell more than a few long ones.
    """
    n_rows = int(context[slots.N_ROWS])
    if n_rows <= rows:
        return n_rows
    n_blocks = -(-n_rows // BLOCK_ROWS)
    step = max(1, n_blocks * SAMPLE_RUN // max(rows, 1))
    visited = -(-n_blocks // step)
    length = min(BLOCK_ROWS, -(-rows // (visited * SAMPLE_RUN)) * SAMPLE_RUN)
    context[slots.BLOCK_STEP] = step
    context[slots.BLOCK_LENGTH] = length
    context[slots.N_BLOCKS] = visited
    in_last = min(length, n_rows - (visited - 1) * step * BLOCK_ROWS)
    return (visited - 1) * length + in_last
