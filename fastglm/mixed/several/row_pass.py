"""Compiled pass over the rows of a mixed model of several linear predictors."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, BUFFER
from fastglm.kernels.compiler.decorators import entry, inline, noinline
from fastglm.kernels.compiler.intrinsics import call_row_block
from fastglm.kernels.passes.several_predictors import (
    FIRST_EXTRA,
    HEADER_SHAPE,
    ROW_LOG_LIKELIHOOD,
    ROW_RESPONSE,
    pair_index,
)

__all__ = ["N_OF_MODES", "N_OF_MODES_OF_BOTH", "respond_along", "respond_in_both"]

#: Numbers of a row that the search for the modes needs: deviance, l_t and -l_tt.
N_OF_MODES = 3
#: The same where two predictors have random parts: deviance, l_0, l_1, -l_00, -l_01 and -l_11.
N_OF_MODES_OF_BOTH = 6
#: Second derivatives of the two, by numbers of predictors.
PAIRS = ((0, 0), (0, 1), (1, 1))


@noinline
def make_scratch(n_predictors, shape):
    """Buffers of a block of rows, with room for derivatives of three second ones."""
    n_pairs = pair_index(n_predictors, 0)
    scratch = np.zeros((FIRST_EXTRA + 5 * n_predictors + n_pairs) * BUFFER)
    scratch[0] = n_predictors
    for m in range(shape.size):
        scratch[HEADER_SHAPE + m] = shape[m]
    return scratch


@inline
def load_rows(begin, rows, y, etas, scratch):
    """Responses and linear predictors of a block of rows into its buffers."""
    for i in range(rows):
        scratch[ROW_RESPONSE * BUFFER + i] = y[begin + i]
    for k in range(etas.shape[0]):
        for i in range(rows):
            scratch[(FIRST_EXTRA + k) * BUFFER + i] = etas[k, begin + i]


@inline
def evaluate_block(begin, rows, y, prior, etas, blocks, with_bends, target, scratch):
    """What the family says of a block of rows: deviances into `target`, zeros into what follows.

    Returns how many rows of positive weight have no finite log-likelihood.
    """
    load_rows(begin, rows, y, etas, scratch)
    call_row_block(blocks[0], scratch.ctypes.data, rows)
    if with_bends:
        call_row_block(blocks[1], scratch.ctypes.data, rows)
    count = 0
    for i in range(rows):
        p = prior[begin + i]
        log_likelihood = scratch[ROW_LOG_LIKELIHOOD * BUFFER + i]
        for m in range(target.shape[0]):
            target[m, begin + i] = 0.0
        if p > 0.0:
            if not np.isfinite(log_likelihood):
                count += 1
            target[0, begin + i] = -2.0 * p * log_likelihood
    return count


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
    scratch = make_scratch(n_predictors, shape)
    count = 0
    stop = start[last]
    for begin in range(start[first], stop, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, stop - begin)
        whole = target.shape[0] > N_OF_MODES
        count += evaluate_block(begin, rows, y, prior, etas, blocks, whole, target, scratch)
        for i in range(rows):
            if prior[begin + i] > 0.0:
                put_derivatives(target, begin + i, i, prior[begin + i], direction, scratch)
    outside[chunk] = count
    return 0


@inline
def put_of_both(target, at, i, p, n_predictors, scratch):
    """Derivatives of the row `at`, the i-th of its block, of weight p > 0."""
    score = FIRST_EXTRA + n_predictors
    weight = score + n_predictors
    bend = weight + pair_index(n_predictors, 0)
    for k in range(2):
        target[1 + k, at] = p * scratch[(score + k) * BUFFER + i]
    for s, (a, b) in enumerate(PAIRS):
        target[3 + s, at] = p * scratch[(weight + pair_index(b, a)) * BUFFER + i]
    if target.shape[0] > N_OF_MODES_OF_BOTH:
        for k in range(n_predictors):
            to = N_OF_MODES_OF_BOTH + k
            target[to, at] = p * scratch[(score + k) * BUFFER + i]
            for a in range(2):
                place = weight + pair_index(max(k, a), min(k, a))
                target[to + (1 + a) * n_predictors, at] = p * scratch[place * BUFFER + i]
            for s in range(3):
                place = bend + s * n_predictors + k
                target[to + (3 + s) * n_predictors, at] = p * scratch[place * BUFFER + i]


@entry
def respond_in_both(first, last, starts, blocks, shape, y, prior, etas, target, outside):
    """Log-likelihoods and derivatives of rows with random parts in the first two predictors.

    Row of `target`, (6 or 6 + 6 K, n): deviance, l_0, l_1, -l_00, -l_01, -l_11; and if there are
    more of them, for all k the derivatives in eta_k of l, -l_0, -l_1, and -l_00, -l_01, -l_11.
    Weights are multiplied in.
    """
    n_predictors = etas.shape[0]
    scratch = make_scratch(n_predictors, shape)
    for chunk in range(first, last):
        count = 0
        for begin in range(starts[chunk], starts[chunk + 1], BLOCK_ROWS):
            rows = min(BLOCK_ROWS, starts[chunk + 1] - begin)
            whole = target.shape[0] > N_OF_MODES_OF_BOTH
            count += evaluate_block(begin, rows, y, prior, etas, blocks, whole, target, scratch)
            for i in range(rows):
                if prior[begin + i] > 0.0:
                    put_of_both(target, begin + i, i, prior[begin + i], n_predictors, scratch)
        outside[chunk] = count
    return 0
