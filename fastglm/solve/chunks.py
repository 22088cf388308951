"""Some chunks of rows, spread evenly: a sample of all rows whose sums a pass has kept."""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels import context as slots
from fastglm.kernels.jit import RowBlock
from fastglm.solve.threads import launch

__all__ = ["Chunks", "clear_of", "enough_chunks"]

#: Rounding errors of columns in single precision are told to about 2e-8 of a sum by so many rows.
ROUNDING_ROWS = 16_384
LEAST_CHUNKS = 3


class Chunks:
    """Every so-manieth chunk of a pass over the rows, not the first of all.

    Parameters
    ----------
    partials : ndarray, shape (n_chunks, m)
        Sums of each chunk, as a pass has left them.
    about : int
        How many chunks to choose.
    """

    def __init__(self, partials: np.ndarray, about: int) -> None:
        self._step = max(2, len(partials) // about)
        #: Sums of the chosen chunks, (k, m).
        self.sums = partials[self._step // 2 :: self._step]
        #: Chunks there are for each of these.
        self.weight = len(partials) / len(self.sums)

    def visit(self, kernel: RowBlock, context: np.ndarray, mode: int, n_threads: int) -> None:
        """Finds the sums anew, in this mode."""
        context = context.copy()
        context[slots.MODE], context[slots.CHUNK_STEP] = mode, self._step
        launch(kernel, context, len(self.sums), n_threads)

    def error_of(self, numbers: np.ndarray) -> np.ndarray:
        """Standard errors, (m,), of estimates of all rows' sums from (k, m) numbers of these."""
        return self.weight * math.sqrt(len(numbers)) * numbers.std(axis=0, ddof=1)


def enough_chunks(n_chunks: int, n_rows: int) -> int:
    """How many chunks tell rounding errors well enough."""
    return max(LEAST_CHUNKS, -(-ROUNDING_ROWS * n_chunks // n_rows))


def clear_of(rounding: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Estimates of rounding that are clear of their standard errors, which the others would add."""
    return np.where(np.abs(rounding) > 2.0 * errors, rounding, 0.0)
