"""The one place for compiler options: how kernels are compiled, cached and called.

Three kinds of compiled function:

``inlined`` / ``called``
    helpers of other kernels, inlined or not; never cached on their own, not for Python to call.
``entry`` / ``parallel_entry``
    what Python calls. Cached on disk, released from the interpreter lock.
``RowBlock``
    a C function over one block of rows, cached, compiled when its address is first asked for. The
    sweep receives the address as an integer, so it is compiled once for every family and link.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import tempfile
import types as python_types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numba
from numba.core import caching, cgutils, types
from numba.core.caching import CacheImpl
from numba.core.ccallback import CFunc
from numba.core.compiler import Compiler, CompilerBase
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic

from fastglm.errors import FastGLMWarning, warn
from fastglm.kernels.notice import notice
from fastglm.kernels.pipeline import (
    FormulaCompiler,
    HelperCompiler,
    KernelCompiler,
    SingleCompiler,
)
from fastglm.kernels.planes import PLANE

PACKAGE = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(r"^\s*from\s+(fastglm[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)

# A product and a sum may become one fused operation, and sums may be reordered into vector lanes.
# Nothing else of fast-math is safe: `nnan` would delete the tests for NaN, and reassociation inside
# a formula would undo its careful order of operations.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_SUM_OPTIONS = _OPTIONS | {"fastmath": {"reassoc", "contract", "nsz"}}


class _Helper(CPUDispatcher):
    """A function for compiled callers only (`fastglm.kernels.pipeline`)."""

    #: The helper that computes the same of arguments in single precision, if that is another.
    in_single_precision: Any = None

    def add_overload(self, cres: Any) -> None:
        """Keep what was compiled for compiled callers, but not for a call from Python."""
        self.overloads[tuple(cres.signature.args)] = cres

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile once for all constants, which would each be a type of their own."""
        args = tuple(types.unliteral(arg) for arg in args)
        if self.in_single_precision is not None and types.float32 in args:
            self.in_single_precision.get_call_template(args, kws)
            self.overloads[args] = self.in_single_precision.overloads[args]
        return super().get_call_template(args, kws)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse a call from Python, for which there is no machine code."""
        raise TypeError(f"{self.__name__} is a helper of kernels: only compiled code can call it")


def _helper(pipeline: type[CompilerBase], **options: Any) -> Callable[[Callable], Any]:
    def decorate(function: Callable) -> Any:
        dispatcher = numba.njit(
            pipeline_class=pipeline, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
        )(function)
        if not numba.config.DISABLE_JIT:
            dispatcher.__class__ = _Helper
        return dispatcher

    return decorate


# A call that LLVM's cost model leaves standing keeps the loop around it scalar.
inlined = _helper(HelperCompiler, forceinline=True, **_OPTIONS)
inlined_sums = _helper(HelperCompiler, forceinline=True, **_SUM_OPTIONS)
# Scalar formulas, in the precision of their arguments.
formula = _helper(FormulaCompiler, forceinline=True, **_OPTIONS)
# Helpers of which one copy is enough: large ones, called from several places.
called = _helper(HelperCompiler, forceinline=False, **_OPTIONS)
called_sums = _helper(HelperCompiler, forceinline=False, **_SUM_OPTIONS)
# What others wrote may need any of numba's passes.
inlined_from_user = _helper(Compiler, forceinline=True, **_OPTIONS)


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


class KernelCache(caching.FunctionCache):
    """Numba's function cache, stamped with every source file instead of the caller's alone."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code, or None where the compiler comes next."""
        found = super().load_overload(sig, target_context)
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


def entry(function: Callable) -> Any:
    """Compile a kernel that Python calls, cached on disk, without the interpreter lock."""
    return _cached(
        numba.njit(pipeline_class=KernelCompiler, no_cfunc_wrapper=True, **_OPTIONS)(function)
    )


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


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """For intrinsics: a vector of `lanes` times the same LLVM value."""
    from llvmlite import ir

    lane = ir.IntType(32)
    first = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(first, value, ir.Constant(lane, 0))
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(lane, lanes), [0] * lanes)
    )


@intrinsic
def offset_pointer(typing_context: Any, base: Any, elements: Any) -> Any:
    """The pointer `elements` further on than `base`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return base(base, types.int64), codegen


def _call_by_address(n_arguments: int) -> Any:
    """An intrinsic ``call(address, ...)`` for C functions of `n_arguments` 64-bit integers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int64 = context.get_value_type(types.int64)
        function_type = cgutils.ir.FunctionType(int64, [int64] * n_arguments)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        return builder.call(function, args[1:])

    signature = types.int64(*[types.int64] * (n_arguments + 1))
    return signature, codegen


@intrinsic
def call_row_block(typing_context: Any, address: Any, planes: Any, rows: Any) -> Any:
    """Call the `RowBlock` of two arguments at `address`; returns its status."""
    return _call_by_address(2)


@intrinsic
def call_stage(
    typing_context: Any,
    address: Any,
    context: Any,
    start: Any,
    rows: Any,
    scratch: Any,
    target: Any,
) -> Any:
    """Call the stage of a sweep at `address` (`fastglm.kernels.stages`)."""
    return _call_by_address(5)


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """The 64 bits of a float64, as an integer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@intrinsic
def from_single_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 with these 32 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


@intrinsic
def from_bits(typing_context: Any, bits: Any) -> Any:
    """The float64 with these 64 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen


class RowBlock:
    """A compiled C function of 64-bit integers, called by address for a block or chunk of rows.

    Two arguments, the address of the planes and the number of rows, unless the template has more.

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
    single
        True for `in_single_precision`.
    """

    def __init__(
        self,
        template: Callable,
        name: str,
        functions: dict[str, Callable],
        cached: bool = True,
        single: bool = False,
    ):
        self._template, self._functions = template, functions
        precision = {"number": types.float32, "distance": 2 * PLANE} if single else {}
        namespace = dict(template.__globals__, **functions, **precision)
        code = template.__code__
        function = python_types.FunctionType(code, namespace, name)
        function.__qualname__ = name
        function.__module__ = template.__module__
        modules = {f.__module__ for f in functions.values()} if cached else set()
        function.stamped_modules = modules  # type: ignore[attr-defined]
        self.name = name
        self._function = function
        self._cached = cached
        self._compiler = SingleCompiler if single else KernelCompiler

    @functools.cached_property
    def _compiled(self) -> CFunc:
        n_arguments = self._function.__code__.co_argcount
        signature = ((types.int64,) * n_arguments, types.int64)
        compiled = CFunc(self._function, signature, {}, dict(_OPTIONS), self._compiler)
        if self._cached:
            compiled._cache = KernelCache(self._function)
        compiled.compile()
        return compiled

    @functools.cached_property
    def in_single_precision(self) -> RowBlock:
        """The same of planes of float32, which begin where those of float64 do.

        In its template ``number`` is float32, ``distance`` the planes' distance, and constants are
        narrowed.
        """
        name = f"{self.name}_in_single_precision"
        return RowBlock(self._template, name, self._functions, self._cached, single=True)

    @functools.cached_property
    def address(self) -> int:
        """Address of the machine code; compiles or loads it on first use."""
        return int(self._compiled.address)
