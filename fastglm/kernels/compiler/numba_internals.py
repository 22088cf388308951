"""All that is taken from inside numba, in one place; everything else uses what numba documents.

Run with numba 0.68 (``pyproject.toml`` has the bounds); `fastglm.kernels.compiler.plain`
does without any of it, more slowly, and gives the same bits (`fastglm.kernels.compiler.backend`).

===============================================  ==================================================
What                                             Why
===============================================  ==================================================
`JITCodeLibrary`, `NativeLowering`, compiler     Numba optimises every helper and turns it into
flags, `insert_user_function`                    machine code of its own before it is inlined into
                                                 its callers, where all of that is done again: half
                                                 of the time of a cold start.
`CompilerBase` with a list of numba's passes     Kernels are loops over numbers: the other passes
                                                 find nothing to rewrite, but take a third of the
                                                 time.
`CPUDispatcher.add_overload`,                    Helpers have no entry for Python, are compiled once
`get_call_template`                              for all constants, and have twins of float32.
`_CacheLocator`, `CompileResultCacheImpl`,       Numba stamps machine code with the file of a kernel
`FunctionCache`, `NullCache`, `_cache`           alone: an edited helper would not be noticed.
`_load_overload`, `c_helpers`                    Finished code loads without numba's compiler.
`CFunc`                                          ``numba.cfunc`` takes no cache of ours.
`parallel._get_num_threads`                      `numba.get_num_threads` takes two locks between
                                                 processes to see that threads run: 3 % of a fit of
                                                 100 rows.
`global_compiler_lock`                           A fork must not leave a compiler locked behind.
===============================================  ==================================================
"""

from __future__ import annotations

import functools
import glob
from collections.abc import Callable
from typing import Any, ClassVar

import numba
from llvmlite import binding as llvm
from numba.core import caching, types
from numba.core.caching import CacheImpl
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompilerBase
from numba.core.compiler_lock import global_compiler_lock as compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.runtime import _nrt_python
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, IRProcessing, ReconstructSSA, TranslateByteCode
from numba.np.ufunc import parallel

from fastglm.kernels.compiler.cache import cache_folder
from fastglm.kernels.compiler.float32 import with_float32_constants
from fastglm.kernels.compiler.notice import notice
from fastglm.kernels.compiler.stamp import PACKAGE, source_stamp

__all__ = [
    "KernelCache",
    "c_function",
    "caller_threads",
    "compiler_lock",
    "entry",
    "helper",
    "parallel_entry",
    "user_helper",
]


def caller_threads() -> int:
    """Threads that the calling thread uses, where numba's threads run."""
    return int(parallel._get_num_threads())


class _HelperLibrary(JITCodeLibrary):
    """Code that is only ever linked into other libraries, which optimise and finish it."""

    inline = True

    def add_ir_module(self, ir_module: Any) -> None:
        """Take over code; one copy of it serves all callers unless it is to be inlined."""
        for function in ir_module.functions:
            if not (self.inline or function.is_declaration):
                function.attributes.add("noinline")
        super().add_ir_module(ir_module)

    def _optimize_final_module(self) -> None:
        """Leave that to the callers."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """Lowers to LLVM code, without machine code or anything that Python could call.

    A caller that is inlined itself must not pass that on: what need not be inlined never is.
    """

    _name = "fastglm_helper_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower, and give the callers the name by which they find the code."""
        state.library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.inline = state.flags.forceinline
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        state.targetctx.insert_user_function(lowered.fndesc, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=lowered.fndesc)
        return True


class KernelCompiler(CompilerBase):
    """Numba's passes that kernels need.

    Left out are closures, array expressions, overloads to inline, ``with``, ``raise`` and literals.
    """

    lowering: type[NativeLowering] = NativeLowering

    def define_pipelines(self) -> list[PassManager]:
        """The passes, in numba's order."""
        passes = PassManager("fastglm")
        for step in (
            TranslateByteCode,
            FixupArgs,
            IRProcessing,
            ReconstructSSA,
            NopythonTypeInference,
            PreLowerStripPhis,
            IRLegalization,
            AnnotateTypes,
            self.lowering,
            NoPythonBackend,
        ):
            passes.add_pass(step, step._name)
        passes.finalize()
        return [passes]


class HelperCompiler(KernelCompiler):
    """For functions that only compiled code calls."""

    lowering = _HelperLowering


class _Helper(CPUDispatcher):
    """A function for compiled callers only."""

    #: Whether constants are in the precision of the arguments.
    any_precision = False
    #: The helper that computes the same of arguments in single precision, if that is another.
    in_float32: Any = None

    def add_overload(self, cres: Any) -> None:
        """Keep what was compiled for compiled callers, but not for a call from Python."""
        self.overloads[tuple(cres.signature.args)] = cres

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile once for all constants, which would each be a type of their own."""
        args = tuple(types.unliteral(arg) for arg in args)
        if types.float32 in args and args not in self.overloads:
            if self.in_float32 is None and self.any_precision:
                self.in_float32 = self.make(with_float32_constants(self.py_func))
            if self.in_float32 is not None:
                self.in_float32.get_call_template(args, kws)
                self.overloads[args] = self.in_float32.overloads[args]
        return super().get_call_template(args, kws)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse a call from Python, for which there is no machine code."""
        raise TypeError(f"{self.__name__} is a helper of kernels: only compiled code can call it")


def _decorator(
    pipeline: type[CompilerBase], options: dict[str, Any], any_precision: bool = False
) -> Callable[[Callable], Any]:
    compile_it = numba.njit(
        pipeline_class=pipeline, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
    )

    def decorate(function: Callable) -> Any:
        dispatcher = compile_it(function)
        if not numba.config.DISABLE_JIT:
            dispatcher.__class__ = _Helper
            dispatcher.any_precision = any_precision
            dispatcher.make = _decorator(pipeline, options)
        return dispatcher

    return decorate


def helper(options: dict[str, Any], any_precision: bool = False) -> Callable[[Callable], Any]:
    """A decorator of functions for compiled callers only, in these options of ``numba.njit``.

    With `any_precision` constants are in single precision where an argument is.
    """
    return _decorator(HelperCompiler, options, any_precision)


def user_helper(options: dict[str, Any]) -> Callable[[Callable], Any]:
    """The same for functions that others wrote, which may need any of numba's passes."""
    return _decorator(Compiler, options)


def entry(function: Callable, options: dict[str, Any]) -> Any:
    """A kernel that Python calls."""
    return _cached(
        numba.njit(pipeline_class=KernelCompiler, no_cfunc_wrapper=True, **options)(function)
    )


def parallel_entry(function: Callable, options: dict[str, Any]) -> Any:
    """The same with a ``prange``."""
    return _cached(numba.njit(parallel=True, **options)(function))


def c_function(function: Callable, signature: Any, options: dict[str, Any], cached: bool) -> Any:
    """A compiled C function, whose `address` is that of its machine code."""
    compiled = CFunc(function, signature, {}, dict(options), KernelCompiler)
    if cached:
        compiled._cache = KernelCache(function)
    compiled.compile()
    return compiled


# -- the cache


class _Locator(caching._CacheLocator):
    """Where a kernel is cached and what its source was.

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
        """What is kept of compiled code: its machine code, and the names of what that defines.

        Environments, for which numba imports half of itself, are for what raises or prints. The
        intermediate code is for callers that inline a function: kernels are called by address, and
        reading it takes a third of the time of a process's first fit.
        """
        library = cres.library
        (name, kind, (machine_code, _)), *kept, _ = super().reduce(cres)
        shared = library._get_module_for_linking()
        defined = {
            each.name
            for group in (shared.functions, shared.global_variables)
            for each in group
            if not each.is_declaration
        }
        nothing = llvm.parse_assembly(str(library.codegen._create_empty_module(name)))
        return defined, ((name, kind, (machine_code, nothing.as_bitcode())), *kept, [])

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """The compiled code, found by the names that its intermediate code would have told."""
        defined, reduced = payload
        target_context.codegen()._engine._defined_symbols |= defined
        return super().rebuild(target_context, reduced)


@functools.cache
def _name_memory_functions() -> None:
    """As numba's runtime names them for the linker, but without compiling the rest of it."""
    for name, address in _nrt_python.c_helpers.items():
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class KernelCache(caching.FunctionCache):
    """Numba's function cache, stamped with all sources that a kernel may be made of."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code, or None where the compiler comes next.

        Numba would first load all of its compiler, and much of SciPy with it, which takes
        as long as importing this package. Finished code needs no more than the addresses of the
        functions that give it memory. Files that cannot be read, such as those of a full disk, are
        removed.
        """
        _name_memory_functions()
        found = None
        try:
            with self._guard_against_spurious_io_errors():
                found = self._load_overload(sig, target_context)
        except Exception:  # pickle raises any kind
            for path in cache_folder().glob(f"{glob.escape(self._impl.filename_base)}.*"):
                path.unlink(missing_ok=True)
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
        """Make the real cache and load from it."""
        self._dispatcher._cache = KernelCache(self._dispatcher.py_func)
        return self._dispatcher._cache.load_overload(sig, target_context)


class _Entry(CPUDispatcher):
    """A kernel that Python calls, and compiled code never does.

    Code of a kernel that came from the cache is not linked into a caller: the caller would work in
    this process, and jump to nowhere in the next one that loads it.
    """

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Refuse a call from compiled code."""
        raise TypeError(f"{self.__name__} is an entry for Python: compiled code calls a helper")


def _cached(dispatcher: Any) -> Any:
    if not numba.config.DISABLE_JIT:
        dispatcher.__class__ = _Entry
        dispatcher._cache = _LazyCache(dispatcher)
        # Numba's extensions, which the first call would look for among all installed packages,
        # are of no use to functions of plain numbers.
        dispatcher._compilation_chain_init_hook = _nothing
    return dispatcher


def _nothing() -> None:
    """In place of numba's preparations to compile."""
