"""Machine code on disk: where it is kept, and when it is out of date."""

from __future__ import annotations

import functools
import glob
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numba
from llvmlite import binding as llvm
from numba.core import caching
from numba.core.caching import CacheImpl
from numba.core.runtime import _nrt_python

from fastglm.errors import FastGLMWarning, warn
from fastglm.kernels.compiler.notice import notice
from fastglm.kernels.compiler.stamp import PACKAGE, source_stamp

__all__ = ["KernelCache", "cache_folder"]


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


class _Locator(caching._CacheLocator):
    """Tells numba where a kernel is cached and what its source was.

    The stamp is part of the file's name, so that code of another version is never loaded,
    whichever process wrote last.
    """

    def __init__(self, stamp: str):
        self._stamp = stamp
        self._py_file = str(PACKAGE)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._stamp

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(source_stamp({py_func.__module__, *getattr(py_func, "stamped_modules", ())}))


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar[list[type]] = [_Locator]

    def __init__(self, py_func: Callable):
        # The environment variable that swaps locators would bring back stamps that miss helpers.
        override, numba.config.CACHE_LOCATOR_CLASSES = numba.config.CACHE_LOCATOR_CLASSES, ""
        try:
            CacheImpl.__init__(self, py_func)
        finally:
            numba.config.CACHE_LOCATOR_CLASSES = override

    def reduce(self, cres: Any) -> Any:
        """What is kept of compiled code: no environments, for which numba imports half of itself.

        They are for what raises or prints.
        """
        *kept, _ = super().reduce(cres)
        return (*kept, [])


@functools.cache
def _name_memory_functions() -> None:
    """As numba's runtime names them for the linker, but without compiling the rest of it."""
    for name, address in _nrt_python.c_helpers.items():
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class KernelCache(caching.FunctionCache):
    """Numba's function cache, stamped with every source file instead of the caller's alone."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code, or None where the compiler comes next.

        Numba would first load all that its compiler knows, and much of SciPy with it, which takes
        as long as importing this package. Finished code needs no more than the addresses of the
        functions that give it memory.
        """
        _name_memory_functions()
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            notice.begin()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what has been compiled, and remove machine code of older sources."""
        notice.end()
        super().save_overload(sig, data)
        stamp = self._impl.locator.get_source_stamp()
        before, after = self._impl.filename_base.split(stamp)
        for path in cache_folder().glob(f"{glob.escape(before)}*{glob.escape(after)}.*"):
            if stamp not in path.name:
                path.unlink(missing_ok=True)


class _LazyCache(caching.NullCache):
    """Stands in until a kernel is first called: importing the package reads no source files."""

    def __init__(self, dispatcher: Any):
        self._dispatcher = dispatcher

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Make the real cache and ask it."""
        self._dispatcher._cache = KernelCache(self._dispatcher.py_func)
        return self._dispatcher._cache.load_overload(sig, target_context)


def _cached(dispatcher: Any) -> Any:
    if not numba.config.DISABLE_JIT:
        dispatcher._cache = _LazyCache(dispatcher)
    return dispatcher
