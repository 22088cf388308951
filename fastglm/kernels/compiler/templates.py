"""Templates of C functions over one block of rows, called by address."""

from __future__ import annotations

import functools
import types as python_types
from collections.abc import Callable
from typing import Any

from numba.core import types

from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.compiler.backend import backend
from fastglm.kernels.compiler.decorators import _OPTIONS
from fastglm.kernels.compiler.float32 import with_float32_constants

__all__ = ["RowBlock"]


class RowBlock:
    """A compiled C function of 64-bit integers, called by address for a block or chunk of rows.

    Two arguments, the address of the buffers and the number of rows, unless the template has more.

    Parameters
    ----------
    template
        Function whose global names listed in `functions` are to be replaced. It is compiled from
        its own code with these names bound anew, as a template of another language would be; a
        closure over jitted functions would never be found in the disk cache again.
    name
        Name of this instance, unique in the package: the cache is keyed by it.
    functions
        The ``inline`` functions to bind.
    cached
        False for functions that the user wrote: their source is not part of the stamp.
    float32
        True for `in_float32`.
    """

    def __init__(
        self,
        template: Callable,
        name: str,
        functions: dict[str, Callable],
        cached: bool = True,
        float32: bool = False,
    ):
        self._template, self._functions = template, functions
        precision = {"number": types.float32, "distance": 2 * BUFFER} if float32 else {}
        namespace = dict(template.__globals__, **functions, **precision)
        code = template.__code__
        function = python_types.FunctionType(code, namespace, name)
        function.__qualname__ = name
        function.__module__ = template.__module__
        modules = {f.__module__ for f in functions.values()} if cached else set()
        function.stamped_modules = modules  # type: ignore[attr-defined]
        self.name = name
        self._function = with_float32_constants(function) if float32 else function
        self._cached = cached

    @functools.cached_property
    def _compiled(self) -> Any:
        n_arguments = self._function.__code__.co_argcount
        signature = ((types.int64,) * n_arguments, types.int64)
        return backend.c_function(self._function, signature, _OPTIONS, self._cached)

    @functools.cached_property
    def in_float32(self) -> RowBlock:
        """The same of buffers of float32, which begin where those of float64 do.

        In its template ``number`` is float32, ``distance`` the buffers' distance, and constants are
        narrowed.
        """
        name = f"{self.name}_in_single_precision"
        return RowBlock(self._template, name, self._functions, self._cached, float32=True)

    @functools.cached_property
    def address(self) -> int:
        """Address of the machine code; compiles or loads it on first use."""
        return int(self._compiled.address)
