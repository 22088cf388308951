"""Kernels by what numba documents alone: the way out where its internals have changed.

The environment variable FASTGLM_PLAIN_NUMBA chooses it. The numbers are the same to the last bit;
but everything is compiled anew in every process, in twice the time, as numba's own cache does not
notice an edited helper. A fork waits for no thread that compiles.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numba
from numba.core import types
from numba.extending import overload

from fastglm.kernels.compiler.float32 import with_float32_constants

__all__ = [
    "c_function",
    "caller_threads",
    "compiler_lock",
    "entry",
    "helper",
    "parallel_entry",
    "user_helper",
]

#: Threads that the calling thread uses, where numba's threads run.
caller_threads = numba.get_num_threads

#: Stands for the lock of numba's compiler, which is not documented.
compiler_lock = threading.RLock()


def helper(options: dict[str, Any], any_precision: bool = False) -> Callable[[Callable], Any]:
    """A decorator of functions for compiled callers only, in these options of ``numba.njit``.

    With `any_precision` constants are in single precision where an argument is.
    """

    def decorate(function: Callable) -> Any:
        @functools.wraps(function)
        def refuse(*args: Any, **kwargs: Any) -> Any:
            name = function.__name__
            raise TypeError(f"{name} is a helper of kernels: only compiled code can call it")

        proxy: Any = refuse
        twin = functools.cache(lambda: with_float32_constants(function))

        def choose(*args: Any) -> Any:
            if types.float32 in args and proxy.in_float32 is not None:
                return proxy.in_float32.choose(*args)
            return twin() if types.float32 in args and any_precision else function

        proxy.in_float32, proxy.choose = None, choose
        overload(proxy, jit_options=options, strict=False)(choose)
        return proxy

    return decorate


def user_helper(options: dict[str, Any]) -> Callable[[Callable], Any]:
    """The same for functions that others wrote."""
    return numba.njit(**options)  # type: ignore[no-any-return]


def entry(function: Callable, options: dict[str, Any]) -> Any:
    """A kernel that Python calls."""
    return numba.njit(**options)(function)


def parallel_entry(function: Callable, options: dict[str, Any]) -> Any:
    """The same with a ``prange``."""
    return numba.njit(parallel=True, **options)(function)


def c_function(function: Callable, signature: Any, options: dict[str, Any], cached: bool) -> Any:
    """A compiled C function, whose `address` is that of its machine code."""
    return numba.cfunc(signature[1](*signature[0]), **options)(function)
