"""Warnings of columns of text files that are read as text because of a few values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastglm.errors import FastGLMWarning, warn

if TYPE_CHECKING:
    import pyarrow

__all__ = ["warn_of_wrong_numbers", "wrong_numbers"]

#: Values at the start of a column that are checked before the rest.
HEAD = 1_000
#: Fewest values of a column that is reported: short text columns often contain numbers.
FEWEST = 10
#: Numbers with marks of thousands, currency or percent, or with another decimal point.
OTHERWISE = r"^\s*[$€£]?\s*[-+]?(\d{1,3}([ ',.]\d{3})+|\d+)([.,]\d+)?\s*[%€]?\s*$"
#: Largest share of values that are not numbers in a reported column; a single one always passes.
WRONG_SHARE = 0.05


def wrong_numbers(
    name: str,
    pieces: Iterable[pyarrow.Array | pyarrow.ChunkedArray],
    decimal_point: str,
    label: str,
) -> str | None:
    """Warning for a text column nearly all of whose values are numbers.

    Parameters
    ----------
    name : str
        Name of the column.
    pieces : iterable of pyarrow.Array or ChunkedArray
        Its values, in order.
    decimal_point : str
    label : str
        Name of the file in the warning.

    Returns
    -------
    str or None
        Text with the first row and value that is not a number, or that the numbers are written in
        another way. None if all values are numbers, too many are not (`WRONG_SHARE`), or there are
        fewer values than `FEWEST`.
    """
    import pyarrow.compute as pc

    point = re.escape(decimal_point)
    number = rf"^\s*[-+]?(\d+({point}\d*)?|{point}\d+)([eE][-+]?\d+)?\s*$"
    first: tuple[int, str] | None = None
    position = n_values = n_wrong = 0
    for column in pieces:
        head = column.slice(0, HEAD)
        if not position and not _may_be_few(*_counts(head, number)):
            return _written_otherwise(name, head, decimal_point, label)
        values, wrong = _counts(column, number)
        if wrong and first is None:
            row = pc.index(pc.match_substring_regex(column, number), False).as_py()
            first = position + row, column[row].as_py()
        position, n_values, n_wrong = position + len(column), n_values + values, n_wrong + wrong
    if first is None or n_values < FEWEST or not _may_be_few(n_values, n_wrong):
        return None
    others = "" if n_wrong == 1 else f", and so are {n_wrong - 1:,} more of its values"
    return (
        f"column '{name}' of {label} is text, so that each of its values becomes a level: row "
        f"{first[0]:,} (counted from 0, without the heading) has {first[1]!r}, which is no "
        f"number{others}. Correct it, or leave it empty where it stands for a missing value; "
        "nothing is to be done if these are levels."
    )


def warn_of_wrong_numbers(table: pyarrow.Table, decimal_point: str, label: str) -> None:
    """Warns of each text column of a table that would be numeric but for a few values."""
    import pyarrow

    for name, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_string(column.type):
            text = wrong_numbers(name, [column], decimal_point, label)
            if text is not None:
                warn(text, FastGLMWarning)


def _written_otherwise(
    name: str, head: pyarrow.Array | pyarrow.ChunkedArray, decimal_point: str, label: str
) -> str | None:
    """Warning for a text column whose first values are numbers as people write them."""
    n_values, n_wrong = _counts(head, OTHERWISE)
    if n_values < FEWEST or not _may_be_few(n_values, n_wrong):
        return None
    first = next(value for value in head.to_pylist() if value is not None)
    return (
        f"column '{name}' of {label} is text, so that each of its values becomes a level, though "
        f"they look like numbers, such as {first!r}. Write those with {decimal_point!r} before "
        "decimals, and without marks of thousands, currency or percent; nothing is to be done if "
        "these are levels."
    )


def _counts(column: pyarrow.Array | pyarrow.ChunkedArray, number: str) -> tuple[int, int]:
    """Number of values that are not missing, and how many of them are not numbers."""
    import pyarrow.compute as pc

    values = len(column) - column.null_count
    return values, values - (pc.sum(pc.match_substring_regex(column, number)).as_py() or 0)


def _may_be_few(n_values: int, n_wrong: int) -> bool:
    return n_wrong <= max(1.0, WRONG_SHARE * n_values)
