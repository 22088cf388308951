"""What aliased columns are combinations of, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

__all__ = ["MOST_PARTS", "aliased_text"]


#: How many columns of a combination are written out.
MOST_PARTS = 6


def aliased_text(aliased: Mapping[str, Mapping[str, float]]) -> str:
    """What each aliased column is a combination of, as ``x3 = x1 - 2 x2; ...``."""
    return "; ".join(f"{name} = {_combination(parts)}" for name, parts in aliased.items())


def _combination(parts: Mapping[str, float]) -> str:
    shown = list(parts.items())[:MOST_PARTS]
    text = ""
    for name, value in shown:
        sign = "-" if value < 0 else "+" if text else ""
        size = "" if abs(value) == 1.0 else f"{abs(value):.6g} "
        text += f" {sign} {size}{name}" if text else f"{sign}{size}{name}"
    more = len(parts) - len(shown)
    return (text or "0") + (f" + {more} more" if more else "")
