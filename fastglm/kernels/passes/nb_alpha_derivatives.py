"""Derivatives of the negative binomial log-likelihood in alpha, summed over the rows."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import allocate_scratch, block_range, block_rows
from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    FAMILY_PARAMETER,
    MEAN,
    PRIOR_WEIGHT,
    RESPONSE,
    WEIGHT,
)
from fastglm.kernels.blocks.table import INVERSE_ROWS, LOAD, OUTPUT, PREDICT
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.passes.gram import sum_buffer

# Sums of a chunk, formed in buffers that the respond blocks of a sweep would fill.
N_TERMS = 4
TERMS = WEIGHT
# Below this alpha mu, the closed form of the second derivative cancels and its series is used.
SERIES_BELOW = 1e-3


@inline
def nb_alpha_terms(y, mu, alpha):
    """One row's part of the first and of the second derivative."""
    a = alpha * mu
    rising = 1.0 + a
    # h = (log(1 + a) - a / (1 + a)) / a**2 and its derivative in a.
    excess = vm.relative_entropy(rising, 1.0, a) / rising
    small = a < SERIES_BELOW
    safe = 1.0 if small else a
    series = 0.5 + a * (-2.0 / 3.0 + a * (0.75 + a * (-0.8 + a * (5.0 / 6.0))))
    h = series if small else excess / (safe * safe)
    slope_series = -2.0 / 3.0 + a * (1.5 + a * (-2.4 + a * (10.0 / 3.0 - a * (30.0 / 7.0))))
    slope = slope_series if small else (1.0 / (rising * rising) - 2.0 * h) / safe
    first = mu * mu * h - y * mu / rising
    second = mu * mu * mu * slope + y * (mu / rising) * (mu / rising)
    return first, second


@inline
def moment_terms(y, mu):
    """One row's excess of the squared residual over a Poisson variance, and squared mean."""
    return (y - mu) * (y - mu) - mu, mu * mu


def nb_alpha_chunk(table_address, chunk):
    """Adds up `N_TERMS` terms over one chunk's rows into OUTPUT, (n_chunks, N_TERMS); returns 0.

    First the parts of d/d alpha and d2/d alpha2 that depend on the mean. The log-likelihood of a
    row is sum_{j < y} log(1 + alpha j) - (y + 1/alpha) log(1 + alpha mu) and terms without alpha;
    the first sum is left to the caller. Finite at alpha = 0, where the score is that of Dean (1992)
    for overdispersion. Then the two sums of the moment estimate of alpha.
    """
    table = pointer(table_address, int64)
    sums = pointer(table[OUTPUT] + 8 * N_TERMS * chunk, float64)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    buffers = pointer(scratch, float64)
    for k in range(N_TERMS):
        sums[k] = 0.0
    first_block, last_block = block_range(table, chunk)
    for block in range(first_block, last_block):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
        call_row_block(table[INVERSE_ROWS], scratch, rows)
        alpha = buffers[FAMILY_PARAMETER * BUFFER]
        for i in range(rows):
            y, mu = buffers[RESPONSE * BUFFER + i], buffers[MEAN * BUFFER + i]
            w = buffers[PRIOR_WEIGHT * BUFFER + i]
            first, second = nb_alpha_terms(y, mu, alpha)
            excess, square = moment_terms(y, mu)
            buffers[TERMS * BUFFER + i] = w * first if w > 0.0 else 0.0
            buffers[(TERMS + 1) * BUFFER + i] = w * second if w > 0.0 else 0.0
            buffers[(TERMS + 2) * BUFFER + i] = w * excess if w > 0.0 else 0.0
            buffers[(TERMS + 3) * BUFFER + i] = w * square if w > 0.0 else 0.0
        for k in range(N_TERMS):
            sums[k] += sum_buffer(offset_pointer(buffers, (TERMS + k) * BUFFER), rows)
    return scratch_array.size * 0


nb_alpha_kernel = RowBlock(nb_alpha_chunk, "nb_alpha", {})
