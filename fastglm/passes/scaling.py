"""Shifts and scales that the sweep applies to dense columns, and how they are undone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.planes import BLOCK_ROWS
from fastglm.kernels.blocks.table import (
    SHIFTED,
    address_of,
)
from fastglm.kernels.passes.standardise import standardise_kernel
from fastglm.kernels.passes.unscale import unscale_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.passes.layout import Layout

#: Rows that are read to find approximate means and spreads.
MOMENT_ROWS = 4_096
#: Neighbouring rows that are read together.
SAMPLE_RUN = 64


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


class Inverse(NamedTuple):
    """Where a run stands, on the given columns.

    Attributes
    ----------
    params : ndarray, shape (p,)
    root : ndarray, shape (p, p)
        ``root root'`` is the inverse information of centred columns; rows of aliased coefficients
        are 0.
    inverse : ndarray, shape (p, p)
    centring : Centring
    """

    params: np.ndarray
    root: np.ndarray
    inverse: np.ndarray
    centring: Centring


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

    def enter(self, context: np.ndarray) -> None:
        """Tell kernels by their table."""
        context[slots.SHIFT] = self.address
        context[slots.SCALE] = self.address + 8 * self.scale.size
        context[slots.CONSTANT] = self.constant

    def centring(self, centre: np.ndarray, layout: Layout) -> Centring:
        """How columns of these centres, (p,), are centred."""
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
        return centred, self.centring(centre, layout)

    def to_params(self, theta: np.ndarray, layout: Layout) -> np.ndarray:
        """Coefficients of the columns as they came, from those of the standardised columns."""
        params = theta.astype(np.float64)
        context = layout.context.copy()
        self.enter(context)
        context[slots.OUTPUT] = address_of(params)
        launch(unscale_kernel, context, 1, 1)
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
    address, size = address_of(numbers), 8 * layout.n_dense
    context = layout.context.copy()
    context[slots.SHIFT] = address
    context[slots.SCALE] = address + size
    context[slots.OUTPUT] = address + 2 * size
    context[slots.MODE] = SHIFTED if shifted else 0
    read_sample(context, MOMENT_ROWS)
    launch(standardise_kernel, context, 1, 1)
    return Scaling(numbers[0], numbers[1], int(context[slots.CONSTANT]), address)


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
