"""Some of the rows with their levels, and those that a fit of all begins with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastglm.mixed.blocks import Block
from fastglm.mixed.rows import MixedRows

__all__ = ["sampled_levels", "take_blocks", "take_rows_of"]

#: Levels of a sample: what they tell of curvatures is right to a thirtieth.
SAMPLE_LEVELS = 1_000
#: Levels for each of these, below which a sample is not worth its own fit.
LEAST_SHARE = 4


def sampled_levels(rows: MixedRows) -> tuple[MixedRows, float] | None:
    """Rows of levels spread evenly, and how many there are for each; None if that is too few."""
    if len(rows.blocks) != 1 or rows.elsewhere is not None:
        return None
    block = rows.blocks[0]
    if block.q < LEAST_SHARE * SAMPLE_LEVELS:
        return None
    chosen = np.linspace(0, block.q - 1, SAMPLE_LEVELS).astype(np.int64)
    keep = np.zeros(block.q, dtype=bool)
    keep[chosen] = True
    rows_kept = keep[block.codes]
    sample = take_rows_of(rows, rows_kept)
    return sample, rows.fixed.n_rows / np.count_nonzero(rows_kept)


def take_rows_of(rows: MixedRows, which: np.ndarray) -> MixedRows:
    """Some rows, by a (n,) bool mask or by their numbers, and the levels that occur in them."""
    return replace(rows, fixed=rows.fixed.take(which), blocks=take_blocks(rows.blocks, which))


def take_blocks(blocks: tuple[Block, ...], which: np.ndarray) -> tuple[Block, ...]:
    """The same for the grouping factors alone."""
    return tuple(_take_block(block, which) for block in blocks)


def _take_block(block: Block, which: np.ndarray) -> Block:
    codes = block.codes[which]
    used = np.unique(codes) if codes.size < block.q else np.flatnonzero(np.bincount(codes))
    place = np.full(block.q, -1, dtype=np.int64) if codes.size >= block.q else None
    if place is not None:
        place[used] = np.arange(used.size)
    return replace(
        block, levels=tuple(block.levels[j] for j in used),
        codes=np.searchsorted(used, codes) if place is None else place[codes],
        columns=block.columns[which],
    )  # fmt: skip
