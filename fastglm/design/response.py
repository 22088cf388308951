"""The left side of a formula as the numbers a family takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastglm.design.expressions import Expression
from fastglm.design.frames import Categories, Column, Level, categorize
from fastglm.design.missing import require_finite
from fastglm.errors import DataError, FormulaError

__all__ = ["evaluate_response"]


def evaluate_response(
    response: Expression, columns: Mapping[str, Column], categorical: bool = False
) -> tuple[np.ndarray, tuple[Level, ...] | None]:
    """Compute the response.

    Parameters
    ----------
    response : Expression
        A numeric or boolean expression, a categorical of two levels, or
        ``cbind(successes, failures)``, or more columns for models that take them.
    columns : mapping of str to Column
    categorical : bool, default False
        Whether the response is a category, of any number of levels.

    Returns
    -------
    y : ndarray, shape (n,) or (n, k)
        As it lies for a numeric column; 0 and 1 for a categorical of two levels, 1 being the
        second; float64 columns for ``cbind``; codes from 0 of a category.
    levels : tuple of levels, or None
        The levels coded 0, 1, ...

    Raises
    ------
    DataError
        If a categorical response has not two levels.
    FormulaError
        If the expression gives several columns.
    MissingValueError
        If a value is not finite.
    """
    if categorical:
        value = response.evaluate(columns, {})
        if not isinstance(value, np.ndarray | Categories):
            raise FormulaError(f"The response '{response.text}' must be a single column.")
        categories = categorize(value, response.text)
        return categories.codes, categories.levels
    pair = response.called("cbind")
    if pair is not None:
        if len(pair) < 2:
            raise FormulaError(f"'{response.text}' must be cbind(successes, failures).")
        counts = np.column_stack([_numbers(one, columns) for one in pair]).astype(np.float64)
        return counts, None
    value = response.evaluate(columns, {})
    if isinstance(value, Categories):
        return _indicator(value, response.text)
    return _numbers(response, columns), None


def _numbers(expression: Expression, columns: Mapping[str, Column]) -> np.ndarray:
    value = expression.evaluate(columns, {})
    if not isinstance(value, np.ndarray):
        raise FormulaError(
            f"The response '{expression.text}' must be a single numeric column, two levels, or "
            "cbind(successes, failures)."
        )
    require_finite(value, expression.text)
    return value


def _indicator(value: Categories, name: str) -> tuple[np.ndarray, tuple[Level, ...]]:
    if len(value.levels) != 2:
        first = ", ".join(repr(level) for level in value.levels[:5])
        raise DataError(
            f"The response '{name}' has {len(value.levels)} levels ({first}); a binomial response "
            f"has two. Say which one counts as 1, as in I({name} == {value.levels[-1]!r}) ~ ..."
        )
    return (value.codes == 1).astype(np.uint8), value.levels
