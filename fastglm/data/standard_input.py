"""Rows from standard input, kept in a temporary file: a fit reads them more than once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fastglm.errors import DataError, require_package

__all__ = ["from_standard_input"]

#: First bytes of a file, and the file ending of its format.
_BEGINNINGS = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\xff\xff\xff\xff": ".stream",
    b"\x1f\x8b": ".csv.gz",
    b"BZh": ".csv.bz2",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
}


@contextmanager
def from_standard_input(path: Path, stream: BinaryIO) -> Iterator[Path]:
    """`path`, or for "-" the path of a temporary file with the contents of a stream.

    Parameters
    ----------
    path : Path
    stream : binary file
        Parquet, an Arrow file or stream, or CSV, also compressed; its first bytes give the format.

    Raises
    ------
    DataError
        If the stream is a terminal or empty, or the disk has no room for the file.
    """
    if str(path) != "-":
        yield path
        return
    if stream.isatty():
        raise DataError(
            "standard input is a terminal: pipe a CSV, Parquet or Arrow file into the command, or "
            "name one in the place of -."
        )
    with tempfile.TemporaryDirectory(prefix="fastglm-") as folder:
        try:
            kept = _kept(stream, Path(folder))
        except OSError as error:
            raise DataError(
                f"cannot keep standard input in a temporary file: {error.strerror}. Set TMPDIR to "
                "a folder with more room."
            ) from error
        yield kept


def _kept(stream: BinaryIO, folder: Path) -> Path:
    head = stream.read(8)
    if not head:
        raise DataError("standard input is empty: pipe a CSV, Parquet or Arrow file into it.")
    ending = next((e for start, e in _BEGINNINGS.items() if head.startswith(start)), ".csv")
    kept = folder / f"standard-input{ending}"
    with kept.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file, 2**20)
    return _as_file(kept) if ending == ".stream" else kept


def _as_file(path: Path) -> Path:
    """Converts an Arrow stream to Parquet, which can be read from any row group on."""
    require_package("pyarrow", "parquet", "cannot read standard input: Arrow streams")
    import pyarrow
    from pyarrow import ipc, parquet

    target = path.with_suffix(".parquet")
    try:
        with (
            ipc.open_stream(path) as reader,
            parquet.ParquetWriter(target, reader.schema, compression="lz4") as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
    except (OSError, pyarrow.ArrowException) as error:
        reason = (str(error).splitlines() or ["unknown"])[0].rstrip(".")
        raise DataError(f"cannot read standard input as an Arrow stream: {reason}.") from error
    path.unlink()
    return target
