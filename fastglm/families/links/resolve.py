"""From what a user writes for ``link=`` to a link object."""

from __future__ import annotations

from fastglm.errors import ModelError
from fastglm.families.links.base import Link
from fastglm.families.registry import LINKS, link_class

__all__ = ["resolve_link"]


def resolve_link(link: Link | type[Link] | str) -> Link:
    """Make a link object from an object, its class, or its name in R or statsmodels.

    Raises
    ------
    ModelError
        If the name is unknown or the argument is no link; the text lists the names.
    """
    if isinstance(link, str):
        return link_class(link)()
    if isinstance(link, type) and issubclass(link, Link):
        return link()
    if isinstance(link, Link):
        return link
    raise ModelError(
        f"link must be a link object, its class or one of {', '.join(LINKS)}; got {link!r}"
    )
