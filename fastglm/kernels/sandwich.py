"""Sums over rows at given coefficients: what goes between the two slices of a sandwich covariance.

White (1980), *Econometrica* 48; MacKinnon & White (1985), *Journal of Econometrics* 29, for the
powers of the leverage; Cribari-Neto (2004), *Computational Statistics & Data Analysis* 45, for the
power that depends on it.
"""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.block import (
    allocate_scratch,
    block_range,
    block_rows,
    dense_at,
    entries_at,
    padded_size,
    plane_at,
)
from fastglm.kernels.context import (
    ACCUMULATE,
    GROUP,
    INVERSE_ROWS,
    LEVERAGE_POWER,
    LOAD,
    MEAN_LEVERAGE,
    MEAT,
    MODE,
    N_DENSE,
    N_FACTOR,
    N_GROUPS,
    N_SUMS,
    N_SWEEP,
    PARTIALS,
    PREDICT,
    QUADRATIC,
    RESPOND_ROWS,
    ROW_FACTOR,
    SUM_OUTSIDE,
)
from fastglm.kernels.gram import row_entries
from fastglm.kernels.jit import RowBlock, call_row_block, call_stage, inlined, pointer
from fastglm.kernels.planes import PLANE, QUADRATIC_FORM, RESIDUAL, WEIGHT

#: A `LEVERAGE_POWER` that grows with the leverage: as many times as it is the mean, at most four.
GROWING_POWER = -1
#: Closer to 1 than this, a leverage is 1: rounding decides what is left of the row's residual.
FULL_LEVERAGE = 1e-10


@inlined
def _divide_by_leverage(context, scratch, rows):
    """Residuals over (1 - leverage)**(power / 2); returns the rows for which that is undefined."""
    weight = plane_at(scratch, WEIGHT)
    residual = plane_at(scratch, RESIDUAL)
    quadratic = plane_at(scratch, QUADRATIC_FORM)
    mean = pointer(context[MEAN_LEVERAGE], float64)[0]
    power = context[LEVERAGE_POWER]
    undefined = 0
    for i in range(rows):
        leverage = weight[i] * quadratic[i]
        left = 1.0 - leverage
        if left < FULL_LEVERAGE:
            undefined += 1
        elif power == GROWING_POWER:
            residual[i] /= left ** (0.5 * min(4.0, leverage / mean))
        elif power == 1:
            residual[i] /= left**0.5
        else:
            residual[i] /= left
    return undefined


@inlined
def _square_residuals(scratch, rows):
    """Squared residuals in place of weights."""
    weight = plane_at(scratch, WEIGHT)
    residual = plane_at(scratch, RESIDUAL)
    for i in range(rows):
        weight[i] = residual[i] * residual[i]


@inlined
def _count_rows_often(context, scratch, start, rows):
    """Multiplies weights and residuals by the row's own factor: how often the row was observed."""
    factor = pointer(context[ROW_FACTOR] + 8 * start, float64)
    weight = plane_at(scratch, WEIGHT)
    residual = plane_at(scratch, RESIDUAL)
    for i in range(rows):
        weight[i] *= factor[i]
        residual[i] *= factor[i]


@inlined
def _respond_at(context, context_address, start, rows, scratch):
    call_stage(context[LOAD], context_address, start, rows, scratch, 0)
    call_stage(context[PREDICT], context_address, start, rows, scratch, 0)
    call_row_block(context[INVERSE_ROWS], scratch, rows)
    call_row_block(context[RESPOND_ROWS], scratch, rows)


def score_products_chunk(context_address, chunk):
    """Adds up one chunk's Gram matrix and score in its own partial; returns 0.

    With the mode MEAT the Gram matrix is the sum of squared score residuals times x x', each over
    (1 - leverage)**LEVERAGE_POWER, else the information X'WX.
    """
    context = pointer(context_address, int64)
    _, order = padded_size(context)
    size = order * order + context[N_SWEEP] + N_SUMS
    partial = context[PARTIALS] + 8 * size * chunk
    sums = pointer(partial + 8 * (size - N_SUMS), float64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        _respond_at(context, context_address, start, rows, scratch)
        if context[MODE] & MEAT:
            if context[N_FACTOR] > 0:
                call_stage(context[QUADRATIC], context_address, start, rows, scratch, 0)
                sums[SUM_OUTSIDE] += _divide_by_leverage(context, scratch, rows)
            _square_residuals(scratch, rows)
        if context[ROW_FACTOR] != 0:
            _count_rows_often(context, scratch, start, rows)
        call_stage(context[ACCUMULATE], context_address, start, rows, scratch, partial)
    return scratch_array.size * 0


score_products_kernel = RowBlock(score_products_chunk, "score_products", {})


def group_scores_chunk(context_address, chunk):
    """Adds each row's score to its group's in the chunk's own (n_groups, n_sweep) partial."""
    context = pointer(context_address, int64)
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    total = pointer(context[PARTIALS] + 8 * context[N_GROUPS] * n_sweep * chunk, float64)
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    dense = pointer(dense_at(scratch), float64)
    residual = plane_at(scratch, RESIDUAL)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        _respond_at(context, context_address, start, rows, scratch)
        group = pointer(context[GROUP] + 8 * start, int64)
        for i in range(rows):
            corner = group[i] * n_sweep
            for j in range(n_dense):
                total[corner + j] += residual[i] * dense[PLANE * j + i]
            if n_sweep > n_dense:
                for e in range(row_entries(context, start, i, entries)):
                    total[corner + columns[e]] += residual[i] * values[e]
    return scratch_array.size * 0


group_scores_kernel = RowBlock(group_scores_chunk, "group_scores", {})
