"""From standardised columns to given ones: coefficients, in place."""

from __future__ import annotations

from numba.core.types import float64, int64

from fastglm.kernels.blocks.table import CONSTANT, DENSE_OWNER, N_DENSE, OUTPUT, SCALE, SHIFT
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["unscale_kernel", "unscale_params"]


@inlined
def unscale_params(params, context):
    """Brings coefficients from standardised to given columns, in place."""
    owner = pointer(context[DENSE_OWNER], int64)
    shift, scale = pointer(context[SHIFT], float64), pointer(context[SCALE], float64)
    constant = context[CONSTANT]
    moved = 0.0
    for j in range(context[N_DENSE]):
        if owner[j] >= 0 and j != constant:
            params[owner[j]] *= scale[j]
            moved += shift[j] * params[owner[j]]
    if constant >= 0:
        intercept = owner[constant]
        params[intercept] = (params[intercept] - moved) * scale[constant]


def unscale(context_address, unused):
    """Brings the coefficients in OUTPUT, (p,), from standardised to given columns."""
    context = pointer(context_address, int64)
    unscale_params(pointer(context[OUTPUT], float64), context)
    return 0


unscale_kernel = RowBlock(unscale, "unscale", {})
