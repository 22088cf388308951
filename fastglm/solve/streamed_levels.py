"""Separated levels of streamed rows: found before the fit, from counts, and left out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastglm.design.matrix.parts import Dense, Design
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.passes.source import StreamedRows
from fastglm.rows.level_sides import only_side
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_model import LeftOut
from fastglm.solve.rebased_levels import RebasedLevels, rebase_separated
from fastglm.solve.separated_levels import (
    MOST_VALUES,
    LevelRows,
    SeparatedLevels,
    direction_of,
    separated_columns,
    with_levels,
)
from fastglm.solve.separation import looks_separated
from fastglm.solve.solution import Solution
from fastglm.solve.streamed import StreamedSolution

__all__ = ["StreamedLevels", "find_streamed_levels", "solve_beside_streamed_levels"]


class StreamedLevels(NamedTuple):
    """Separated levels, from the counts of responses by level made while rows were learned.

    Attributes
    ----------
    rows : StreamedModelRows
        The streamed rows, with reference levels that are not separated.
    levels : SeparatedLevels
    steps : list of RebasedLevels
        Steps from the given reference levels to these.
    """

    rows: StreamedModelRows
    levels: SeparatedLevels
    steps: list[RebasedLevels]

    def as_given(self, solution: Solution) -> tuple[Solution, np.ndarray]:
        """A solution and the direction, (p,), in terms of the given reference levels."""
        direction = direction_of(self.levels, solution.params.size)
        for step in reversed(self.steps):
            solution, direction = step.solution(solution), step.direction(direction)
        return solution, direction


def find_streamed_levels(rows: StreamedModelRows) -> StreamedLevels | None:
    """The separated levels by their counts; None if there are none."""
    sides_of = {number: only_side(counts) for number, counts in rows.level_counts.items()}
    sample = rows.row_source(1).row_table
    steps = rebase_separated(sample, sides_of)
    if steps:
        sample = steps[-1].row_table
        rows = rows.with_references(sample.design)
    found = separated_columns(sample, sides_of)
    return None if found is None else StreamedLevels(rows, found, steps)


def solve_beside_streamed_levels(
    found: StreamedLevels,
    family: Family,
    n_threads: int,
    solve: Callable[[StreamedRows], StreamedSolution],
) -> tuple[Solution, int, int] | None:
    """The fit of all columns, separated levels with huge coefficients; see `solve_beside_levels`.

    Parameters
    ----------
    found
        Result of `find_streamed_levels`.
    family
        That of the model.
    n_threads
        From `usable_threads`.
    solve
        Fits the model without the rows of the levels.

    Returns
    -------
    solution : Solution
        With the references of `found`.
    n_separated : int
        Number of rows of the levels.
    n_passes : int
        Number of passes taken over all rows.
    None
        Instead of all three, as for `solve_beside_levels`.
    """
    rows, levels = found.rows, found.levels
    counts, p = rows.level_counts, rows.row_source(n_threads).row_table.n_columns
    n_separated = int(sum(counts[part][level].sum() for part, level in levels.places))
    kept = np.setdiff1d(np.arange(p), levels.columns)
    if kept.size == 0 or n_separated * p > MOST_VALUES:
        return None
    source = rows.source_without(LeftOut(levels.places, kept), n_threads)
    weights = source.row_table.weights
    if weights is None or not weights.any():
        return None
    rest, growing = solve(source)
    uncertain = rest.status != Status.CONVERGED or rest.combinations or growing
    if uncertain or looks_separated(rest, family, rows.summary, source.row_table, n_threads):
        return None
    of_levels = _of_levels(rows, levels, n_separated, n_threads)
    whole = with_levels(of_levels, family, levels, kept, rest)
    return None if whole is None else (whole, n_separated, source.n_passes + 1)


def _of_levels(
    rows: StreamedModelRows, found: SeparatedLevels, n_separated: int, n_threads: int
) -> LevelRows:
    """The rows of the levels, by level and then by position; takes a pass."""
    pieces = rows.rows_of_levels(found.places, n_separated, n_threads)
    which = np.concatenate([own for own, _ in pieces])
    order = np.argsort(which, kind="stable")

    def joined(values: list[np.ndarray | None]) -> np.ndarray | None:
        # None in a window stands for weights of one.
        if all(some is None for some in values):
            return None
        whole = [
            np.ones(own.size) if some is None else some
            for some, (own, _) in zip(values, pieces, strict=True)
        ]
        return np.concatenate(whole)[order]

    first = pieces[0][1].design
    columns = np.concatenate([some.design.to_dense() for _, some in pieces])[order]
    response = joined([some.response for _, some in pieces])
    assert response is not None
    return LevelRows(
        Design((Dense(columns),), columns.shape[0], first.names, None, None, first.terms),
        response,
        joined([some.prior_weights for _, some in pieces]),
        joined([some.offset for _, some in pieces]),
        np.bincount(which, minlength=len(found.places)),
    )
