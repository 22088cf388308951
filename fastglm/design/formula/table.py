"""The columns a formula uses, read together, with one rule for missing values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.expressions import Expression
from fastglm.design.frames.frames import Categories, Column, Frame, read_column
from fastglm.design.frames.missing import (
    all_finite,
    missing_rows,
    raise_missing,
    require_finite,
)
from fastglm.errors import ColumnNotFoundError, DataError

__all__ = ["Table", "read_table"]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Parameters
    ----------
    columns : dict of str to Column
        By column name.
    extra : dict of str to Column
        Columns read along for an argument such as an exposure, by argument name.
    n_rows : int
    """

    columns: dict[str, Column]
    extra: dict[str, Column]
    n_rows: int
    #: Numbers, by `id`, of the columns of which `missing` has seen that all are finite.
    _finite: set[int] = field(default_factory=set, init=False, repr=False)

    def is_finite(self, value: object) -> bool:
        """Whether this is one of the columns, as it lies, and known to be finite."""
        return id(value) in self._finite

    def missing(self) -> dict[str, np.ndarray]:
        """Masks of the rows without a value, (n,) each, for the columns that have such rows."""
        found = {}
        for name, column in {**self.extra, **self.columns}.items():
            if isinstance(column, np.ndarray) and all_finite(column):
                self._finite.add(id(column))
                continue
            rows = missing_rows(column)
            if rows is not None:
                found[name] = rows
        return found

    def missing_categories(self) -> dict[str, np.ndarray]:
        """The same for columns of categories alone, which costs next to nothing."""
        columns = {**self.extra, **self.columns}.items()
        masks = {name: missing_rows(c) for name, c in columns if isinstance(c, Categories)}
        return {name: rows for name, rows in masks.items() if rows is not None}

    def take(self, rows: np.ndarray) -> Table:
        """Keep the rows where the boolean mask `rows` is true."""
        return Table(
            {name: _take(column, rows) for name, column in self.columns.items()},
            {name: _take(column, rows) for name, column in self.extra.items()},
            int(np.count_nonzero(rows)),
        )

    def at(self, numbers: np.ndarray) -> Table:
        """The rows of these numbers, in their order, be it with repetitions."""
        return Table(
            {name: _take(column, numbers) for name, column in self.columns.items()},
            {name: _take(column, numbers) for name, column in self.extra.items()},
            numbers.size,
        )

    def with_nan(self) -> Table:
        """Truth values of which some are missing as numbers, with NaN."""
        table = Table(
            {name: _with_nan(column) for name, column in self.columns.items()},
            {name: _with_nan(column) for name, column in self.extra.items()},
            self.n_rows,
        )
        # Numbers are the same columns, which this table keeps alive.
        kept = map(id, (*table.columns.values(), *table.extra.values()))
        table._finite.update(self._finite.intersection(kept))
        return table

    def complete(self, missing: str) -> tuple[Table, np.ndarray | None, dict[str, int]]:
        """Leave out the rows with missing values, or refuse them.

        Parameters
        ----------
        missing : {"raise", "drop"}

        Returns
        -------
        table : Table
        rows : ndarray of bool, shape (n,), or None
            The rows that were kept; None if all were.
        counts : dict of str to int
            Missing values by column.

        Raises
        ------
        MissingValueError
            If there are any and `missing` is "raise".
        DataError
            If no row is complete.
        ModelError
            If `missing` is something else.
        """
        checked_choice("missing", missing, ("raise", "drop"))
        found = self.missing()
        if not found:
            return self, None, {}
        if missing == "raise":
            raise_missing(found)
        rows = ~np.logical_or.reduce(list(found.values()))
        counts = {name: int(np.count_nonzero(mask)) for name, mask in found.items()}
        if not rows.any():
            raise DataError(f"No row is complete: missing values by column are {counts}.")
        return self.take(rows), rows, counts

    def extra_numbers(self, ignore: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Give the extra columns, checked to be finite numbers.

        Parameters
        ----------
        ignore : ndarray of bool, shape (n,), optional
            Rows that need not be finite.

        Raises
        ------
        DataError
            If one is categorical or not finite.
        """
        numbers = {}
        for name, column in self.extra.items():
            if isinstance(column, Categories):
                raise DataError(f"{name} must be numeric, but its values are categorical.")
            require_finite(column, name, ignore)
            numbers[name] = column
        return numbers


def read_table(
    frame: Frame, expressions: Iterable[Expression], extra: Mapping[str, Any] | None
) -> Table:
    """Read the columns that expressions and extra arguments name.

    Parameters
    ----------
    frame : Frame
    expressions : iterable of Expression
    extra : mapping of str to str, array or None
        By argument name: the name of a column, an array with one value per row, or a number for
        all rows. None is skipped.

    Returns
    -------
    Table

    Raises
    ------
    ColumnNotFoundError
        If the frame lacks a column.
    DataError
        If an array has the wrong length or a column cannot be used.
    """
    names = dict.fromkeys(name for expression in expressions for name in expression.columns)
    columns = {name: frame.column(name) for name in names}
    along: dict[str, Column] = {}
    for argument, value in (extra or {}).items():
        if isinstance(value, str):
            along[argument] = _named(frame, value, argument)
        elif np.ndim(value) == 0 and value is not None:
            along[argument] = np.full(frame.n_rows, value)
        elif value is not None:
            along[argument] = column = read_column(value, argument)
            length = len(column.codes if isinstance(column, Categories) else column)
            if length != frame.n_rows:
                raise DataError(
                    f"{argument} has {length} values, but the data has {frame.n_rows} rows."
                )
    return Table(columns, along, frame.n_rows)


def _named(frame: Frame, name: str, argument: str) -> Column:
    """The column that an argument, of this call or of the fit, names."""
    try:
        return frame.column(name)
    except ColumnNotFoundError as error:
        raise ColumnNotFoundError(
            f"{error} It is the column of {argument}=: add it, or give {argument}= numbers, one "
            "for each row or one for all, such as 1."
        ) from None


def _with_nan(column: Column) -> Column:
    return column.as_numbers() if isinstance(column, Categories) and column.are_truths else column


def _take(column: Column, rows: np.ndarray) -> Column:
    return column.take(rows) if isinstance(column, Categories) else column[rows]
