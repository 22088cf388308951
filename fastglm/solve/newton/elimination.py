"""Elimination of a categorical's levels: their block of the Gram matrix is diagonal.

No row has two levels of one categorical. With the levels' squares D, their products B' with the
kept columns and the Gram matrix A of these, all of columns of unit length, where D is the identity,
the Gram matrix and the root of its inverse are::

    [I  B]              [I  -B R]
    [B' A]              [0    R ]      with R R' the inverse of the Schur complement A - B'B

so that L levels and r other columns take L r**2 operations and L r numbers, in place of (L + r)**3
and (L + r)**2. Elimination in another order loses no more digits than the inflation of the Gram
matrix tells (`fastglm.solve.conditioning`), as in any order (Golub & Van Loan 2013, section 4.2.6).
"""

from __future__ import annotations

import math

from numba.core.types import float64, int64

from fastglm.kernels.blocks.table import (
    CONSTANT,
    DESIGN_COLUMN_OF,
    ELIMINATION,
    GRAM,
    GRAM_WORK,
    KEPT_COLUMN,
    LEVEL_COLUMN,
    N_DENSE,
    N_DESIGN,
    N_ELIMINATED,
    N_KEPT,
    N_STORED,
    OUTPUT,
    PARTIALS,
    SCALE,
    SHIFT,
    STATE,
    TRIANGLE,
)
from fastglm.kernels.compiler.decorators import inline, inline_sums, noinline
from fastglm.kernels.compiler.intrinsics import offset_pointer, pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math.cholesky import (
    POWER_STEPS,
    dot,
    factorize_gram,
    invert_factor,
    row,
    solve,
)
from fastglm.kernels.passes.unscale import unscale_params
from fastglm.solve.newton.constants import RANK_TOLERANCE
from fastglm.solve.newton.gram import column_map_of, symmetric_entry
from fastglm.solve.newton.state import COEFFICIENTS, COLUMN_SCALE, INFLATION, PIVOT
from fastglm.solve.newton.vectors import vector

__all__ = [
    "elimination_size",
    "factorize_eliminated",
    "root_size",
    "schur_of_given",
    "solve_eliminated",
    "unscale_eliminated_kernel",
]


def elimination_size(n_levels: int, n_kept: int) -> int:
    """Numbers at ELIMINATION: B, the Schur complement, its scales, pivots, and work for solving."""
    return n_kept * (n_levels + n_kept + 4)


def root_size(n_levels: int, n_kept: int, p: int) -> int:
    """Numbers at OUTPUT of `unscale_eliminated`."""
    return n_levels * (n_kept + 1) + n_kept * (2 * n_kept + 3) + 2 * p


@inline
def _cross(table):
    """B: products of each level with the kept columns, of unit length, (n_levels, n_kept)."""
    return pointer(table[ELIMINATION], float64)


@inline
def _schur(table):
    """The Schur complement, (n_kept, n_kept); then its scales, its pivots and two work vectors."""
    return pointer(table[ELIMINATION] + 8 * table[N_ELIMINATED] * table[N_KEPT], float64)


@inline
def _kept_vector(table, which):
    """One of the vectors of the kept columns that stand behind the Schur complement."""
    return row(_schur(table), table[N_KEPT] + which, table[N_KEPT])


_SCHUR_SCALE, _SCHUR_PIVOT, _RIGHT, _SOLUTION = range(4)


@inline_sums
def _add_multiple(target, values, factor, n):
    """Adds a multiple of the first n values."""
    for k in range(n):
        target[k] += factor * values[k]


@inline
def _unit(square):
    return 1.0 / math.sqrt(square) if square > 0.0 else 0.0


@noinline
def _scale_columns(table, order, ridge):
    """Scales of all columns, and pivots of the levels; how many of these are nothing, or -1."""
    gram, r = pointer(table[GRAM], float64), table[N_KEPT]
    level_column, kept_column = (
        pointer(table[LEVEL_COLUMN], int64),
        pointer(table[KEPT_COLUMN], int64),
    )
    scale, pivot = vector(table, COLUMN_SCALE), vector(table, PIVOT)
    n_levels, empty = table[N_ELIMINATED], 0
    squares = pointer(table[PARTIALS] + 8 * order * (order + n_levels), float64)
    for level in range(n_levels):
        column = level_column[level]
        if column >= 0:
            square = squares[level] + ridge
            if not math.isfinite(square):
                return -1
            scale[column] = _unit(square)
            pivot[column] = 1.0 if square > 0.0 else 0.0
            empty += 1 if not square > 0.0 else 0
    for k in range(r):
        gram[k * r + k] += ridge
        if not math.isfinite(gram[k * r + k]):
            return -1
        scale[kept_column[k]] = _unit(gram[k * r + k])
    return empty


@noinline
def _gram_to_design(table, order):
    """Gram matrix of the kept columns, and products of all stored columns with these.

    A kept column may be a sum of levels too, as a main effect is of the cells of an interaction.
    """
    start, index, value = column_map_of(table)
    total, kept_column = pointer(table[PARTIALS], float64), pointer(table[KEPT_COLUMN], int64)
    gram, work = pointer(table[GRAM], float64), pointer(table[GRAM_WORK], float64)
    n_dense, r, n_levels = table[N_DENSE], table[N_KEPT], table[N_ELIMINATED]
    first = table[N_STORED] - n_levels
    squares = offset_pointer(total, order * (order + n_levels))
    for k in range(table[N_STORED] * r):
        work[k] = 0.0
    for k in range(r):
        for e in range(start[kept_column[k]], start[kept_column[k] + 1]):
            b, factor = index[e], value[e]
            if b < first:
                for a in range(first):
                    work[a * r + k] += symmetric_entry(total, order, n_dense, a, b) * factor
                for level in range(n_levels):
                    work[(first + level) * r + k] += total[(order + level) * order + b] * factor
            else:
                stored = offset_pointer(total, (order + b - first) * order)
                for a in range(first):
                    work[a * r + k] += stored[a] * factor
                work[b * r + k] += squares[b - first] * factor
    for a in range(r):
        for b in range(a + 1):
            s = 0.0
            for e in range(start[kept_column[a]], start[kept_column[a] + 1]):
                s += value[e] * work[index[e] * r + b]
            gram[a * r + b] = s


@noinline
def _find_cross(table):
    """Puts B in its place, of the products with stored columns."""
    scale, kept_column = vector(table, COLUMN_SCALE), pointer(table[KEPT_COLUMN], int64)
    level_column = pointer(table[LEVEL_COLUMN], int64)
    r, n_levels = table[N_KEPT], table[N_ELIMINATED]
    work = pointer(table[GRAM_WORK] + 8 * r * (table[N_STORED] - n_levels), float64)
    for level in range(n_levels):
        column = level_column[level]
        unit = scale[column] if column >= 0 else 0.0
        own, products = row(_cross(table), level, r), row(work, level, r)
        for k in range(r):
            own[k] = products[k] * (unit * scale[kept_column[k]])


@noinline
def factorize_eliminated(table, order, ridge):
    """Factor of the Gram matrix by blocks; scales and pivots as `factorize_gram` gives them.

    The levels go first, so a pivot says what levels and earlier kept columns leave. Returns the
    number of columns that these cannot tell from others, or -1 where a value is not finite.
    """
    _gram_to_design(table, order)
    aliased = _scale_columns(table, order, ridge)
    if aliased < 0:
        return aliased
    _find_cross(table)
    r, schur = table[N_KEPT], _schur(table)
    gram, kept_column = pointer(table[GRAM], float64), pointer(table[KEPT_COLUMN], int64)
    scale, pivot = vector(table, COLUMN_SCALE), vector(table, PIVOT)
    for a in range(r):
        for b in range(a + 1):
            unit = scale[kept_column[a]] * scale[kept_column[b]]
            schur[a * r + b] = gram[a * r + b] * unit
    for level in range(table[N_ELIMINATED]):
        own = row(_cross(table), level, r)
        for a in range(r):
            if own[a] != 0.0:
                _add_multiple(row(schur, a, r), own, -own[a], a + 1)
    for a in range(r):
        if not math.isfinite(schur[a * r + a]):
            return -1
        if schur[a * r + a] <= RANK_TOLERANCE:
            schur[a * r + a] = 0.0
    schur_scale, schur_pivot = _kept_vector(table, _SCHUR_SCALE), _kept_vector(table, _SCHUR_PIVOT)
    triangle = pointer(table[TRIANGLE], float64)
    found = factorize_gram(schur, triangle, schur_scale, schur_pivot, r, RANK_TOLERANCE)
    if found < 0:
        return found
    for a in range(r):
        share = schur_pivot[a] * schur[a * r + a]
        pivot[kept_column[a]] = share if share > RANK_TOLERANCE else 0.0
        aliased += 0 if share > RANK_TOLERANCE else 1
    return aliased


@inline
def schur_of_given(table, a, b):
    """Entry (a, b) of the Schur complement of columns as long as they are; 0 without any."""
    scale, kept_column = vector(table, COLUMN_SCALE), pointer(table[KEPT_COLUMN], int64)
    unit = scale[kept_column[a]] * scale[kept_column[b]]
    return _schur(table)[a * table[N_KEPT] + b] / unit if unit > 0.0 else 0.0


@noinline
def solve_eliminated(table, right, result):
    """Solution of gram x = right, with the factor by blocks; 0 for aliased columns. Pointers."""
    r, n_levels, scale = table[N_KEPT], table[N_ELIMINATED], vector(table, COLUMN_SCALE)
    level_column, kept_column = (
        pointer(table[LEVEL_COLUMN], int64),
        pointer(table[KEPT_COLUMN], int64),
    )
    reduced, solution = _kept_vector(table, _RIGHT), _kept_vector(table, _SOLUTION)
    for k in range(r):
        reduced[k] = right[kept_column[k]] * scale[kept_column[k]]
    for level in range(n_levels):
        column = level_column[level]
        if column >= 0:
            own = row(_cross(table), level, r)
            _add_multiple(reduced, own, -right[column] * scale[column], r)
    schur_scale, schur_pivot = _kept_vector(table, _SCHUR_SCALE), _kept_vector(table, _SCHUR_PIVOT)
    triangle = pointer(table[TRIANGLE], float64)
    solve(triangle, schur_scale, schur_pivot, reduced, solution, r)
    for level in range(n_levels):
        column = level_column[level]
        if column >= 0:
            own = row(_cross(table), level, r)
            unit = scale[column]
            result[column] = (right[column] * unit - dot(own, solution, r)) * unit
    for k in range(r):
        result[kept_column[k]] = solution[k] * scale[kept_column[k]]


def solve_with_factor(table_address, unused):
    """Solution, the second of two (p,) vectors at OUTPUT, of gram x = the first; returns 0."""
    table = pointer(table_address, int64)
    right = pointer(table[OUTPUT], float64)
    solve_eliminated(table, right, offset_pointer(right, table[N_DESIGN]))
    return 0


solve_eliminated_kernel = RowBlock(solve_with_factor, "solve_eliminated", {})


@noinline
def _inflation(table, cross, root, levels, work):
    """As `fastglm.kernels.math.cholesky.inflation`, with the root by blocks.

    `cross`, (n_levels, n_kept), and `root`, (n_kept, n_kept), are of columns of unit length; of
    `levels`, (n_levels,), and `work`, (2, n_kept), values are overwritten.
    """
    r, n_levels = table[N_KEPT], table[N_ELIMINATED]
    level_column, pivot = pointer(table[LEVEL_COLUMN], int64), vector(table, PIVOT)
    vector_kept, half = work, offset_pointer(work, r)
    most, largest = 0, 0.0
    for k in range(r + n_levels):
        own = row(root, k, r) if k < r else row(cross, k - r, r)
        variance = dot(own, own, r) + (0.0 if k < r else 1.0)
        is_present = k < r or (level_column[k - r] >= 0 and pivot[level_column[k - r]] > 0.0)
        if is_present and variance > largest:
            most, largest = k, variance
    if largest == 0.0:
        return 1.0
    for k in range(r):
        vector_kept[k] = 1.0 if k == most else 0.0
    for level in range(n_levels):
        levels[level] = 1.0 if r + level == most else 0.0
    for _ in range(POWER_STEPS):
        for k in range(r):
            half[k] = 0.0
        for k in range(r):
            _add_multiple(half, row(root, k, r), vector_kept[k], r)
        for level in range(n_levels):
            if levels[level] != 0.0:
                _add_multiple(half, row(cross, level, r), levels[level], r)
        largest = max(largest, dot(half, half, r) + dot(levels, levels, n_levels))
        for k in range(r):
            vector_kept[k] = dot(row(root, k, r), half, r)
        for level in range(n_levels):
            levels[level] += dot(row(cross, level, r), half, r)
        squares = dot(vector_kept, vector_kept, r) + dot(levels, levels, n_levels)
        if not squares > 0.0:
            return largest
        length = math.sqrt(squares)
        for k in range(r):
            vector_kept[k] /= length
        for level in range(n_levels):
            levels[level] /= length
    return largest


@inline
def _multiply_cross(table, cross, root):
    """Puts -B R into `cross`."""
    r = table[N_KEPT]
    for level in range(table[N_ELIMINATED]):
        own, product = row(_cross(table), level, r), row(cross, level, r)
        for k in range(r):
            product[k] = 0.0
        for k in range(r):
            if own[k] != 0.0:
                _add_multiple(product, row(root, k, r), -own[k], r)


@noinline
def _unscale_kept(table, root, given, center, kept_place):
    """Brings the root of the kept columns to centred ones, and `given` to those as they came."""
    r, constant = table[N_KEPT], table[CONSTANT]
    design_column = pointer(table[DESIGN_COLUMN_OF], int64)
    kept_column, unit = pointer(table[KEPT_COLUMN], int64), vector(table, COLUMN_SCALE)
    shift, scale = pointer(table[SHIFT], float64), pointer(table[SCALE], float64)
    for k in range(r):
        own = row(root, k, r)
        for m in range(r):
            own[m] *= unit[kept_column[k]]
        kept_place[kept_column[k]] = float64(k)
    for j in range(table[N_DENSE]):
        if design_column[j] >= 0:
            center[design_column[j]] = shift[j]
            scaled = row(root, int64(kept_place[design_column[j]]), r)
            for m in range(r):
                scaled[m] *= scale[j]
    for k in range(r * r):
        given[k] = root[k]
    if constant >= 0:
        intercept = row(given, int64(kept_place[design_column[constant]]), r)
        for j in range(table[N_DENSE]):
            if design_column[j] >= 0:
                moved = row(root, int64(kept_place[design_column[j]]), r)
                _add_multiple(intercept, moved, -shift[j] * scale[constant], r)


def unscale_eliminated(table_address, unused):
    """Brings coefficients and inverse information of a run to the given columns, by blocks.

    Into OUTPUT go the coefficients, (p,), the centre, (p,), the levels' own entries of the root,
    (n_levels,), their products with it, (n_levels, n_kept), the root of the kept columns, centred,
    (n_kept, n_kept), and the same of these as they came; then come work vectors. The state keeps
    the inflation of the inverse. Returns 0.
    """
    table = pointer(table_address, int64)
    p, r, n_levels = table[N_DESIGN], table[N_KEPT], table[N_ELIMINATED]
    params = pointer(table[OUTPUT], float64)
    center, own = offset_pointer(params, p), offset_pointer(params, 2 * p)
    cross = offset_pointer(own, n_levels)
    root = offset_pointer(cross, n_levels * r)
    given, work = offset_pointer(root, r * r), offset_pointer(root, 2 * r * r)
    coefficients, level_column = vector(table, COEFFICIENTS), pointer(table[LEVEL_COLUMN], int64)
    schur_scale, schur_pivot = _kept_vector(table, _SCHUR_SCALE), _kept_vector(table, _SCHUR_PIVOT)
    invert_factor(pointer(table[TRIANGLE], float64), schur_scale, schur_pivot, root, r)
    _multiply_cross(table, cross, root)
    state, unit = pointer(table[STATE], float64), vector(table, COLUMN_SCALE)
    state[INFLATION] = _inflation(table, cross, root, own, work)
    for level in range(n_levels):
        column = level_column[level]
        own[level] = unit[column] if column >= 0 else 0.0
        for k in range(r):
            cross[level * r + k] *= own[level]
    # The coefficients' place serves until they come.
    _unscale_kept(table, root, given, center, params)
    for j in range(p):
        params[j] = coefficients[j]
    unscale_params(params, table)
    return 0


unscale_eliminated_kernel = RowBlock(unscale_eliminated, "unscale_eliminated", {})
