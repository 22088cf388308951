"""CSV files as sources: converted once to a temporary Parquet file, which all passes read."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastglm.data.files import csv_options
from fastglm.data.wrong_numbers import wrong_numbers
from fastglm.errors import DataError, FastGLMWarning, warn
from fastglm.sources.files import ParquetFiles, label_of, size_of

if TYPE_CHECKING:
    import pyarrow

__all__ = ["CSVFiles"]

#: Next wider type of a column in which a value does not fit the type inferred from its first rows.
_WIDER = {
    "null": "int64",
    "int64": "bool",
    "bool": "double",
    "date32[day]": "string",
    "time32[s]": "string",
    "timestamp[s]": "string",
    "timestamp[ns]": "string",
    "double": "string",
}
_FAILED = re.compile(r"In CSV column #(\d+): .*?CSV conversion error to ([\w\[\]]+)")


class CSVFiles(ParquetFiles):
    """CSV files, converted to Parquet in a temporary folder that is deleted with the source.

    Parameters
    ----------
    paths : sequence of Path
        In the order of their rows.
    delimiter : str, optional
        As for `fastglm.data.files.read_table`.
    """

    def __init__(self, paths: Sequence[Path], delimiter: str | None) -> None:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="fastglm-"))
        except OSError as error:
            raise DataError(
                f"cannot make a temporary folder for {paths[0]}: {error.strerror}. Set TMPDIR to a "
                "folder with room that can be written to."
            ) from error
        weakref.finalize(self, shutil.rmtree, self._folder, True)
        warn(
            f"{paths[0]}{'' if len(paths) == 1 else ' and others'}: CSV is read once, into a "
            f"temporary Parquet file in {self._folder}. Keep the data as Parquet to save this "
            "in every fit.",
            FastGLMWarning,
        )
        self._originals = [path.resolve() for path in paths]
        types: dict[str, Any] = {}
        while not all(
            _converted(path, target, delimiter, types)
            for path, target in zip(self._originals, self._parts, strict=True)
        ):
            # A column needs a wider type: all files are converted again, with that type.
            pass
        super().__init__(self._parts, label_of(paths))
        #: Warning by column, given when the column is first read.
        self._doubts = self._find_doubts(delimiter)

    def read(
        self, columns: Sequence[str], first: int = 0, last: int | None = None
    ) -> Iterator[pyarrow.Table]:
        """See `Source.read`; the first read of a column gives its warning of `wrong_numbers`."""
        for name in columns:
            for text in self._doubts.pop(name, ()):
                warn(text, FastGLMWarning)
        return super().read(columns, first, last)

    def _find_doubts(self, delimiter: str | None) -> dict[str, list[str]]:
        from pyarrow import parquet, types

        doubts: dict[str, list[str]] = {}
        texts = [field.name for field in self.schema if types.is_string(field.type)]
        for path, part in zip(self._originals, self._parts, strict=True):
            point = csv_options(path, None, delimiter)["convert_options"].decimal_point
            for name in texts:
                with parquet.ParquetFile(part) as file:
                    pieces = (batch.column(0) for batch in file.iter_batches(columns=[name]))
                    found = wrong_numbers(name, pieces, point, str(path))
                if found is not None:
                    doubts.setdefault(name, []).append(found)
        return doubts

    @property
    def _parts(self) -> list[Path]:
        return [self._folder / f"{k}.parquet" for k in range(len(self._originals))]

    def fingerprint(self) -> dict[str, Any]:
        """See `Source.fingerprint`: of the CSV files."""
        return {
            "names": list(self.names),
            "n_rows": self.n_rows,
            "files": [str(path) for path in self._originals],
            "sizes": [list(size_of(path)) for path in self._originals],
        }


def _converted(path: Path, target: Path, delimiter: str | None, types: dict[str, Any]) -> bool:
    """Writes a file as Parquet; False if a column needed a wider type, which is now in `types`."""
    import pyarrow

    try:
        _copy(path, target, delimiter, types)
    except (OSError, pyarrow.ArrowException) as error:
        failed = _FAILED.search(str(error))
        if failed is not None and failed[2] in _WIDER:
            name = _names(path, delimiter)[int(failed[1])]
            types[name] = _arrow_type(_WIDER[failed[2]])
            return False
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["unknown"])[0]
        raise DataError(
            f"cannot read {path} into a temporary file: {reason.rstrip('.')}. Correct it, or set "
            "TMPDIR to a folder with more room."
        ) from error
    return True


def _copy(path: Path, target: Path, delimiter: str | None, types: dict[str, Any]) -> None:
    from pyarrow import csv, parquet

    options = csv_options(path, None, delimiter)
    options["convert_options"].column_types = types
    with (
        csv.open_csv(path, **options) as reader,
        parquet.ParquetWriter(target, reader.schema, compression="lz4") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def _names(path: Path, delimiter: str | None) -> list[str]:
    from pyarrow import csv

    with csv.open_csv(path, **csv_options(path, None, delimiter)) as reader:
        return list(reader.schema.names)


def _arrow_type(name: str) -> pyarrow.DataType:
    import pyarrow

    kinds = {"int64": pyarrow.int64, "bool": pyarrow.bool_, "double": pyarrow.float64}
    return kinds.get(name, pyarrow.string)()
