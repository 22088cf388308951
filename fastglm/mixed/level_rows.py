"""Compiled parts of one level of the largest factor: its rows in cache, sums and small matrices.

Rows of a level are met in blocks; what later steps need of them is kept in buffers of the level's
rows. Columns of effects come as (k, n): one lies in a row of memory. Pointers take the place of
arrays in the loops over rows: an index that might be negative would keep them scalar.

Helpers get their arguments together: ``data`` are z, addresses of the two row blocks, y and prior
weights; ``space`` are effects, scores, step, products, their root and a matrix for passing use.
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import float64, int64

from fastglm.families.derivative_templates import (
    ALL_BUFFERS,
    EXPECTED,
    EXPECTED_SLOPE,
    OBSERVED,
    OBSERVED_BEND,
    OBSERVED_SLOPE,
    PARAMETER_EXPECTED,
    PARAMETER_OBSERVED,
    PARAMETER_RESIDUAL,
    PARAMETER_SCORE,
)
from fastglm.kernels.blocks.block import buffer_at
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
)
from fastglm.kernels.compiler.decorators import inline, inline_sums, noinline
from fastglm.kernels.compiler.intrinsics import call_row_block, offset_pointer, pointer
from fastglm.kernels.math.blocked_cholesky import dot
from fastglm.mixed.level_algebra import level_factor

__all__ = [
    "N_KEPT",
    "column_at",
    "dot_three",
    "family_scratch",
    "find_mode",
    "gather_level",
    "keep_level",
    "kept_at",
    "longest_level",
    "scale_effects",
    "solve_level",
    "work_space",
]

# Buffers of a level's rows.
(
    ETA,  # fixed part of the linear predictor
    SCORE,
    WEIGHT,  # observed weight
    DETERMINANT,  # weight of the determinant, and its derivative
    SLOPE,
    BEND,
    OF_SCORE,  # derivatives in the family's parameter: of the log-likelihood,
    OF_RESIDUAL,  # the score,
    OF_WEIGHT,  # and the determinant's weight
    FORM,  # leverage over weight
    MOVED,  # what lambda moves the predictor by
    RHO,  # derivative of the criterion in the predictor
    N_KEPT,
) = range(13)

#: Most steps of a level, halved ones among them.
MOST_STEPS = 60
#: A step is halved where the penalised deviance rises by more than this share.
NOISE = 1e-12


@inline
def family_scratch(parameters):
    """Buffers of one block of rows, with what the row blocks read of the family and link."""
    scratch = np.zeros(ALL_BUFFERS * BUFFER)
    scratch[FAMILY_PARAMETER * BUFFER] = parameters[0]
    scratch[FAMILY_PARAMETER * BUFFER + 1] = parameters[1]
    scratch[LINK_PARAMETER * BUFFER] = parameters[2]
    scratch[LINK_PARAMETER * BUFFER + 1] = parameters[3]
    return scratch


@inline
def work_space(k):
    """What the search for a mode writes to."""
    return (
        np.empty(k), np.empty(k), np.empty(k), np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    )  # fmt: skip


@inline
def longest_level(first, last, start):
    """Most rows of a level."""
    longest = 0
    for j in range(first, last):
        longest = max(longest, start[j + 1] - start[j])
    return longest


@inline
def column_at(z, a, row):
    """Column a of the effects from a row on."""
    return pointer(z.ctypes.data + 8 * (a * z.shape[1] + row), float64)


@inline
def kept_at(kept, which):
    """A buffer of the level's rows."""
    return pointer(kept.ctypes.data + 8 * which * kept.shape[1], float64)


@inline_sums
def total_of(buffer, rows):
    """Sum of a buffer."""
    total = 0.0
    for i in range(rows):
        total += buffer[i]
    return total


@inline_sums
def dot_three(left, middle, right, rows):
    """Sum of products of three."""
    total = 0.0
    for i in range(rows):
        total += left[i] * middle[i] * right[i]
    return total


@inline
def gather_level(begin, end, order, eta, target):
    """Linear predictors of a level's rows into a buffer."""
    number = pointer(order.ctypes.data + 8 * begin, int64)
    value = pointer(eta.ctypes.data, float64)
    for i in range(end - begin):
        target[i] = value[number[i]]


@noinline
def respond_block(first, rows, eta, effects, data, scratch):
    """Row blocks for `rows` rows from `first` on, whose fixed predictors are at `eta`."""
    z, blocks, y, prior = data
    buffers = scratch.ctypes.data
    predictor = buffer_at(buffers, LINEAR_PREDICTOR)
    response, weight = buffer_at(buffers, RESPONSE), buffer_at(buffers, PRIOR_WEIGHT)
    own = pointer(y.ctypes.data + 8 * first, float64)
    given = pointer(prior.ctypes.data + 8 * first, float64)
    for i in range(rows):
        predictor[i] = eta[i]
        response[i] = own[i]
        weight[i] = given[i]
    for a in range(z.shape[0]):
        b, column = effects[a], column_at(z, a, first)
        for i in range(rows):
            predictor[i] += b * column[i]
    call_row_block(blocks[0], buffers, rows)
    return call_row_block(blocks[1], buffers, rows)


@noinline
def sum_level(begin, end, eta, data, scratch, space):
    """Deviance of a level's rows at the effects; their Z'r and Z'WZ into the space."""
    z = data[0]
    effects, score, _, own, _, _ = space
    k, deviance, buffers = z.shape[0], 0.0, scratch.ctypes.data
    score[:] = 0.0
    own[:] = 0.0
    for first in range(begin, end, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, end - first)
        here = offset_pointer(eta, first - begin)
        if respond_block(first, rows, here, effects, data, scratch) > 0:
            return math.inf
        deviance += total_of(buffer_at(buffers, DEVIANCE), rows)
        for a in range(k):
            column = column_at(z, a, first)
            score[a] += dot(buffer_at(buffers, RESIDUAL), column, rows)
            for b in range(a + 1):
                other = column_at(z, b, first)
                own[a, b] += dot_three(buffer_at(buffers, OBSERVED), column, other, rows)
    for a in range(k):
        for b in range(a):
            own[b, a] = own[a, b]
    return deviance


@inline
def solve_level(root, k, right):
    """Solution for the Cholesky factor `root` and a right side, in place."""
    for a in range(k):
        for b in range(a):
            right[a] -= root[a, b] * right[b]
        right[a] /= root[a, a]
    for a in range(k - 1, -1, -1):
        for b in range(a + 1, k):
            right[a] -= root[b, a] * right[b]
        right[a] /= root[a, a]


@inline
def newton_step(factor, k, u, space):
    """Newton step of a level into the space; returns its decrement."""
    _, score, step, own, root, work = space
    level_factor(own, factor, k, root, work)
    for a in range(k):
        value = -u[a]
        for b in range(a, k):
            value += factor[b, a] * score[b]
        work[0, a] = value
        step[a] = value
    solve_level(root, k, step)
    decrement = 0.0
    for a in range(k):
        decrement += work[0, a] * step[a]
    return decrement


@inline
def scale_effects(factor, k, u, effects):
    """Lambda u into `effects`; returns the sum of squares of u."""
    penalty = 0.0
    for a in range(k):
        effects[a] = 0.0
        for b in range(a + 1):
            effects[a] += factor[a, b] * u[b]
        penalty += u[a] * u[a]
    return penalty


@noinline
def find_mode(begin, end, factor, eta, data, tolerance, scratch, u, space):
    """Newton's method for the mode of a level from where `u` is; whether it was found."""
    k = data[0].shape[0]
    effects, _, step, _, _, _ = space
    before, length = math.inf, 1.0
    step[:] = 0.0
    for _ in range(MOST_STEPS):
        value = scale_effects(factor, k, u, effects)
        value += sum_level(begin, end, eta, data, scratch, space)
        if not value <= before + NOISE * (1.0 + abs(before)) and math.isfinite(before):
            # Back by half of what was gone.
            length *= 0.5
            for a in range(k):
                u[a] -= length * step[a]
            continue
        decrement = newton_step(factor, k, u, space)
        if not (math.isfinite(value) and decrement >= 0.0):
            return False
        for a in range(k):
            u[a] += step[a]
        before, length = value, 1.0
        if decrement <= tolerance * (1.0 + value):
            return True
    return False


@inline
def copy_buffer(scratch, buffer, rows, kept, which, at):
    """Values of the block's buffer into a buffer of the level."""
    source = buffer_at(scratch, buffer)
    target = offset_pointer(kept_at(kept, which), at)
    for i in range(rows):
        target[i] = source[i]


@noinline
def keep_level(begin, end, observed, with_bend, with_extras, data, scratch, kept, effects):
    """A level's rows into its buffers; the deviance, infinite outside the domain.

    Second derivatives of the weights and derivatives in the family's parameter only where asked
    for.
    """
    deviance, buffers = 0.0, scratch.ctypes.data
    for first in range(begin, end, BLOCK_ROWS):
        rows, at = min(BLOCK_ROWS, end - first), first - begin
        here = offset_pointer(kept_at(kept, ETA), at)
        if respond_block(first, rows, here, effects, data, scratch) > 0:
            return math.inf
        deviance += total_of(buffer_at(buffers, DEVIANCE), rows)
        copy_buffer(buffers, RESIDUAL, rows, kept, SCORE, at)
        copy_buffer(buffers, OBSERVED, rows, kept, WEIGHT, at)
        copy_buffer(buffers, OBSERVED if observed else EXPECTED, rows, kept, DETERMINANT, at)
        slope = OBSERVED_SLOPE if observed else EXPECTED_SLOPE
        copy_buffer(buffers, slope, rows, kept, SLOPE, at)
        if with_bend:
            copy_buffer(buffers, OBSERVED_BEND, rows, kept, BEND, at)
        if with_extras:
            copy_buffer(buffers, PARAMETER_SCORE, rows, kept, OF_SCORE, at)
            copy_buffer(buffers, PARAMETER_RESIDUAL, rows, kept, OF_RESIDUAL, at)
            weight = PARAMETER_OBSERVED if observed else PARAMETER_EXPECTED
            copy_buffer(buffers, weight, rows, kept, OF_WEIGHT, at)
    return deviance
