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

from fastglm.kernels.compiler.backend import backend

# A product and a sum may become one fused operation, and sums may be reordered into vector lanes.
# Nothing else of fast-math is safe: `nnan` would delete the tests for NaN, and reassociation inside
# a formula would undo its careful order of operations.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_SUM_OPTIONS = _OPTIONS | {"fastmath": {"reassoc", "contract", "nsz"}}


# A call that LLVM's cost model leaves standing keeps the loop around it scalar.
inline = backend.helper({**_OPTIONS, "forceinline": True})
inline_sums = backend.helper({**_SUM_OPTIONS, "forceinline": True})
# Scalar formulas, in the precision of their arguments.
inline_any_precision = backend.helper({**_OPTIONS, "forceinline": True}, any_precision=True)
# Helpers of which one copy is enough: large ones, called from several places.
noinline = backend.helper(_OPTIONS)
# Functions of users, which may need any of numba's passes.
inline_from_user = backend.user_helper({**_OPTIONS, "forceinline": True})


def entry(function: Callable) -> Any:
    """Compile a kernel that Python calls, cached on disk, without the interpreter lock."""
    return backend.entry(function, _OPTIONS)


def parallel_entry(function: Callable) -> Any:
    """Like `entry`, for a kernel whose outermost loop is a ``prange``."""
    return backend.parallel_entry(function, _OPTIONS)
