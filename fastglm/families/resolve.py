"""From what a user writes for ``family=`` and ``link=`` to a family object."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastglm.errors import ModelError
from fastglm.families.catalogue import FAMILIES
from fastglm.families.family import Family
from fastglm.families.links import Link
from fastglm.families.registry import family_class

__all__ = ["family_class", "resolve_family"]


@lru_cache(maxsize=64)
def _named(family: str, link: str | None) -> Family:
    """Families cannot change: those that are given by name alone are made once."""
    return family_class(family)(link)


def resolve_family(family: Any, link: Link | type[Link] | str | None = None) -> Family:
    """Make a family object from what a user writes.

    Parameters
    ----------
    family
        A family object, its class, its name, or an object or class with a method ``glm_family()``
        that returns one of these (a member of the exponential family).
    link
        A link object, its class or its name, to replace the family's own.

    Returns
    -------
    Family

    Raises
    ------
    ModelError
        If the family or the link is unknown, or the two cannot be used together.
    """
    if isinstance(family, str):
        return _named(family, link) if isinstance(link, str | None) else family_class(family)(link)
    if isinstance(family, type) and issubclass(family, Family):
        return family(link)
    if isinstance(family, Family):
        return family if link is None else family.with_link(link)
    if hasattr(family, "glm_family"):
        return resolve_family(family.glm_family(), link)
    raise ModelError(
        f"family must be a family object, its class or one of {', '.join(FAMILIES)}; got {family!r}"
    )
