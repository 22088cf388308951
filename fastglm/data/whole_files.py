"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastglm.errors import DataError

__all__ = ["partial_of", "remove_partial", "whole_file"]


def partial_of(path: Path) -> Path:
    """Where a file or folder is written until all of it is there."""
    return path.with_name(path.name + ".partial")


def remove_partial(path: Path) -> None:
    """Removes what was written of a file or a folder."""
    partial = partial_of(path)
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path, what: str) -> Iterator[Path]:
    """A path to write to, which becomes `path` at the end, unless something fails.

    Parameters
    ----------
    path : Path
    what : str
        What messages call it, such as "the checkpoint fit.ckpt".

    Raises
    ------
    DataError
        If it cannot be written, as on a disk that is full.
    """
    partial = partial_of(path)
    try:
        yield partial
        # On the disk before it takes its name, or a crash could leave an empty file of that name.
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
