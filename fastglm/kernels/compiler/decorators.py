"""The one place for compiler options: how kernels are compiled, cached and called.

Three kinds of compiled function:

``inline`` / ``noinline``
    helpers of other kernels, inlined or not; never cached on their own, not for Python to call.
``entry`` / ``parallel_entry``
    what Python calls. Cached on disk, released from the interpreter lock.
``RowBlock``
    a C function over one block of rows, cached, compiled when its address is first asked for. The
    sweep receives the address as an integer, so it is compiled once for every family and link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import types
from numba.core.compiler import Compiler, CompilerBase
from numba.core.registry import CPUDispatcher

from fastglm.kernels.compiler.cache import _cached
from fastglm.kernels.compiler.pipeline import (
    FormulaCompiler,
    HelperCompiler,
    KernelCompiler,
)

# A product and a sum may become one fused operation, and sums may be reordered into vector lanes.
# Nothing else of fast-math is safe: `nnan` would delete the tests for NaN, and reassociation inside
# a formula would undo its careful order of operations.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_SUM_OPTIONS = _OPTIONS | {"fastmath": {"reassoc", "contract", "nsz"}}


class _Helper(CPUDispatcher):
    """A function for compiled callers only (`fastglm.kernels.compiler.pipeline`)."""

    #: The helper that computes the same of arguments in single precision, if that is another.
    in_float32: Any = None

    def add_overload(self, cres: Any) -> None:
        """Keep what was compiled for compiled callers, but not for a call from Python."""
        self.overloads[tuple(cres.signature.args)] = cres

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile once for all constants, which would each be a type of their own."""
        args = tuple(types.unliteral(arg) for arg in args)
        if self.in_float32 is not None and types.float32 in args:
            self.in_float32.get_call_template(args, kws)
            self.overloads[args] = self.in_float32.overloads[args]
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
inline = _helper(HelperCompiler, forceinline=True, **_OPTIONS)
inline_sums = _helper(HelperCompiler, forceinline=True, **_SUM_OPTIONS)
# Scalar formulas, in the precision of their arguments.
inline_any_precision = _helper(FormulaCompiler, forceinline=True, **_OPTIONS)
# Helpers of which one copy is enough: large ones, called from several places.
noinline = _helper(HelperCompiler, forceinline=False, **_OPTIONS)
noinline_sums = _helper(HelperCompiler, forceinline=False, **_SUM_OPTIONS)
# What others wrote may need any of numba's passes.
inline_from_user = _helper(Compiler, forceinline=True, **_OPTIONS)


def entry(function: Callable) -> Any:
    """Compile a kernel that Python calls, cached on disk, without the interpreter lock."""
    return _cached(
        numba.njit(pipeline_class=KernelCompiler, no_cfunc_wrapper=True, **_OPTIONS)(function)
    )


def parallel_entry(function: Callable) -> Any:
    """Like `entry`, for a kernel whose outermost loop is a ``prange``."""
    return _cached(numba.njit(parallel=True, **_OPTIONS)(function))
