"""The sweep of models with several linear predictors: multinomial, ordinal, mean and precision, ...

Row i has K linear predictors eta_k = x_i' b_k + offset_ik on the same sweep columns. The response
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
    padded_size,
    plane_at,
)
from fastglm.kernels.blocks.planes import (
    LINEAR_PREDICTOR,
    PLANE,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    WEIGHT,
)
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    CONTEXT_SIZE,
    LOAD,
    MODE,
    N_ROWS,
    N_SWEEP,
    PREDICT,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import called, inlined
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import sum_plane

# Positions in the table of a joint sweep.
(
    CONTEXTS,  # K contexts (`fastglm.kernels.blocks.table`), equal but for BETA; no offset
    N_PREDICTORS,
    N_EXTRA,  # further numbers of a row that the response reads
    EXTRA,  # float64 (N_EXTRA, n)
    OFFSETS,  # float64 (K, n), address 0 if there are none
    RESPOND,  # address of a row block of responses
    SHAPE,  # float64 (N_SHAPES,): parameters of the response
    JOINT_PARTIALS,  # float64 (n_chunks, partial size)
    ROW_SCORES,  # float64 (K, n): where the scores of the rows go, address 0 if nowhere
    TABLE_SIZE,
) = range(10)

N_SHAPES = 4

# Planes of a row block of responses, one after the other; K numbers each from ETA on.
# The header holds the numbers of predictors and of extra planes, and from HEADER_SHAPE on SHAPE.
(HEADER, JOINT_RESPONSE, JOINT_LOG_LIKELIHOOD, FIRST_EXTRA) = range(4)


HEADER_SHAPE = 2


@inlined
def predictor_planes(base):
    """Numbers of predictors and extra planes, and positions of ETA, SCORE and W in a block."""
    n_predictors = np.int64(base[0])
    n_extra = np.int64(base[1])
    eta = (FIRST_EXTRA + n_extra) * PLANE
    score = eta + n_predictors * PLANE
    return n_predictors, n_extra, eta, score, score + n_predictors * PLANE


@inlined
def pair_index(a, b):
    """Position of W_ab, a >= b, among the planes of W."""
    return a * (a + 1) // 2 + b


@inlined
def count_sums(context, n_predictors):
    """Sums of one chunk: Gram matrices and scores of all pairs, log-likelihood, rows outside."""
    _, order = padded_size(context)
    pairs = n_predictors * (n_predictors + 1) // 2
    return pairs * (order * order + context[N_SWEEP]) + 2


@inlined
def copy_plane(source, target, rows):
    """Copies `rows` values."""
    for i in range(rows):
        target[i] = source[i]


@called
def load_rows(table, start, rows, scratch, base):
    """Response, extra numbers and linear predictors of a block into the planes at `base`."""
    n_predictors, n_extra, eta, _, _ = predictor_planes(base)
    n_rows = pointer(table[CONTEXTS], int64)[N_ROWS]
    copy_plane(plane_at(scratch, RESPONSE), offset_pointer(base, JOINT_RESPONSE * PLANE), rows)
    for k in range(n_extra):
        source = pointer(table[EXTRA] + 8 * (n_rows * k + start), float64)
        copy_plane(source, offset_pointer(base, (FIRST_EXTRA + k) * PLANE), rows)
    for k in range(n_predictors):
        context = table[CONTEXTS] + 8 * CONTEXT_SIZE * k
        call_stage(pointer(context, int64)[PREDICT], context, start, rows, scratch, 0)
        target = offset_pointer(base, eta + k * PLANE)
        copy_plane(plane_at(scratch, LINEAR_PREDICTOR), target, rows)
        if table[OFFSETS] != 0:
            offset = pointer(table[OFFSETS] + 8 * (n_rows * k + start), float64)
            for i in range(rows):
                target[i] += offset[i]


@called
def weigh(base, prior, rows):
    """Multiplies everything a response gave by the prior weights; rows of weight 0 give 0."""
    n_predictors, _, _, score, weight = predictor_planes(base)
    last = weight + n_predictors * (n_predictors + 1) // 2 * PLANE
    outside = 0
    likelihood = offset_pointer(base, JOINT_LOG_LIKELIHOOD * PLANE)
    for i in range(rows):
        present = prior[i] > 0.0
        likelihood[i] = prior[i] * likelihood[i] if present else 0.0
        outside += 0 if math.isfinite(likelihood[i]) else 1
    for position in range(score, last, PLANE):
        plane = offset_pointer(base, position)
        for i in range(rows):
            plane[i] = prior[i] * plane[i] if prior[i] > 0.0 else 0.0
    return outside


@inlined
def write_scores(table, start, rows, base):
    """Writes the weighted scores of a block's rows out."""
    n_predictors, _, _, first, _ = predictor_planes(base)
    n_rows = pointer(table[CONTEXTS], int64)[N_ROWS]
    for k in range(n_predictors):
        target = pointer(table[ROW_SCORES] + 8 * (n_rows * k + start), float64)
        copy_plane(offset_pointer(base, first + k * PLANE), target, rows)


@called
def add_products(context_address, start, rows, scratch, base, partial):
    """Adds X' W_ab X of every pair of predictors, and to those of equal ones X' score.

    Each pair has a partial Gram matrix and a score of its own, which is 0 for two predictors.
    """
    context = pointer(context_address, int64)
    n_predictors, _, _, first_score, first_weight = predictor_planes(base)
    _, order = padded_size(context)
    size = order * order + context[N_SWEEP]
    residual = plane_at(scratch, RESIDUAL)
    for a in range(n_predictors):
        for b in range(a + 1):
            if a == b:
                copy_plane(offset_pointer(base, first_score + a * PLANE), residual, rows)
            elif context[MODE] & WITH_GRAM:
                for i in range(rows):
                    residual[i] = 0.0
            else:
                continue
            pair = pair_index(a, b)
            weight = offset_pointer(base, first_weight + pair * PLANE)
            copy_plane(weight, plane_at(scratch, WEIGHT), rows)
            target = partial + 8 * size * pair
            call_stage(context[ACCUMULATE], context_address, start, rows, scratch, target)


def joint_chunk(table_address, chunk):
    """Adds up one chunk's sums in its own partial; returns 0."""
    table = pointer(table_address, int64)
    context_address = table[CONTEXTS]
    context = pointer(context_address, int64)
    n_predictors = table[N_PREDICTORS]
    size = count_sums(context, n_predictors)
    partial = table[JOINT_PARTIALS] + 8 * size * chunk
    sums = pointer(partial, float64)
    for k in range(size):
        sums[k] = 0.0
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    n_planes = FIRST_EXTRA + table[N_EXTRA] + 2 * n_predictors
    base_array = np.zeros((n_planes + n_predictors * (n_predictors + 1) // 2) * PLANE)
    base = pointer(base_array.ctypes.data, float64)
    base[0] = n_predictors
    base[1] = table[N_EXTRA]
    for k in range(N_SHAPES):
        base[HEADER_SHAPE + k] = pointer(table[SHAPE], float64)[k]
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        load_rows(table, start, rows, scratch, base)
        call_row_block(table[RESPOND], base_array.ctypes.data, rows)
        sums[size - 1] += weigh(base, plane_at(scratch, PRIOR_WEIGHT), rows)
        sums[size - 2] += sum_plane(offset_pointer(base, JOINT_LOG_LIKELIHOOD * PLANE), rows)
        if table[ROW_SCORES] != 0:
            write_scores(table, start, rows, base)
        add_products(context_address, start, rows, scratch, base, partial)
    # Arrays live until their last use: addresses do not count.
    return (scratch_array.size + base_array.size) * 0


joint_kernel = RowBlock(joint_chunk, "joint", {})
