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
    dense_at,
    plane_at,
    single_plane_at,
    visited_chunk,
    zeroed_partial,
)
from fastglm.kernels.blocks.planes import (
    DEVIANCE,
    LINEAR_PREDICTOR,
    OFFSET,
    PEARSON,
    PLANE,
    RESIDUAL,
    WEIGHT,
)
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    CONSTANT,
    FORWARD_ROWS,
    FROM_RESPONSE,
    INVERSE_ROWS,
    LOAD,
    MODE,
    PREDICT,
    RESPOND_ROWS,
    SINGLE,
    START_ROWS,
    SUM_DEVIANCE,
    SUM_NOT_CONSTANT,
    SUM_OUTSIDE,
    SUM_PEARSON,
)
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import call_row_block, call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import sum_plane


@inlined
def respond(context, rows, planes):
    """Mean, weight, score residual and the like at the linear predictors; returns rows outside."""
    outside = call_row_block(context[INVERSE_ROWS], planes, rows)
    return outside + call_row_block(context[RESPOND_ROWS], planes, rows)


@inlined
def respond_block(context, rows, planes):
    """Mean, weight, score residual and deviance of one block; returns rows outside the domain."""
    if context[MODE] & FROM_RESPONSE:
        call_row_block(context[START_ROWS], planes, rows)
        call_row_block(context[FORWARD_ROWS], planes, rows)
    return respond(context, rows, planes)


@inlined
def turn_into_working_response(scratch, rows):
    """From a score residual to the weighted working response less the offset.

    With coefficients zero, solving for this gives coefficients instead of a step.
    """
    eta = plane_at(scratch, LINEAR_PREDICTOR)
    offset = plane_at(scratch, OFFSET)
    weight = plane_at(scratch, WEIGHT)
    residual = plane_at(scratch, RESIDUAL)
    for i in range(rows):
        residual[i] += weight[i] * (eta[i] - offset[i])


@inlined
def count_other_than_one(column, rows):
    """How many values are not one."""
    count = 0
    for i in range(rows):
        count += 1 if column[i] != 1.0 else 0
    return count


@inlined
def add_sums(context, rows, scratch, sums):
    """Adds a block's deviance and the like to the chunk's sums."""
    if context[MODE] & SINGLE:
        # What only leads on is not asked for a deviance, nor what is certain of the optimum.
        sums[SUM_PEARSON] += sum_plane(single_plane_at(scratch, PEARSON), rows)
        return
    sums[SUM_DEVIANCE] += sum_plane(plane_at(scratch, DEVIANCE), rows)
    sums[SUM_PEARSON] += sum_plane(plane_at(scratch, PEARSON), rows)
    if context[CONSTANT] >= 0:
        column = pointer(dense_at(scratch) + 8 * PLANE * context[CONSTANT], float64)
        sums[SUM_NOT_CONSTANT] += count_other_than_one(column, rows)


def sweep_chunk(context_address, chunk):
    """Adds up one chunk's Gram matrix, score and sums in its own partial; returns 0."""
    context = pointer(context_address, int64)
    chunk = visited_chunk(context, chunk)
    partial, sums = zeroed_partial(context, chunk)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
        sums[SUM_OUTSIDE] += respond_block(context, rows, scratch)
        add_sums(context, rows, scratch, sums)
        if context[MODE] & FROM_RESPONSE:
            turn_into_working_response(scratch, rows)
        call_stage(context[ACCUMULATE], context_address, start, rows, scratch, partial)
    return scratch_array.size * 0


sweep_kernel = RowBlock(sweep_chunk, "sweep", {})
