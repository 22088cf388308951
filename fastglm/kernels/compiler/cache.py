"""Where machine code is kept on disk."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import numba

from fastglm.errors import FastGLMWarning, warn
from fastglm.kernels.compiler.stamp import PACKAGE

__all__ = ["cache_folder"]


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _user_cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "fastglm"


@functools.lru_cache(maxsize=1)
def cache_folder() -> Path:
    """Where machine code is kept: beside the package, or the user's cache if that is read-only."""
    if numba.config.CACHE_DIR:
        candidates = [Path(numba.config.CACHE_DIR) / "fastglm"]
    else:
        candidates = [PACKAGE / "__pycache__" / "kernels", _user_cache_folder()]
    for folder in candidates:
        if _usable(folder):
            if folder is not candidates[0]:
                _say_once_that_the_cache_moved(folder)
            return folder
    return Path(tempfile.mkdtemp(prefix="fastglm-kernels-"))


def _say_once_that_the_cache_moved(folder: Path) -> None:
    note = folder / "why-this-folder"
    if not note.exists():
        text = f"the installation of fastglm is read-only: compiled kernels are cached in {folder}"
        note.write_text(text + "\n")
        warn(text, FastGLMWarning)
