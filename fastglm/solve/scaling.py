"""Shifts and scales that the sweep applies to dense columns, and how they are undone.

Both are rounded so that applying them is exact in floating point for data of ordinary precision:
scales to powers of two, shifts to a few leading bits. A column is shifted only if a column of ones
stands before it, so the span of every column and those before it stays the same, and with it
which columns are aliased.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.design.layout import Layout
from fastglm.kernels import context as slots
from fastglm.kernels.moments import moments_kernel
from fastglm.kernels.planes import BLOCK_ROWS
from fastglm.solve.threads import launch

#: Rows that are read to find approximate means and spreads.
MOMENT_ROWS = 16_384


@dataclass(frozen=True)
class Scaling:
    """Standardised dense columns ``z = (x - shift) * scale``.

    Attributes
    ----------
    shift, scale : ndarray, shape (n_dense,)
    constant : int
        Dense sweep column that is taken to be constant, -1 if there is none.
    """

    shift: np.ndarray
    scale: np.ndarray
    constant: int

    def to_params(self, theta: np.ndarray, layout: Layout) -> np.ndarray:
        """Coefficients of the columns as they came, from those of the standardised ones."""
        return self._unscale(theta[:, None], layout)[:, 0]

    def from_params(self, params: np.ndarray, layout: Layout) -> np.ndarray:
        """Coefficients of the standardised columns, from those of the columns as they came."""
        theta = params.astype(np.float64)
        owner, owned = self._owned(layout)
        if self.constant >= 0:
            intercept = layout.dense_owner[self.constant]
            moved = self.shift[owned] @ params[owner]
            theta[intercept] = params[intercept] / self.scale[self.constant] + moved
            owner, owned = owner[owned != self.constant], owned[owned != self.constant]
        theta[owner] = params[owner] / self.scale[owned]
        return theta

    def covariance(self, inverse: np.ndarray, layout: Layout) -> np.ndarray:
        """Inverse information of the columns as they came, (p, p)."""
        return self._unscale(self._unscale(inverse, layout).T, layout)

    def _owned(self, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
        owned = np.flatnonzero(layout.dense_owner >= 0)
        return layout.dense_owner[owned], owned

    def _unscale(self, columns: np.ndarray, layout: Layout) -> np.ndarray:
        """Applies params = A theta to each column of a (p, k) array."""
        result = columns.copy()
        owner, owned = self._owned(layout)
        result[owner] *= self.scale[owned, None]
        if self.constant >= 0:
            intercept = layout.dense_owner[self.constant]
            moved = self.shift[owned] @ result[owner]
            result[intercept] = (columns[intercept] - moved) * self.scale[self.constant]
        return result


def find_scaling(layout: Layout, shifted: bool = True) -> Scaling:
    """Approximate means and spreads of the dense columns, from blocks spread over the rows.

    Parameters
    ----------
    layout
        The design.
    shifted
        False to leave out shifts: no column is constant after all.
    """
    n_dense = layout.n_dense
    shift, scale = np.zeros(n_dense), np.ones(n_dense)
    if n_dense == 0:
        return Scaling(shift, scale, -1)
    mean, spread = _moments(layout, shift, scale)
    owned = layout.dense_owner >= 0
    constant = -1
    candidates = np.flatnonzero(owned & (spread == 0.0) & (mean != 0.0) & np.isfinite(mean))
    if shifted and candidates.size:
        first = candidates[np.argmin(layout.dense_owner[candidates])]
        # Dividing by the constant must give exactly one.
        if mean[first] * (1.0 / mean[first]) == 1.0:
            constant = int(first)
    root_mean_square = np.hypot(mean, spread)
    if constant >= 0:
        later = owned & (layout.dense_owner > layout.dense_owner[constant])
        usable = later & np.isfinite(mean)
        shift[usable] = _few_bits(mean[usable], spread[usable])
        scale[usable] = _inverse_power_of_two(spread[usable])
        earlier = owned & ~later
        scale[earlier] = _inverse_power_of_two(root_mean_square[earlier])
        scale[constant] = 1.0 / mean[constant]
    else:
        scale[owned] = _inverse_power_of_two(root_mean_square[owned])
    return Scaling(shift, scale, constant)


def _moments(layout: Layout, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    context = layout.context.copy()
    context[slots.SHIFT] = shift.ctypes.data
    context[slots.SCALE] = scale.ctypes.data
    output = np.zeros((2, layout.n_dense))
    context[slots.OUTPUT] = output.ctypes.data
    step, n_blocks = sample_blocks(layout, MOMENT_ROWS)
    context[slots.BLOCK_STEP] = step
    context[slots.N_BLOCKS] = n_blocks
    launch(moments_kernel, context, 1, 1)
    rows = min(layout.n_rows, n_blocks * BLOCK_ROWS)
    with np.errstate(invalid="ignore"):
        return output[0], np.sqrt(output[1] / rows)


def sample_blocks(layout: Layout, rows: int) -> tuple[int, int]:
    """Distance between blocks, and their number, for a sample of about `rows` rows."""
    n_blocks = int(layout.context[slots.N_BLOCKS])
    step = max(1, n_blocks * BLOCK_ROWS // max(rows, 1))
    return step, -(-n_blocks // step)


def _inverse_power_of_two(spread: np.ndarray) -> np.ndarray:
    usable = np.isfinite(spread) & (spread > 0.0)
    exponent = np.frexp(np.where(usable, spread, 1.0))[1]
    return np.where(usable, np.ldexp(1.0, -np.clip(exponent, -1000, 1000)), 1.0)


def _few_bits(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The mean to within a spread, in as few bits as that takes."""
    unit = 1.0 / _inverse_power_of_two(spread)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(mean / unit) * unit
    return np.where((spread > 0.0) & np.isfinite(rounded), rounded, mean)
