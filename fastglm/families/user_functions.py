"""Plain Python functions of a user, checked and compiled for families and links."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from numba.core.types import boolean, float64, int64

from fastglm.errors import ModelError
from fastglm.kernels.compiler.decorators import inline_from_user
from fastglm.kernels.math import elementary as vm

__all__ = ["call", "compile_scalar", "interval", "points_inside", "require_derivative"]

#: Shares of the way through an interval at which functions are tried.
SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
#: Functions of the C library that keep a loop scalar, and what stands in for them.
_VECTORIZED = {
    function: getattr(vm, name)
    for name in ("exp", "log", "log1p", "expm1")
    for function in (getattr(math, name), getattr(np, name))
}
#: Relative disagreement of a derivative with differences that is taken for an error.
DERIVATIVE_TOLERANCE = 1e-4


def _stand_in(module: types.ModuleType) -> types.ModuleType:
    """The module with vectorised elementary functions."""
    changed = types.ModuleType(f"vectorized_{module.__name__}")
    changed.__dict__["__getattr__"] = lambda name: getattr(module, name)
    for name in ("exp", "log", "log1p", "expm1"):
        setattr(changed, name, getattr(vm, name))
    return changed


_NUMBERS = (float64, int64, boolean)
_STAND_INS = {id(module): _stand_in(module) for module in (math, np)}


def _rebound(value: Any) -> Any:
    """Value of a global name of a user's function when it is compiled."""
    if isinstance(value, types.ModuleType):
        return _STAND_INS.get(id(value), value)
    if isinstance(value, types.BuiltinFunctionType | np.ufunc):
        return _VECTORIZED.get(value, value)
    return value


def compile_scalar(function: Callable, name: str, n_arguments: int) -> Callable:
    """The function, compiled to be inlined into a loop over rows.

    ``math.exp`` and its like become vector instructions: the function is compiled from its own
    code with these names bound anew.

    Raises
    ------
    ModelError
        If it cannot be compiled; the text says which function and why.
    """
    if function in _VECTORIZED:
        return _VECTORIZED[function]
    if not isinstance(function, types.FunctionType):
        raise ModelError(f"{name} must be a function that def or lambda makes, not {function!r}")
    function = types.FunctionType(
        function.__code__,
        {key: _rebound(value) for key, value in function.__globals__.items()},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    compiled = inline_from_user(function)
    try:
        compiled.compile((float64,) * n_arguments)
    except NumbaError as error:
        reason = str(error).strip().splitlines()
        raise ModelError(
            f"{name} cannot be compiled: {reason[0] if reason else error!r} It must be a plain "
            "function of numbers that uses arithmetic, comparisons and the functions of math."
        ) from error
    if compiled.overloads[(float64,) * n_arguments].signature.return_type not in _NUMBERS:
        raise ModelError(f"{name} must return one number, not {compiled.nopython_signatures[0]}")
    return compiled


def call(function: Callable, name: str, points: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Values of a function at points, checked to be finite numbers.

    Raises
    ------
    ModelError
        Naming the function and the first point where it fails.
    """
    values = np.empty(len(points))
    for k, point in enumerate(points):
        shown = ", ".join(f"{x:.6g}" for x in point)
        try:
            values[k] = function(*point)
        except Exception as error:
            raise ModelError(f"{name}({shown}) raises {type(error).__name__}: {error}") from error
        if not math.isfinite(values[k]):
            raise ModelError(f"{name}({shown}) is {values[k]:g}; it must be finite there.")
    return values


def require_derivative(
    function: Callable[[float], float], slope: float, at: float, room: float, what: str
) -> None:
    """Refuse a derivative that differs from a central difference of its function.

    Parameters
    ----------
    function
        Of one number.
    slope
        What is said to be its derivative at `at`.
    at, room
        The point, and how far the function is defined around it.
    what
        Says in the error which functions disagree.
    """
    h = min(1e-4 * max(1.0, abs(at)), 0.25 * room)
    # Two distances: their combination is off by h**4 only.
    wide = (function(at + 2 * h) - function(at - 2 * h)) / (4 * h)
    near = (function(at + h) - function(at - h)) / (2 * h)
    difference = (4.0 * near - wide) / 3.0
    size = max(abs(difference), abs(slope), 1e-6)
    if not abs(difference - slope) <= DERIVATIVE_TOLERANCE * size:
        raise ModelError(f"{what}: {slope:.8g}, but differences give {difference:.8g}.")


def points_inside(lower: float, upper: float) -> list[float]:
    """Points inside an interval."""
    if math.isinf(lower) and math.isinf(upper):
        return [6.0 * share - 3.0 for share in SHARES]
    if math.isinf(upper):
        return [lower + 8.0 * share * share for share in SHARES]
    if math.isinf(lower):
        return [upper - 8.0 * share * share for share in SHARES]
    return [lower + share * (upper - lower) for share in SHARES]


def interval(domain: tuple[float, float], what: str) -> tuple[float, float]:
    """The ends of an interval; `ModelError` if it is none."""
    lower, upper = (float(end) for end in domain)
    if not lower < upper:
        raise ModelError(f"{what} must be a pair (lower, upper), not {domain!r}")
    return lower, upper
