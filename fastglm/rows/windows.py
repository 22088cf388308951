"""Windows of a source's rows: read by position, checked like rows in memory, and laid out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.learning import design_of_fitted_rows
from fastglm.design.formula.response import evaluate_response
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.categories import Categories, Level, recode
from fastglm.design.frames.frames import Frame
from fastglm.design.frames.missing import raise_missing
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, FastGLMError
from fastglm.families import Family
from fastglm.passes.grains import GRAIN_ROWS, count_grains
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.windows import Window
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import assembled, rule_of
from fastglm.rows.vectors import product
from fastglm.sources.base import Source

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "Groups",
    "RowReader",
    "StreamedModel",
    "bytes_of",
    "coded_response",
    "columns_used",
    "piece_of",
    "read_pieces",
    "rows_of_piece",
    "telling_rows",
]


@dataclass(frozen=True, eq=False)
class StreamedModel:
    """A model of rows that are read piece by piece, and what was learned from them.

    Attributes
    ----------
    family : Family
    fitted_formula : FittedFormula
    response : Expression
    response_levels : tuple of levels, or None
        Of a response of text, categories or truth values.
    columns : dict of str to str, number or None
        Offset, exposure and weights by argument: the name of a column, or a number for all rows.
    missing : {"raise", "drop"}
    also : tuple of Expression
        What rows must have as well to be complete.
    """

    family: Family
    fitted_formula: FittedFormula
    response: Expression
    response_levels: tuple[Level, ...] | None
    columns: Mapping[str, Any]
    missing: str
    also: tuple[Expression, ...] = ()

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All that rows are computed from."""
        return (
            self.response,
            *self.fitted_formula.factors,
            *self.fitted_formula.offsets,
            *self.also,
        )

    def rows(self, piece: Table, present: np.ndarray | None, design: Design) -> ModelRows:
        """Some rows of the model.

        Parameters
        ----------
        piece : Table
            Without missing values.
        present : ndarray of bool, shape (n,), or None
            Rows that count; the others repeat one that does.
        design : Design
            Of these rows.
        """
        return rows_of_piece(
            self.family,
            design,
            coded_response(self.response, self.response_levels, piece, self.family),
            self.columns,
            piece,
            self.fitted_formula.offset(piece),
            present,
        )


def coded_response(
    response: Expression, levels: tuple[Level, ...] | None, piece: Table, family: Family
) -> np.ndarray:
    """The response of some rows as numbers, (n,) or (n, 2).

    `levels` are the two of a response of text or categories, of which the second is 1.
    """
    value = None if levels is None else response.evaluate(piece.columns, {})
    if not isinstance(value, Categories):
        return evaluate_response(response, piece.columns, rule_of(family))[0]
    place = {level: k for k, level in enumerate(levels or ())}
    table = np.array([place.get(level, -1) for level in value.levels], dtype=np.intp)
    return (recode(value.codes, table, len(place)) == 1).astype(np.uint8)


def rows_of_piece(
    family: Family,
    design: Design,
    response: np.ndarray,
    columns: Mapping[str, Any],
    piece: Table,
    offset: np.ndarray | None,
    present: np.ndarray | None,
) -> ModelRows:
    """Rows of a model, checked, of which those that are not `present` have no weight."""
    extra = piece.extra_numbers()
    given = {name: extra.get(name) for name in columns}
    found = assembled(response, (design,), given, (offset,), family, are_all=False)
    if present is None:
        return found
    return replace(
        found,
        prior_weights=product(present, found.prior_weights),
        variance_weights=product(present, found.variance_weights),
    )


class Groups:
    """Groups of rows by the values of a column, numbered in the order of these.

    Parameters
    ----------
    name : str
        Of the column.
    """

    def __init__(self, name: str) -> None:
        self.name, self._found = name, set[Any]()
        self._values: list[Any] = []

    def _read(self, table: pyarrow.Table, present: np.ndarray | None) -> tuple[Any, np.ndarray]:
        """Values and, (n,), which of them each row has, -1 for none."""
        column = Frame(table).column(self.name)
        if isinstance(column, Categories):
            values, codes = list(column.levels), column.codes.astype(np.int64)
        else:
            found, codes = np.unique(column, return_inverse=True)
            codes = np.where(np.isnan(column), -1, codes) if column.dtype.kind == "f" else codes
            values = found.tolist()
        if ((codes < 0) if present is None else (codes < 0) & present).any():
            raise DataError(
                f"groups: '{self.name}' has no value in some rows; every row needs one."
            )
        return values, codes

    def add(self, table: pyarrow.Table, present: np.ndarray | None) -> None:
        """Takes note of the groups of some rows, of which those that are present count."""
        values, codes = self._read(table, present)
        used = np.unique(codes if present is None else codes[present])
        self._found.update(values[k] for k in used)

    def number(self) -> int:
        """Numbers them, and says how many there are."""
        self._values = sorted(self._found)
        return len(self._values)

    def codes(self, table: pyarrow.Table) -> np.ndarray:
        """Numbers of the groups of some rows, (n,) int64; any for rows that do not count."""
        values, codes = self._read(table, np.zeros(table.num_rows, dtype=bool))
        place = {value: k for k, value in enumerate(self._values)}
        numbers = np.array([place.get(value, 0) for value in values] + [0], dtype=np.int64)
        return numbers[codes]


class RowReader:
    """Reads windows of a model's rows; see `fastglm.passes.windows.Windows`.

    Parameters
    ----------
    source : Source
        Whose number of rows is known by now.
    model : StreamedModel
    window_grains : int
        Grains of a window.
    single : bool, default False
        Whether rows have the weights of single observations, with their frequencies beside.
    groups : Groups, optional
        Of the rows.
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

    def require_unchanged(self) -> None:
        """See `Windows.require_unchanged`."""
        if self.source.fingerprint() != self._fingerprint:
            raise DataError(
                f"{self.source.label} has changed during the fit: start again when it is complete."
            )

    def shares(self) -> list[tuple[int, int]]:
        """See `Windows.shares`: grains that begin in the same units of the source."""
        n_grains = count_grains(self.n_rows)
        if self.source.starts is None:
            return [(0, n_grains)]
        edges = [0]
        for start in self.source.starts:
            grain = count_grains(start)
            if grain - edges[-1] >= self.window_grains:
                edges.append(grain)
        edges.append(n_grains)
        return [(a, b) for a, b in pairwise(edges) if a < b]

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

    def sample(self, ranges: Sequence[tuple[int, int]]) -> RowTable:
        """Rows of some ranges of grains, side by side.

        Raises
        ------
        DataError
            If none of them counts.
        """
        import pyarrow

        pieces = []
        for first, last in ranges:
            n = min(last * GRAIN_ROWS, self.n_rows) - first * GRAIN_ROWS
            found = read_pieces(self.source, self.names, first * GRAIN_ROWS, n, n)
            # Copies: what a source gives may be a small part of what it keeps alive.
            pieces += [table.take(np.arange(table.num_rows)) for _, table in found]
        try:
            rows = self.rows(pyarrow.concat_tables(pieces).combine_chunks(), False)
        except FastGLMError as error:
            raise type(error)(f"in a sample of the rows of {self.source.label}: {error}") from error
        if rows is None:
            raise DataError(
                f"no row in a sample of {self.source.label} is complete: leave out columns that "
                "are mostly missing."
            )
        return self._build_row_table(rows)

    def rows(self, table: pyarrow.Table, checked: bool) -> ModelRows | None:
        """Rows of the model; None if none of them is complete."""
        piece = read_table(Frame(table), self.model.expressions, self.model.columns)
        complete = piece_of(piece, self.model.missing, checked)
        if complete is None:
            return None
        return self.model.rows(
            *complete, design_of_fitted_rows(self.model.fitted_formula, complete[0], checked)
        )

    def _window(self, position: int, table: pyarrow.Table, checked: bool) -> Window:
        n, first = table.num_rows, position // GRAIN_ROWS
        with telling_rows(self.source, position, n):
            rows = self.rows(table, checked)
        if rows is None:
            return Window(first, n, None)
        row_table = self._build_row_table(rows)
        frequencies = rows.frequencies if self.single else None
        codes = None if self.groups is None else self.groups.codes(table)
        return Window(first, n, row_table, bytes_of(row_table), frequencies, rows, codes)

    def _build_row_table(self, rows: ModelRows) -> RowTable:
        weights = rows.variance_weights if self.single else rows.prior_weights
        return build_row_table(rows.design, rows.response, weights, rows.offset)


def bytes_of(row_table: RowTable) -> int:
    """Bytes of the arrays that the kernels read of some rows."""
    return sum(getattr(array, "nbytes", 0) for array in row_table.kept_alive)


def columns_used(expressions: Sequence[Expression], columns: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the columns that expressions and arguments read."""
    named = [name for e in expressions for name in e.columns]
    return tuple(dict.fromkeys([*named, *(v for v in columns.values() if isinstance(v, str))]))


def read_pieces(
    source: Source, names: Sequence[str], first: int, rows: int | None, most: int
) -> Iterator[tuple[int, pyarrow.Table]]:
    """Rows of a source from a position on, in pieces of so many rows, of whole grains.

    Parameters
    ----------
    source : Source
    names : sequence of str
    first : int
        A multiple of the rows of a grain.
    rows : int or None
        How many; None for all that there are.
    most : int
        Rows of a piece.

    Yields
    ------
    position : int
        Of the first row.
    table : pyarrow.Table
        Of one chunk. Only the last row of all ends a piece inside a grain, and then the piece has
        no more than that grain.

    Raises
    ------
    DataError
        If there are fewer rows.
    """
    import pyarrow

    waiting: list[pyarrow.Table] = []
    held, position = 0, first
    last = None if rows is None else first + rows
    for table in source.read(names, first, last):
        waiting.append(table)
        held += table.num_rows
        while held >= most:
            joined = pyarrow.concat_tables(waiting)
            yield position, joined.slice(0, most).combine_chunks()
            position, held = position + most, held - most
            waiting = [joined.slice(most)] if held else []
    if held:
        joined = pyarrow.concat_tables(waiting)
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
    """Rows without missing values, at their places.

    Returns
    -------
    table : Table
        In which a row with a missing value repeats one without.
    present : ndarray of bool, shape (n,), or None
        The rows that have no missing value; None if all have none.
    None
        In the place of both if there is no such row.
    """
    if missing == "raise":
        # Numbers that are missing show in the sums of the rows.
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
    """Says of which rows an error counts its own."""
    try:
        yield
    except FastGLMError as error:
        if position == 0 and n_rows == source.n_rows:
            raise
        raise type(error)(
            f"in the {n_rows:,} rows from row {position:,} on of {source.label}, from which rows "
            f"are counted here: {error}"
        ) from error
