"""Rows of some levels of the grouping factor, for a fit of all to begin where theirs ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastglm.mixed.rows import MixedRows

__all__ = ["sampled_levels"]

#: Levels of a sample: what they tell of curvatures is right to a thirtieth.
SAMPLE_LEVELS = 1_000
#: Levels for each of these, below which a sample is not worth its own fit.
LEAST_SHARE = 4


def sampled_levels(rows: MixedRows) -> tuple[MixedRows, float] | None:
    """Rows of levels spread evenly, and how many there are for each; None if that is too few."""
    if len(rows.blocks) != 1:
        return None
    block = rows.blocks[0]
    if block.q < LEAST_SHARE * SAMPLE_LEVELS:
        return None
    chosen = np.linspace(0, block.q - 1, SAMPLE_LEVELS).astype(np.int64)
    place = np.full(block.q, -1, dtype=np.int64)
    place[chosen] = np.arange(chosen.size)
    codes = place[block.codes]
    keep = codes >= 0
    own = replace(
        block, levels=tuple(block.levels[j] for j in chosen), codes=codes[keep],
        columns=block.columns[keep],
    )  # fmt: skip
    sample = replace(rows, fixed=rows.fixed.take(keep), blocks=(own,))
    return sample, rows.fixed.n_rows / np.count_nonzero(keep)
