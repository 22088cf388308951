"""The sweep of models with several linear predictors: multinomial, ordinal, mean and precision, ...

Row i has K linear predictors eta_k = x_i' b_k + offset_ik on the same stored columns. The response
gives the log-likelihood of the row, its K first derivatives and its K (K + 1) / 2 negative second
derivatives W_ab in the predictors; the sweep adds up X' score_k and X' W_ab X. Which coefficient of
a model stands where in the b_k is left to `fastglm.passes.several_predictors`.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    buffer_at,
    padded_size,
)
from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    LINEAR_PREDICTOR,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    WEIGHT,
)
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    KERNEL_TABLE_SIZE,
    LOAD,
    MODE,
    N_ROWS,
    N_STORED,
    PREDICT,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import sum_buffer

# Positions in the table of a joint sweep.
(
    PREDICTOR_TABLES,  # K contexts (`fastglm.kernels.blocks.table`), equal but for BETA; no offset
    N_PREDICTORS,
    N_EXTRA,  # further numbers of a row that the response reads
    EXTRA,  # float64 (N_EXTRA, n)
    OFFSETS,  # float64 (K, n), address 0 if there are none
    RESPOND,  # address of a row block of responses
    SHAPE,  # float64 (N_SHAPES,): parameters of the response
    PREDICTOR_PARTIALS,  # float64 (n_chunks, partial size)
    N_ROW_DERIVATIVES,  # K for the scores of the rows, K + K (K + 1) / 2 for their W as well
    ROW_DERIVATIVES,  # float64 (N_ROW_DERIVATIVES, n): where these go, address 0 if nowhere
    TABLE_SIZE,
) = range(11)

N_SHAPES = 4

# Buffers of a row block of responses, one after the other; K numbers each from ETA on.
# The header holds the numbers of predictors and of extra buffers, and from HEADER_SHAPE on SHAPE.
(HEADER, ROW_RESPONSE, ROW_LOG_LIKELIHOOD, FIRST_EXTRA) = range(4)


HEADER_SHAPE = 2


@inline
def predictor_buffers(base):
    """Numbers of predictors and extra buffers, and positions of ETA, SCORE and W in a block."""
    n_predictors = np.int64(base[0])
    n_extra = np.int64(base[1])
    eta = (FIRST_EXTRA + n_extra) * BUFFER
    score = eta + n_predictors * BUFFER
    return n_predictors, n_extra, eta, score, score + n_predictors * BUFFER


@inline
def pair_index(a, b):
    """Position of W_ab, a >= b, among the buffers of W."""
    return a * (a + 1) // 2 + b


@inline
def count_sums(predictor_table, n_predictors):
    """Sums of one chunk: Gram matrices and scores of all pairs, log-likelihood, rows outside."""
    _, order = padded_size(predictor_table)
    pairs = n_predictors * (n_predictors + 1) // 2
    return pairs * (order * order + predictor_table[N_STORED]) + 2


@inline
def copy_buffer(source, target, rows):
    """Copies `rows` values."""
    for i in range(rows):
        target[i] = source[i]


@noinline
def load_rows(table, start, rows, scratch, base):
    """Response, extra numbers and linear predictors of a block into the buffers at `base`."""
    n_predictors, n_extra, eta, _, _ = predictor_buffers(base)
    n_rows = pointer(table[PREDICTOR_TABLES], int64)[N_ROWS]
    copy_buffer(buffer_at(scratch, RESPONSE), offset_pointer(base, ROW_RESPONSE * BUFFER), rows)
    for k in range(n_extra):
        source = pointer(table[EXTRA] + 8 * (n_rows * k + start), float64)
        copy_buffer(source, offset_pointer(base, (FIRST_EXTRA + k) * BUFFER), rows)
    for k in range(n_predictors):
        predictor_table = table[PREDICTOR_TABLES] + 8 * KERNEL_TABLE_SIZE * k
        call_stage(
            pointer(predictor_table, int64)[PREDICT], predictor_table, start, rows, scratch, 0
        )
        target = offset_pointer(base, eta + k * BUFFER)
        copy_buffer(buffer_at(scratch, LINEAR_PREDICTOR), target, rows)
        if table[OFFSETS] != 0:
            offset = pointer(table[OFFSETS] + 8 * (n_rows * k + start), float64)
            for i in range(rows):
                target[i] += offset[i]


@noinline
def weigh(base, prior, rows):
    """Multiplies everything a response gave by the prior weights; rows of weight 0 give 0."""
    n_predictors, _, _, score, weight = predictor_buffers(base)
    last = weight + n_predictors * (n_predictors + 1) // 2 * BUFFER
    outside = 0
    likelihood = offset_pointer(base, ROW_LOG_LIKELIHOOD * BUFFER)
    for i in range(rows):
        present = prior[i] > 0.0
        likelihood[i] = prior[i] * likelihood[i] if present else 0.0
        outside += 0 if math.isfinite(likelihood[i]) else 1
    for position in range(score, last, BUFFER):
        buffer = offset_pointer(base, position)
        for i in range(rows):
            buffer[i] = prior[i] * buffer[i] if prior[i] > 0.0 else 0.0
    return outside


@inline
def write_derivatives(table, start, rows, base):
    """Writes the weighted scores of a block's rows out, and then their W_ab, pair by pair."""
    _, _, _, first, _ = predictor_buffers(base)
    n_rows = pointer(table[PREDICTOR_TABLES], int64)[N_ROWS]
    for k in range(table[N_ROW_DERIVATIVES]):
        target = pointer(table[ROW_DERIVATIVES] + 8 * (n_rows * k + start), float64)
        copy_buffer(offset_pointer(base, first + k * BUFFER), target, rows)


@noinline
def add_products(predictor_table_address, start, rows, scratch, base, partial):
    """Adds X' W_ab X of every pair of predictors, and to those of equal ones X' score.

    Each pair has a partial Gram matrix and a score of its own, which is 0 for two predictors.
    """
    predictor_table = pointer(predictor_table_address, int64)
    n_predictors, _, _, first_score, first_weight = predictor_buffers(base)
    _, order = padded_size(predictor_table)
    size = order * order + predictor_table[N_STORED]
    residual = buffer_at(scratch, RESIDUAL)
    for a in range(n_predictors):
        for b in range(a + 1):
            if a == b:
                copy_buffer(offset_pointer(base, first_score + a * BUFFER), residual, rows)
            elif predictor_table[MODE] & WITH_GRAM:
                for i in range(rows):
                    residual[i] = 0.0
            else:
                continue
            pair = pair_index(a, b)
            weight = offset_pointer(base, first_weight + pair * BUFFER)
            copy_buffer(weight, buffer_at(scratch, WEIGHT), rows)
            target = partial + 8 * size * pair
            call_stage(
                predictor_table[ACCUMULATE], predictor_table_address, start, rows, scratch, target
            )


def predictors_chunk(table_address, chunk):
    """Adds up one chunk's sums in its own partial; returns 0."""
    table = pointer(table_address, int64)
    predictor_table_address = table[PREDICTOR_TABLES]
    predictor_table = pointer(predictor_table_address, int64)
    n_predictors = table[N_PREDICTORS]
    size = count_sums(predictor_table, n_predictors)
    partial = table[PREDICTOR_PARTIALS] + 8 * size * chunk
    sums = pointer(partial, float64)
    for k in range(size):
        sums[k] = 0.0
    scratch_array = allocate_scratch(predictor_table)
    scratch = scratch_array.ctypes.data
    n_buffers = FIRST_EXTRA + table[N_EXTRA] + 2 * n_predictors
    base_array = np.zeros((n_buffers + n_predictors * (n_predictors + 1) // 2) * BUFFER)
    base = pointer(base_array.ctypes.data, float64)
    base[0] = n_predictors
    base[1] = table[N_EXTRA]
    for k in range(N_SHAPES):
        base[HEADER_SHAPE + k] = pointer(table[SHAPE], float64)[k]
    first, last = block_range(predictor_table, chunk)
    for block in range(first, last):
        start, rows = block_rows(predictor_table, block)
        call_stage(predictor_table[LOAD], predictor_table_address, start, rows, scratch, 0)
        load_rows(table, start, rows, scratch, base)
        call_row_block(table[RESPOND], base_array.ctypes.data, rows)
        sums[size - 1] += weigh(base, buffer_at(scratch, PRIOR_WEIGHT), rows)
        sums[size - 2] += sum_buffer(offset_pointer(base, ROW_LOG_LIKELIHOOD * BUFFER), rows)
        if table[ROW_DERIVATIVES] != 0:
            write_derivatives(table, start, rows, base)
        add_products(predictor_table_address, start, rows, scratch, base, partial)
    # Arrays live until their last use: addresses do not count.
    return (scratch_array.size + base_array.size) * 0


predictors_kernel = RowBlock(predictors_chunk, "predictors", {})
