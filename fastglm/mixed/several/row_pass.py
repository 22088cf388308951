"""Compiled pass over the rows of a mixed model of several linear predictors."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, BUFFER
from fastglm.kernels.compiler.decorators import entry, inline
from fastglm.kernels.compiler.intrinsics import call_row_block
from fastglm.kernels.passes.several_predictors import (
    FIRST_EXTRA,
    HEADER_SHAPE,
    ROW_LOG_LIKELIHOOD,
    ROW_RESPONSE,
    pair_index,
)

__all__ = ["N_OF_MODES", "respond_along"]

#: Numbers of a row that the search for the modes needs: deviance, l_t and -l_tt.
N_OF_MODES = 3


@inline
def load_rows(begin, rows, y, etas, scratch):
    """Responses and linear predictors of a block of rows into its buffers."""
    for i in range(rows):
        scratch[ROW_RESPONSE * BUFFER + i] = y[begin + i]
    for k in range(etas.shape[0]):
        for i in range(rows):
            scratch[(FIRST_EXTRA + k) * BUFFER + i] = etas[k, begin + i]


@inline
def put_derivatives(target, at, i, p, direction, scratch):
    """Derivatives of the row `at`, the i-th of its block, of weight p > 0."""
    n_predictors, whole = direction.size, target.shape[0] > N_OF_MODES
    score = FIRST_EXTRA + n_predictors
    weight = score + n_predictors
    bend = weight + pair_index(n_predictors, 0)
    for k in range(n_predictors):
        d = direction[k]
        own = scratch[(score + k) * BUFFER + i]
        along = 0.0
        for j in range(n_predictors):
            place = weight + pair_index(max(k, j), min(k, j))
            along += direction[j] * scratch[place * BUFFER + i]
        target[1, at] += p * d * own
        target[2, at] += p * d * along
        if whole:
            third = scratch[(bend + k) * BUFFER + i]
            target[3, at] += p * d * third
            target[4 + k, at] = p * own
            target[4 + n_predictors + k, at] = -p * along
            target[4 + 2 * n_predictors + k, at] = p * third


@entry
def respond_along(
    first, last, chunk, start, blocks, shape, direction, y, prior, etas, target, outside
):  # fmt: skip
    """Log-likelihoods and derivatives along the random part t of the chunk's rows.

    Row of `target`, (3 or 4 + 3 K, n): deviance, l_t, -l_tt; and if there are more of them, -l_ttt,
    and for all k the derivatives in eta_k of l, l_t and -l_tt. Weights are multiplied in.
    """
    n_predictors = direction.size
    n_pairs = pair_index(n_predictors, 0)
    scratch = np.zeros((FIRST_EXTRA + 3 * n_predictors + n_pairs) * BUFFER)
    scratch[0] = n_predictors
    for m in range(shape.size):
        scratch[HEADER_SHAPE + m] = shape[m]
    count = 0
    stop = start[last]
    for begin in range(start[first], stop, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, stop - begin)
        load_rows(begin, rows, y, etas, scratch)
        call_row_block(blocks[0], scratch.ctypes.data, rows)
        if target.shape[0] > N_OF_MODES:
            call_row_block(blocks[1], scratch.ctypes.data, rows)
        for i in range(rows):
            p = prior[begin + i]
            log_likelihood = scratch[ROW_LOG_LIKELIHOOD * BUFFER + i]
            for m in range(target.shape[0]):
                target[m, begin + i] = 0.0
            if p > 0.0:
                if not np.isfinite(log_likelihood):
                    count += 1
                target[0, begin + i] = -2.0 * p * log_likelihood
                put_derivatives(target, begin + i, i, p, direction, scratch)
    outside[chunk] = count
    return 0
