"""Compiled access to the solver's vectors."""

from __future__ import annotations

from numba.core.types import float64

from fastglm.kernels.blocks.table import N_MODEL, VECTORS
from fastglm.kernels.compiler.decorators import called, inlined
from fastglm.kernels.compiler.intrinsics import pointer


@inlined
def vector(context, which):
    """One of the solver's vectors."""
    return pointer(context[VECTORS] + 8 * context[N_MODEL] * which, float64)


@called
def copy_vector(context, source, target):
    """Copies one of the solver's vectors over another."""
    values, copied = vector(context, source), vector(context, target)
    for j in range(context[N_MODEL]):
        copied[j] = values[j]
