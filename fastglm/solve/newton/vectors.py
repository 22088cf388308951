"""Compiled access to the solver's vectors."""

from __future__ import annotations

from numba.core.types import float64

from fastglm.kernels.blocks.table import N_DESIGN, VECTORS
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import pointer


@inline
def vector(table, which):
    """One of the solver's vectors."""
    return pointer(table[VECTORS] + 8 * table[N_DESIGN] * which, float64)


@noinline
def copy_vector(table, source, target):
    """Copies one of the solver's vectors over another."""
    values, copied = vector(table, source), vector(table, target)
    for j in range(table[N_DESIGN]):
        copied[j] = values[j]
