"""What a source of rows is: columns in a fixed order of rows, read a few rows at a time, often."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Source", "is_text"]


class Source(ABC):
    """Rows that need not fit into memory.

    A fit reads them several times, each time in the same order; where a row stands among all rows
    is its position, which decides how sums are made, so that results do not depend on how a
    source cuts its rows into batches.

    Attributes
    ----------
    label : str
        What messages call it.
    names : tuple of str
        Of its columns.
    n_rows : int or None
        Rows, where that is known without reading them.
    starts : tuple of int or None
        Positions from which it can be read without reading what comes before, such as those of
        Parquet's row groups, in increasing order; None if it can only be read from its first row.
    batch_rows : int
        Most rows that are decoded together, where the source has a choice.
    """

    label: str
    names: tuple[str, ...]
    n_rows: int | None = None
    starts: tuple[int, ...] | None = None
    batch_rows: int = 131_072

    @abstractmethod
    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """The rows from position `first` on, up to before `last` or to the end, piece by piece.

        Parameters
        ----------
        columns : sequence of str
            Those that are needed, of `names`.
        first : int, default 0
        last : int, optional

        Yields
        ------
        pyarrow.Table
            Consecutive rows; how many is up to the source.

        Raises
        ------
        DataError
            If a row cannot be read.
        """

    def fingerprint(self) -> dict[str, Any]:
        """What tells whether the rows are still the same, as plain JSON types.

        Names of columns and, where they are known, the number of rows and the files' sizes and
        times.
        """
        return {"names": list(self.names), "n_rows": self.n_rows}

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it reads, where it knows them."""
        return tuple(self.fingerprint().get("files", ()))

    def __repr__(self) -> str:
        rows = "rows not counted yet" if self.n_rows is None else f"{self.n_rows:,} rows"
        return f"<{type(self).__name__} {self.label}, {rows}, {len(self.names)} columns>"


def is_text(kind: pyarrow.DataType) -> bool:
    """Whether a type of Arrow is one of strings, however they lie in memory."""
    import pyarrow

    types = pyarrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
