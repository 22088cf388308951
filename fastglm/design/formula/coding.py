"""From the value of an expression to a factor of the design: numbers checked, levels coded."""

from __future__ import annotations

import re
from textwrap import shorten

import numpy as np

from fastglm.design.formula.assemble import CategoricalFactor, Factor, NumericFactor
from fastglm.design.formula.contrasts import Coding
from fastglm.design.formula.expressions import Expression, State, Value
from fastglm.design.formula.table import Table
from fastglm.design.formula.transforms import Basis
from fastglm.design.frames.frames import Categories, Level, recode
from fastglm.design.frames.missing import raise_missing, require_finite, rows_text
from fastglm.design.frames.whole_numbers import require_exact
from fastglm.errors import DataError, FastGLMWarning, UnseenLevelError, few_of, warn

__all__ = ["code_factor", "factor_of", "require_same_kind", "used_levels"]

ROWS_AT_ONCE = 50_000
#: A column of text with so many levels, of which at most this share are words, looks like numbers.
MANY_LEVELS, MOST_WORDS = 50, 0.05

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def code_factor(
    value: Value,
    name: str,
    levels: tuple[Level, ...] | None = None,
    nan_rows: np.ndarray | None = None,
    unseen: str = "raise",
    finite: bool = True,
) -> Factor:
    """Make a factor of an evaluated expression.

    Parameters
    ----------
    value : Value
        What the expression gave.
    name : str
        The text of the expression.
    levels : tuple, optional
        The levels to code by; default those asked for in the formula, or else those that occur in
        the data, as R's ``glm`` drops a factor's unused levels.
    nan_rows : ndarray of bool, shape (n,), optional
        Rows without a value, let through with a placeholder code or a NaN; default none.
        With ``unseen="nan"``, rows with a level outside `levels` are added in place.
    unseen : {"raise", "nan"}, default "raise"
    finite : bool, default True
        Whether to make sure that numbers are finite.

    Returns
    -------
    NumericFactor or CategoricalFactor

    Raises
    ------
    UnseenLevelError
        If a row has a level outside `levels` and `unseen` is "raise".
    MissingValueError
        If a number is not finite.

    Warns
    -----
    FastGLMWarning
        If levels are learned from a column of text that looks like numbers.
    """
    if isinstance(value, Categories):
        if levels is None:
            _warn_of_numbers(value, name)
        value = Coding(value)
    if isinstance(value, Coding):
        levels = levels or value.levels or used_levels(value.categories)
        codes = _align(value.categories, levels)
        if codes.dtype.kind == "i" and codes.min(initial=0) < 0:
            codes = _fill(codes, value.categories, levels, name, nan_rows, unseen)
        return CategoricalFactor(codes, levels, value.contrast, name, value.spans_intercept)
    numbers = value.values if isinstance(value, Basis) else value
    of_levels = value.codes if isinstance(value, Basis) else None
    pieces = value.pieces if isinstance(value, Basis) else None
    # Coded columns and those in pieces are finite.
    if finite and of_levels is None and pieces is None:
        require_finite(numbers, name, nan_rows)
    if isinstance(value, Basis):
        names = tuple(f"{name}[{label}]" for label in value.labels)
        return NumericFactor(numbers, names, value.spans_intercept, of_levels, pieces)
    require_exact(numbers, f"Column '{name}'")
    return NumericFactor(numbers, (name,))


def factor_of(expression: Expression, table: Table, state: State, may_code: bool = False) -> Factor:
    """Evaluate an expression on complete rows, and make a factor of it.

    Numbers that the table knows to be finite are not read again.
    """
    value = expression.evaluate(table.columns, state, may_code)
    return code_factor(value, expression.text, finite=not table.is_finite(value))


def used_levels(categories: Categories) -> tuple[Level, ...]:
    """The levels that occur, in their order."""
    used = np.zeros(len(categories.levels) + 1, dtype=bool)
    # All levels have mostly been met after a few rows. Missing ones go to the last place.
    for start in range(0, len(categories.codes), ROWS_AT_ONCE):
        used[categories.codes[start : start + ROWS_AT_ONCE]] = True
        if used[:-1].all():
            return categories.levels
    return tuple(level for level, occurs in zip(categories.levels, used, strict=False) if occurs)


def _warn_of_numbers(categories: Categories, name: str) -> None:
    """Say so where a column of text looks like numbers among which a word has got."""
    levels = categories.levels
    if categories.declared or len(levels) < MANY_LEVELS:
        return
    words = [level for level in levels if isinstance(level, str) and not _NUMBER.fullmatch(level)]
    if len(words) <= MOST_WORDS * len(levels):
        but = f" but {', '.join(map(repr, words[:5]))}" if words else ""
        warn(
            f"'{name}' is text, and its {len(levels)} levels are numbers{but}. Convert it to "
            f"numbers if that is what it is, or write C({name}) for its levels.",
            FastGLMWarning,
        )


def _align(categories: Categories, levels: tuple[Level, ...]) -> np.ndarray:
    """Codes of `categories` in terms of `levels`, negative for any other level."""
    if categories.levels == levels:
        return categories.codes
    position = {level: i for i, level in enumerate(levels)}
    table = [position.get(level, -1) for level in categories.levels]
    return recode(categories.codes, np.array(table, dtype=np.intp), len(levels))


def _fill(
    codes: np.ndarray,
    categories: Categories,
    levels: tuple[Level, ...],
    name: str,
    nan_rows: np.ndarray | None,
    unseen: str,
) -> np.ndarray:
    """Put code 0 in the rows that may lack one; refuse the others."""
    outside = codes < 0
    refused = outside if nan_rows is None else outside & ~nan_rows
    if nan_rows is None or (unseen == "raise" and refused.any()):
        raise_missing({name: rows} if (rows := categories.codes < 0)[refused].any() else {})
        row = int(np.argmax(refused))
        level = shorten(repr(categories.levels[int(categories.codes[row])]), 60)
        raise UnseenLevelError(
            f"'{name}' has the level {level} in {rows_text(refused)}, which is not one of the "
            f"{len(levels)} levels of the model: {_shown(levels)}. Correct these rows, or "
            'predict with unseen="nan" to give them NaN.'
        )
    nan_rows |= outside
    return np.where(outside, codes.dtype.type(0), codes)


def _shown(levels: tuple[Level, ...]) -> str:
    return few_of([shorten(repr(level), 60) for level in levels])


def require_same_kind(factor: Factor, was_numeric: bool) -> None:
    """Refuse a factor that was numeric in the fit and is not now, or the other way round."""
    if isinstance(factor, NumericFactor) != was_numeric:
        before, now = ("numeric", "categorical") if was_numeric else ("categorical", "numeric")
        name = factor.names[0] if isinstance(factor, NumericFactor) else factor.name
        wanted = "numbers" if now == "categorical" else "text or categories"
        raise DataError(
            f"'{name}' was {before} when the model was fitted and is {now} now: convert it to "
            f"{wanted}, as the rows of the fit had it."
        )
