"""From standardised columns to given ones: coefficients, in place."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.table import CONSTANT, DESIGN_COLUMN_OF, N_DENSE, OUTPUT, SCALE, SHIFT
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["unscale_kernel", "unscale_params"]


@inline
def unscale_params(params, table):
    """Brings coefficients from standardised to given columns, in place."""
    design_column = pointer(table[DESIGN_COLUMN_OF], int64)
    shift, scale = pointer(table[SHIFT], float64), pointer(table[SCALE], float64)
    constant = table[CONSTANT]
    moved = 0.0
    for j in range(table[N_DENSE]):
        if design_column[j] >= 0 and j != constant:
            params[design_column[j]] *= scale[j]
            moved += shift[j] * params[design_column[j]]
    if constant >= 0:
        intercept = design_column[constant]
        params[intercept] = (params[intercept] - moved) * scale[constant]


def unscale(table_address, unused):
    """Brings the coefficients in OUTPUT, (p,), from standardised to given columns."""
    table = pointer(table_address, int64)
    unscale_params(pointer(table[OUTPUT], float64), table)
    return 0


unscale_kernel = RowBlock(unscale, "unscale", {})
