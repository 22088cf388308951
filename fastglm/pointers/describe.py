"""What to write instead of a name or an option that there is not."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from fastglm.errors import UnknownNameError
from fastglm.pointers.several import SEVERAL
from fastglm.pointers.tables import MIXED, MODELS, OPTIONS, PACKAGE, RESULTS, RETURNED

__all__ = [
    "Pointing",
    "Returned",
    "describe_name",
    "describe_name_of_package",
    "describe_option",
    "pointing_module",
]

#: How like a name another must be to be suggested.
ALIKE = 0.6


def describe_option(called: str, name: str, known: Iterable[str], owner: type | None = None) -> str:
    """What to write instead of an option that a function does not have.

    Parameters
    ----------
    called : str
        Name of the function, or of the class whose constructor was called.
    name : str
        The option.
    known : iterable of str
        Options that the function has.
    owner : type, optional
        Class of the function.
    """
    known = list(known)
    text = OPTIONS.get(f"{called}.{name}", OPTIONS.get(name))
    if text and "var_weights=" in text and not _takes_variance_weights(known, owner):
        text = "numbers of identical rows are freq_weights=" if _is_model(owner) else None
    if text is None:
        elsewhere, near = _of_another_step(called, name, owner), _alike(name, known)
        is_there = elsewhere is not None and elsewhere.startswith("give it")
        text = f"did you mean {near}=?" if near and not is_there else elsewhere
    if text is None:
        text = f"its options are {', '.join(known)}"
    return _sentence(f"{called}() has no option {name!r}: {text}")


def _is_model(owner: type | None) -> bool:
    return hasattr(owner, "from_formula")


def _takes_variance_weights(known: list[str], owner: type | None) -> bool:
    """Whether the function has the option, or the model of which it is a method."""
    options = list(known)
    if _is_model(owner):
        for method in ("__init__", "from_formula"):
            options += inspect.signature(getattr(owner, method)).parameters
    return "var_weights" in options or owner is None


def _of_another_step(called: str, name: str, owner: type | None) -> str | None:
    """Where a model has the option, or one like it, if it is asked of the fit, or the other way."""
    if owner is None or not _is_model(owner):
        return None
    fit, constructor = owner.fit, owner.__init__  # type: ignore[attr-defined, misc]
    if called == "fit":
        found = _named(name, inspect.signature(constructor).parameters)
        return found and f"give {found} to {owner.__name__}() or {owner.__name__}.from_formula()"
    if called in (owner.__name__, "from_formula"):
        found = _named(name, inspect.signature(fit).parameters)
        return found and f"give {found} to fit()"
    return None


def _named(name: str, known: Iterable[str]) -> str | None:
    """What to call an option of this name, or of one like it."""
    known = [option for option in known if option not in ("self", "endog", "exog")]
    if name in known:
        return "it"
    near = _alike(name, known)
    return f"{near}=" if near else None


def describe_name(
    of: str,
    name: str,
    table: Mapping[str, str],
    known: Iterable[str],
    has: Any = None,
    lists: bool = False,
) -> str:
    """What to ask for instead of a name that there is not.

    Parameters
    ----------
    of : str
        What was asked.
    name : str
    table : mapping
        Other names.
    known : iterable of str
        Names that there are.
    has : type, optional
        A pointer to something that it lacks is not given.
    lists : bool, default False
        Whether all names are told where none is alike.
    """
    known = [other for other in known if not other.startswith("_")]
    text = table.get(name)
    if text is not None and has is not None and not _holds(text, has):
        text = None
    if text is None:
        near = _alike(name, known)
        text = f"did you mean {near!r}?" if near else None
        text = f"it has {', '.join(known)}" if text is None and lists and known else text
    elif text.startswith(("res.", "fg.", "model.")) or lists:
        text = f"use {text}"
    return _sentence(f"{of} has no {name!r}" + (f": {text}" if text else ""))


def _holds(text: str, cls: type) -> bool:
    """Whether a class has the first method or attribute of ``res`` that a text names."""
    _, found, rest = text.partition("res.")
    word = rest.replace("(", " ").replace(",", " ").replace(".", " ").split()
    return not found or _has(cls, word[0])


def _has(cls: type, name: str) -> bool:
    """Whether a class has a method, a property or a field of a name."""
    return hasattr(cls, name) or name in getattr(cls, "__dataclass_fields__", {})


def _alike(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant, whatever its case."""
    by_lower = {other.lower(): other for other in known if not other.startswith("_")}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=ALIKE)
    return by_lower[near[0]] if near else None


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def describe_name_of_package(name: str, known: Iterable[str], results: type) -> str:
    """What to ask for instead of a name that the package does not have.

    Functions of R, such as ``coef(fit)``, are mostly attributes and methods of `results` here.
    """
    table: Mapping[str, str] = PACKAGE
    if name not in table and name in RESULTS:
        table = RESULTS
    elif name not in table and _has(results, name):
        called = "()" if callable(getattr(results, name, None)) else ""
        table = {name: f"res.{name}{called}"}
    return describe_name("fastglm", name, table, known)


def pointing_module(module: str, known: Sequence[str], table: Mapping[str, str]) -> Any:
    """A module's ``__getattr__``, for what it does not have.

    Parameters
    ----------
    module : str
        Its name.
    known : sequence of str
        Its public names.
    table : mapping
        Names of other libraries.
    """

    def look_up(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = describe_name(module, name, table, known)
        raise UnknownNameError(text, name=name, obj=sys.modules[module])

    return look_up


class Pointing:
    """Base of models, results and what they give: another library's name leads to the one here."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Called for what Python does not find."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if hasattr(type(self), name):
                # A property failed with an AttributeError of its own: let it say so.
                return object.__getattribute__(self, name)
            cls = type(self)
            table, has, is_returned = RESULTS, cls, issubclass(cls, Returned)
            if is_returned:
                table, has = {k: v for k, v in RETURNED.items() if _is_of(v, cls)}, None
            elif hasattr(cls, "from_formula"):
                table, has = {k: v for k, v in MODELS.items() if _is_of_model(v, self)}, None
            elif getattr(cls, "has_random_effects", False):
                table = RESULTS | MIXED
            elif getattr(cls, "has_several_predictors", False):
                table = RESULTS | SEVERAL
            text = describe_name(cls.__name__, name, table, dir(self), has, lists=is_returned)
            raise UnknownNameError(text, name=name, obj=self)


class Returned(Pointing):
    """Base of what methods of results give."""


def _is_of_model(text: str, model: Any) -> bool:
    """Whether a model has the attributes that a text names."""
    names = re.findall(r"\bmodel\.(\w+)", text)
    return all(_has(type(model), name) or name in vars(model) for name in names)


def _is_of(text: str, cls: type) -> bool:
    """Whether a class has the attribute that a text begins with, if it does not name another's."""
    return text.startswith(("fg.", "res.")) or hasattr(cls, text.partition("(")[0])
