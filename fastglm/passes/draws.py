"""Draws of bootstrap samples: counts of each row or group of rows, or new responses."""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.resampling.draws import THRESHOLDS_PER_DRAW, draw_kernel
from fastglm.passes.kernel_table import empty_table

__all__ = ["ResampleCounts", "ResponseShifts"]

NEVER = np.uint32(2**32 - 1)
#: Standard deviations by which the expected total of Poisson counts is below the draws.
SHORTFALL = 2.5


class ResampleCounts:
    """Counts of each unit in each sample: a row, or a group of rows.

    Parameters
    ----------
    n_units
        Number of units, as many as there are draws.
    n_samples
        Most samples at a time.
    probabilities
        (n_units,) of each unit, None if all are alike.
    n_draws
        Draws of each sample; with `probabilities` only.

    Attributes
    ----------
    blocks : ndarray, shape (n_blocks, n_samples, BLOCK_ROWS)
        By blocks of units, so that a pass over blocks of rows reads memory in order; 0 beyond the
        last unit. uint8, or int64 where units differ in probability.
    """

    def __init__(
        self,
        n_units: int,
        n_samples: int,
        probabilities: np.ndarray | None = None,
        n_draws: int = 0,
    ):
        self.n_units, self.probabilities, self.n_draws = n_units, probabilities, n_draws
        kind = np.uint8 if probabilities is None else np.int64
        self.blocks = np.empty((-(-n_units // BLOCK_ROWS), n_samples, BLOCK_ROWS), dtype=kind)

    def draw(self, seeds: np.ndarray, n_threads: int) -> None:
        """Draw new samples in place of the last ones.

        Parameters
        ----------
        seeds
            (B,) uint64, one for each sample; its counts depend on nothing else.
        n_threads
            From `usable_threads`.
        """
        if self.probabilities is not None:
            for sample, seed in enumerate(seeds):
                generator = np.random.default_rng(seed)
                counts = generator.multinomial(self.n_draws, self.probabilities)
                self.blocks[:, sample] = _in_blocks(counts)
            return
        thresholds = _thresholds(1.0 - SHORTFALL / math.sqrt(self.n_units))
        table = empty_table().copy()
        table.set(fields.N_GROUPS, self.n_units)
        table.set(fields.N_DRAWN, self.blocks.shape[1])
        table.point(fields.REPLICATE_SEED, seeds)
        table.point(fields.REPLICATE_COUNT, self.blocks)
        table.point(fields.THRESHOLDS, thresholds)
        table.launch(draw_kernel, seeds.size, n_threads)

    def __getitem__(self, sample: int) -> np.ndarray:
        """Counts of one sample, (n_units,) int64."""
        return self.blocks[:, sample].ravel()[: self.n_units].astype(np.int64)

    def include(self, units: np.ndarray) -> np.ndarray:
        """Which samples include any of these units, (n_samples,) bool."""
        counts = self.blocks[units // BLOCK_ROWS, :, units % BLOCK_ROWS]
        return np.any(counts, axis=0)


class ResponseShifts:
    """Shifts of the rows' score residuals by new responses of each sample.

    Parameters
    ----------
    n_samples
        Most samples at a time.
    scale : ndarray, shape (n_blocks, BLOCK_ROWS)
        What the residuals of each row are multiplied by.

    Attributes
    ----------
    blocks : ndarray of float32, shape (n_blocks, n_samples, BLOCK_ROWS)
        As those of `ResampleCounts`.
    """

    def __init__(self, n_samples: int, scale: np.ndarray):
        self.scale = scale
        self.blocks = np.empty((len(scale), n_samples, BLOCK_ROWS), dtype=np.float32)

    def __setitem__(self, sample: int, added: np.ndarray) -> None:
        """Set the shifts of one sample, (n,)."""
        self.blocks[:, sample] = _in_blocks(added) * self.scale


def _in_blocks(values: np.ndarray) -> np.ndarray:
    """Values in rows of BLOCK_ROWS, with zeros behind the last."""
    return np.pad(values, (0, -values.size % BLOCK_ROWS)).reshape(-1, BLOCK_ROWS)


def _thresholds(mean: float) -> np.ndarray:
    """Thresholds: a random number of 32 bits above the k-th has a Poisson count above k."""
    if mean <= 0.0:
        return np.full(THRESHOLDS_PER_DRAW, NEVER)
    cumulative = scipy.special.pdtr(np.arange(THRESHOLDS_PER_DRAW), mean)
    return np.minimum(np.rint(cumulative * 2.0**32) - 1.0, NEVER).astype(np.uint32)
