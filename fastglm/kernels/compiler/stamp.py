"""A hash of the sources that machine code was made of."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PACKAGE", "source_stamp"]


PACKAGE = Path(__file__).resolve().parents[2]


_IMPORT = re.compile(r"^\s*from\s+(fastglm[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)


# Read when the package is imported, not when a kernel is first compiled: files that are replaced in
# between, by an upgrade, must not lend their stamp to machine code of what was imported.
_SOURCES = {path: path.read_bytes() for path in PACKAGE.rglob("*.py")}


@functools.cache
def _module_source(name: str) -> tuple[bytes, tuple[str, ...]]:
    """Source of a module of this package, and the names of those that it imports."""
    path = PACKAGE.parent / Path(*name.split("."))
    source = _SOURCES.get(path.with_suffix(".py")) or _SOURCES.get(path / "__init__.py", b"")
    imported = []
    for module, names in _IMPORT.findall(source.decode()):
        folder = PACKAGE.parent / Path(*module.split("."))
        inside = [n for n in re.findall(r"\w+", names) if folder / f"{n}.py" in _SOURCES]
        imported += [f"{module}.{n}" for n in inside] or [module]
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
