"""Sources of streams, which are opened again for every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError, FastGLMError
from fastglm.sources.base import Source, is_coded_text, is_plain_number, is_text

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "ColumnTypes",
    "StreamSource",
    "as_table",
    "attempt",
    "coded_text",
    "joined_tables",
    "whole_columns",
]

#: Opens the stream at its first row, with at least the given columns.
Opener = Callable[[list[str]], Iterable[Any]]


class StreamSource(Source):
    """Record batches, tables or data frames of a stream that can be opened repeatedly.

    Parameters
    ----------
    open_stream : callable
        Takes a list of column names; returns an iterable of batches with at least these columns,
        in the same order of rows every time.
    names : tuple of str
        Names of the columns.
    label : str
        Name of the stream in messages.

    Attributes
    ----------
    marks : dict
        Further entries of `fingerprint`, such as the version of a table.
    """

    def __init__(self, open_stream: Opener, names: Sequence[str], label: str) -> None:
        self._open, self.names, self.label = open_stream, tuple(names), label
        self._types = ColumnTypes(label)
        self.marks: dict[str, Any] = {}

    def fingerprint(self) -> dict[str, Any]:
        """See `Source.fingerprint`."""
        return super().fingerprint() | self.marks

    @classmethod
    def from_callable(cls, function: Callable[[], Any], label: str) -> StreamSource:
        """A stream that a function without arguments opens.

        Raises
        ------
        DataError
            If the function returns the same iterator twice, no iterable, or a stream without rows.
        """
        opened = attempt(label, function)
        if _is_used_up_once(opened) and attempt(label, function) is opened:
            raise DataError(
                f"{label} gives the same stream again, which can be read only once: let it open "
                "a new one each time it is called."
            )
        if not isinstance(opened, Iterable) and not _is_one_table(opened):
            raise DataError(f"{label} gives a {type(opened).__name__}; let it give record batches.")
        first = next(_batches(label, lambda: opened), None)
        if first is None:
            raise DataError(f"{label} has no rows.")
        names = as_table(first, label).column_names
        return cls(lambda columns: function(), names, label)

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`; rows before `first` are read and discarded."""
        wanted, position = list(columns), 0
        for batch in _batches(self.label, lambda: self._open(wanted)):
            table = as_table(batch, self.label)
            absent = [name for name in wanted if name not in table.column_names]
            if absent:
                raise DataError(
                    f"a batch of {self.label} lacks the column '{absent[0]}': every batch must "
                    "have the same columns."
                )
            begin = max(first - position, 0)
            end = table.num_rows if last is None else min(last - position, table.num_rows)
            position += table.num_rows
            if begin < end:
                rows = table.select(wanted).slice(begin, end - begin)
                yield self._types.of_all(rows)
            if last is not None and position >= last:
                return
        if last is None and not first:
            self._require_same_length(position)

    def _require_same_length(self, rows: int) -> None:
        """Keeps the number of rows of the first read, and raises if a later one differs."""
        if self.n_rows is None:
            if not rows:
                raise DataError(f"{self.label} has no rows.")
            self.n_rows = rows
        elif rows != self.n_rows:
            raise DataError(
                f"{self.label} gave {self.n_rows} rows the first time and {rows} now: it must give "
                "the same rows every time it is opened."
            )


def _is_used_up_once(opened: Any) -> bool:
    """Whether an iterable can be read only once: an iterator, or a pyarrow reader."""
    return hasattr(opened, "__next__") or hasattr(opened, "read_next_batch")


def _is_one_table(opened: Any) -> bool:
    """Whether an object is a single table, batch or data frame, not an iterable of these."""
    is_table = hasattr(opened, "schema") or hasattr(opened, "columns")
    return is_table and not _is_used_up_once(opened)


def attempt(label: str, action: Callable[[], Any]) -> Any:
    """Result of `action`; exceptions of any library become a `DataError`."""
    try:
        return action()
    except FastGLMError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}".rstrip(":. ")
        raise DataError(
            f"cannot read {label}: {reason}. Correct what it reads, and start again."
        ) from error


def _batches(label: str, opened: Callable[[], Any]) -> Iterator[Any]:
    """The batches of a stream; a single table or data frame is one batch."""
    stream = attempt(label, opened)
    if _is_one_table(stream):
        stream = [stream]
    batches, end = attempt(label, lambda: iter(stream)), object()
    while (batch := attempt(label, lambda: next(batches, end))) is not end:
        yield batch


class ColumnTypes:
    """Types of a stream's columns: each from the first batch with values of it, for all batches.

    Parameters
    ----------
    label : str
        Name of the source in messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._known: dict[str, pyarrow.DataType] = {}

    def of_all(self, table: pyarrow.Table) -> pyarrow.Table:
        """The table cast to these types; a column of nothing but nulls may have any type.

        Raises
        ------
        DataError
            If a column has another type than before.
        """
        for place, name in enumerate(table.column_names):
            column = _with_wide_codes(table.column(name))
            if column.null_count < len(column) or name in self._known:
                column = self._cast(name, column)
            if column is not table.column(name):
                table = table.set_column(place, name, column)
        return table

    def _cast(self, name: str, column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
        import pyarrow

        kind = self._known.setdefault(name, column.type)
        if column.type == kind:
            return column
        if is_coded_text(column.type) and is_coded_text(kind):
            return column.cast(kind) if is_text(kind) else coded_text(column, kind.value_type)
        if column.null_count == len(column):
            return pyarrow.chunked_array([pyarrow.nulls(len(column), kind)], kind)
        raise DataError(
            f"column '{name}' of {self._label} is {kind} in some batches and {column.type} in "
            "others: give it one type in all of them."
        )


def _with_wide_codes(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """A column with its dictionary codes, if any, as int32: batches then have one type."""
    import pyarrow

    kind = column.type
    if not pyarrow.types.is_dictionary(kind) or kind.index_type == pyarrow.int32():
        return column
    chunks = [
        pyarrow.DictionaryArray.from_arrays(
            chunk.indices.cast(pyarrow.int32()), chunk.dictionary, ordered=kind.ordered
        )
        for chunk in column.chunks
    ]
    wanted = pyarrow.dictionary(pyarrow.int32(), kind.value_type, kind.ordered)
    return pyarrow.chunked_array(chunks, wanted)


def coded_text(column: pyarrow.ChunkedArray, values: pyarrow.DataType) -> pyarrow.ChunkedArray:
    """A column of strings, or of a dictionary of them, as one with a dictionary of `values`."""
    import pyarrow

    if is_text(column.type):
        column = column.dictionary_encode()
    wanted = pyarrow.dictionary(pyarrow.int32(), values)
    chunks = [
        pyarrow.DictionaryArray.from_arrays(
            chunk.indices.cast(pyarrow.int32()), chunk.dictionary.cast(values)
        )
        for chunk in column.chunks
    ]
    return pyarrow.chunked_array(chunks, wanted)


def joined_tables(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Concatenated tables; a column of nothing but nulls takes its type from the other tables."""
    import pyarrow

    return pyarrow.concat_tables(tables, promote_options="default")


def whole_columns(tables: list[pyarrow.Table]) -> pyarrow.Table | dict[str, np.ndarray]:
    """All rows of some tables, whose list is emptied.

    Numbers move to arrays one piece after the other: copies of all would take twice their memory.
    """
    whole = joined_tables(tables)
    tables.clear()
    if any(not is_plain_number(c.type) or c.null_count for c in whole.columns):
        return whole.combine_chunks()
    pieces = {name: whole.column(name).chunks for name in whole.column_names}
    n_rows, arrays = whole.num_rows, {}
    del whole
    for name, chunks in pieces.items():
        done, dtype = 0, chunks[0].to_numpy().dtype
        arrays[name] = np.empty(n_rows, dtype=dtype)
        chunks.reverse()
        while chunks:
            values = chunks.pop().to_numpy()
            arrays[name][done : done + values.size] = values
            done += values.size
    return arrays


def as_table(batch: Any, label: str) -> pyarrow.Table:
    """A batch of a stream (record batch, table or data frame) as an Arrow table."""
    import pyarrow

    if isinstance(batch, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([batch])
    if isinstance(batch, pyarrow.Table):
        return batch
    if hasattr(batch, "to_arrow"):
        return batch.to_arrow()
    if hasattr(batch, "__arrow_c_array__"):
        return pyarrow.Table.from_batches([pyarrow.record_batch(batch)])
    if hasattr(batch, "iloc"):
        return pyarrow.Table.from_pandas(batch, preserve_index=False)
    raise DataError(
        f"{label} gives a {type(batch).__name__}; let it give record batches or tables of pyarrow, "
        "or data frames."
    )
