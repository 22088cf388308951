"""Types of parameters and results as the docstrings spell them.

The parser of docstrings gives all names of a line the default of the first, and reads
``array_like, shape (n,)`` as a tuple. Defaults stand in the signature and in the text.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_TYPED = (
    griffe.DocstringSectionKind.parameters,
    griffe.DocstringSectionKind.other_parameters,
    griffe.DocstringSectionKind.attributes,
    griffe.DocstringSectionKind.raises,
)


class PlainTypes(griffe.Extension):
    """Put the words of the docstring in the place of what was made of them."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Correct the parsed docstring of one object."""
        if obj.docstring is None:
            return
        for section in obj.docstring.parsed:
            if section.kind in _TYPED:
                for element in section.value:
                    if section.kind is griffe.DocstringSectionKind.raises:
                        element.annotation = str(element.annotation).strip("()")
                    else:
                        element.annotation = _spelled(element.name, obj.docstring.value)
                        element.value = None
                section.value = _together(section.value)


def _together(elements: list[Any]) -> list[Any]:
    """Names that share a line of the docstring as one entry."""
    kept: list[Any] = []
    for element in elements:
        last = kept[-1] if kept and hasattr(element, "name") else None
        told = element.annotation, element.description
        if last and told == (last.annotation, last.description):
            last.name += f", {element.name}"
        else:
            kept.append(element)
    return kept


def _spelled(name: str, text: str) -> str | None:
    """The type that follows a name, alone or among others, and a colon."""
    names = rf"(?:[\w*.]+, )*{re.escape(name)}(?:, [\w*.]+)*"
    found = re.search(rf"^{names} : (.+)$", text, re.MULTILINE)
    return None if found is None else found[1]
