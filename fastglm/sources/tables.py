"""A table in memory as a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError
from fastglm.sources.base import Source

if TYPE_CHECKING:
    import pyarrow

__all__ = ["TableSource"]


class TableSource(Source):
    """An Arrow table, or a data frame or mapping of columns converted to one."""

    def __init__(self, table: Any) -> None:
        self._table = _as_arrow(table)
        self.label, self.given = f"the {type(table).__name__}", table
        self.names, self.n_rows = tuple(self._table.column_names), self._table.num_rows
        if not self.n_rows:
            raise DataError(f"{self.label} has no rows.")
        lengths = [len(chunk) for chunk in self._table.column(0).chunks] if self.names else []
        self.starts = tuple(np.cumsum([0, *lengths[:-1]]).tolist())

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`."""
        wanted = self._table.select(list(columns))
        yield wanted.slice(first, None if last is None else last - first)


def _as_arrow(table: Any) -> pyarrow.Table:
    import pyarrow

    if isinstance(table, pyarrow.Table):
        return table
    if isinstance(table, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([table])
    if hasattr(table, "to_arrow"):
        return table.to_arrow()
    if isinstance(table, dict):
        return pyarrow.table(table)
    return pyarrow.Table.from_pandas(table, preserve_index=False)
