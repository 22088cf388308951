"""The rows that averages are taken over: all at once, or some after the other from a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastglm.design.formula.learning import LevelsSeen
from fastglm.design.frames.frames import Categories, Column, Frame, Level, not_found_text
from fastglm.errors import ColumnNotFoundError, DataError
from fastglm.inference.covariance.groups import renumbered
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_passes import complete_pieces

__all__ = ["AllRows", "GroupsOfRows", "Piece", "Pieces", "StreamedPieces", "Variable"]


class Variable(NamedTuple):
    """What a column of the frame holds.

    Attributes
    ----------
    levels : tuple or None
        Of categories; None for numbers and truth values.
    values : tuple or None
        Truth values, or numbers where these were asked for.
    least, most : float
        Of numbers.
    """

    levels: tuple[Level, ...] | None
    values: tuple[Any, ...] | None
    least: float
    most: float


class Piece(NamedTuple):
    """Some rows of a model, without missing values, and what reads a column of their frame."""

    rows: ModelRows
    column: Callable[[str], Column]

    @property
    def times(self) -> np.ndarray:
        """How often each row was observed, (n,)."""
        often = self.rows.frequencies
        return np.ones(self.rows.n_rows) if often is None else often


class GroupsOfRows(NamedTuple):
    """Groups of rows that were observed.

    Attributes
    ----------
    names : tuple of str
    codes : callable
        Returns the group of each row of a piece, (n,).
    """

    names: tuple[str, ...]
    codes: Callable[[Piece], np.ndarray]


class Pieces(Protocol):
    """Rows of a fit, in pieces."""

    def each(self, by: str | None = None) -> Iterator[Piece]:
        """All pieces, with the column `by` beside those of the model."""

    def variable(self, name: str, is_coded: bool) -> Variable:
        """What a column holds; with `is_coded`, also which numbers."""

    def groups(self, by: str | None) -> GroupsOfRows:
        """The groups that a column makes; one group of all rows for None.

        Raises
        ------
        DataError
            If a row has no group.
        """


class AllRows:
    """Rows in memory: one piece; see `Pieces`."""

    def __init__(self, rows: Any) -> None:
        self._piece = Piece(rows, rows.frame_column)

    def each(self, by: str | None = None) -> Iterator[Piece]:
        """See `Pieces.each`."""
        yield self._piece

    def variable(self, name: str, is_coded: bool) -> Variable:
        """See `Pieces.variable`."""
        column = self._piece.column(name)
        if isinstance(column, Categories):
            return Variable(column.levels, None, np.nan, np.nan)
        if column.dtype == bool:
            return Variable(None, (False, True), 0.0, 1.0)
        values = tuple(np.unique(column).tolist()) if is_coded else None
        return Variable(None, values, float(column.min()), float(column.max()))

    def groups(self, by: str | None) -> GroupsOfRows:
        """See `Pieces.groups`."""
        if by is None:
            return _one_group()
        values, codes = _coded(self._piece.column(by))
        if (codes < 0).any():
            raise DataError(
                f"{by!r} has no value in row {int(np.argmin(codes))}; every row needs a group."
            )
        present = np.bincount(codes, self._piece.times, minlength=len(values)) > 0.0
        codes, _ = renumbered(codes, present)
        kept = [value for value, used in zip(values, present, strict=True) if used]
        return GroupsOfRows(_named(by, kept), lambda piece: codes)


class StreamedPieces:
    """Rows that do not fit into memory; see `Pieces`. Each method takes a pass.

    Parameters
    ----------
    rows
        Of the fit.
    names
        The variables of its formula: one pass tells what all of them hold.
    """

    def __init__(self, rows: StreamedModelRows, names: Sequence[str]) -> None:
        self._rows, self._names = rows, tuple(names)
        self._known: Mapping[str, _Seen] | None = None

    def each(self, by: str | None = None) -> Iterator[Piece]:
        """See `Pieces.each`."""
        names = self._rows.source.names
        if by is not None and by not in names:
            raise ColumnNotFoundError(not_found_text(by, names))
        for rows, table in complete_pieces(self._rows, [] if by is None else [by]):
            yield Piece(rows, Frame(table).column)

    def variable(self, name: str, is_coded: bool) -> Variable:
        """See `Pieces.variable`."""
        if self._known is None:
            seen = {each: _Seen(each) for each in self._names}
            for piece in self.each():
                for each in self._names:
                    seen[each].add(piece.column(each))
            self._known = seen
        known = self._known[name]
        levels = known.levels()
        values: Any = (False, True) if known.is_truth else None
        if is_coded and not known.is_truth and levels is None:
            values = self._values(name)
        return Variable(levels, values, known.least, known.most)

    def _values(self, name: str) -> tuple[Any, ...]:
        found: set[Any] = set()
        for piece in self.each():
            found.update(np.unique(np.asarray(piece.column(name))).tolist())
        return tuple(sorted(found))

    def groups(self, by: str | None) -> GroupsOfRows:
        """See `Pieces.groups`."""
        if by is None:
            return _one_group()
        seen, often = _Seen(by), Counter[Any]()
        for piece in self.each(by):
            column = piece.column(by)
            seen.add(column)
            values, codes = _coded(column)
            if (codes < 0).any():
                raise DataError(f"{by!r} has no value in some rows; every row needs a group.")
            times = np.bincount(codes, piece.times, minlength=len(values))
            often.update(dict(zip(values, times.tolist(), strict=True)))
        order = seen.levels() or sorted(often)
        kept = [value for value in order if often[value] > 0.0]
        place = {value: k for k, value in enumerate(kept)}

        def codes_of(piece: Piece) -> np.ndarray:
            values, codes = _coded(piece.column(by))
            return np.array([place.get(value, 0) for value in values], dtype=np.intp)[codes]

        return GroupsOfRows(_named(by, kept), codes_of)


class _Seen:
    """What pieces of a column hold."""

    def __init__(self, name: str) -> None:
        self._levels, self._is_coded = LevelsSeen(name), False
        self.is_truth, self.least, self.most = False, np.inf, -np.inf

    def add(self, column: Column) -> None:
        """Takes note of some more rows."""
        if isinstance(column, Categories):
            self._is_coded = True
            self._levels.add(column)
        else:
            self.is_truth |= column.dtype == bool
            self.least = min(self.least, float(column.min()))
            self.most = max(self.most, float(column.max()))

    def levels(self) -> tuple[Level, ...] | None:
        """Levels of categories, in the order of a column in memory; None for numbers."""
        return self._levels.whole().levels if self._is_coded else None


def _one_group() -> GroupsOfRows:
    return GroupsOfRows(("",), lambda piece: np.zeros(piece.rows.n_rows, dtype=np.intp))


def _named(by: str, values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(f"{by}={value}" for value in values)


def _coded(column: Column) -> tuple[Sequence[Any], np.ndarray]:
    """Distinct values of a column, and the number of each row's, (n,); -1 where it has none."""
    if isinstance(column, Categories):
        return column.levels, np.asarray(column.codes, dtype=np.intp)
    found, codes = np.unique(column, return_inverse=True)
    return found.tolist(), np.where(column == column, codes, -1)
