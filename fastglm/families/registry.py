"""Families and links by name; what they are is imported elsewhere, so that anyone may ask here."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from fastglm.errors import ModelError

__all__ = [
    "CUSTOM_FAMILIES",
    "CUSTOM_LINKS",
    "FAMILIES",
    "FAMILY_SYNONYMS",
    "LINKS",
    "plain_name",
    "refuse_taken_name",
]

#: Every family, a class, by its name.
FAMILIES: dict[str, Any] = {}
#: Other names of families, as R, statsmodels and people write them.
FAMILY_SYNONYMS = {
    "normal": "gaussian",
    "nb": "negative_binomial",
    "negbin": "negative_binomial",
    "bernoulli": "binomial",
}
#: Every link, a class, by the name R gives it.
LINKS: dict[str, Any] = {}
#: What this process has defined, by name: a saved fit is read back with them.
CUSTOM_FAMILIES: dict[str, Any] = {}
CUSTOM_LINKS: dict[str, Any] = {}


@functools.cache
def plain_name(name: str) -> str:
    """Strip a name of case, spaces and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def refuse_taken_name(name: str, taken: Iterable[str], what: str) -> None:
    """Raise `ModelError` for a name that, whatever its case and punctuation, is taken already."""
    if plain_name(name) in {plain_name(other) for other in taken}:
        raise ModelError(
            f"there is a {what} {name!r} already, which yours would be taken for; choose another "
            "name"
        )
