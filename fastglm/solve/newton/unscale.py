"""From standardised columns to given ones: what a run of the solver has found."""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.blocks.table import (
    CONSTANT,
    DENSE_OWNER,
    N_DENSE,
    N_MODEL,
    OUTPUT,
    SCALE,
    SHIFT,
    STATE,
    TRIANGLE,
    address_of,
)
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import inflation, invert_factor, multiply_root, row
from fastglm.kernels.passes.unscale import unscale_params
from fastglm.kernels.threads.threads import launch
from fastglm.passes.layout import Layout
from fastglm.passes.scaling import Inverse, Scaling
from fastglm.solve.newton.state import COLUMN_SCALE, INFLATION, PIVOT, THETA
from fastglm.solve.newton.vectors import vector

__all__ = ["from_standardised"]


def undo(context_address, unused):
    """Brings coefficients and inverse information of a run to the given columns.

    Into OUTPUT go the root of the inverse information on centred columns, (p, p), the inverse,
    (p, p), the coefficients, (p,), and the centre, (p,); then comes room for (2, p) more numbers.
    The state keeps the inflation of that inverse.
    """
    context = pointer(context_address, int64)
    p, constant = context[N_MODEL], context[CONSTANT]
    owner = pointer(context[DENSE_OWNER], int64)
    shift, scale = pointer(context[SHIFT], float64), pointer(context[SCALE], float64)
    root = pointer(context[OUTPUT], float64)
    inverse, params, centre = row(root, p, p), row(root, 2 * p, p), row(root, 2 * p + 1, p)
    theta = vector(context, THETA)
    for j in range(p):
        params[j] = theta[j]
    unscale_params(params, context)
    factor = pointer(context[TRIANGLE], float64)
    column_scale, pivot = vector(context, COLUMN_SCALE), vector(context, PIVOT)
    invert_factor(factor, column_scale, pivot, root, p)
    state, work = pointer(context[STATE], float64), row(root, 2 * p + 2, p)
    state[INFLATION] = inflation(root, column_scale, work, p)
    for j in range(context[N_DENSE]):
        if owner[j] >= 0:
            centre[owner[j]] = shift[j]
            scaled = row(root, owner[j], p)
            for k in range(p):
                scaled[k] *= scale[j]
    if constant < 0:
        multiply_root(root, inverse, p)
        return 0
    intercept, kept = row(root, owner[constant], p), row(root, 2 * p + 2, p)
    for k in range(p):
        kept[k] = intercept[k]
    for j in range(context[N_DENSE]):
        if owner[j] >= 0:
            moved = row(root, owner[j], p)
            for k in range(p):
                intercept[k] -= shift[j] * scale[constant] * moved[k]
    multiply_root(root, inverse, p)
    for k in range(p):
        intercept[k] = kept[k]
    return 0


undo_kernel = RowBlock(undo, "undo", {})


def from_standardised(scaling: Scaling, context: np.ndarray, layout: Layout) -> Inverse:
    """Coefficients and inverse information on the given columns.

    Parameters
    ----------
    scaling
        Of the columns.
    context
        Of a run of the solver with this scaling, overwritten where OUTPUT is.
    layout
        The design.
    """
    p = layout.n_columns
    results = np.zeros((2 * p + 4, p))
    context[OUTPUT] = address_of(results)
    launch(undo_kernel, context, 1, 1)
    centring = scaling.centring(results[2 * p + 1], layout)
    return Inverse(results[2 * p], results[:p], results[p : 2 * p], centring)
