"""The sweep: load, predict, respond, accumulate, over one chunk of rows.

Chunks and blocks follow from the data alone. A chunk adds up its own partial sums, and the solver
adds the partials in order, so the result does not depend on how many threads there are.

Load, predict and accumulate are stages, C functions ``stage(context, start, rows, scratch,
target)`` of their own that are called by address: each is compiled once, however many kernels use
it. Respond is the row blocks of the link and the family.
"""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    buffer_at,
    dense_at,
    float32_buffer_at,
    visited_chunk,
    zeroed_partial,
)
from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    DEVIANCE,
    LINEAR_PREDICTOR,
    OFFSET,
    PEARSON,
    RESIDUAL,
    WEIGHT,
)
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    CONSTANT,
    FLOAT32,
    FORWARD_ROWS,
    FROM_RESPONSE,
    INVERSE_ROWS,
    LOAD,
    MODE,
    PREDICT,
    RESPOND_ROWS,
    START_ROWS,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import sum_buffer


@inline
def respond(table, rows, buffers):
    """Mean, weight, score residual and the like at the linear predictors; returns rows outside."""
    outside = call_row_block(table[INVERSE_ROWS], buffers, rows)
    return outside + call_row_block(table[RESPOND_ROWS], buffers, rows)


@inline
def respond_block(table, rows, buffers):
    """Mean, weight, score residual and deviance of one block; returns rows outside the domain."""
    if table[MODE] & FROM_RESPONSE:
        call_row_block(table[START_ROWS], buffers, rows)
        call_row_block(table[FORWARD_ROWS], buffers, rows)
    return respond(table, rows, buffers)


@inline
def turn_into_working_response(scratch, rows):
    """From a score residual to the weighted working response less the offset.

    With coefficients zero, solving for this gives coefficients instead of a step.
    """
    eta = buffer_at(scratch, LINEAR_PREDICTOR)
    offset = buffer_at(scratch, OFFSET)
    weight = buffer_at(scratch, WEIGHT)
    residual = buffer_at(scratch, RESIDUAL)
    for i in range(rows):
        residual[i] += weight[i] * (eta[i] - offset[i])


@inline
def count_other_than_one(column, rows):
    """Number of values that are not one."""
    count = 0
    for i in range(rows):
        count += 1 if column[i] != 1.0 else 0
    return count


@inline
def add_sums(table, rows, scratch, sums):
    """Adds a block's deviance and the like to the chunk's sums."""
    if table[MODE] & FLOAT32:
        # No deviance in single precision: such sweeps only lead on, or are sure of the optimum.
        sums[SUM_PEARSON] += sum_buffer(float32_buffer_at(scratch, PEARSON), rows)
        return
    sums[SUM_DEVIANCE] += sum_buffer(buffer_at(scratch, DEVIANCE), rows)
    sums[SUM_PEARSON] += sum_buffer(buffer_at(scratch, PEARSON), rows)
    if table[CONSTANT] >= 0:
        column = pointer(dense_at(scratch) + 8 * BUFFER * table[CONSTANT], float64)
        sums[SUM_NOT_CONSTANT] += count_other_than_one(column, rows)


def sweep_chunk(table_address, chunk):
    """Adds up one chunk's Gram matrix, score and sums in its own partial; returns 0."""
    table = pointer(table_address, int64)
    chunk = visited_chunk(table, chunk)
    partial, sums = zeroed_partial(table, chunk)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
        sums[SUM_OUTSIDE] += respond_block(table, rows, scratch)
        add_sums(table, rows, scratch, sums)
        if table[MODE] & FROM_RESPONSE:
            turn_into_working_response(scratch, rows)
        call_stage(table[ACCUMULATE], table_address, start, rows, scratch, partial)
    return scratch_array.size * 0


sweep_kernel = RowBlock(sweep_chunk, "sweep", {})
