"""Number of rows read at a time, and the rows of the sample, chosen by the memory allowed."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastglm.errors import ModelError
from fastglm.passes.grains import GRAIN_ROWS, count_grains
from fastglm.rows.learning import PIECE_GRAINS

__all__ = ["sampled_rows", "window_grains"]

#: Grains of a sample of few columns, and the number of runs of consecutive grains they form.
SAMPLE_GRAINS, SAMPLE_RUNS = 64, 16
SAMPLE_ROWS_PER_COLUMN = 64
#: Where a sample takes at least one row in so many of all, it takes them from every grain.
THINNEST = 4
#: Bytes of a sample, and numbers of a row beside its columns. The limit does not depend on `memory`
#: from four times as much on: the fit starts from the sample, which decides the last bits.
SAMPLE_BYTES, SAMPLE_OTHERS = 60_000_000, 4


def window_grains(memory: int, row_bytes: float, partial_bytes: int, n_threads: int) -> int:
    """Number of grains in a window: a power of two such that all open windows fit in a quarter.

    Parameters
    ----------
    memory : int
        Bytes allowed in all; windows may take a quarter.
    row_bytes : float
        Bytes of a row.
    partial_bytes : int
        Bytes of the sums of a grain.
    n_threads : int
        Each thread has a window open.

    Raises
    ------
    ModelError
        If the sums alone take more than an eighth of `memory`.
    """
    if 8 * partial_bytes * n_threads > memory:
        raise ModelError(
            f"memory={memory:,} bytes is too little for sums over so many columns, or groups: give "
            f"at least {8 * partial_bytes * n_threads:,}, or fewer threads."
        )
    each = 3.0 * row_bytes * GRAIN_ROWS + partial_bytes
    share = memory / (4.0 * (n_threads + 1))
    grains = 1
    while grains < PIECE_GRAINS and 2 * grains * each <= share:
        grains *= 2
    return grains


class Sampled(NamedTuple):
    """The rows of a sample, chosen by position alone.

    Attributes
    ----------
    ranges : list of tuple of int
        Ranges of grains.
    every : int
        The sample has one of every so many consecutive rows in these.
    """

    ranges: list[tuple[int, int]]
    every: int = 1


def sampled_rows(n_rows: int, n_columns: int, memory: int) -> Sampled:
    """Choose the rows of a sample: runs of grains at random, one in each equal part of the rows.

    Where the sample may hold a good part of all rows (`THINNEST`), it takes rows of every grain
    instead: files are often sorted, so that neighbouring rows are alike.
    """
    n_grains = count_grains(n_rows)
    least = -(-SAMPLE_ROWS_PER_COLUMN * n_columns // GRAIN_ROWS)
    grain = 8 * GRAIN_ROWS * (n_columns + SAMPLE_OTHERS)
    wanted = max(least, min(SAMPLE_GRAINS, SAMPLE_BYTES // grain))
    wanted = max(1, min(wanted, memory // 4 // grain))
    if wanted * THINNEST >= n_grains:
        return Sampled([(0, n_grains)], -(-n_grains // wanted))
    runs = min(SAMPLE_RUNS, wanted)
    length, generator = wanted // runs, np.random.default_rng(0)
    edges = np.linspace(0, n_grains, runs + 1).astype(int)
    # Ranges increase: the last grain, which may be incomplete, can only be the sample's last.
    firsts = [
        int(generator.integers(low, max(low, high - length) + 1)) for low, high in pairwise(edges)
    ]
    return Sampled([(first, min(first + length, n_grains)) for first in firsts])
