"""Writing tables piece by piece and atomically, to one file or a folder of files."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from fastglm.data.whole_files import partial_of, remove_partial
from fastglm.errors import DataError, require_package

if TYPE_CHECKING:
    import pyarrow

__all__ = ["TableWriter", "write_table"]

#: Rows of each file in a folder.
FILE_ROWS = 1_048_576


class TableWriter:
    """Writes a table piece by piece; its path does not exist until the table is complete.

    Parameters
    ----------
    path : str, Path or binary stream
        A file that ends in ``.parquet``, ``.arrow``, ``.feather`` or ``.csv``. A name without an
        ending is a folder of Parquet files, which must be empty or not exist. A stream is written
        as CSV.

    Raises
    ------
    DataError
        If the path cannot be written.
    MissingPackageError
        If pyarrow is not installed.
    """

    def __init__(self, path: str | Path | BinaryIO) -> None:
        require_package("pyarrow", "parquet", f"cannot write {path}: files")
        self._writer: Any = None
        self._files = self._rows = 0
        self._stream = None if isinstance(path, str | Path) else path
        if isinstance(path, str | Path):
            self._find_place(Path(path))

    def _find_place(self, path: Path) -> None:
        self._path, suffix = path, path.suffix.lower()
        self._partial = partial_of(path)
        self._is_folder = not suffix
        if suffix and suffix not in _WRITERS:
            raise DataError(
                f"cannot tell how to write {path}: name it .parquet, .feather or .csv, or give a "
                "folder."
            )
        if not self._path.parent.is_dir():
            raise DataError(f"cannot write {path}: there is no folder {self._path.parent}.")
        if self._is_folder and self._path.exists():
            if not self._path.is_dir() or any(self._path.iterdir()):
                raise DataError(
                    f"cannot write to {path}: it is there already. Remove it, or choose a new name."
                )
        elif not self._is_folder and self._path.is_dir():
            raise DataError(f"cannot write {path}: it is a folder.")

    def __enter__(self) -> TableWriter:
        if self._stream is None:
            remove_partial(self._path)
            if self._is_folder:
                self._partial.mkdir()
        return self

    def write(self, table: pyarrow.Table) -> None:
        """Writes some more rows; every piece must have the same columns."""
        if self._stream is not None:
            self._writer = self._writer or _csv(self._stream, table.schema)
        try:
            if self._stream is None and self._is_folder and self._rows >= FILE_ROWS:
                self._close()
            if self._writer is None:
                self._open(table.schema)
            self._writer.write_table(table)
        except OSError as error:
            if self._stream is not None:
                raise
            raise self._failure(error) from error
        self._rows += table.num_rows

    def _open(self, schema: pyarrow.Schema) -> None:
        target, suffix = self._partial, self._path.suffix.lower()
        if self._is_folder:
            target, suffix = target / f"part-{self._files:05d}.parquet", ".parquet"
        self._writer, self._rows = _WRITERS[suffix](target, schema), 0
        self._files += 1

    def _failure(self, error: OSError) -> DataError:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return DataError(
            f"cannot write {self._path}: {reason}. Choose another place, or make room."
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._close()
            return
        try:
            self._close()
            if kind is None and self._files:
                if self._is_folder and self._path.exists():
                    self._path.rmdir()
                self._partial.replace(self._path)
        except OSError as failure:
            # An error while closing must not replace the one that came first.
            if kind is None:
                raise self._failure(failure) from failure
        finally:
            remove_partial(self._path)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def write_table(table: pyarrow.Table, path: str | Path) -> None:
    """Writes a whole table; arguments and errors as for `TableWriter`."""
    with TableWriter(path) as writer:
        writer.write(table)


def _parquet(path: Path, schema: pyarrow.Schema) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(path, schema)


def _arrow(path: Path, schema: pyarrow.Schema) -> Any:
    from pyarrow import ipc

    return ipc.new_file(str(path), schema)


def _csv(target: Path | BinaryIO, schema: pyarrow.Schema) -> Any:
    from pyarrow import csv

    sink = str(target) if isinstance(target, Path) else target
    return csv.CSVWriter(sink, schema, write_options=csv.WriteOptions(quoting_style="needed"))


_WRITERS: dict[str, Any] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
}
_WRITERS |= {".csv": _csv}
