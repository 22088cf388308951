"""Change of the reference level of a categorical, and of the solution back to the given one.

A separated reference level has no column of its own: the intercept goes to infinity, and the
coefficients of all other levels to infinity with the opposite sign. With another reference the
separated level is a column like any other (`fastglm.solve.separated_levels`). The column space is
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.design.matrix.parts import Indicators, Ones
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.solve.solution import Solution

__all__ = ["RebasedLevels", "rebase_separated"]

#: Largest number of coefficients for which the dense covariance is transformed.
MOST_COLUMNS = 2_000
#: Variance of an infinite estimate, as a multiple of the smallest variance. Any large number would
#: do; with this one the differences of other levels, in which it cancels, keep their digits.
MOST_VARIANCE = 1e7


class RebasedLevels:
    """A row table in which a categorical has another reference level.

    Parameters
    ----------
    row_table
        The table with the new reference.
    to_given
        (p, p) matrix from coefficients with the new reference to those of the given columns.
    column
        Design column, in `row_table`, of the level that was the reference.
    """

    def __init__(self, row_table: RowTable, to_given: scipy.sparse.csr_array, column: int):
        self.row_table, self._to_given, self._column = row_table, to_given, column

    def solution(self, solution: Solution) -> Solution:
        """Solution in terms of the given columns; centred ones are not levels and do not change."""
        back, column = self._to_given, self._column
        inverse: Any = np.array(solution.information_inverse)
        factor = np.array(solution.inverse_information_factor)
        others = np.delete(np.diag(inverse), column)
        usual = others[np.isfinite(others)].min(initial=np.inf)
        factor[column, column] = min(factor[column, column], np.sqrt(MOST_VARIANCE * usual))
        inverse[column, column] = factor[column] @ factor[column]
        inverse = back @ inverse
        return replace(
            solution,
            params=back @ solution.params,
            information_inverse=np.ascontiguousarray(back @ inverse.T),
            inverse_information_factor=back @ factor,
        )

    def direction(self, direction: np.ndarray) -> np.ndarray:
        """A direction of separation, (p,), in coefficients of the given columns."""
        direction = direction.copy()
        # Twice as large, so that the difference of two infinite coefficients is never 0.
        direction[self._column] *= 2.0
        return self._to_given @ direction


def rebase_separated(
    row_table: RowTable, sides_of: Mapping[int, np.ndarray]
) -> list[RebasedLevels]:
    """Changes of reference levels after which no reference is separated, where possible.

    Parameters
    ----------
    row_table
        Design, response and prior weights.
    sides_of
        Result of `fastglm.solve.separated_levels.sides_of_levels`; valid for the last table too.
    """
    steps: list[RebasedLevels] = []
    parts = row_table.design.parts
    for number, only in sides_of.items():
        part = parts[number]
        assert isinstance(part, Indicators)
        step = _rebase(row_table, part, only)
        if step is not None:
            steps.append(step)
            row_table = step.row_table
    return steps


def _rebase(row_table: RowTable, part: Indicators, only: np.ndarray) -> RebasedLevels | None:
    """Replaces a separated reference by a level that is not separated.

    Parameters
    ----------
    row_table
        Design, response and prior weights.
    part
        A categorical part of the design.
    only
        The side on which all responses of each level lie; 0 if there is none.

    Returns
    -------
    RebasedLevels or None
        None where the reference is not one separated level, or the other levels are not each an
        indicator beside an intercept.
    """
    design = row_table.design
    constant, p = design.constant, design.n_columns
    if constant is None or design.column_map is None or p > MOST_COLUMNS:
        return None
    start, index, value = design.column_map
    first = 0
    for other in design.parts:
        if other is part:
            break
        first += other.n_columns
    single = np.flatnonzero(np.diff(start) == 1)
    stored, is_one = index[start[single]], value[start[single]] == 1.0
    own = np.full(part.n_columns, -1)
    inside = is_one & (stored >= first) & (stored < first + part.n_columns)
    own[stored[inside] - first] = single[inside]
    reference, others = np.flatnonzero(own < 0), np.flatnonzero((own >= 0) & (only == 0))
    is_intercept = _ones(row_table)[index[start[constant]]] and value[start[constant]] == 1.0
    plain = np.diff(start)[constant] == 1 and is_intercept
    if reference.size != 1 or only[reference[0]] == 0 or not others.size or not plain:
        return None
    replaced = int(own[others[0]])
    index = np.array(index)
    index[start[replaced]] = first + reference[0]
    rebased = replace(design, column_map=(start, index, value))
    # Intercept and other levels but the new reference, less the coefficient of the old one.
    levels = own[own >= 0]
    rows = np.concatenate([np.arange(p), [constant], levels[levels != replaced]])
    columns = np.concatenate([np.arange(p), np.full(levels.size, replaced)])
    entries = np.concatenate([np.ones(p + 1), -np.ones(levels.size - 1)])
    entries[replaced] = -1.0
    return RebasedLevels(
        build_row_table(rebased, row_table.response, row_table.weights, row_table.offset),
        scipy.sparse.csr_array((entries, (rows, columns)), shape=(p, p)),
        replaced,
    )


def _ones(row_table: RowTable) -> np.ndarray:
    """Mask of the stored columns of the design that are ones."""
    kinds = [np.full(part.n_columns, isinstance(part, Ones)) for part in row_table.design.parts]
    return np.concatenate(kinds)
