"""Tables from files: CSV, Parquet and Arrow, read by pyarrow, only the columns that are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastglm.errors import DataError, require_package

if TYPE_CHECKING:
    import pyarrow

__all__ = ["column_names", "read_table", "write_csv", "write_table"]

_CSV = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_PARQUET = (".parquet", ".pq")
_ARROW = (".feather", ".arrow", ".ipc")
_KNOWN = f"{', '.join(_CSV)}; {', '.join(_PARQUET)}; {', '.join(_ARROW)}"


def read_table(path: str | Path, columns: Iterable[str] | None = None) -> pyarrow.Table:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        Its ending says what it is: CSV (``.csv``, ``.tsv``, ``.txt``, also compressed), Parquet
        (``.parquet``, ``.pq``) or Arrow (``.feather``, ``.arrow``, ``.ipc``).
    columns : iterable of str, optional
        The columns to read; all of them by default.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DataError
        If the file cannot be read, its ending is not known, or pyarrow is not installed.
    """
    wanted = None if columns is None else list(columns)
    return _attempt(Path(path), lambda: _read(_existing(path), wanted))


def column_names(path: str | Path) -> list[str]:
    """Names of a file's columns, from its head; raises as `read_table`."""
    return _attempt(Path(path), lambda: _names(_existing(path)))


def write_table(table: pyarrow.Table, path: str | Path) -> None:
    """Write a table as CSV, Parquet or Arrow, by the ending of `path`; raises as `read_table`."""
    _attempt(Path(path), lambda: _write(table, Path(path)), "write")


def _attempt(path: Path, action: Callable[[], Any], verb: str = "read") -> Any:
    """Run `action` with every failure of file or library as one `DataError`."""
    require_package("pyarrow", "parquet", f"cannot {verb} {path}: files")
    import pyarrow

    try:
        return action()
    except (OSError, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"cannot {verb} {path}: {reason.rstrip('.')}.") from error


def _existing(path: str | Path) -> Path:
    """`path`, after a try to open it: the system's own words are clearer than pyarrow's."""
    Path(path).open("rb").close()
    return Path(path)


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def _csv_options(path: Path, columns: list[str] | None) -> dict[str, Any]:
    from pyarrow import csv

    delimiter = "," if _ends(path, _CSV[:4]) else "\t"
    return {
        "parse_options": csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # An empty cell or NA is a missing value in a column of strings too.
        "convert_options": csv.ConvertOptions(include_columns=columns, strings_can_be_null=True),
    }


def _read(path: Path, columns: list[str] | None) -> pyarrow.Table:
    from pyarrow import csv, feather, parquet

    if _ends(path, _CSV):
        return csv.read_csv(path, **_csv_options(path, columns))
    if _ends(path, _PARQUET):
        return parquet.read_table(path, columns=columns)
    if _ends(path, _ARROW):
        return feather.read_table(path, columns=columns)
    raise DataError(f"cannot tell what {path} is: its name must end in one of {_KNOWN}.")


def _names(path: Path) -> list[str]:
    from pyarrow import csv, ipc, parquet

    if _ends(path, _CSV):
        with csv.open_csv(path, **_csv_options(path, None)) as reader:
            return list(reader.schema.names)
    if _ends(path, _PARQUET):
        return list(parquet.read_schema(path).names)
    if _ends(path, _ARROW):
        with ipc.open_file(path) as reader:
            return list(reader.schema.names)
    return list(_read(path, None).column_names)


def write_csv(table: pyarrow.Table, target: Path | BinaryIO) -> None:
    """Write a table as CSV to a file or a stream of bytes."""
    from pyarrow import csv

    csv.write_csv(table, target, csv.WriteOptions(quoting_style="needed"))


def _write(table: pyarrow.Table, path: Path) -> None:
    from pyarrow import feather, parquet

    if _ends(path, (".csv",)):
        write_csv(table, path)
    elif _ends(path, _PARQUET):
        parquet.write_table(table, path)
    elif _ends(path, _ARROW):
        feather.write_feather(table, path)
    else:
        raise DataError(f"cannot tell how to write {path}: name it .parquet, .feather or .csv.")
