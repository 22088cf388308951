"""Combinations that aliased columns are: in words, and as directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fastglm.errors import RankWarning, few_of, warn

__all__ = ["MOST_PARTS", "SAME_COMBINATION", "aliased_text", "null_space", "warn_of_aliased"]

#: Most columns of a combination that are written out.
MOST_PARTS = 6
#: An aliased column may be this far from its combination, as a share of what it is the sum of.
SAME_COMBINATION = 1e-5


def aliased_text(aliased: Mapping[str, Mapping[str, float]]) -> str:
    """Combinations that aliased columns are, as ``x3 = x1 - 2 x2; ...``."""
    return few_of([f"{name} = {_combination(parts)}" for name, parts in aliased.items()], "; ")


def warn_of_aliased(shown: str) -> None:
    """Warn of aliased columns, as `aliased_text` or their names alone."""
    warn(
        f"These columns are combinations of earlier ones, and their coefficients are NaN: {shown}.",
        RankWarning,
    )


def _combination(parts: Mapping[str, float]) -> str:
    shown = list(parts.items())[:MOST_PARTS]
    text = ""
    for name, value in shown:
        sign = "-" if value < 0 else "+" if text else ""
        size = "" if abs(value) == 1.0 else f"{abs(value):.6g} "
        text += f" {sign} {size}{name}" if text else f"{sign}{size}{name}"
    more = len(parts) - len(shown)
    return (text or "0") + (f" + {more} more" if more else "")


def null_space(names: Sequence[str], aliased: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Directions that move no row of the fit, (d, p): an aliased column less its combination."""
    place = {name: k for k, name in enumerate(names)}
    directions = np.zeros((len(aliased), len(place)))
    for direction, (name, parts) in zip(directions, aliased.items(), strict=True):
        for other, part in parts.items():
            direction[place[other]] -= part
        direction[place[name]] += 1.0
    return directions
