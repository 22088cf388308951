"""Some chunks of rows, spread evenly: a sample of all rows whose sums a pass has kept."""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels.blocks import table as fields
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable

__all__ = [
    "FLOAT32_ROUNDING",
    "SAMPLED_ROUNDING",
    "Chunks",
    "clear_of",
    "enough_chunks",
    "may_sample_rounding",
]

#: Error, as a share of a sum, to which so many rows estimate rounding errors of float32 columns.
SAMPLED_ROUNDING = 3e-8
ROUNDING_ROWS = 16_384
LEAST_CHUNKS = 3
#: Largest share of all rows that is read again: more would cost more than a sweep saves. About
#: twice `ROUNDING_ROWS` are always allowed.
ROUNDING_SHARE = 0.25
SMALL_INFLATION = 1.5
#: Relative rounding error of a product of two float32 columns: of both factors and the product.
FLOAT32_ROUNDING = 1.2e-7


class Chunks:
    """Chunks of a pass over the rows at equal distances, without the first.

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
        #: Number of all chunks for each chosen one.
        self.weight = len(partials) / len(self.sums)

    def visit(self, kernel: RowBlock, table: KernelTable, mode: int, n_threads: int) -> None:
        """Sweep the chosen chunks again, in this mode."""
        table = table.copy()
        table.mode = mode
        table.set(fields.CHUNK_STEP, self._step)
        table.launch(kernel, len(self.sums), n_threads)

    def error_of(self, numbers: np.ndarray) -> np.ndarray:
        """Standard errors, (m,), of all rows' sums as estimated from (k, m) sums of these."""
        return self.weight * math.sqrt(len(numbers)) * numbers.std(axis=0, ddof=1)


def enough_chunks(n_chunks: int, n_rows: int, inflation: float) -> int:
    """Number of chunks needed to estimate rounding errors that are magnified by so much.

    The error of the estimate falls with the root of their number.
    """
    rows = ROUNDING_ROWS * min(inflation, n_rows) ** 2
    return min(n_chunks, max(LEAST_CHUNKS, math.ceil(rows * n_chunks / n_rows)))


def may_sample_rounding(n_rows: int, inflation: float) -> bool:
    """Whether some of the rows can estimate rounding errors that are magnified by so much."""
    is_small = inflation <= SMALL_INFLATION
    return is_small or ROUNDING_ROWS * inflation**2 <= ROUNDING_SHARE * n_rows


def clear_of(rounding: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Estimates of rounding above twice their standard errors; the others, mostly noise, are 0."""
    return np.where(np.abs(rounding) > 2.0 * errors, rounding, 0.0)


#: Values of X in a chunk: fewer would cost more to hand to a thread than to sum.
CHUNK_VALUES = 65_536
MAX_CHUNKS = 128
#: Most bytes of all partial sums together, unless four chunks take more.
PARTIAL_BYTES = 32_000_000


def count_chunks(row_table: RowTable, partial_bytes: int = 1) -> int:
    """Number of chunks, by the size of the data alone, so that sums never depend on threads."""
    wanted = min(MAX_CHUNKS, row_table.n_rows * row_table.n_stored // CHUNK_VALUES)
    return max(1, min(wanted, max(4, PARTIAL_BYTES // partial_bytes)))
