"""The one place for compiler options: how kernels are compiled, where they are cached, how they are called.

Three kinds of compiled function:

``inlined`` / ``called``
    helpers of other kernels, inlined or not; never cached on their own.
``entry`` / ``parallel_entry``
    what Python calls. Cached on disk, released from the interpreter lock.
``RowBlock``
    a C function over one block of rows, cached, compiled when its address is first asked for. The
    sweep receives the address as an integer, so it is compiled once for every family and link.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import types as python_types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, cgutils, types
from numba.core.caching import CacheImpl
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from fastglm.errors import FastGLMWarning

PACKAGE = Path(__file__).resolve().parent.parent
#: Folders whose source ends up in machine code. All of it is part of every kernel's stamp: a
#: kernel inlines helpers from other files, which numba's own stamp (the caller's file) misses.
COMPILED_FOLDERS = ("kernels", "families", "solve")

# A product and a sum may become one fused operation, and sums may be reordered into vector lanes.
# Nothing else of fast-math is safe: `nnan` would delete the tests for NaN, and reassociation inside a
# formula would undo its careful order of operations.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_SUM_OPTIONS = _OPTIONS | {"fastmath": {"reassoc", "contract", "nsz"}}

# A call that LLVM's cost model leaves standing keeps the loop around it scalar.
inlined = numba.njit(forceinline=True, **_OPTIONS)
inlined_sums = numba.njit(forceinline=True, **_SUM_OPTIONS)
# Large helpers that are called from several places: one copy of their code is enough.
called = numba.njit(**_OPTIONS)
called_sums = numba.njit(**_SUM_OPTIONS)


@functools.lru_cache(maxsize=1)
def source_stamp() -> str:
    """Hash of every source file that can end up in a kernel."""
    digest = hashlib.sha256()
    for folder in COMPILED_FOLDERS:
        for path in sorted((PACKAGE / folder).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


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
    """Where machine code is kept: beside the package, or in the user's cache if that is read-only.

    The stamp is part of the path, so code of another version can never be loaded, whichever
    process wrote it last.
    """
    in_tree = PACKAGE / "__pycache__" / "kernels"
    if numba.config.CACHE_DIR:
        candidates = [Path(numba.config.CACHE_DIR) / "fastglm"]
    else:
        candidates = [in_tree, _user_cache_folder()]
    for root in candidates:
        folder = root / source_stamp()
        if _usable(folder):
            if root is not in_tree and not numba.config.CACHE_DIR:
                _say_once_that_the_cache_moved(root)
            _remove_stale(root, keep=folder)
            return folder
    return Path(tempfile.mkdtemp(prefix="fastglm-kernels-"))


def _say_once_that_the_cache_moved(root: Path) -> None:
    note = root / "why-this-folder"
    if not note.exists():
        text = f"the installation of fastglm is read-only: compiled kernels are cached in {root}"
        note.write_text(text + "\n")
        warnings.warn(text, FastGLMWarning, stacklevel=2)


def _remove_stale(root: Path, keep: Path) -> None:
    for other in root.iterdir():
        if other.is_dir() and other != keep:
            shutil.rmtree(other, ignore_errors=True)


class _Locator(caching._CacheLocator):
    def __init__(self, name: str):
        self._name = name
        self._py_file = name

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        return self._name

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str) -> _Locator:
        return cls(py_func.__module__.rpartition(".")[2])


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    _locator_classes: list[type] = [_Locator]

    def __init__(self, py_func: Callable):
        # The environment variable that swaps locators would bring back stamps that miss helpers.
        override, numba.config.CACHE_LOCATOR_CLASSES = numba.config.CACHE_LOCATOR_CLASSES, ""
        try:
            CacheImpl.__init__(self, py_func)
        finally:
            numba.config.CACHE_LOCATOR_CLASSES = override


class KernelCache(caching.FunctionCache):
    """Numba's function cache, stamped with every source file instead of the caller's alone."""

    _impl_class = _KernelCacheImpl


def _cached(dispatcher: Any) -> Any:
    if not numba.config.DISABLE_JIT:
        dispatcher._cache = KernelCache(dispatcher.py_func)
    return dispatcher


def entry(function: Callable) -> Any:
    """Compile a kernel that Python calls, cached on disk, without the interpreter lock."""
    return _cached(numba.njit(**_OPTIONS)(function))


def parallel_entry(function: Callable) -> Any:
    """Like `entry`, for a kernel whose outermost loop is a ``prange``."""
    return _cached(numba.njit(parallel=True, **_OPTIONS)(function))


@intrinsic
def pointer(typing_context: Any, address: Any, element: Any) -> Any:
    """``pointer(address, float64)``: the integer `address` as a pointer to that type."""
    result = types.CPointer(element.instance_type)
    signature = result(address, element)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return signature, codegen


@intrinsic
def call_row_block(typing_context: Any, address: Any, planes: Any, rows: Any) -> Any:
    """Call the `RowBlock` at `address`; returns its status."""
    signature = types.int64(types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int64 = context.get_value_type(types.int64)
        function_type = cgutils.ir.FunctionType(int64, [int64, int64])
        function = builder.inttoptr(args[0], function_type.as_pointer())
        return builder.call(function, [args[1], args[2]])

    return signature, codegen


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """The 64 bits of a float64, as an integer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@intrinsic
def from_bits(typing_context: Any, bits: Any) -> Any:
    """The float64 with these 64 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen


_ROW_BLOCK_SIGNATURE = types.int64(types.int64, types.int64)


class RowBlock:
    """A compiled C function ``int64 f(int64 planes_address, int64 rows)`` over one block of rows.

    Parameters
    ----------
    template
        Function whose global names listed in `functions` are to be replaced. It is compiled from
        its own code with these names bound anew, as a template of another language would be; a
        closure over jitted functions would never be found in the disk cache again.
    name
        Name of this instance, unique in the package: the cache is keyed by it.
    functions
        The ``inlined`` functions to bind.
    cached
        False for functions that the user wrote: their source is not part of the stamp.
    """

    def __init__(
        self, template: Callable, name: str, functions: dict[str, Callable], cached: bool = True
    ):
        namespace = dict(template.__globals__, **functions)
        code = template.__code__
        function = python_types.FunctionType(code, namespace, name)
        function.__qualname__ = name
        function.__module__ = template.__module__
        self.name = name
        self._function = function
        self._cached = cached

    @functools.cached_property
    def _compiled(self) -> CFunc:
        signature = (_ROW_BLOCK_SIGNATURE.args, _ROW_BLOCK_SIGNATURE.return_type)
        compiled = CFunc(self._function, signature, {}, dict(_OPTIONS))
        if self._cached:
            compiled._cache = KernelCache(self._function)
        compiled.compile()
        return compiled

    @functools.cached_property
    def address(self) -> int:
        """Address of the machine code; compiles or loads it on first use."""
        return int(self._compiled.address)
