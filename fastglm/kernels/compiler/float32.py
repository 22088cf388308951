"""Functions with their constants in single precision.

A constant of 64 bits makes every number that meets it one of 64 bits: numba, as NumPy's arrays do
not, goes on in the precision of the constants.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["with_float32_constants"]


def with_float32_constants(function: Callable) -> Any:
    """The function of the same code with constants of float32.

    These are its literals, the numbers that its global names stand for, and those of modules, such
    as ``math.pi``.
    """
    code = function.__code__
    namespace = dict(function.__globals__)
    for name in code.co_names:
        if name in namespace:
            namespace[name] = _rebound(namespace[name], code.co_names)
    twin = types.FunctionType(
        code.replace(co_consts=tuple(_narrowed(each) for each in code.co_consts)),
        namespace,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__
    twin.__dict__.update(function.__dict__)
    return twin


def _narrowed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_narrowed(each) for each in value)
    return np.float32(value) if isinstance(value, float) else value


def _rebound(value: Any, attributes: tuple[str, ...]) -> Any:
    """Value of a global name; a module whose numbers are used, with those of float32."""
    if not isinstance(value, types.ModuleType):
        return np.float32(value) if isinstance(value, float) else value
    held = {name: getattr(value, name) for name in attributes if hasattr(value, name)}
    if not any(isinstance(each, float) for each in held.values()):
        return value
    module = types.ModuleType(value.__name__)
    module.__dict__.update({name: _narrowed(each) for name, each in held.items()})
    return module
