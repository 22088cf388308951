"""Families and links by name; it imports none of them, so that any module may import it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from fastglm.errors import ModelError
from fastglm.pointers import OTHER_FAMILIES

__all__ = [
    "CUSTOM_FAMILIES",
    "CUSTOM_LINKS",
    "FAMILIES",
    "FAMILY_SYNONYMS",
    "LINKS",
    "family_class",
    "link_class",
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
    "negbinomial": "negative_binomial",
    "nbinom": "negative_binomial",
}
#: Every link, a class, by the name R gives it.
LINKS: dict[str, Any] = {}
#: Families of this process, by name: a saved fit is read back with them.
CUSTOM_FAMILIES: dict[str, Any] = {}
CUSTOM_LINKS: dict[str, Any] = {}


@functools.cache
def plain_name(name: str) -> str:
    """Strip a name of case, spaces and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def family_class(name: str) -> Any:
    """Look up a family by name, whatever its case and punctuation.

    Raises
    ------
    ModelError
        If there is none; the text lists the names.
    """
    asked = plain_name(name)
    found = {plain_name(known): known for known in FAMILIES} | FAMILY_SYNONYMS
    if asked not in found:
        hint = _other_family(name, asked) or _like(asked, found)
        raise ModelError(f"unknown family {name!r}; {hint}known families: {', '.join(FAMILIES)}")
    return FAMILIES[found[asked]]


def _like(asked: str, found: Mapping[str, str]) -> str:
    close = get_close_matches(asked, found, n=1)
    return f"did you mean {found[close[0]]!r}? " if close else ""


def _other_family(name: str, asked: str) -> str:
    """What to give for another library's name of a model, a link, or a family with arguments."""
    if asked in OTHER_FAMILIES:
        return f"{OTHER_FAMILIES[asked]}; "
    called, _, arguments = name.partition("(")
    of = {plain_name(known): family for known, family in FAMILIES.items()}.get(plain_name(called))
    if of is not None and arguments.strip(" )"):
        return f"give arguments to the family itself, as fastglm.families.{of.__name__}(...); "
    links = {plain_name(link): link for link in LINKS}
    if asked in links:
        return f"that is a link: give the family, and link={links[asked]!r}; "
    return ""


def link_class(name: str) -> Any:
    """Look up a link by R's name or that of its class, whatever its case and punctuation.

    Raises
    ------
    ModelError
        If there is none; the text lists the names.
    """
    asked = plain_name(name)
    found = {plain_name(link.__name__): link for link in LINKS.values()}
    found |= {plain_name(known): link for known, link in LINKS.items()}
    if asked not in found:
        hint = _like(asked, {plain_name(known): known for known in LINKS})
        raise ModelError(f"unknown link {name!r}; {hint}known links: {', '.join(LINKS)}")
    return found[asked]


def refuse_taken_name(name: str, taken: Iterable[str], what: str) -> None:
    """Raise `ModelError` for a name that, whatever its case and punctuation, is taken already."""
    if plain_name(name) in {plain_name(other) for other in taken}:
        raise ModelError(
            f"there is a {what} {name!r} already, which yours would be taken for; choose another "
            "name"
        )
