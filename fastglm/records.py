"""Immutable records of many fields that are made quickly, and arrays that nobody writes to."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

__all__ = ["MadeOnce", "fast_init", "filled", "frozen", "replaced"]

T = TypeVar("T")


class MadeOnce(cached_property[T]):
    """A cached property without the lock that it has before Python 3.12."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.attrname] = self.func(instance)
        return value


def fast_init(cls: type[T]) -> type[T]:
    """Make a frozen dataclass take all of its fields in one piece when they are given by name.

    It sets them one by one otherwise, each with a call: a tenth of the time of a fit of 100 rows.
    """
    n_fields, set_one_by_one = len(fields(cls)), cls.__init__  # type: ignore[arg-type, misc]

    def fill(self: T, *args: Any, **values: Any) -> None:
        if args or len(values) != n_fields:
            set_one_by_one(self, *args, **values)
        else:
            object.__setattr__(self, "__dict__", values)

    fill.__wrapped__ = set_one_by_one  # type: ignore[attr-defined]
    cls.__init__ = fill  # type: ignore[assignment, method-assign]
    cls._n_fields = n_fields  # type: ignore[attr-defined]
    return cls


def filled(cls: type[T], values: dict[str, Any]) -> T:
    """The record, of a class with `fast_init`, of fields in a dict that is nobody else's.

    Where these are all fields, the dict is kept: calling the class would take it apart into
    arguments and put it together again.
    """
    if len(values) != cls._n_fields:  # type: ignore[attr-defined]
        return cls(**values)
    record = object.__new__(cls)
    object.__setattr__(record, "__dict__", values)
    return record


def frozen(array: np.ndarray) -> np.ndarray:
    """The array itself, read-only from now on."""
    array.setflags(write=False)
    return array


def replaced(record: T, **changes: Any) -> T:
    """As `dataclasses.replace`, but fields that are made on demand stay so."""
    kept = vars(record)
    return type(record)(**{f.name: kept[f.name] for f in fields(record)} | changes)  # type: ignore[arg-type]
