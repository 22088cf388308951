"""From standardised columns to given ones: what a run of the solver has found."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.table import (
    CONSTANT,
    DESIGN_COLUMN_OF,
    N_DENSE,
    N_DESIGN,
    OUTPUT,
    SCALE,
    SHIFT,
    STATE,
    TRIANGLE,
)
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import inflation, invert_factor, multiply_root, row
from fastglm.kernels.passes.unscale import unscale_params
from fastglm.passes.eliminated_levels import EliminatedLevels
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable
from fastglm.passes.scaling import Inverse, Scaling
from fastglm.solve.newton.blocked_inverse import BlockedInverse, OnDemand
from fastglm.solve.newton.elimination import root_size, unscale_eliminated_kernel
from fastglm.solve.newton.state import COEFFICIENTS, COLUMN_SCALE, INFLATION, PIVOT
from fastglm.solve.newton.vectors import vector

__all__ = ["from_eliminated", "from_standardized"]


def unscale_solution(table_address, unused):
    """Brings coefficients and inverse information of a run to the given columns.

    Into OUTPUT go the root of the inverse information on centred columns, (p, p), the inverse,
    (p, p), the coefficients, (p,), and the centre, (p,); then comes room for (2, p) more numbers.
    The state keeps the inflation of that inverse.
    """
    table = pointer(table_address, int64)
    p, constant = table[N_DESIGN], table[CONSTANT]
    design_column = pointer(table[DESIGN_COLUMN_OF], int64)
    shift, scale = pointer(table[SHIFT], float64), pointer(table[SCALE], float64)
    root = pointer(table[OUTPUT], float64)
    inverse, params, center = row(root, p, p), row(root, 2 * p, p), row(root, 2 * p + 1, p)
    coefficients = vector(table, COEFFICIENTS)
    for j in range(p):
        params[j] = coefficients[j]
    unscale_params(params, table)
    factor = pointer(table[TRIANGLE], float64)
    column_scale, pivot = vector(table, COLUMN_SCALE), vector(table, PIVOT)
    invert_factor(factor, column_scale, pivot, root, p)
    state, work = pointer(table[STATE], float64), row(root, 2 * p + 2, p)
    state[INFLATION] = inflation(root, column_scale, work, p)
    for j in range(table[N_DENSE]):
        if design_column[j] >= 0:
            center[design_column[j]] = shift[j]
            scaled = row(root, design_column[j], p)
            for k in range(p):
                scaled[k] *= scale[j]
    if constant < 0:
        multiply_root(root, inverse, p)
        return 0
    intercept, kept = row(root, design_column[constant], p), row(root, 2 * p + 2, p)
    for k in range(p):
        kept[k] = intercept[k]
    for j in range(table[N_DENSE]):
        if design_column[j] >= 0:
            moved = row(root, design_column[j], p)
            for k in range(p):
                intercept[k] -= shift[j] * scale[constant] * moved[k]
    multiply_root(root, inverse, p)
    for k in range(p):
        intercept[k] = kept[k]
    return 0


unscale_solution_kernel = RowBlock(unscale_solution, "unscale_solution", {})


def from_standardized(scaling: Scaling, table: KernelTable, row_table: RowTable) -> Inverse:
    """Coefficients and inverse information on the given columns.

    Parameters
    ----------
    scaling
        Of the columns.
    table
        Of a run of the solver with this scaling, overwritten where OUTPUT is.
    row_table
        The design.
    """
    p = row_table.n_columns
    results = np.zeros((2 * p + 4, p))
    table.point_output(results)
    table.run(unscale_solution_kernel)
    centering = scaling.centering(results[2 * p + 1], row_table)
    return Inverse(results[2 * p], results[:p], results[p : 2 * p], centering)


def from_eliminated(
    scaling: Scaling, table: KernelTable, row_table: RowTable, eliminated: EliminatedLevels
) -> Inverse:
    """As `from_standardized`, of a run that has eliminated levels: matrices are on demand."""
    p, n_levels, n_kept = row_table.n_columns, eliminated.n_levels, eliminated.n_kept
    results = np.zeros(root_size(n_levels, n_kept, p))
    table.point(OUTPUT, results)
    table.run(unscale_eliminated_kernel)
    params, center, own, rest = np.split(results, [p, 2 * p, 2 * p + n_levels])
    cross, rest = np.split(rest, [n_levels * n_kept])
    root, given = rest[: 2 * n_kept * n_kept].reshape(2, n_kept, n_kept)
    used = eliminated.level_column >= 0
    cross = cross.reshape(n_levels, n_kept)[used]
    columns = eliminated.level_column[used]
    centered, as_given = (
        BlockedInverse(columns, own[used], cross, eliminated.kept_column, block)
        for block in (root, given)
    )
    centering = scaling.centering(center, row_table)
    return Inverse(params, OnDemand(centered, True), OnDemand(as_given, False), centering)
