"""Counts of draws against the same algorithm, spelled out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.passes.draws import SHORTFALL, ResampleCounts


def split_mix(seed, numbers):
    """The generator of Steele, Lea & Flood (2014) at these places of its sequence."""
    z = seed + numbers * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def expected_counts(seed, n):
    """Poisson counts by inversion of 32 bits, and single draws for the rest; None if too many."""
    padded = -(-n // BLOCK_ROWS) * BLOCK_ROWS
    first = split_mix(seed, np.arange(padded // 4, dtype=np.uint64)).view(np.uint16)[:n]
    last = split_mix(seed, np.uint64(0) - np.arange(1, n + 1, dtype=np.uint64))
    numbers = first.astype(np.uint64) << np.uint64(16) | last & np.uint64(0xFFFF)
    mean = 1.0 - SHORTFALL / np.sqrt(n)
    counts = np.searchsorted(stats.poisson.cdf(np.arange(20), mean) * 2.0**32, numbers + 0.5)
    if counts.sum() > n:
        return None
    rest = split_mix(seed, padded + np.arange(n - counts.sum(), dtype=np.uint64))
    units = ((rest >> np.uint64(11)) * 2.0**-53 * n).astype(np.int64)
    return counts + np.bincount(units, minlength=n)


@pytest.mark.parametrize("n", [40_000, 40_961])
def test_counts_invert_numbers_of_32_bits(n):
    """Ties in the first 16 bits, about 5 in each sample, are settled by the last 16."""
    seeds = np.random.SeedSequence(7).generate_state(40, np.uint64)
    counts = ResampleCounts(n, seeds.size)
    counts.draw(seeds, 1)
    expected = [expected_counts(seed, n) for seed in seeds]
    compared = [b for b, one in enumerate(expected) if one is not None]
    assert len(compared) > 30
    for b in compared:
        np.testing.assert_array_equal(counts[b], expected[b])
