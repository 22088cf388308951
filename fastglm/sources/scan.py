"""`fastglm.scan` makes a source of rows from a path, glob, table or function."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastglm.data.files import CSV
from fastglm.errors import DataError, require_package
from fastglm.sources.base import Source
from fastglm.sources.engines import ENGINES

__all__ = ["is_many", "is_source", "scan"]

_PARQUET = (".parquet", ".pq")
_ARROW = (".feather", ".arrow", ".ipc")
_MAGIC = frozenset("*?[")


def scan(data: Any, delimiter: str | None = None) -> Source:
    """Take rows that need not fit into memory as the data of a fit.

    Before the fit only the footers of files are read; the fit reads the rows a few times, in
    bounded memory. The same rows give the same results to the last bit, however they are stored.

    Parameters
    ----------
    data : path, glob, folder, list of paths, table, data frame, stream or callable
        Parquet (``.parquet``, ``.pq``) or Arrow IPC (``.arrow``, ``.feather``, ``.ipc``) files:
        one, a list of them, all that match a glob such as ``"claims/*.parquet"``, or all in a
        folder, in the order of their names. Or a polars LazyFrame, a DuckDB relation, a pyarrow
        data set, a Delta table, a Dask data frame, an Arrow table or any data frame. Or a function
        without arguments that returns an iterable of record batches, tables or data frames, with
        the same rows each time.
        CSV files are converted once, to a temporary Parquet file.
    delimiter : str, optional
        Separator of CSV files: a character, or "tab". By default the most frequent of comma,
        semicolon and tab in the first line.

    Returns
    -------
    Source
        Pass it to `fastglm.glm` in place of a data frame. A path can also be passed directly.

    Raises
    ------
    DataError
        If there are no such files, or `data` can be read only once. Columns that differ between
        files are refused when they are used.
    MissingPackageError
        If pyarrow is not installed.

    Warns
    -----
    FastGLMWarning
        If CSV files are converted.

    Examples
    --------
    >>> import fastglm as fg
    >>> def batches():
    ...     for k in range(3):
    ...         yield {"x": [k, k + 1.0, k + 3.0], "y": [2.0 * k, 2.0 * k + 3.0, 2.0 * k + 6.0]}
    >>> import pyarrow as pa
    >>> source = fg.scan(lambda: (pa.table(batch) for batch in batches()))
    >>> fg.glm("y ~ x", source).nobs
    9.0
    """
    require_package("pyarrow", "parquet", "sources of rows")
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        return _of_files(_found(data), str(data), delimiter)
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | Path) for p in data):
        return _of_files([path for item in data for path in _found(item)], str(data[0]), delimiter)
    if isinstance(data, list | tuple) and not data:
        raise DataError("there are no files in an empty list: give paths of files.")
    return _of_object(data)


def is_source(data: Any) -> bool:
    """Whether `data` is streamed: a source, a path, a function or an object of `ENGINES`."""
    return (
        isinstance(data, Source | str | Path)
        or _kind(data) in ENGINES
        or (callable(data) and not _is_table(data))
    )


def is_many(path: Path) -> bool:
    """Whether a path stands for several files: a folder or a glob."""
    return path.is_dir() or (bool(_MAGIC & set(str(path))) and not path.exists())


def _found(path: str | Path) -> list[Path]:
    """The files that a path, a glob or a folder stands for, in the order of their names."""
    whole = Path(path).expanduser()
    if is_many(whole) and not whole.is_dir():
        names = sorted(glob.glob(str(whole), recursive=True))
        found = [Path(name) for name in names if Path(name).is_file()]
    elif whole.is_dir():
        endings = (*_PARQUET, *_ARROW, *CSV)
        found = sorted(p for p in whole.rglob("*") if p.name.lower().endswith(endings))
    else:
        return [whole]
    if not found:
        raise DataError(f"there are no files {path}: give a path, a folder or a glob of files.")
    return found


def _of_files(paths: Iterable[Path], label: str, delimiter: str | None) -> Source:
    from fastglm.sources.csv import CSVFiles
    from fastglm.sources.files import ArrowFiles, ParquetFiles, size_of

    paths = list(paths)
    if all(path.name.lower().endswith(_PARQUET) for path in paths):
        return ParquetFiles(paths)
    if all(path.name.lower().endswith(_ARROW) for path in paths):
        return ArrowFiles(paths)
    if all(path.name.lower().endswith(CSV) for path in paths):
        for path in paths:
            size_of(path)
        return CSVFiles(paths, delimiter)
    known = ", ".join((*_PARQUET, *_ARROW, *CSV))
    raise DataError(
        f"cannot stream {label}: files must all be of one kind, and end in one of {known}."
    )


def _kind(data: Any) -> tuple[str, str]:
    """Package and name of the type of an object; the package is not imported."""
    kind = type(data)
    return kind.__module__.partition(".")[0].lstrip("_"), kind.__name__


def _of_object(data: Any) -> Source:
    from fastglm.sources.streams import StreamSource
    from fastglm.sources.tables import TableSource

    opener = ENGINES.get(_kind(data))
    if opener is not None:
        return opener(data)
    if _is_table(data):
        return TableSource(data)
    if callable(data):
        return StreamSource.from_callable(data, getattr(data, "__name__", "the function"))
    kind = type(data).__name__
    if hasattr(data, "read_next_batch") or hasattr(data, "__next__"):
        raise DataError(
            f"a {kind} can be read only once, but a fit reads its rows several times: pass a "
            "function of no arguments that opens it anew."
        )
    raise DataError(
        f"cannot stream a {kind}: pass a path, a glob, a data set, a LazyFrame, a relation, a "
        "table or a function that gives record batches."
    )


def _is_table(data: Any) -> bool:
    return hasattr(data, "column_names") or hasattr(data, "columns") or isinstance(data, dict)
