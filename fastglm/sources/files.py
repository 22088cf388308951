"""Sources of one or several files: Parquet by row group, Arrow IPC by record batch."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastglm.data.files import refuse_repeated
from fastglm.errors import DataError
from fastglm.sources.base import Source, is_coded_text, is_plain_number, is_text
from fastglm.sources.hive import HiveColumns
from fastglm.sources.streams import coded_text

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ArrowFiles", "FileSource", "ParquetFiles", "label_of", "size_of"]


class _Unit(NamedTuple):
    """A row group or record batch: the smallest part of a file that is decoded by itself."""

    file: int
    number: int
    first: int
    rows: int


class FileSource(Source):
    """One file or several with the same columns, one after another.

    Folders named ``column=value`` give a further column.

    Parameters
    ----------
    paths : list of Path
        In the order of their rows.
    label : str, optional
        Name of the source in messages; by default the paths.

    Raises
    ------
    DataError
        If a file cannot be read, or has no rows.
    """

    #: Word for a unit in messages, and pyarrow's for the files.
    unit: str
    file_format: str

    def __init__(self, paths: Sequence[Path], label: str | None = None) -> None:
        self.paths = [path.resolve() for path in paths]
        self.label = label or label_of(paths)
        units: list[_Unit] = []
        self.unlike: dict[str, str] = {}
        #: Columns of strings that are laid out differently in some of the files.
        self._mixed: set[str] = set()
        #: One type for the columns of numbers whose types differ between files.
        self._common: dict[str, pyarrow.DataType] = {}
        first, self._sizes = 0, [size_of(path) for path in self.paths]
        for file, path in enumerate(self.paths):
            schema, rows = self._attempt(path, "", lambda path=path: self._inspect(path))
            if not file:
                self.schema = schema
            else:
                known = {f.name: f.type for f in self.schema} | self._common
                mixed, common, unlike = _differences(known, schema, self.paths[0], path)
                self._mixed |= mixed
                self._common |= common
                self.unlike = unlike | self.unlike
            for number, count in enumerate(rows):
                if count:
                    units.append(_Unit(file, number, first, count))
                    first += count
        if not first:
            raise DataError(f"{self.label} has no rows.")
        # In the order of the first file; others that some files have are named for messages.
        stored = tuple(dict.fromkeys([*self.schema.names, *self.unlike]))
        self._hive = HiveColumns(self.paths, self.file_format, stored)
        self.names, self.n_rows = stored + self._hive.names, first
        self._units, self.starts = units, tuple(unit.first for unit in units)

    @abstractmethod
    def _inspect(self, path: Path) -> tuple[pyarrow.Schema, list[int]]:
        """The columns of a file and the number of rows of each of its units."""

    @abstractmethod
    def _decode(self, unit: _Unit, columns: list[str]) -> Iterator[pyarrow.Table]:
        """The rows of a unit, piece by piece."""

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`."""
        assert self.n_rows is not None
        assert self.starts is not None
        last, wanted = self.n_rows if last is None else last, list(columns)
        refuse_repeated(self.schema.names, wanted, self.label)
        for name in wanted:
            if name in self.unlike:
                raise DataError(self.unlike[name])
        for unit in self._units[max(0, bisect_right(self.starts, first) - 1) :]:
            if unit.first >= last:
                return
            position = unit.first
            for piece in self._decoded(unit, wanted):
                begin = max(first - position, 0)
                end = min(last - position, piece.num_rows)
                position += piece.num_rows
                if begin < end:
                    yield piece.slice(begin, end - begin)
                if position >= last:
                    return

    def _decoded(self, unit: _Unit, columns: list[str]) -> Iterator[pyarrow.Table]:
        path, where = self.paths[unit.file], f"{self.unit} {unit.number} of "
        stored = [name for name in columns if name not in self._hive.names]
        # Some column tells how many rows there are.
        alike = [name for name in self.schema.names if name not in self.unlike]
        pieces, done = self._decode(unit, stored or alike[:1]), 0
        while (piece := self._attempt(path, where, lambda: next(pieces, None))) is not None:
            done += piece.num_rows
            whole = self._attempt(path, where, lambda piece=piece: self._coded(piece))
            yield self._hive.append_to(whole, path).select(columns)
        if done != unit.rows:
            raise DataError(
                f"{where}{path} had {unit.rows} rows and has {done} now: the file has changed. "
                "Start again when it is complete."
            )

    def _coded(self, piece: pyarrow.Table) -> pyarrow.Table:
        """The piece with one layout of strings, and one type of numbers, for all files."""
        import pyarrow

        for place, name in enumerate(piece.column_names):
            column = piece.column(place)
            if name in self._mixed:
                column = coded_text(column, pyarrow.large_string())
            elif name in self._common:
                # What the common type does not have, as numbers beyond 2**53, is an error.
                column = column.cast(self._common[name])
            else:
                continue
            piece = piece.set_column(place, name, column)
        return piece

    def _attempt(self, path: Path, where: str, action: Any) -> Any:
        """Result of `action`; failures of the file or the library become a `DataError`."""
        import pyarrow

        try:
            return action()
        except (OSError, pyarrow.ArrowException) as error:
            if where and size_of(path) != self._sizes[self.paths.index(path)]:
                raise DataError(
                    f"{path} has changed during the fit: start again when it is complete."
                ) from error
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(
                f"cannot read {where}{path}: {reason}. Write the file again, or leave it out."
            ) from error

    def fingerprint(self) -> dict[str, Any]:
        """See `Source.fingerprint`."""
        return {
            "names": list(self.names),
            "n_rows": self.n_rows,
            "files": [str(path) for path in self.paths],
            "sizes": [list(size_of(path)) for path in self.paths],
        }


class ParquetFiles(FileSource):
    """Parquet files; text stays dictionary-encoded, and only requested columns are decoded."""

    unit, file_format = "row group", "parquet"

    def __init__(self, paths: Sequence[Path], label: str | None = None) -> None:
        self._metadata: dict[Path, Any] = {}
        super().__init__(paths, label)

    def _inspect(self, path: Path) -> tuple[pyarrow.Schema, list[int]]:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            metadata = self._metadata[path] = file.metadata
            rows = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
            return file.schema_arrow, rows

    def _decode(self, unit: _Unit, columns: list[str]) -> Iterator[pyarrow.Table]:
        import pyarrow
        from pyarrow import parquet

        path = self.paths[unit.file]
        texts = [n for n in columns if n in self._mixed or is_text(self.schema.field(n).type)]
        with parquet.ParquetFile(
            path, metadata=self._metadata[path], read_dictionary=texts
        ) as file:
            # One thread decodes and sums up a range of rows: threads share the rows, not columns.
            for batch in file.iter_batches(
                self.batch_rows, row_groups=[unit.number], columns=columns, use_threads=False
            ):
                yield pyarrow.Table.from_batches([batch])


class ArrowFiles(FileSource):
    """Arrow IPC, also known as Feather, version 2."""

    unit, file_format = "record batch", "ipc"

    def _inspect(self, path: Path) -> tuple[pyarrow.Schema, list[int]]:
        import pyarrow
        from pyarrow import ipc

        # Memory-mapped: counting rows then reads no columns.
        with pyarrow.memory_map(str(path)) as mapped, ipc.open_file(mapped) as file:
            return file.schema, [file.get_batch(k).num_rows for k in range(file.num_record_batches)]

    def _decode(self, unit: _Unit, columns: list[str]) -> Iterator[pyarrow.Table]:
        import pyarrow
        from pyarrow import ipc

        # Not memory-mapped: mapped pages count as memory of the process until they are released.
        with pyarrow.OSFile(str(self.paths[unit.file])) as opened:
            with ipc.open_file(opened) as file:
                # Files need not have the columns in the same order.
                places = sorted(file.schema.get_field_index(name) for name in columns)
            options = ipc.IpcReadOptions(included_fields=places, use_threads=False)
            with ipc.open_file(opened, options=options) as file:
                yield pyarrow.Table.from_batches([file.get_batch(unit.number)]).select(columns)


def label_of(paths: Sequence[Path]) -> str:
    """Name of several files in messages."""
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def size_of(path: Path) -> tuple[int, int]:
    """Size of a file in bytes, and time of its last modification in nanoseconds."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}. Give the path of a file that is there."
        ) from error
    return found.st_size, found.st_mtime_ns


def _differences(
    kinds: Mapping[str, pyarrow.DataType],
    other: pyarrow.Schema,
    first_path: Path,
    other_path: Path,
) -> tuple[set[str], dict[str, pyarrow.DataType], dict[str, str]]:
    """How the columns of a file differ from the types known so far; their order may differ too.

    Returns
    -------
    mixed : set of str
        Columns of strings that are laid out differently.
    common : dict of str to DataType
        Columns of numbers of different types, and a type that has all of these.
    unlike : dict of str to str
        What to say to whoever asks for a column that is missing in one of them, or of another type.
    """
    mixed, common, unlike = set(), {}, {}
    others = {f.name: f.type for f in other}
    for name in {**kinds, **others}:
        mine, theirs = kinds.get(name), others.get(name)
        if mine == theirs:
            continue
        if None not in (mine, theirs) and is_coded_text(mine) and is_coded_text(theirs):
            mixed.add(name)
        elif None not in (mine, theirs) and (shared := _common_number(mine, theirs)) is not None:
            common[name] = shared
        else:
            was, found = ("missing" if kind is None else str(kind) for kind in (mine, theirs))
            unlike[name] = (
                f"column '{name}' is {was} in {first_path} and {found} in {other_path}: write the "
                "files with the same columns, or leave one out."
            )
    return mixed, common, unlike


def _common_number(mine: pyarrow.DataType, theirs: pyarrow.DataType) -> pyarrow.DataType | None:
    """A type that has the numbers of two, one of which may be of nulls alone; None without."""
    import pyarrow

    kinds = [kind for kind in (mine, theirs) if not pyarrow.types.is_null(kind)]
    if not kinds or not all(map(is_plain_number, kinds)):
        return None
    if len({pyarrow.types.is_floating(kind) for kind in kinds}) > 1:
        return pyarrow.float64()
    schemas = [pyarrow.schema([("x", kind)]) for kind in kinds]
    return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
