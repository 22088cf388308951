"""How many rows are read at a time, and which of them are a sample: by the memory there is."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastglm.errors import ModelError
from fastglm.passes.grains import GRAIN_ROWS, count_grains
from fastglm.rows.learning import PIECE_GRAINS

__all__ = ["sampled_rows", "window_grains"]

#: Grains of a sample, at least, and the runs of neighbours that they come in.
SAMPLE_GRAINS, SAMPLE_RUNS = 64, 16
SAMPLE_ROWS_PER_COLUMN = 64
#: One row of so many, where a sample has rows of all grains.
THINNEST = 4
#: Bytes that a sample may take, and numbers of a row beside its columns. A fit starts from it, so
#: that last bits are the same for any `memory` of four times as much.
SAMPLE_BYTES, SAMPLE_OTHERS = 60_000_000, 4


def window_grains(memory: int, row_bytes: float, partial_bytes: int, n_threads: int) -> int:
    """Grains of a window, a power of two, so that those in work take a part of the memory.

    Raises
    ------
    ModelError
        If the sums of the columns alone take more.
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
    """Which rows a sample has, by position alone.

    Attributes
    ----------
    ranges : list of tuple of int
        Ranges of grains.
    every : int
        One row of so many neighbours in them.
    """

    ranges: list[tuple[int, int]]
    every: int = 1


def sampled_rows(n_rows: int, n_columns: int, memory: int) -> Sampled:
    """Rows that a sample has, spread evenly with some chance.

    Files are sorted, and neighbours are alike: where a sample can have a good part of all rows it
    has some of every grain.
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
    # The last grain may have few rows, and must end the sample's if it is there.
    firsts = [
        int(generator.integers(low, max(low, high - length) + 1)) for low, high in pairwise(edges)
    ]
    return Sampled([(first, min(first + length, n_grains)) for first in firsts])
