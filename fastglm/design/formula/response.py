"""Responses, by one rule for every model: numbers, one of two levels, or a category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.design.formula.expressions import Expression, State
from fastglm.design.frames.categories import TRUTHS, Categories, Column, Level, recode
from fastglm.design.frames.frames import (
    Frame,
    categorize,
    is_frame,
    is_series,
    native_numbers,
    read_column,
    unmasked,
    with_nan,
)
from fastglm.design.frames.missing import require_finite
from fastglm.design.frames.whole_numbers import is_plain, require_exact
from fastglm.errors import DataError, FormulaError

__all__ = ["CATEGORIES", "NUMBERS", "ResponseRule", "evaluate_response", "read_response"]

#: Most levels that a message names.
LEVELS_NAMED = 5


@dataclass(frozen=True)
class ResponseRule:
    """Responses that a model takes.

    Text, categories and truth values are never taken for numbers. Levels are in the order that an
    ordered type declares, or else sorted as text is.

    Parameters
    ----------
    taker : str
        Whose rule it is, for messages.
    two_levels : bool
        Whether text, a category or truth values of two levels are 0 and 1, the second being 1.
    category : bool
        Whether the response is a category of any number of levels.
    ordered : bool
        Whether the levels of that category need an order: that of numbers, of an ordered type or
        of `order`.
    order : tuple of levels, optional
    """

    taker: str = "this model"
    two_levels: bool = False
    category: bool = False
    ordered: bool = False
    order: tuple[Level, ...] | None = None

    def coded(self, column: Column, name: str) -> tuple[np.ndarray, tuple[Level, ...] | None]:
        """The numbers that the model reads.

        Parameters
        ----------
        column : ndarray, shape (n,) or (n, k), or Categories
        name : str
            Of the response, for messages.

        Returns
        -------
        y : ndarray, shape (n,) or (n, k)
            As they lie for numbers and truth values; 0 and 1 for two levels; codes from 0 of a
            category. Missing levels are NaN, or a negative code of a category.
        levels : tuple of levels, or None
            The levels coded 0, 1, ...; None for numbers.

        Raises
        ------
        DataError
            If the model cannot take such a response; the text says what to do.
        """
        if self.category:
            found = self._ordered(column, name) if self.ordered else _in_order(column, name)
            return found.codes, found.levels
        if isinstance(column, Categories):
            found = column.in_order()
            if not self.two_levels:
                raise DataError(self._refusal(found, name))
            return _indicator(found, name, self.taker)
        if column.dtype.kind not in "fiub":
            raise DataError(f"The response {name} has dtype {column.dtype}; it must be numeric.")
        require_exact(column, f"The response {name}")
        if column.dtype.kind != "b" or column.ndim == 2:
            return column, None
        if not self.two_levels:
            raise DataError(
                f"The response {name} holds truth values, but {self.taker} takes numbers. Convert "
                "it where 0 and 1 are meant, as in I(1 * y) or y.astype(float)."
            )
        return column, TRUTHS

    def _refusal(self, found: Categories, name: str) -> str:
        what = "text or categories" if found.levels is not TRUTHS else "truth values"
        return (
            f"The response {name} holds {what} ({_shown(found.levels)}), but {self.taker} takes "
            "numbers. Convert it to numbers, or choose a binomial family for two levels and "
            "MNLogit or OrderedModel for several."
        )

    def _ordered(self, column: Column, name: str) -> Categories:
        """Categories whose order is known."""
        if self.order is not None:
            return _aligned(categorize(column, name), self.order, name)
        if isinstance(column, Categories) and not (column.ordered or column.are_truths):
            raise DataError(
                f"The response {name} has levels without an order ({_shown(column.levels)}). Give "
                f"it to {self.taker} as levels=[...], lowest first, or pass an ordered category or "
                "numbers."
            )
        return categorize(column, name)


#: The rules of models that take numbers, and of those that take categories in any order.
NUMBERS = ResponseRule()
CATEGORIES = ResponseRule(category=True)


def evaluate_response(
    response: Expression,
    columns: Mapping[str, Column],
    rule: ResponseRule = NUMBERS,
    state: State | None = None,
) -> tuple[np.ndarray, tuple[Level, ...] | None]:
    """Compute the response of a formula.

    Parameters
    ----------
    response : Expression
        A single column, or ``cbind(successes, failures)``, or more columns for models that take
        them.
    columns : mapping of str to Column
    rule : ResponseRule
        What the model takes.
    state : dict, optional
        What transforms in it learned already.

    Returns
    -------
    y : ndarray, shape (n,) or (n, k)
        As `ResponseRule.coded` defines; float64 columns for ``cbind``.
    levels : tuple of levels, or None
        The levels coded 0, 1, ...

    Raises
    ------
    DataError
        If the model cannot take the response.
    FormulaError
        If the expression gives several columns.
    MissingValueError
        If a value is not finite.
    """
    state = {} if state is None else state
    pair = None if rule.category else response.called("cbind")
    if pair is not None:
        if len(pair) < 2:
            raise FormulaError(f"'{response.text}' must be cbind(successes, failures).")
        counts = np.column_stack([_numbers(one, columns, state) for one in pair]).astype(np.float64)
        return counts, None
    value = response.evaluate(columns, state)
    if not isinstance(value, np.ndarray | Categories):
        raise FormulaError(_not_one_column(response))
    if isinstance(value, np.ndarray) and not rule.category:
        require_finite(value, response.text)
    return rule.coded(value, f"'{response.text}'")


def read_response(endog: Any) -> tuple[Column, str]:
    """Read the response of a model that is given as arrays.

    Parameters
    ----------
    endog : array_like, series or data frame, shape (n,), (n, 1) or (n, k)

    Returns
    -------
    column : ndarray, shape (n,) or (n, k), or Categories
        Missing numbers are NaN, missing categories have a negative code.
    name : str
        For messages.

    Raises
    ------
    DataError
        If the values are neither numbers nor categories.
    """
    if is_plain(endog) and endog.ndim == 1:
        return endog, "'y'"
    if isinstance(endog, np.ndarray) and endog.ndim == 1 and endog.dtype.kind in "fiu":
        return native_numbers(unmasked(endog)), "'y'"
    if is_frame(endog):
        frame = Frame(endog)
        if len(frame.names) == 1:
            return frame.column(frame.names[0]), f"'{frame.names[0]}'"
    name = str(getattr(endog, "name", None) or "y")
    if isinstance(endog, str):
        raise DataError(
            f"the response is the text {endog!r}. A formula goes to from_formula, as in "
            "GLM.from_formula(formula, data), or to glm(formula, data)."
        )
    if not is_series(endog):
        endog = np.asarray(unmasked(endog))
        if endog.ndim != 1 and not (endog.ndim == 2 and endog.shape[1] == 1):
            return _columns(with_nan(endog), name), f"'{name}'"
        endog = endog.reshape(-1)
    return read_column(endog, name), f"'{name}'"


def _columns(values: np.ndarray, name: str) -> np.ndarray:
    """Several numbers to a row."""
    try:
        return values.astype(np.float64) if values.dtype.kind == "O" else values
    except (TypeError, ValueError) as error:
        raise DataError(f"The response '{name}' holds what is not a number: {error}.") from None


def _numbers(expression: Expression, columns: Mapping[str, Column], state: State) -> np.ndarray:
    value = expression.evaluate(columns, state)
    if not isinstance(value, np.ndarray):
        raise FormulaError(_not_one_column(expression))
    require_finite(value, expression.text)
    return value


def _not_one_column(expression: Expression) -> str:
    return (
        f"The response '{expression.text}' must be a single numeric column, two levels, or "
        "cbind(successes, failures)."
    )


def _in_order(column: Column, name: str) -> Categories:
    return column.in_order() if isinstance(column, Categories) else categorize(column, name)


def _aligned(found: Categories, order: tuple[Level, ...], name: str) -> Categories:
    """Categories in an order that was asked for."""
    if len(set(order)) < len(order):
        raise DataError(f"levels has a level twice: {_shown(order)}.")
    position = {level: i for i, level in enumerate(order)}
    used = np.unique(found.codes[found.codes >= 0])
    absent = [found.levels[code] for code in used if found.levels[code] not in position]
    if absent:
        raise DataError(f"The response {name} has levels that levels lacks: {_shown(absent)}.")
    table = np.array([position.get(level, -1) for level in found.levels], dtype=np.intp)
    return Categories(recode(found.codes, table, len(order)), order, ordered=True)


def _indicator(found: Categories, name: str, taker: str) -> tuple[np.ndarray, tuple[Level, ...]]:
    codes, levels = found.codes, found.levels
    if len(levels) > 2:
        used = np.unique(codes[codes >= 0])
        levels = tuple(levels[code] for code in used)
        codes = recode(codes, np.searchsorted(used, np.arange(len(found.levels))), len(levels))
    if len(levels) != 2:
        column = name.strip("'")
        raise DataError(
            f"The response {name} has {len(levels)} levels ({_shown(levels)}), but {taker} takes "
            f"two. Say which one counts as 1, as in I({column} == {levels[-1]!r}) ~ ..."
        )
    y = (codes == 1).astype(np.uint8)
    return (y if (codes >= 0).all() else np.where(codes < 0, np.nan, y)), levels


def _shown(levels: Sequence[Level]) -> str:
    more = ", ..." if len(levels) > LEVELS_NAMED else ""
    return ", ".join(repr(level) for level in levels[:LEVELS_NAMED]) + more
