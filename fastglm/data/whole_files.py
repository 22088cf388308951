"""Writing files and folders atomically: complete under their name, or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastglm.errors import DataError

__all__ = ["partial_of", "remove_partial", "whole_file"]


def partial_of(path: Path) -> Path:
    """Temporary path beside `path`, under which it is written until it is complete."""
    return path.with_name(path.name + ".partial")


def remove_partial(path: Path) -> None:
    """Removes the incomplete file or folder at `partial_of(path)`."""
    partial = partial_of(path)
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path, what: str) -> Iterator[Path]:
    """Context manager of a temporary path to write to, renamed to `path` at the end.

    After an exception the temporary file is removed and `path` is as before.

    Parameters
    ----------
    path : Path
    what : str
        Name of the file in messages, such as "the checkpoint fit.ckpt".

    Raises
    ------
    DataError
        If the file cannot be written, for example on a full disk.
    """
    partial = partial_of(path)
    try:
        yield partial
        # Flushed to disk before the renaming: a crash could otherwise leave an empty `path`.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        remove_partial(path)
        raise DataError(
            f"cannot write {what}: {error.strerror or error}. Choose another place, or make room."
        ) from error
    except BaseException:
        remove_partial(path)
        raise
