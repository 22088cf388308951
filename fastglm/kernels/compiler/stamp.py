"""A hash of the sources that machine code was made of."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["PACKAGE", "source_stamp"]


PACKAGE = Path(__file__).resolve().parents[2]


_IMPORT = re.compile(r"^\s*from\s+(fastglm[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


def _looks(path: str) -> tuple[int, int, int]:
    """What tells a file from one that took its place."""
    seen = os.stat(path)
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _files(folder: str, name: str) -> Iterator[tuple[str, str]]:
    """Every module in a folder and below: its name, and its file."""
    for entry in os.scandir(folder):
        if entry.name == "__init__.py":
            yield name, entry.path
        elif entry.name.endswith(".py"):
            yield f"{name}.{entry.name[:-3]}", entry.path
        elif entry.name != "__pycache__" and entry.is_dir():
            yield from _files(entry.path, f"{name}.{entry.name}")


# Looked at when the package is imported, not when a kernel is first compiled: files that are
# replaced in between, by an upgrade, must not lend their stamp to code of what was imported.
_SOURCES = {name: (path, _looks(path)) for name, path in _files(str(PACKAGE), PACKAGE.name)}


def _read(name: str) -> bytes:
    """The source that was imported; what no other process has, if another took its place."""
    if name not in _SOURCES:
        return b""
    path, looks = _SOURCES[name]
    try:
        source = Path(path).read_bytes()
        is_same = _looks(path) == looks
    except OSError:
        is_same = False
    return source if is_same else os.urandom(16)


@functools.cache
def _module_source(name: str) -> tuple[bytes, tuple[str, ...]]:
    """Source of a module of this package, and the names of those that it imports."""
    source = _read(name)
    imported = []
    for module, names in _IMPORT.findall(source.decode(errors="replace")):
        inside = [f"{module}.{n}" for n in re.findall(r"\w+", names)]
        imported += [n for n in inside if n in _SOURCES] or [module]
    return source, tuple(imported)


def source_stamp(modules: Iterable[str]) -> str:
    """Hash of the source of these modules and of every module of the package that they import.

    A kernel inlines functions from other files; numba's own stamp, of the kernel's file alone,
    would go on loading machine code of helpers that have changed.
    """
    waiting, seen = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_module_source(name)[1])
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode())
        digest.update(_module_source(name)[0])
    return digest.hexdigest()[:16]
