"""Sums over rows at given coefficients: what goes between the two slices of a sandwich covariance.

White (1980), *Econometrica* 48; MacKinnon & White (1985), *Journal of Econometrics* 29, for the
powers of the leverage; Cribari-Neto (2004), *Computational Statistics & Data Analysis* 45, for the
power that depends on it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.types import float64, int64
from numba.extending import intrinsic

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    dense_at,
    entries_at,
    padded_size,
    plane_at,
    single_plane_at,
    visited_chunk,
    zeroed_partial,
)
from fastglm.kernels.blocks.planes import (
    LINEAR_PREDICTOR,
    PLANE,
    QUADRATIC_FORM,
    RESIDUAL,
    TILE,
    WEIGHT,
)
from fastglm.kernels.blocks.prefetch import prefetch_range
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    GROUP,
    LEVERAGE_POWER,
    LOAD,
    MEAN_LEVERAGE,
    MEAT,
    MODE,
    N_DENSE,
    N_FACTOR,
    N_GROUPS,
    N_SWEEP,
    PARTIALS,
    PREDICT,
    QUADRATIC,
    ROW_FACTOR,
    SINGLE,
    SUM_OUTSIDE,
)
from fastglm.kernels.blocks.tiles import address_at, load, store, transposed
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries
from fastglm.kernels.passes.sweep import respond

#: A `LEVERAGE_POWER` that grows with the leverage: as many times as it is the mean, at most four.
GROWING_POWER = -1
#: Closer to 1 than this, a leverage is 1: rounding decides what is left of the row's residual.
FULL_LEVERAGE = 1e-10
#: In single precision, what is left of higher leverages has lost too many digits.
HALF_LEVERAGE = 0.5
#: Rows before a row that the memory of its group is asked for.
PREFETCHED_ROWS = 16


@inlined
def _divide_by_leverage(context, weight, residual, quadratic, rows, full):
    """Residuals over (1 - leverage)**(power / 2); returns the rows for which that is undefined.

    That is where 1 - leverage is below `full`.
    """
    mean = pointer(context[MEAN_LEVERAGE], float64)[0]
    power = context[LEVERAGE_POWER]
    undefined = 0
    for i in range(rows):
        leverage = weight[i] * quadratic[i]
        left = 1.0 - leverage
        if left < full:
            undefined += 1
        elif power == GROWING_POWER:
            residual[i] /= left ** (0.5 * min(4.0, leverage / mean))
        elif power == 1:
            residual[i] /= left**0.5
        else:
            residual[i] /= left
    return undefined


@inlined
def _weigh_rows(context, context_address, start, rows, scratch, weight, residual, quadratic, full):
    """What a block's rows count in the sums, in place of WEIGHT and RESIDUAL.

    With the mode MEAT, squared residuals take the place of weights. Both are multiplied by the
    row's own factor: how often it was observed. Returns the rows that have less than `full` left
    beside their leverage.
    """
    undefined = 0
    if context[MODE] & MEAT:
        if context[N_FACTOR] > 0:
            call_stage(context[QUADRATIC], context_address, start, rows, scratch, 0)
            undefined = _divide_by_leverage(context, weight, residual, quadratic, rows, full)
        for i in range(rows):
            weight[i] = residual[i] * residual[i]
    if context[ROW_FACTOR] != 0:
        factor = pointer(context[ROW_FACTOR] + 8 * start, float64)
        for i in range(rows):
            weight[i] *= factor[i]
            residual[i] *= factor[i]
    return undefined


@inlined
def _count_far(context, weight, eta, rows):
    """Rows whose linear predictor is too many standard errors from zero for single precision."""
    most = pointer(context[MEAN_LEVERAGE], float64)[1]
    count = 0
    for i in range(rows):
        count += 1 if weight[i] * eta[i] * eta[i] > most else 0
    return count


@inlined
def respond_at(context, context_address, start, rows, scratch):
    """Everything about one block of rows at the coefficients BETA."""
    call_stage(context[LOAD], context_address, start, rows, scratch, 0)
    call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
    respond(context, rows, scratch)


def score_products_chunk(context_address, chunk):
    """Adds up one chunk's Gram matrix and score in its own partial; returns 0.

    With the mode MEAT the Gram matrix is the sum of squared score residuals times x x', each over
    (1 - leverage)**LEVERAGE_POWER, else the information X'WX.
    """
    context = pointer(context_address, int64)
    chunk = visited_chunk(context, chunk)
    partial, sums = zeroed_partial(context, chunk)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        respond_at(context, context_address, start, rows, scratch)
        if context[MODE] & SINGLE:
            w, residual = single_plane_at(scratch, WEIGHT), single_plane_at(scratch, RESIDUAL)
            form = single_plane_at(scratch, QUADRATIC_FORM)
            eta = single_plane_at(scratch, LINEAR_PREDICTOR)
            sums[SUM_OUTSIDE] += _count_far(context, w, eta, rows)
            sums[SUM_OUTSIDE] += _weigh_rows(
                context, context_address, start, rows, scratch, w, residual, form, HALF_LEVERAGE
            )
        else:
            w, residual = plane_at(scratch, WEIGHT), plane_at(scratch, RESIDUAL)
            form = plane_at(scratch, QUADRATIC_FORM)
            sums[SUM_OUTSIDE] += _weigh_rows(
                context, context_address, start, rows, scratch, w, residual, form, FULL_LEVERAGE
            )
        call_stage(context[ACCUMULATE], context_address, start, rows, scratch, partial)
    return scratch_array.size * 0


score_products_kernel = RowBlock(score_products_chunk, "score_products", {})


@intrinsic
def _add_panel(
    typing_context: Any, column: Any, residual: Any, first: Any, second: Any, third: Any, last: Any
) -> Any:
    """TILE columns of TILE rows times the rows' residuals, added to TILE places, one for each row.

    All arguments are addresses. Values are transposed in registers, so that a row's are added to
    its place together.
    """
    signature = types.void(*[types.int64] * 6)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.DoubleType(), TILE)
        residuals = load(builder, args[1], vector)
        columns = (address_at(builder, args[0], 8 * PLANE, j) for j in range(TILE))
        products = [builder.fmul(load(builder, column, vector), residuals) for column in columns]
        for row, place in zip(transposed(builder, products), args[2:], strict=True):
            store(builder, builder.fadd(load(builder, place, vector), row), place)
        return context.get_dummy_value()

    return signature, codegen


@inlined
def _prefetch_groups(group, first, last, total, stride, n_bytes):
    """Ask for the sums of the groups of rows first..last-1."""
    for i in range(first, last):
        prefetch_range(total + stride * group[i], n_bytes)


@inlined
def _add_dense_scores(n_dense, rows, scratch, group, total, stride):
    """Adds the dense columns' scores of the block to their groups' sums, `stride` bytes apart."""
    residual = scratch + 8 * PLANE * RESIDUAL
    whole = rows - rows % TILE
    for i in range(0, whole, TILE):
        ahead = min(i + PREFETCHED_ROWS, rows)
        _prefetch_groups(group, ahead, min(ahead + TILE, rows), total, stride, 8 * n_dense)
        first, second = total + stride * group[i], total + stride * group[i + 1]
        third, last = total + stride * group[i + 2], total + stride * group[i + 3]
        for j in range(0, n_dense, TILE):
            column = dense_at(scratch) + 8 * (PLANE * j + i)
            there = 8 * j
            _add_panel(
                column, residual + 8 * i, first + there, second + there, third + there, last + there
            )
    dense = pointer(dense_at(scratch), float64)
    for i in range(whole, rows):
        own = pointer(total + stride * group[i], float64)
        for j in range(n_dense):
            own[j] += plane_at(scratch, RESIDUAL)[i] * dense[PLANE * j + i]


def group_scores_chunk(context_address, chunk):
    """Adds up scores by group in the chunk's own (n_groups, order) partial; returns 0."""
    context = pointer(context_address, int64)
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    _, order = padded_size(context)
    size = context[N_GROUPS] * order
    address = context[PARTIALS] + 8 * size * chunk
    total = pointer(address, float64)
    for k in range(size):
        total[k] = 0.0
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    residual = plane_at(scratch, RESIDUAL)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        respond_at(context, context_address, start, rows, scratch)
        group = pointer(context[GROUP] + 8 * start, int64)
        _add_dense_scores(n_dense, rows, scratch, group, address, 8 * order)
        if n_sweep > n_dense:
            for i in range(rows):
                corner = group[i] * order
                for e in range(row_entries(context, start, i, entries)):
                    total[corner + columns[e]] += residual[i] * values[e]
    return scratch_array.size * 0


group_scores_kernel = RowBlock(group_scores_chunk, "group_scores", {})
