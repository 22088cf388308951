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
    buffer_at,
    dense_at,
    entries_at,
    float32_buffer_at,
    padded_size,
    visited_chunk,
    zeroed_partial,
)
from fastglm.kernels.blocks.prefetch import prefetch_range
from fastglm.kernels.blocks.row_buffers import (
    BUFFER,
    LINEAR_PREDICTOR,
    QUADRATIC_FORM,
    RESIDUAL,
    TILE,
    WEIGHT,
)
from fastglm.kernels.blocks.table import (
    ACCUMULATE,
    FLOAT32,
    GROUP,
    LEVERAGE_POWER,
    LOAD,
    MEAN_LEVERAGE,
    MEAT,
    MODE,
    N_DENSE,
    N_FACTOR,
    N_GROUPS,
    N_STORED,
    PARTIALS,
    PREDICT,
    QUADRATIC,
    ROW_FACTOR,
    SUM_OUTSIDE,
)
from fastglm.kernels.blocks.tiles import address_at, load, store, transposed
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries
from fastglm.kernels.passes.sweep import respond

#: A `LEVERAGE_POWER` that grows with the leverage: as many times as it is the mean, at most four.
HC4_EXPONENT = -1
#: Closer to 1 than this, a leverage is 1: rounding decides what is left of the row's residual.
FULL_LEVERAGE = 1e-10
#: In single precision, what is left of higher leverages has lost too many digits.
HALF_LEVERAGE = 0.5
#: Rows ahead of a row at which the memory of its group is prefetched.
PREFETCHED_ROWS = 16


@inline
def _divide_by_leverage(table, weight, residual, quadratic, rows, full):
    """Residuals over (1 - leverage)**(power / 2); returns the rows for which that is undefined.

    That is where 1 - leverage is below `full`.
    """
    mean = pointer(table[MEAN_LEVERAGE], float64)[0]
    power = table[LEVERAGE_POWER]
    undefined = 0
    for i in range(rows):
        leverage = weight[i] * quadratic[i]
        left = 1.0 - leverage
        if left < full:
            undefined += 1
        elif power == HC4_EXPONENT:
            residual[i] /= left ** (0.5 * min(4.0, leverage / mean))
        elif power == 1:
            residual[i] /= left**0.5
        else:
            residual[i] /= left
    return undefined


@inline
def _weigh_rows(table, table_address, start, rows, scratch, weight, residual, quadratic, full):
    """Weights of a block's rows in the sums, in place of WEIGHT and RESIDUAL.

    With the mode MEAT, squared residuals take the place of weights. Both are multiplied by the
    row's own factor: how often it was observed. Returns the rows that have less than `full` left
    beside their leverage.
    """
    undefined = 0
    if table[MODE] & MEAT:
        if table[N_FACTOR] > 0:
            call_stage(table[QUADRATIC], table_address, start, rows, scratch, 0)
            undefined = _divide_by_leverage(table, weight, residual, quadratic, rows, full)
        for i in range(rows):
            weight[i] = residual[i] * residual[i]
    if table[ROW_FACTOR] != 0:
        factor = pointer(table[ROW_FACTOR] + 8 * start, float64)
        for i in range(rows):
            weight[i] *= factor[i]
            residual[i] *= factor[i]
    return undefined


@inline
def _count_far(table, weight, eta, rows):
    """Rows whose linear predictor is too many standard errors from zero for single precision."""
    most = pointer(table[MEAN_LEVERAGE], float64)[1]
    count = 0
    for i in range(rows):
        count += 1 if weight[i] * eta[i] * eta[i] > most else 0
    return count


@inline
def respond_at(table, table_address, start, rows, scratch):
    """Everything about one block of rows at the coefficients BETA."""
    call_stage(table[LOAD], table_address, start, rows, scratch, 0)
    call_stage(table[PREDICT], table_address, start, rows, scratch, 0)
    respond(table, rows, scratch)


def score_products_chunk(table_address, chunk):
    """Adds up one chunk's Gram matrix and score in its own partial; returns 0.

    With the mode MEAT the Gram matrix is the sum of squared score residuals times x x', each over
    (1 - leverage)**LEVERAGE_POWER, else the information X'WX.
    """
    table = pointer(table_address, int64)
    chunk = visited_chunk(table, chunk)
    partial, sums = zeroed_partial(table, chunk)
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        respond_at(table, table_address, start, rows, scratch)
        if table[MODE] & FLOAT32:
            w, residual = float32_buffer_at(scratch, WEIGHT), float32_buffer_at(scratch, RESIDUAL)
            form = float32_buffer_at(scratch, QUADRATIC_FORM)
            eta = float32_buffer_at(scratch, LINEAR_PREDICTOR)
            sums[SUM_OUTSIDE] += _count_far(table, w, eta, rows)
            sums[SUM_OUTSIDE] += _weigh_rows(
                table, table_address, start, rows, scratch, w, residual, form, HALF_LEVERAGE
            )
        else:
            w, residual = buffer_at(scratch, WEIGHT), buffer_at(scratch, RESIDUAL)
            form = buffer_at(scratch, QUADRATIC_FORM)
            sums[SUM_OUTSIDE] += _weigh_rows(
                table, table_address, start, rows, scratch, w, residual, form, FULL_LEVERAGE
            )
        call_stage(table[ACCUMULATE], table_address, start, rows, scratch, partial)
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
        columns = (address_at(builder, args[0], 8 * BUFFER, j) for j in range(TILE))
        products = [builder.fmul(load(builder, column, vector), residuals) for column in columns]
        for row, place in zip(transposed(builder, products), args[2:], strict=True):
            store(builder, builder.fadd(load(builder, place, vector), row), place)
        return context.get_dummy_value()

    return signature, codegen


@inline
def _prefetch_groups(group, first, last, total, stride, n_bytes):
    """Ask for the sums of the groups of rows first..last-1."""
    for i in range(first, last):
        prefetch_range(total + stride * group[i], n_bytes)


@inline
def _add_dense_scores(n_dense, rows, scratch, group, total, stride):
    """Adds the dense columns' scores of the block to their groups' sums, `stride` bytes apart."""
    residual = scratch + 8 * BUFFER * RESIDUAL
    whole = rows - rows % TILE
    for i in range(0, whole, TILE):
        ahead = min(i + PREFETCHED_ROWS, rows)
        _prefetch_groups(group, ahead, min(ahead + TILE, rows), total, stride, 8 * n_dense)
        first, second = total + stride * group[i], total + stride * group[i + 1]
        third, last = total + stride * group[i + 2], total + stride * group[i + 3]
        for j in range(0, n_dense, TILE):
            column = dense_at(scratch) + 8 * (BUFFER * j + i)
            there = 8 * j
            _add_panel(
                column, residual + 8 * i, first + there, second + there, third + there, last + there
            )
    dense = pointer(dense_at(scratch), float64)
    for i in range(whole, rows):
        own = pointer(total + stride * group[i], float64)
        for j in range(n_dense):
            own[j] += buffer_at(scratch, RESIDUAL)[i] * dense[BUFFER * j + i]


def group_scores_chunk(table_address, chunk):
    """Adds up scores by group in the chunk's own (n_groups, order) partial; returns 0."""
    table = pointer(table_address, int64)
    n_dense, n_stored = table[N_DENSE], table[N_STORED]
    _, order = padded_size(table)
    size = table[N_GROUPS] * order
    address = table[PARTIALS] + 8 * size * chunk
    total = pointer(address, float64)
    for k in range(size):
        total[k] = 0.0
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    residual = buffer_at(scratch, RESIDUAL)
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        respond_at(table, table_address, start, rows, scratch)
        group = pointer(table[GROUP] + 8 * start, int64)
        _add_dense_scores(n_dense, rows, scratch, group, address, 8 * order)
        if n_stored > n_dense:
            for i in range(rows):
                corner = group[i] * order
                for e in range(row_entries(table, start, i, entries)):
                    total[corner + columns[e]] += residual[i] * values[e]
    return scratch_array.size * 0


group_scores_kernel = RowBlock(group_scores_chunk, "group_scores", {})
