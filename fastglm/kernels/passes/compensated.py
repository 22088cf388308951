"""The score of a linear model in twice the working precision, for iterative refinement.

A number is held as the unevaluated sum of two float64, about 32 decimal digits. Sums and products
of such pairs are those of Dekker (1971); Shewchuk (1997) gives the proofs.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.types import float64, int64
from numba.extending import intrinsic

from fastglm.kernels.blocks.block import (
    allocate_scratch,
    block_range,
    block_rows,
    dense_at,
    entries_at,
    plane_at,
)
from fastglm.kernels.blocks.planes import OFFSET, PLANE, PRIOR_WEIGHT, RESPONSE
from fastglm.kernels.blocks.table import (
    BETA,
    CONSTANT,
    LOAD,
    N_DENSE,
    N_SWEEP,
    OUTPUT,
    PARTIALS,
)
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries


@intrinsic
def fused_multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@inlined
def two_sum(a, b):
    """A + b and what rounding lost of it."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inlined
def add(high, low, other_high, other_low):
    """Sum of two pairs."""
    total, lost = two_sum(high, other_high)
    return two_sum(total, lost + (low + other_low))


@inlined
def multiply(high, low, other_high, other_low):
    """Product of two pairs."""
    product = high * other_high
    lost = fused_multiply_add(high, other_high, -product)
    return two_sum(product, lost + (high * other_low + low * other_high))


@inlined
def standardized(context, dense, j, i, shift, scale):
    """A dense value, shifted and scaled, as a pair; the constant column is one."""
    if j == context[CONSTANT]:
        return 1.0, 0.0
    high, low = two_sum(pointer(dense, float64)[PLANE * j + i], -shift[j])
    return high * scale[j], low * scale[j]


@inlined
def add_to(target, at, high, low):
    """Adds a pair to the pair at position `at` of an array of pairs."""
    target[2 * at], target[2 * at + 1] = add(target[2 * at], target[2 * at + 1], high, low)


def precise_score_chunk(context_address, chunk):
    """X' W (y - offset - X beta) of one chunk, as pairs, into PARTIALS (n_chunks, n_sweep, 2).

    Columns are loaded as they came; OUTPUT holds the shifts and then the scales, powers of two,
    and BETA the coefficients as pairs, (n_sweep, 2). Returns 0.
    """
    context = pointer(context_address, int64)
    n_dense, n_sweep = context[N_DENSE], context[N_SWEEP]
    shift = pointer(context[OUTPUT], float64)
    scale = pointer(context[OUTPUT] + 8 * n_dense, float64)
    beta = pointer(context[BETA], float64)
    score = pointer(context[PARTIALS] + 16 * n_sweep * chunk, float64)
    for k in range(2 * n_sweep):
        score[k] = 0.0
    scratch_array = allocate_scratch(context)
    scratch = scratch_array.ctypes.data
    dense = dense_at(scratch)
    entries = entries_at(context, scratch)
    _, _, columns, values = entries
    first, last = block_range(context, chunk)
    for block in range(first, last):
        start, rows = block_rows(context, block)
        call_stage(context[LOAD], context_address, start, rows, scratch, 0)
        for i in range(rows):
            weight = plane_at(scratch, PRIOR_WEIGHT)[i]
            if weight <= 0.0:
                continue
            high, low = two_sum(plane_at(scratch, RESPONSE)[i], -plane_at(scratch, OFFSET)[i])
            count = 0
            if n_sweep > n_dense:
                count = row_entries(context, start, i, entries)
            for j in range(n_dense):
                z, z_low = standardized(context, dense, j, i, shift, scale)
                part, part_low = multiply(z, z_low, -beta[2 * j], -beta[2 * j + 1])
                high, low = add(high, low, part, part_low)
            for e in range(count):
                j = columns[e]
                part, part_low = multiply(values[e], 0.0, -beta[2 * j], -beta[2 * j + 1])
                high, low = add(high, low, part, part_low)
            high, low = multiply(high, low, weight, 0.0)
            for j in range(n_dense):
                z, z_low = standardized(context, dense, j, i, shift, scale)
                part, part_low = multiply(z, z_low, high, low)
                add_to(score, j, part, part_low)
            for e in range(count):
                part, part_low = multiply(values[e], 0.0, high, low)
                add_to(score, columns[e], part, part_low)
    return scratch_array.size * 0


precise_score_kernel = RowBlock(precise_score_chunk, "precise_score", {})
