"""The row buffers of a block of rows while it is in cache.

A block holds up to `BLOCK_ROWS` rows. Each quantity has a buffer of `BUFFER` float64 values in one
contiguous scratch array, so that every loop reads and writes at constant distances from one base:
the compiler can then prove that buffers do not overlap and use vector instructions throughout.
"""

from __future__ import annotations

#: Most rows in one block: X's part of the block stays in the second-level cache.
BLOCK_ROWS = 256
#: Columns are met in tiles of this many.
TILE = 4
#: Distance between buffers. Not a power of two, or buffers would compete for the same cache sets.
BUFFER = BLOCK_ROWS + 8

(
    RESPONSE,
    PRIOR_WEIGHT,
    OFFSET,
    LINEAR_PREDICTOR,
    MEAN,
    COMPLEMENT,  # 1 - mean, where the mean is a probability; accurate when the mean is near one
    SLOPE,  # d mean / d linear_predictor
    WEIGHT,  # IRLS weight: prior_weight * slope**2 / variance
    RESIDUAL,  # score residual: prior_weight * (response - mean) * slope / variance
    PEARSON,  # prior_weight * (response - mean)**2 / variance
    DEVIANCE,  # prior_weight * unit deviance
    LOG_LIKELIHOOD,
    QUADRATIC_FORM,  # x' (factor factor') x: leverage over weight, or a prediction's variance
    STANDARD_ERROR,  # of the linear predictor: the root of QUADRATIC_FORM
    MEAN_STANDARD_ERROR,  # of the mean, by the delta method
    SCRATCH,
    FAMILY_PARAMETER,  # the first value is the family's parameter, the second the dispersion
    LINK_PARAMETER,  # the first value is the link's parameter
    WEIGHTED,  # the first of TILE: columns times the weights
) = range(19)
N_BUFFERS = WEIGHTED + TILE
