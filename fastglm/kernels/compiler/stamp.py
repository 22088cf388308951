"""A hash of the sources that machine code was made of."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["COMPILED", "PACKAGE", "source_stamp"]


PACKAGE = Path(__file__).resolve().parents[2]

#: The modules and folders that hold compiled code, and what else of the package it may be made of,
#: beside `EVERYWHERE`: helpers, and numbers that stand in it. A test holds that there is no more.
COMPILED: dict[str, tuple[str, ...]] = {
    "kernels": (),
    "families": (),
    "solve.newton": (),
    "responses.log_likelihoods": ("families",),
    "mixed": ("families", "responses.log_likelihoods"),
}
EVERYWHERE = ("errors", "kernels")


def _looks(path: str) -> tuple[int, int, int]:
    """Time, size and inode: different for a file that took the place of another."""
    seen = os.stat(path)
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _files(place: str) -> Iterator[str]:
    """Every source file of a module, or of a folder and those below it."""
    path = str(PACKAGE / place.replace(".", os.sep))
    if not os.path.isdir(path):
        yield f"{path}.py"
        return
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".py"))


# Looked at when the package is imported, not when a kernel is first compiled: files that are
# replaced in between, by an upgrade, must not lend their stamp to code of what was imported.
_SOURCES = {
    place: {path: _looks(path) for path in sorted(_files(place))} for place in (*COMPILED, "errors")
}


def _read(path: str, looks: tuple[int, int, int]) -> bytes:
    """The source that was imported; what no other process has, if another took its place."""
    try:
        source = Path(path).read_bytes()
        is_same = _looks(path) == looks
    except OSError:
        is_same = False
    return source if is_same else os.urandom(16)


@functools.cache
def _hash_of(place: str) -> bytes:
    """Hash of all sources of a module or folder."""
    digest = hashlib.sha256()
    for path, looks in _SOURCES[place].items():
        digest.update(os.path.relpath(path, PACKAGE).encode())
        digest.update(_read(path, looks))
    return digest.digest()


def _place_of(module: str) -> str:
    """The entry of `COMPILED` that a module belongs to."""
    name = module.partition(".")[2]
    while name not in COMPILED:
        if not name:
            raise LookupError(f"{module} holds compiled code; name it in {__name__}.COMPILED")
        name = name.rpartition(".")[0]
    return name


def _source_of(module: str) -> bytes:
    """The source of a module of the user's, such as a family of their own."""
    path = getattr(sys.modules.get(module), "__file__", None)
    return os.urandom(16) if path is None else Path(path).read_bytes()


def source_stamp(modules: Collection[str]) -> str:
    """Hash of all sources that machine code of functions of these modules may be made of.

    A kernel inlines functions from other files; numba's own stamp, of the kernel's file alone,
    would go on loading machine code of helpers that have changed.
    """
    ours = {name for name in modules if name.partition(".")[0] == PACKAGE.name}
    others = set(modules) - ours
    places = {*EVERYWHERE, "families"} if others else set(EVERYWHERE)
    for place in map(_place_of, ours):
        places |= {place, *COMPILED[place]}
    digest = hashlib.sha256(b"".join(map(_source_of, sorted(others))))
    for place in sorted(places):
        digest.update(place.encode())
        digest.update(_hash_of(place))
    return digest.hexdigest()[:16]
