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

#: Rounding errors of columns in single precision are estimated to this share of a sum by so many
#: rows.
SAMPLED_ROUNDING = 3e-8
ROUNDING_ROWS = 16_384
LEAST_CHUNKS = 3
#: Most of these rows that may be read again, as a share of all: more would not repay it. About
#: twice `ROUNDING_ROWS` are always worth it.
ROUNDING_SHARE = 0.25
SMALL_INFLATION = 1.5
#: Rounding error of a product of two columns in single precision, relative: that of both and of it.
FLOAT32_ROUNDING = 1.2e-7


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

    def visit(self, kernel: RowBlock, table: KernelTable, mode: int, n_threads: int) -> None:
        """Finds the sums anew, in this mode."""
        table = table.copy()
        table.mode = mode
        table.set(fields.CHUNK_STEP, self._step)
        table.launch(kernel, len(self.sums), n_threads)

    def error_of(self, numbers: np.ndarray) -> np.ndarray:
        """Standard errors, (m,), of estimates of all rows' sums from (k, m) numbers of these."""
        return self.weight * math.sqrt(len(numbers)) * numbers.std(axis=0, ddof=1)


def enough_chunks(n_chunks: int, n_rows: int, inflation: float) -> int:
    """Number of chunks that estimate rounding errors well enough, magnified by so much.

    The error of the estimate falls with the root of their number.
    """
    rows = ROUNDING_ROWS * min(inflation, n_rows) ** 2
    return min(n_chunks, max(LEAST_CHUNKS, math.ceil(rows * n_chunks / n_rows)))


def may_sample_rounding(n_rows: int, inflation: float) -> bool:
    """Whether some of the rows can estimate rounding errors that count so many times."""
    is_small = inflation <= SMALL_INFLATION
    return is_small or ROUNDING_ROWS * inflation**2 <= ROUNDING_SHARE * n_rows


def clear_of(rounding: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Estimates of rounding that are clear of their standard errors, which the others would add."""
    return np.where(np.abs(rounding) > 2.0 * errors, rounding, 0.0)


#: Values of X in a chunk: less would not repay handing it to a thread.
CHUNK_VALUES = 65_536
MAX_CHUNKS = 128
#: Bytes that all partial sums together may take, short of the four chunks that there are at least.
PARTIAL_BYTES = 32_000_000


def count_chunks(row_table: RowTable, partial_bytes: int = 1) -> int:
    """Chunks of rows: from the size of the data alone, so that sums never depend on threads."""
    wanted = min(MAX_CHUNKS, row_table.n_rows * row_table.n_stored // CHUNK_VALUES)
    return max(1, min(wanted, max(4, PARTIAL_BYTES // partial_bytes)))
