"""Numbers as R prints them: significant digits, with the points of a column below each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = [
    "common_decimals",
    "format_at",
    "format_cell",
    "format_level",
    "format_levels",
    "format_number",
    "format_pvalue",
    "format_significant",
    "stars_of",
]

#: Smaller p-values are not distinguished, as in R: the distance from 1 to the next number.
SMALLEST_PVALUE = 2.220446049250313e-16
#: Digits before the point from which a number is written as a power of ten.
MOST_DIGITS = 7
#: Stars of p-values below these.
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, "."))
#: Significant digits of levels, as R prints numbers, and those that distinguish all floats.
LEVEL_DIGITS, DIGITS_OF_FLOAT = 7, 17
#: Whole numbers of floats below this have no rounded digit.
WHOLE_BELOW = 1e15
#: Characters of an exponent of two digits, and of three.
EXPONENT, LONG_EXPONENT = 4, 5


def format_number(value: float) -> str:
    """A number in at most six digits."""
    return f"{value:.6g}"


def format_pvalue(value: float, digits: int = 3) -> str:
    """A p-value as R prints it: in so many digits, ``<2e-16`` where it is smaller."""
    return "<2e-16" if value < SMALLEST_PVALUE else f"{value:#.{digits}g}"


def format_significant(value: float, digits: int) -> str:
    """A number in so many significant digits, as R's; a power of ten where zeros would be many."""
    if not np.isfinite(value) or value == 0.0:
        return f"{value:.{digits}g}"
    size = int(np.floor(np.log10(abs(float(f"{value:.{digits - 1}e}")))))
    if size < -4 or size >= MOST_DIGITS:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(digits - 1 - size, 0)}f}"


def common_decimals(values: Iterable[float], digits: int = 4) -> int | None:
    """Digits after the point that show every number in so many significant digits.

    Parameters
    ----------
    values : iterable of float
        Those that are not finite are left out.
    digits : int, default 4
        Of the number that needs most digits after the point.

    Returns
    -------
    int or None
        None where powers of ten are shorter.

    Notes
    -----
    As R's ``format``, and so ``printCoefmat`` and what prints a summary.
    """
    shown = [f"{value:.{digits - 1}e}" for value in values if np.isfinite(value)]
    if not shown:
        return 0
    parts = [text.split("e") for text in shown]
    exponents = [int(exponent) for _, exponent in parts]
    lengths = [len(m.strip("-").replace(".", "").rstrip("0") or "0") for m, _ in parts]
    after = max(0, *(n - 1 - e for n, e in zip(lengths, exponents, strict=True)))
    sign = any(text.startswith("-") for text in shown)
    fixed = sign + max(0, *exponents) + 1 + (after + 1 if after else 0)
    longest = max(lengths)
    is_long = max(map(abs, exponents)) > 99
    power = sign + longest + (longest > 1) + (LONG_EXPONENT if is_long else EXPONENT)
    return after if fixed <= power else None


def format_at(value: float, decimals: int | None, digits: int = 4) -> str:
    """A number with so many digits after the point; None for significant digits of its own."""
    if decimals is None or not np.isfinite(value):
        return format_significant(value, digits)
    return f"{value:.{decimals}f}"


def format_level(value: Any, digits: int = LEVEL_DIGITS) -> str:
    """A level of a factor or a value of a regressor; a float as R's ``format``.

    Whole numbers, such as codes of regions, keep all their digits.
    """
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < WHOLE_BELOW:
        return f"{number:.0f}" if number else "0"
    decimals = common_decimals([number], digits) if np.isfinite(number) else None
    return f"{number:.{digits}g}" if decimals is None else f"{number:.{decimals}f}"


def format_levels(values: Iterable[Any]) -> list[str]:
    """Levels as `format_level` writes them, with more digits where they distinguish levels."""
    values = list(values)
    different = len(set(values))
    for digits in range(LEVEL_DIGITS, DIGITS_OF_FLOAT):
        labels = [format_level(value, digits) for value in values]
        if len(set(labels)) == different:
            return labels
    return [format_level(value, DIGITS_OF_FLOAT) for value in values]


def format_cell(title: str, value: Any) -> str:
    """A value of a table, by the title of its column; nothing for a missing number."""
    if isinstance(value, str):
        return value
    if value != value:
        return ""
    is_pvalue = title.startswith(("P>", "Pr(")) or title in ("pvalue", "p", "p.value")
    return format_pvalue(value, 4) if is_pvalue else format_number(value)


def stars_of(pvalue: float) -> str:
    """Significance stars, as R prints them."""
    return next((text for limit, text in STARS if pvalue < limit), "")
