"""What every public call has in common: short tracebacks, and a sentence on wrong options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar

from fastglm.errors import DataError, FastGLMError, OptionError
from fastglm.pointers import describe_option

__all__ = ["entry", "entry_points"]

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

_NOTHING: dict[str, Any] = {}
#: Set to "full" to see where inside the package a mistake was noticed.
_FULL = os.environ.get("FASTGLM_TRACEBACK") == "full"


def entry(function: F, owner: type | None = None, before: Callable[[Any], None] | None = None) -> F:
    """A public function that says of a wrong call what to write instead.

    Parameters
    ----------
    function : callable
    owner : type, optional
        The class it belongs to: an option of another of its methods is named.
    before : callable, optional
        Called first, with the first argument or `fit`: raises what would make the call futile.

    Returns
    -------
    callable
        That raises `OptionError` where Python would raise a TypeError about the call's arguments.
        The traceback of any `FastGLMError` starts here, unless the environment variable
        FASTGLM_TRACEBACK is "full" when the package is imported.
    """

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        try:
            if before is not None:
                before(args[0] if args else options.get("fit"))
            value = function(*args, **options)
            if args and getattr(args[0], "__dict__", _NOTHING).get("_is_edited"):
                _hand_on(value)
            return value
        except FastGLMError as error:
            if _FULL:
                raise
            raise error.with_traceback(None) from None
        except Exception as error:
            # Raised by calling the function, not inside it.
            is_outside = error.__traceback__ is not None and error.__traceback__.tb_next is None
            if isinstance(error, TypeError) and is_outside:
                raise _explained(error, function, options, owner) from None
            if args and getattr(args[0], "__dict__", _NOTHING).get("_is_edited"):
                raise DataError(
                    f"this result was read from a file that is not as fastglm wrote it: {error}."
                ) from error
            raise

    return call  # type: ignore[return-value]


def _hand_on(value: Any) -> None:
    """What comes of an edited result is to be trusted no more than that."""
    if type(value).__module__.startswith("fastglm.") and hasattr(value, "__dict__"):
        value.__dict__["_is_edited"] = True


def entry_points(cls: C) -> C:
    """Make every public method of a class an `entry`, those of its bases in the package as well."""
    for name in dir(cls):
        is_constructor = name == "__init__" and not is_dataclass(cls)
        if name.startswith("_") and not is_constructor:
            continue
        method = inspect.getattr_static(cls, name)
        if isinstance(method, FunctionType):
            setattr(cls, name, entry(_innermost(method), cls))
        elif isinstance(method, classmethod):
            setattr(cls, name, classmethod(entry(_innermost(method.__func__), cls)))
    return cls


def _innermost(method: Any) -> Any:
    """A method as it was written, where a base class has made it an entry."""
    return getattr(method, "__wrapped__", method) if method.__globals__ is globals() else method


def _explained(
    error: TypeError, function: Any, options: dict[str, Any], owner: type | None
) -> OptionError:
    parameters = inspect.signature(function).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = [name for name in named if name not in ("self", "cls")]
    wrong = next((name for name in options if name not in named), None)
    if wrong is None:
        # A positional argument too many, or one that is missing: Python says which, and names the
        # class that the method was written in, which may be none that users know.
        shown = function.__name__ if owner is None else f"{owner.__name__}.{function.__name__}"
        return OptionError(f"{error}.".replace(function.__qualname__, shown))
    called = owner.__name__ if owner and function.__name__ == "__init__" else function.__name__
    return OptionError(describe_option(called, wrong, known, owner))
