"""Reading the needed columns of CSV, Parquet and Arrow files, by pyarrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastglm.data.wrong_numbers import warn_of_wrong_numbers
from fastglm.errors import DataError, require_package

if TYPE_CHECKING:
    import pyarrow

__all__ = ["CSV", "column_names", "csv_options", "read_table", "refuse_repeated"]

#: Endings of text files.
CSV = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
#: Endings of text files that are not compressed.
PLAIN = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")
_ARROW = (".feather", ".arrow", ".ipc")
_KNOWN = f"{', '.join(CSV)}; {', '.join(_PARQUET)}; {', '.join(_ARROW)}"


#: A missing value in addition to pyarrow's own (empty, "NA", ...): a point, as in SAS and Stata.
_MISSING = "."
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "space": " "}
#: Bytes at the start of a CSV file from which its delimiter is inferred.
_HEAD = 65536
_BLOCK = 1 << 20
_QUOTED = re.compile(r'"[^"]*"')
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,(\d{1,2}|\d{4,})([eE][-+]?\d+)?")


def read_table(
    path: str | Path, columns: Iterable[str] | None = None, delimiter: str | None = None
) -> pyarrow.Table:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        Its ending gives the format: CSV (``.csv``, ``.tsv``, ``.txt``, also compressed), Parquet
        (``.parquet``, ``.pq``) or Arrow (``.feather``, ``.arrow``, ``.ipc``).
    columns : iterable of str, optional
        The columns to read; all of them by default.
    delimiter : str, optional
        Separator of the columns of a CSV file: a character, or "tab". By default the most frequent
        of comma, semicolon and tab in its first line.

    Returns
    -------
    pyarrow.Table

    Warns
    -----
    FastGLMWarning
        If a column of a CSV file is read as text because a few of its values are not numbers.

    Raises
    ------
    DataError
        If the file cannot be read, its ending is not known, or pyarrow is not installed.
    """
    wanted = None if columns is None else list(columns)
    return _attempt(Path(path), lambda: _read(_existing(path), wanted, delimiter))


def column_names(path: str | Path, delimiter: str | None = None) -> list[str]:
    """Names of a file's columns, from its head; arguments and errors as for `read_table`."""
    return _attempt(Path(path), lambda: _names(_existing(path), delimiter))


def refuse_repeated(names: Sequence[str], wanted: Iterable[str], label: str | Path) -> None:
    """Raises `DataError` for a column in use whose name two columns of the data have."""
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(
                f"{label} has {names.count(name)} columns with the name {name!r}: rename all but "
                "one of them."
            )


def _attempt(path: Path, action: Callable[[], Any]) -> Any:
    """Run `action` with every failure of file or library as one `DataError`."""
    require_package("pyarrow", "parquet", f"cannot read {path}: files")
    import pyarrow

    try:
        return action()
    except (OSError, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"cannot read {path}: {reason.rstrip('.')}.") from error


def _existing(path: str | Path) -> Path:
    """`path`, opened once before pyarrow does: the system's error message is the clearer one."""
    Path(path).open("rb").close()
    return Path(path)


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def csv_options(path: Path, columns: list[str] | None, delimiter: str | None) -> dict[str, Any]:
    """Keyword arguments of pyarrow's CSV readers for a file; arguments as for `read_table`."""
    from pyarrow import csv

    lines = _first_lines(path)
    if delimiter is None:
        delimiter = _guessed(lines, usual="," if _ends(path, CSV[:4]) else "\t")
    delimiter = _DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1:
        raise DataError(
            f"delimiter must be one character or one of {', '.join(_DELIMITERS)}, not "
            f"{delimiter!r}."
        )
    return {
        "parse_options": csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # An empty cell or NA is a missing value in a column of strings too.
        "convert_options": csv.ConvertOptions(
            include_columns=columns,
            null_values=[*csv.ConvertOptions().null_values, _MISSING],
            strings_can_be_null=True,
            decimal_point="," if _has_decimal_commas(lines, delimiter) else ".",
        ),
    }


def _first_lines(path: Path) -> list[str]:
    """Lines of the head of a text file, compressed or not."""
    import pyarrow

    with pyarrow.input_stream(str(path), compression="detect") as stream:
        head = stream.read(_HEAD)
    lines = head.decode("utf-8", errors="replace").splitlines()
    return lines[:-1] if len(head) == _HEAD else lines


def _guessed(lines: list[str], usual: str) -> str:
    """The most frequent delimiter of the first line; `usual` if the line has none."""
    first = _QUOTED.sub("", lines[0]) if lines else ""
    return max((usual, ",", ";", "\t", "|"), key=first.count)


def _has_decimal_commas(lines: list[str], delimiter: str) -> bool:
    """Whether numbers have a decimal comma, as is usual where semicolons separate the columns.

    A comma before exactly three digits may separate thousands and is no evidence.
    """
    if delimiter != ";":
        return False
    cells = (cell.strip().strip('"') for line in lines[1:] for cell in line.split(";"))
    return any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _read(path: Path, columns: list[str] | None, delimiter: str | None) -> pyarrow.Table:
    from pyarrow import feather, parquet

    if columns is not None:
        refuse_repeated(_names(path, delimiter), columns, path)
    if _ends(path, CSV):
        options = csv_options(path, columns, delimiter)
        if not _has_quotes(path):
            # Without line ends inside values, pyarrow parses blocks of lines in parallel.
            options["parse_options"].newlines_in_values = False
        table = _read_csv(path, options)
        warn_of_wrong_numbers(table, options["convert_options"].decimal_point, str(path))
        return table
    if _ends(path, _PARQUET):
        return parquet.read_table(path, columns=columns)
    if _ends(path, _ARROW):
        return feather.read_table(path, columns=columns)
    raise DataError(f"cannot tell what {path} is: its name must end in one of {_KNOWN}.")


def _has_quotes(path: Path) -> bool:
    """Whether a text file has a quotation mark anywhere; compressed ones count as if they had."""
    if not _ends(path, PLAIN):
        return True
    block = bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(block):
            if block.find(b'"', 0, n) >= 0:
                return True
    return False


def _read_csv(path: Path, options: dict[str, Any]) -> pyarrow.Table:
    """A CSV file as a table of one contiguous chunk a column, which NumPy reads without a copy.

    Columns are joined one at a time, so that the chunks of each are freed before the next is
    copied.
    """
    import pyarrow
    from pyarrow import csv

    # Types inferred from the first block are given to pyarrow: without them it keeps the text of
    # all blocks in memory until it knows them. A later value that does not fit costs a second read.
    with csv.open_csv(path, **options) as reader:
        types = {each.name: each.type for each in reader.schema if each.type != pyarrow.null()}
    conversion = options["convert_options"]
    try:
        conversion.column_types = types
        table = csv.read_csv(path, **options)
    except pyarrow.ArrowInvalid:
        conversion.column_types = {}
        table = csv.read_csv(path, **options)
    names, columns = table.column_names, table.columns
    del table
    for number, column in enumerate(columns):
        columns[number] = column.combine_chunks()
    return pyarrow.table(columns, names)


def _names(path: Path, delimiter: str | None) -> list[str]:
    from pyarrow import csv, ipc, parquet

    if _ends(path, CSV):
        with csv.open_csv(path, **csv_options(path, None, delimiter)) as reader:
            return list(reader.schema.names)
    if _ends(path, _PARQUET):
        return list(parquet.read_schema(path).names)
    if _ends(path, _ARROW):
        with ipc.open_file(path) as reader:
            return list(reader.schema.names)
    return list(_read(path, None, delimiter).column_names)
