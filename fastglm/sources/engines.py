"""Sources from polars, DuckDB, pyarrow data sets and Delta tables.

The libraries are not imported with this file: whoever has such an object has imported its library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from fastglm.sources.base import Source
from fastglm.sources.partitions import PartitionSource
from fastglm.sources.streams import StreamSource, attempt

__all__ = ["ENGINES"]


def _of_lazy_frame(frame: Any) -> Source:
    def open_stream(columns: list[str]) -> Iterable[Any]:
        chosen = frame.select(columns)
        return chosen.collect_batches(chunk_size=Source.batch_rows, maintain_order=True)

    label = "the LazyFrame"
    names = attempt(label, lambda: frame.collect_schema().names())
    source = StreamSource(open_stream, names, label)
    source.given = import_module("polars").DataFrame()
    return source


def _of_relation(relation: Any) -> Source:
    def open_stream(columns: list[str]) -> Iterable[Any]:
        quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
        chosen = relation.project(", ".join(quoted))
        reader = getattr(chosen, "to_arrow_reader", None) or chosen.fetch_arrow_reader
        return reader(Source.batch_rows)

    return StreamSource(open_stream, relation.columns, "the DuckDB relation")


def _of_data_set(data_set: Any) -> StreamSource:
    def open_stream(columns: list[str]) -> Iterable[Any]:
        # pyarrow's default read-ahead takes gigabytes.
        return data_set.to_batches(
            columns=columns,
            batch_size=Source.batch_rows,
            batch_readahead=2,
            fragment_readahead=1,
            use_threads=True,
        )

    source = StreamSource(open_stream, data_set.schema.names, "the data set")
    source.given = import_module("pyarrow").table({})
    return source


def _of_delta_table(table: Any) -> Source:
    # All passes read the version of the table that is current now.
    source = _of_data_set(table.to_pyarrow_dataset())
    source.label = f"version {table.version()} of the Delta table"
    source.marks = {"version": table.version(), "parts": sorted(table.file_uris())}
    return source


#: Function that makes a source, by package and name of the type of the object.
ENGINES: dict[tuple[str, str], Callable[[Any], Source]] = {
    ("polars", "LazyFrame"): _of_lazy_frame,
    ("duckdb", "DuckDBPyRelation"): _of_relation,
    ("pyarrow", "FileSystemDataset"): _of_data_set,
    ("pyarrow", "UnionDataset"): _of_data_set,
    ("pyarrow", "InMemoryDataset"): _of_data_set,
    ("dask", "DataFrame"): PartitionSource,
    ("deltalake", "DeltaTable"): _of_delta_table,
}
