"""Arguments that a caller got wrong: one sentence that names the argument, whatever was given."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastglm.errors import ModelError

__all__ = ["checked_choice", "checked_number", "checked_path", "require_new_rows", "require_whole"]


def require_new_rows(data: str, given: Mapping[str, Any]) -> None:
    """Refuse columns of new rows where none were given.

    Raises
    ------
    ModelError
        Naming the arguments, and `data`, that of the new rows.
    """
    names = ", ".join(f"{name}=" for name, value in given.items() if value is not None)
    if names:
        raise ModelError(f"{names} goes with new rows: give {data} too.")


def checked_choice(name: str, value: Any, choices: Collection[Any], others: str = "") -> Any:
    """One of a few names, as given.

    Arrays and other values that cannot be compared with a name are refused like a wrong name.

    Raises
    ------
    ModelError
        Naming the argument and its choices.
    """
    plain = type(value) is str or value is None or isinstance(value, str | bool)
    if not plain or value not in choices:
        raise ModelError(f"{name} must be one of {tuple(choices)}{others}, not {value!r}")
    return value


def checked_number(
    name: str,
    value: Any,
    lower: float = -math.inf,
    upper: float = math.inf,
    whole: bool = False,
) -> float:
    """A finite number between two ends, both of them included.

    Raises
    ------
    ModelError
        Naming the argument and what it may be.
    """
    kind = "a whole number" if whole else "a number"
    ends = f"from {lower:g}" if upper == math.inf else f"from {lower:g} to {upper:g}"
    expected = kind if lower == -math.inf else f"{kind} {ends}"
    wrong = ModelError(f"{name} must be {expected}, not {value!r}")
    if isinstance(value, bool | str):
        raise wrong
    try:
        number = operator.index(value) if whole else float(value)
    except (TypeError, ValueError):
        raise wrong from None
    if not (math.isfinite(number) and lower <= number <= upper):
        raise wrong
    return number


def checked_path(name: str, value: Any) -> Path:
    """The name of a file as a path.

    Raises
    ------
    ModelError
        Naming the argument.
    """
    if not isinstance(value, str | os.PathLike):
        raise ModelError(f"{name} must be the name of a file, not {value!r}")
    return Path(value)


def require_whole(name: str, value: Any, least: int, most: int | None) -> None:
    """Refuse what is not a whole number between these, ends included."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        ends = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ModelError(f"{name} must be a whole number {ends}, not {value!r}.")
