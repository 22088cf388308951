"""Windows of a source's rows: read by position, checked like rows in memory, as row tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.learning import design_of_fitted_rows
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.frames import Frame
from fastglm.design.frames.missing import raise_missing
from fastglm.errors import DataError, FastGLMError
from fastglm.passes.grains import GRAIN_ROWS, count_grains
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.windows import Window
from fastglm.rows.groups import Groups
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed_model import StreamedModel
from fastglm.sources.base import Source
from fastglm.sources.streams import joined_tables

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "RowReader",
    "bytes_of",
    "columns_used",
    "piece_of",
    "read_pieces",
    "shares_of",
    "telling_rows",
]


class RowReader:
    """Reads windows of a model's rows; see `fastglm.passes.windows.Windows`.

    Parameters
    ----------
    source : Source
        The source; its number of rows must be known.
    model : StreamedModel
    window_grains : int
        Number of grains in a window.
    single : bool, default False
        Whether weights are those of single observations, with frequencies kept apart.
    groups : Groups, optional
        Groups of the rows, for sums by group.
    """

    def __init__(
        self,
        source: Source,
        model: StreamedModel,
        window_grains: int,
        single: bool = False,
        groups: Groups | None = None,
    ) -> None:
        assert source.n_rows is not None
        self.single = single
        self.source, self.model, self.n_rows = source, model, source.n_rows
        self.window_grains = window_grains
        self.groups = groups
        self._fingerprint = source.fingerprint()
        self.names = columns_used(model.expressions, model.columns)
        if groups is not None and groups.name not in self.names:
            self.names = (*self.names, groups.name)
        self.seconds = {"decode": 0.0, "columns": 0.0, "sweep": 0.0}

    @property
    def level_terms(self) -> tuple[tuple[str, ...] | None, ...]:
        """Categorical factors of each part of the designs, by text; None for other parts."""
        return self.model.fitted_formula.assembler.level_terms

    def require_unchanged(self) -> None:
        """See `Windows.require_unchanged`."""
        if self.source.fingerprint() != self._fingerprint:
            raise DataError(
                f"{self.source.label} has changed during the fit: start again when it is complete."
            )

    def shares(self) -> list[tuple[int, int]]:
        """See `Windows.shares`; each share is the grains that begin in one unit of the source."""
        return shares_of(self.source, self.window_grains)

    def read(self, first: int, last: int, checked: bool = False) -> Iterator[Window]:
        """See `Windows.read`."""
        rows = min(last * GRAIN_ROWS, self.n_rows) - first * GRAIN_ROWS
        pieces = read_pieces(
            self.source, self.names, first * GRAIN_ROWS, rows, self.window_grains * GRAIN_ROWS
        )
        begin = time.perf_counter()
        for position, table in pieces:
            decoded = time.perf_counter()
            window = self._window(position, table, checked)
            self.seconds["decode"] += decoded - begin
            self.seconds["columns"] += time.perf_counter() - decoded
            yield window
            begin = time.perf_counter()

    def sample(self, ranges: Sequence[tuple[int, int]], every: int) -> RowTable:
        """Row table of one of `every` so many rows in ranges of grains.

        If none of these is complete, that of `first_grain`.

        Raises
        ------
        DataError
            If no row of the source is complete.
        """
        pieces = []
        for first, last in ranges:
            n = min(last * GRAIN_ROWS, self.n_rows) - first * GRAIN_ROWS
            found = read_pieces(
                self.source, self.names, first * GRAIN_ROWS, n, self.window_grains * GRAIN_ROWS
            )
            # Copied: a slice would keep the whole batch of the source in memory.
            pieces += [
                table.take(_some_of(position, table.num_rows, every)) for position, table in found
            ]
        try:
            rows = self.rows(joined_tables(pieces).combine_chunks(), False)
        except FastGLMError as error:
            raise type(error)(f"in a sample of the rows of {self.source.label}: {error}") from error
        return self.first_grain() if rows is None else self._build_row_table(rows)

    def first_grain(self) -> RowTable:
        """Row table of the first grain with a complete row.

        Raises
        ------
        DataError
            If there is none.
        """
        for position, table in read_pieces(self.source, self.names, 0, self.n_rows, GRAIN_ROWS):
            with telling_rows(self.source, position, table.num_rows):
                rows = self.rows(table, False)
            if rows is not None:
                return self._build_row_table(rows)
        raise DataError(
            f"no row of {self.source.label} is complete: leave out columns that are mostly missing."
        )

    def rows(self, table: pyarrow.Table, checked: bool) -> ModelRows | None:
        """Rows of the model from a table; None if none of them is complete."""
        found = self.complete(table, checked)
        return None if found is None else found[0]

    def complete(
        self, table: pyarrow.Table, checked: bool
    ) -> tuple[ModelRows, np.ndarray | None] | None:
        """Rows of the model and the mask of complete ones; see `piece_of`."""
        piece = read_table(Frame(table), self.model.expressions, self.model.columns)
        complete = piece_of(piece, self.model.missing, checked)
        if complete is None:
            return None
        design = design_of_fitted_rows(self.model.fitted_formula, complete[0], checked)
        return self.model.rows(*complete, design), complete[1]

    def _window(self, position: int, table: pyarrow.Table, checked: bool) -> Window:
        n, first = table.num_rows, position // GRAIN_ROWS
        with telling_rows(self.source, position, n):
            found = self.complete(table, checked)
        if found is None:
            return Window(first, n, None)
        rows, present = found
        row_table = self._build_row_table(rows)
        frequencies = rows.frequencies if self.single else None
        codes = None if self.groups is None else self.groups.codes(table)
        return Window(first, n, row_table, bytes_of(row_table), frequencies, rows, codes, present)

    def _build_row_table(self, rows: ModelRows) -> RowTable:
        weights = rows.variance_weights if self.single else rows.prior_weights
        return build_row_table(rows.design, rows.response, weights, rows.offset)


def shares_of(source: Source, least: int) -> list[tuple[int, int]]:
    """Ranges of grains of a source that can be read by themselves, of `least` grains or more.

    Its number of rows must be known.
    """
    assert source.n_rows is not None
    n_grains = count_grains(source.n_rows)
    edges = [0]
    for start in source.starts or ():
        grain = count_grains(start)
        if grain - edges[-1] >= least:
            edges.append(grain)
    edges.append(n_grains)
    return [(a, b) for a, b in pairwise(edges) if a < b]


def _some_of(position: int, n_rows: int, every: int) -> np.ndarray:
    """Numbers, in a piece, of one in `every` so many rows; chosen grain by grain."""
    if every == 1:
        return np.arange(n_rows)
    chosen = []
    for start in range(0, n_rows, GRAIN_ROWS):
        rows = min(GRAIN_ROWS, n_rows - start)
        firsts = np.arange(0, rows, every)
        # Random, so that a period in the rows cannot coincide with a period of the sample.
        chance = np.random.default_rng((position + start) // GRAIN_ROWS)
        within = chance.integers(0, every, firsts.size)
        chosen.append(start + np.minimum(firsts + within, rows - 1))
    return np.concatenate(chosen)


def bytes_of(row_table: RowTable) -> int:
    """Bytes of all arrays that kernels read through a row table."""
    return sum(getattr(array, "nbytes", 0) for array in row_table.kept_alive)


def columns_used(expressions: Sequence[Expression], columns: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the columns that expressions and arguments refer to."""
    named = [name for e in expressions for name in e.columns]
    return tuple(dict.fromkeys([*named, *(v for v in columns.values() if isinstance(v, str))]))


def read_pieces(
    source: Source, names: Sequence[str], first: int, rows: int | None, most: int
) -> Iterator[tuple[int, pyarrow.Table]]:
    """Rows of a source from a position on, in pieces of whole grains.

    Parameters
    ----------
    source : Source
    names : sequence of str
        Columns to read.
    first : int
        Position of the first row, a multiple of the rows of a grain.
    rows : int or None
        Number of rows; None for all up to the end.
    most : int
        Largest number of rows of a piece.

    Yields
    ------
    position : int
        Position of the first row of the piece.
    table : pyarrow.Table
        The piece, one chunk a column. Only at the end of the source may a grain be incomplete; it
        is then a piece by itself.

    Raises
    ------
    DataError
        If the source has fewer rows.
    """
    waiting: list[pyarrow.Table] = []
    held, position = 0, first
    last = None if rows is None else first + rows
    for table in source.read(names, first, last):
        waiting.append(table)
        held += table.num_rows
        while held >= most:
            joined = joined_tables(waiting)
            yield position, joined.slice(0, most).combine_chunks()
            position, held = position + most, held - most
            waiting = [joined.slice(most)] if held else []
    if held:
        joined = joined_tables(waiting)
        whole = held // GRAIN_ROWS * GRAIN_ROWS
        for start, end in ((0, whole), (whole, held)):
            if start < end:
                yield position + start, joined.slice(start, end - start).combine_chunks()
    if last is not None and position + held != last:
        raise DataError(
            f"{source.label} ends at row {position + held:,}, but it had {source.n_rows:,} rows "
            "before: it must stay as it is during a fit."
        )


def piece_of(piece: Table, missing: str, checked: bool) -> tuple[Table, np.ndarray | None] | None:
    """A piece of rows with incomplete rows replaced by a complete one, and their mask.

    Returns
    -------
    table : Table
        The n rows; every row with a missing value is replaced by a copy of a complete row.
    present : ndarray of bool, shape (n,), or None
        Mask of the complete rows; None if all are.
    None
        Instead of both, if no row is complete.
    """
    if missing == "raise":
        # Missing numbers need no search of their own: they make sums over the rows NaN.
        found = piece.missing() if checked else piece.missing_categories()
        raise_missing(found)
        return piece, None
    found = piece.missing()
    if not found:
        return piece, None
    present = ~np.logical_or.reduce(list(found.values()))
    if not present.any():
        return None
    return piece.at(np.where(present, np.arange(piece.n_rows), np.argmax(present))), present


@contextmanager
def telling_rows(source: Source, position: int, n_rows: int) -> Iterator[None]:
    """Adds the range of rows to errors raised inside: they count rows from 0 in each piece."""
    try:
        yield
    except FastGLMError as error:
        if position == 0 and n_rows == source.n_rows:
            raise
        raise type(error)(
            f"in the {n_rows:,} rows from row {position:,} on of {source.label}, from which rows "
            f"are counted here: {error}"
        ) from error
