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
    buffer_at,
    dense_at,
    entries_at,
)
from fastglm.kernels.blocks.row_buffers import BUFFER, OFFSET, PRIOR_WEIGHT, RESPONSE
from fastglm.kernels.blocks.table import (
    BETA,
    CONSTANT,
    LOAD,
    N_DENSE,
    N_STORED,
    OUTPUT,
    PARTIALS,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import call_stage, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import row_entries


@intrinsic
def fused_multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@inline
def two_sum(a, b):
    """A + b and what rounding lost of it."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inline
def add(high, low, other_high, other_low):
    """Sum of two pairs."""
    total, lost = two_sum(high, other_high)
    return two_sum(total, lost + (low + other_low))


@inline
def multiply(high, low, other_high, other_low):
    """Product of two pairs."""
    product = high * other_high
    lost = fused_multiply_add(high, other_high, -product)
    return two_sum(product, lost + (high * other_low + low * other_high))


@inline
def standardized(table, dense, j, i, shift, scale):
    """A dense value, shifted and scaled, as a pair; the constant column is one."""
    if j == table[CONSTANT]:
        return 1.0, 0.0
    high, low = two_sum(pointer(dense, float64)[BUFFER * j + i], -shift[j])
    return high * scale[j], low * scale[j]


@inline
def add_product_to(target, at, high, low, other_high, other_low):
    """Adds the product of two pairs to the pair at position `at` of an array of pairs."""
    part, part_low = multiply(high, low, other_high, other_low)
    target[2 * at], target[2 * at + 1] = add(target[2 * at], target[2 * at + 1], part, part_low)


def compensated_score_chunk(table_address, chunk):
    """X' W (y - offset - X beta) of one chunk, as pairs, into PARTIALS (n_chunks, n_stored, 2).

    Columns are loaded as they came; OUTPUT holds the shifts and then the scales, powers of two,
    and BETA the coefficients as pairs, (n_stored, 2). Returns 0.
    """
    table = pointer(table_address, int64)
    n_dense, n_stored = table[N_DENSE], table[N_STORED]
    shift = pointer(table[OUTPUT], float64)
    scale = pointer(table[OUTPUT] + 8 * n_dense, float64)
    beta = pointer(table[BETA], float64)
    score = pointer(table[PARTIALS] + 16 * n_stored * chunk, float64)
    for k in range(2 * n_stored):
        score[k] = 0.0
    scratch_array = allocate_scratch(table)
    scratch = scratch_array.ctypes.data
    dense = dense_at(scratch)
    entries = entries_at(table, scratch)
    _, _, columns, values = entries
    first, last = block_range(table, chunk)
    for block in range(first, last):
        start, rows = block_rows(table, block)
        call_stage(table[LOAD], table_address, start, rows, scratch, 0)
        for i in range(rows):
            weight = buffer_at(scratch, PRIOR_WEIGHT)[i]
            if weight <= 0.0:
                continue
            high, low = two_sum(buffer_at(scratch, RESPONSE)[i], -buffer_at(scratch, OFFSET)[i])
            count = 0
            if n_stored > n_dense:
                count = row_entries(table, start, i, entries)
            for j in range(n_dense):
                z, z_low = standardized(table, dense, j, i, shift, scale)
                part, part_low = multiply(z, z_low, -beta[2 * j], -beta[2 * j + 1])
                high, low = add(high, low, part, part_low)
            for e in range(count):
                j = columns[e]
                part, part_low = multiply(values[e], 0.0, -beta[2 * j], -beta[2 * j + 1])
                high, low = add(high, low, part, part_low)
            high, low = multiply(high, low, weight, 0.0)
            for j in range(n_dense):
                z, z_low = standardized(table, dense, j, i, shift, scale)
                add_product_to(score, j, z, z_low, high, low)
            for e in range(count):
                add_product_to(score, columns[e], values[e], 0.0, high, low)
    return scratch_array.size * 0


compensated_score_kernel = RowBlock(compensated_score_chunk, "compensated_score", {})
