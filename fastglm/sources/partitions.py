"""Rows of a Dask data frame, partition by partition, in their order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from fastglm.errors import DataError
from fastglm.sources.base import Source
from fastglm.sources.streams import ColumnTypes, as_table, attempt

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PartitionSource"]


class PartitionSource(Source):
    """The partitions of a Dask data frame, one after the other.

    A first pass counts the rows of each partition; later reads compute only the partitions that
    they need.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    """

    def __init__(self, frame: Any) -> None:
        self._frame, self.label = frame, "the Dask data frame"
        self.names = tuple(frame.columns)
        self._types = ColumnTypes(self.label)
        lengths = attempt(self.label, lambda: frame.map_partitions(len).compute())
        sizes = [int(size) for size in lengths]
        self._edges = [0, *accumulate(sizes)]
        self.n_rows = self._edges[-1]
        if not self.n_rows:
            raise DataError(f"{self.label} has no rows.")
        self.starts = tuple(dict.fromkeys(self._edges[:-1]))

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`."""
        wanted, edges = list(columns), self._edges
        end = edges[-1] if last is None else min(last, edges[-1])
        chosen = self._frame[wanted]
        for k in range(max(bisect_right(edges, first) - 1, 0), len(edges) - 1):
            if edges[k] >= end:
                return
            part = attempt(self.label, chosen.partitions[k].compute)
            table = as_table(part, self.label)
            if table.num_rows != edges[k + 1] - edges[k]:
                raise DataError(
                    f"partition {k} of {self.label} had {edges[k + 1] - edges[k]} rows before and "
                    f"has {table.num_rows} now: persist the frame, or write it with to_parquet()."
                )
            begin = max(first - edges[k], 0)
            rows = table.slice(begin, min(end, edges[k + 1]) - edges[k] - begin)
            if rows.num_rows:
                yield self._types.of_all(rows.select(wanted))
