"""The sweep: load, predict, respond, accumulate, over one chunk of rows.

Chunks and blocks follow from the data alone. A chunk adds up its own partial sums, and the solver
adds the partials in order, so the result does not depend on how many threads there are.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.context import (
    BETA,
    BLOCK_STEP,
    CONSTANT,
    FORWARD_ROWS,
    FROM_RESPONSE,
    INVERSE_ROWS,
    MAX_ENTRIES,
    MEAT,
    MODE,
    N_BLOCKS,
    N_CHUNKS,
    N_CODED,
    N_DENSE,
    N_ROWS,
    N_SUMS,
    N_SWEEP,
    OFFSET_SOURCE,
    PARAMETERS,
    PARTIALS,
    RESPOND_ROWS,
    RESPONSE_SOURCE,
    SOURCES,
    START_ROWS,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
    WEIGHT_SOURCE,
    WITH_GRAM,
)
from fastglm.kernels.gram import TILE, accumulate, accumulate_score, row_entries, sum_plane
from fastglm.kernels.jit import RowBlock, call_row_block, called, inlined, pointer
from fastglm.kernels.load import load_coded, load_dense, load_source
from fastglm.kernels.planes import (
    BLOCK_ROWS,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    N_PLANES,
    OFFSET,
    PEARSON,
    PLANE,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    SCRATCH,
    WEIGHT,
)


@inlined
def padded_size(context):
    """Dense columns rounded up to whole tiles, and the order of a partial Gram matrix."""
    n_padded = (context[N_DENSE] + TILE - 1) // TILE * TILE
    return n_padded, max(n_padded, context[N_SWEEP])


@inlined
def block_range(context, chunk):
    """First and last-plus-one of the visited blocks that belong to a chunk."""
    n_blocks = context[N_BLOCKS]
    n_chunks = context[N_CHUNKS]
    return chunk * n_blocks // n_chunks, (chunk + 1) * n_blocks // n_chunks


@inlined
def block_rows(context, block):
    """First row and number of rows of a visited block."""
    start = block * context[BLOCK_STEP] * BLOCK_ROWS
    return start, min(np.int64(BLOCK_ROWS), context[N_ROWS] - start)


@inlined
def allocate_planes(context):
    """Zeroed scratch of one chunk: row planes, dense planes, and those of the sparse entries."""
    n_padded, _ = padded_size(context)
    planes = np.zeros(N_PLANES * PLANE)
    # One plane to spare, for the scratch of load_dense.
    dense = np.zeros((n_padded + 1) * PLANE)
    n_entries = context[N_CODED] * PLANE
    parameters = pointer(context[PARAMETERS], float64)
    planes[FAMILY_PARAMETER * PLANE] = parameters[0]
    planes[FAMILY_PARAMETER * PLANE + 1] = parameters[1]
    planes[LINK_PARAMETER * PLANE] = parameters[2]
    return (
        planes,
        dense,
        np.empty(n_entries, np.int64),
        np.empty(n_entries),
        np.empty(context[MAX_ENTRIES], np.int64),
        np.empty(context[MAX_ENTRIES]),
    )


@called
def load_block(context, start, rows, planes, dense, entry_index, entry_value):
    """Everything about one block of rows: its columns, response, prior weights and offset."""
    sources = pointer(context[SOURCES], int64)
    scratch = planes + 8 * PLANE * SCRATCH
    load_dense(context, start, rows, dense, scratch)
    if context[N_CODED] > 0:
        load_coded(context, start, rows, entry_index, entry_value, scratch)
    if context[RESPONSE_SOURCE] >= 0:
        plane = pointer(planes + 8 * PLANE * RESPONSE, float64)
        load_source(sources, context[RESPONSE_SOURCE], start, rows, plane)
    plane = pointer(planes + 8 * PLANE * PRIOR_WEIGHT, float64)
    if context[WEIGHT_SOURCE] >= 0:
        load_source(sources, context[WEIGHT_SOURCE], start, rows, plane)
    else:
        for i in range(rows):
            plane[i] = 1.0
    plane = pointer(planes + 8 * PLANE * OFFSET, float64)
    if context[OFFSET_SOURCE] >= 0:
        load_source(sources, context[OFFSET_SOURCE], start, rows, plane)
    else:
        for i in range(rows):
            plane[i] = 0.0


@called
def predict_block(context, start, rows, planes, dense, entries):
    """Linear predictor of one block of rows: X beta + offset."""
    beta = pointer(context[BETA], float64)
    n_dense = context[N_DENSE]
    eta = pointer(planes + 8 * PLANE * LINEAR_PREDICTOR, float64)
    offset = pointer(planes + 8 * PLANE * OFFSET, float64)
    for i in range(rows):
        eta[i] = offset[i]
    whole = n_dense - n_dense % TILE
    for j in range(0, whole, TILE):
        c = pointer(dense + 8 * PLANE * j, float64)
        b0, b1, b2, b3 = beta[j], beta[j + 1], beta[j + 2], beta[j + 3]
        for i in range(rows):
            eta[i] += c[i] * b0 + c[PLANE + i] * b1 + c[2 * PLANE + i] * b2 + c[3 * PLANE + i] * b3
    for j in range(whole, n_dense):
        c = pointer(dense + 8 * PLANE * j, float64)
        b0 = beta[j]
        for i in range(rows):
            eta[i] += c[i] * b0
    if context[N_SWEEP] > n_dense:
        entry_index, entry_value, index, value = entries
        for i in range(rows):
            count = row_entries(context, start, i, entry_index, entry_value, index, value)
            for e in range(count):
                eta[i] += value[e] * beta[index[e]]


@inlined
def respond_block(context, rows, planes):
    """Mean, weight, score residual and deviance of one block; returns rows outside the domain."""
    if context[MODE] & FROM_RESPONSE:
        call_row_block(context[START_ROWS], planes, rows)
        call_row_block(context[FORWARD_ROWS], planes, rows)
    outside = call_row_block(context[INVERSE_ROWS], planes, rows)
    outside += call_row_block(context[RESPOND_ROWS], planes, rows)
    return outside


@inlined
def turn_into_working_response(base, rows):
    """From a score residual to the weighted working response less the offset.

    With coefficients zero, solving for this gives coefficients instead of a step.
    """
    for i in range(rows):
        eta = base[LINEAR_PREDICTOR * PLANE + i] - base[OFFSET * PLANE + i]
        base[RESIDUAL * PLANE + i] += base[WEIGHT * PLANE + i] * eta


@inlined
def count_other_than_one(column, rows):
    """How many values are not one."""
    count = 0
    for i in range(rows):
        count += 1 if column[i] != 1.0 else 0
    return count


@inlined
def add_sums(context, rows, planes, dense, sums):
    """Adds a block's deviance and the like to the chunk's sums."""
    sums[SUM_DEVIANCE] += sum_plane(pointer(planes + 8 * PLANE * DEVIANCE, float64), rows)
    sums[SUM_PEARSON] += sum_plane(pointer(planes + 8 * PLANE * PEARSON, float64), rows)
    if context[CONSTANT] >= 0:
        column = pointer(dense + 8 * PLANE * context[CONSTANT], float64)
        sums[SUM_NOT_CONSTANT] += count_other_than_one(column, rows)


def sweep_chunk(context_address, chunk):
    """Adds up one chunk's Gram matrix, score and sums in its own partial; returns 0."""
    context = pointer(context_address, int64)
    order = context[N_SWEEP]
    _, padded_order = padded_size(context)
    size = padded_order * padded_order + order + N_SUMS
    partial = context[PARTIALS] + 8 * size * chunk
    for k in range(size):
        pointer(partial, float64)[k] = 0.0
    score = pointer(partial + 8 * padded_order * padded_order, float64)
    sums = pointer(partial + 8 * (padded_order * padded_order + order), float64)

    plane_array, dense_array, index_planes, value_planes, index, value = allocate_planes(context)
    planes = plane_array.ctypes.data
    dense = dense_array.ctypes.data
    base = pointer(planes, float64)
    entries = (index_planes, value_planes, index, value)
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        load_block(
            context, start, rows, planes, dense, index_planes.ctypes.data, value_planes.ctypes.data
        )
        predict_block(context, start, rows, planes, dense, entries)
        sums[SUM_OUTSIDE] += respond_block(context, rows, planes)
        add_sums(context, rows, planes, dense, sums)
        if context[MODE] & FROM_RESPONSE:
            turn_into_working_response(base, rows)
        weight = pointer(planes + 8 * PLANE * WEIGHT, float64)
        residual = pointer(planes + 8 * PLANE * RESIDUAL, float64)
        if context[MODE] & MEAT:
            for i in range(rows):
                weight[i] = residual[i] * residual[i]
        if context[MODE] & WITH_GRAM:
            root_weight = pointer(planes + 8 * PLANE * SCRATCH, float64)
            accumulate(
                context, start, rows, dense, entries, weight, residual, root_weight, partial, score
            )
        else:
            accumulate_score(context, start, rows, dense, entries, residual, score)
    return 0


sweep_kernel = RowBlock(sweep_chunk, "sweep", {})
