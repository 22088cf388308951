"""Compiled search for the modes of one grouping factor: a level at a time, its rows in cache."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.compiler.decorators import entry
from fastglm.mixed.level_rows import (
    family_scratch,
    find_mode,
    gather_level,
    kept_at,
    longest_level,
    work_space,
)

__all__ = ["search_levels"]


@entry
def search_levels(
    first, last, chunk, start, order, z, factor, eta, blocks, parameters, y, prior, tolerance,
    modes, failed,
):  # fmt: skip
    """Newton's method for every level from where `modes`, (q, k), are; counts levels that fail."""
    scratch, space = family_scratch(parameters), work_space(z.shape[0])
    kept = np.empty((1, longest_level(first, last, start)))
    fixed, data = kept_at(kept, 0), (z, blocks, y, prior)
    count = 0
    for j in range(first, last):
        begin, end = start[j], start[j + 1]
        gather_level(begin, end, order, eta, fixed)
        found = find_mode(begin, end, factor, fixed, data, tolerance, scratch, modes[j], space)
        count += 0 if found else 1
    failed[chunk] = count
    return 0
