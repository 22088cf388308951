"""Base class of sources: columns with rows in a fixed order, read repeatedly in pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Source", "is_coded_text", "is_plain_number", "is_text"]


class Source(ABC):
    """Rows that need not fit into memory.

    A fit reads them several times, each time in the same order. The position of a row, its number
    among all rows, decides the order of summation, so that results do not depend on how a source
    divides its rows into batches.

    Attributes
    ----------
    label : str
        Name of the source in messages.
    names : tuple of str
        Names of the columns.
    given : data frame or None
        A frame in whose library numbers of its rows come back, of the same rows where it is one of
        pandas; None for pandas by position, as for files.
    n_rows : int or None
        Number of rows; None if it is not known before they are read.
    starts : tuple of int or None
        Positions at which reading can begin without decoding earlier rows, such as the first rows
        of Parquet's row groups, increasing. None if reading always begins at the first row.
    batch_rows : int
        Largest number of rows decoded at a time, where the source has a choice.
    unlike : dict of str to str
        What is wrong with columns of `names` that cannot be read, as they differ between files.
    """

    label: str
    names: tuple[str, ...]
    given: Any = None
    n_rows: int | None = None
    starts: tuple[int, ...] | None = None
    batch_rows: int = 131_072
    unlike: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """The rows at positions `first` to `last` - 1, piece by piece.

        Parameters
        ----------
        columns : sequence of str
            The needed ones of `names`.
        first : int, default 0
        last : int, optional
            By default the rows up to the end.

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
        """Properties that change when the rows change, in types of JSON.

        Names of columns and, where known, the number of rows and the sizes and modification times
        of files. A resumed fit compares them with those of its checkpoint.
        """
        return {"names": list(self.names), "n_rows": self.n_rows}

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files that the source reads; empty if it is not made of files."""
        return tuple(self.fingerprint().get("files", ()))

    def __repr__(self) -> str:
        rows = "rows not counted yet" if self.n_rows is None else f"{self.n_rows:,} rows"
        return f"<{type(self).__name__} {self.label}, {rows}, {len(self.names)} columns>"


def is_coded_text(kind: pyarrow.DataType) -> bool:
    """Whether an Arrow type is one of strings, or of dictionaries of strings without an order."""
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        return is_text(kind.value_type) and not kind.ordered
    return is_text(kind)


def is_plain_number(kind: pyarrow.DataType) -> bool:
    """Whether an Arrow type is one of integers or floats that NumPy has, too."""
    import pyarrow

    return bool(pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind))


def is_text(kind: pyarrow.DataType) -> bool:
    """Whether an Arrow type is a string type of any memory layout."""
    import pyarrow

    types = pyarrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
