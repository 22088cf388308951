"""Separated levels of streamed rows: found before the fit, from counts, and left out of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastglm.design.matrix.parts import Dense, Design
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.passes.source import StreamedRows
from fastglm.rows.level_sides import only_side
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_model import LeftOut
from fastglm.solve.separated_levels import (
    MOST_VALUES,
    LevelRows,
    SeparatedLevels,
    separated_columns,
    with_levels,
)
from fastglm.solve.separation import looks_separated
from fastglm.solve.solution import Solution
from fastglm.solve.streamed import StreamedSolution

__all__ = ["find_streamed_levels", "solve_beside_streamed_levels"]


def find_streamed_levels(rows: StreamedModelRows) -> SeparatedLevels | None:
    """Separated levels, from the counts of responses by level made while rows were learned.

    Parameters
    ----------
    rows
        The streamed rows of the model.
    """
    sides_of = {number: only_side(counts) for number, counts in rows.level_counts.items()}
    return separated_columns(rows.row_source(1).row_table, sides_of)


def solve_beside_streamed_levels(
    rows: StreamedModelRows,
    family: Family,
    found: SeparatedLevels,
    n_threads: int,
    solve: Callable[[StreamedRows], StreamedSolution],
) -> tuple[Solution, int, int] | None:
    """The fit of all columns, separated levels with huge coefficients; see `solve_beside_levels`.

    Parameters
    ----------
    rows, family
        Those of the model.
    found
        Result of `find_streamed_levels`.
    n_threads
        From `usable_threads`.
    solve
        Fits the model without the rows of the levels.

    Returns
    -------
    solution : Solution
    n_separated : int
        Number of rows of the levels.
    n_passes : int
        Number of passes taken over all rows.
    None
        Instead of all three, as for `solve_beside_levels`.
    """
    counts, p = rows.level_counts, rows.row_source(n_threads).row_table.n_columns
    n_separated = int(sum(counts[part][level].sum() for part, level in found.places))
    kept = np.setdiff1d(np.arange(p), found.columns)
    if kept.size == 0 or n_separated * p > MOST_VALUES:
        return None
    source = rows.source_without(LeftOut(found.places, kept), n_threads)
    weights = source.row_table.weights
    if weights is None or not weights.any():
        return None
    rest, growing = solve(source)
    uncertain = rest.status != Status.CONVERGED or rest.combinations or growing
    if uncertain or looks_separated(rest, family, rows.summary, source.row_table, n_threads):
        return None
    whole = with_levels(_of_levels(rows, found, n_separated, n_threads), family, found, kept, rest)
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
