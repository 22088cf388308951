"""Rows that come as a stream which is opened anew for every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fastglm.errors import DataError
from fastglm.sources.base import Source

if TYPE_CHECKING:
    import pyarrow

__all__ = ["StreamSource", "as_table"]

#: Opens the stream, from its first row, with these columns or all.
Opener = Callable[[list[str]], Iterable[Any]]


class StreamSource(Source):
    """Record batches, tables or data frames from what can be opened again and again.

    Parameters
    ----------
    open_stream : callable
        Takes a list of names of columns; gives an iterable of batches that have at least these, in
        the same order of rows every time.
    names : tuple of str
    label : str
    """

    def __init__(self, open_stream: Opener, names: Sequence[str], label: str) -> None:
        self._open, self.names, self.label = open_stream, tuple(names), label

    @classmethod
    def from_callable(cls, function: Callable[[], Any], label: str) -> StreamSource:
        """A stream from a function of no arguments.

        Raises
        ------
        DataError
            If it gives the same stream twice, no stream, or one without rows.
        """
        opened = function()
        if _is_used_up_once(opened) and function() is opened:
            raise DataError(
                f"{label} gives the same stream again, which can be read only once: let it open "
                "a new one each time it is called."
            )
        try:
            first = next(iter(opened), None)
        except TypeError:
            raise DataError(
                f"{label} gives a {type(opened).__name__}; let it give record batches."
            ) from None
        if first is None:
            raise DataError(f"{label} has no rows.")
        names = as_table(first, label).column_names
        return cls(lambda columns: function(), names, label)

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`; rows before `first` are read and passed over."""
        wanted, position = list(columns), 0
        for batch in self._open(wanted):
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
                yield table.select(wanted).slice(begin, end - begin)
            if last is not None and position >= last:
                return
        if last is None and not first:
            self._require_same_length(position)

    def _require_same_length(self, rows: int) -> None:
        """Keeps the number of rows of the first reading, and refuses any other later."""
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
    """Whether an iterable is its own iterator, or a reader, which nothing rewinds."""
    return hasattr(opened, "__next__") or hasattr(opened, "read_next_batch")


def as_table(batch: Any, label: str) -> pyarrow.Table:
    """A table of what a stream may give: batches, tables and data frames."""
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
