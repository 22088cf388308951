"""Categorical columns: integer codes and the levels they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fastglm.errors import DataError

__all__ = [
    "TRUTHS",
    "Categories",
    "Column",
    "Level",
    "plain_levels",
    "recode",
    "sorted_categories",
    "with_values",
    "without_levels",
]

Level: TypeAlias = str | int | float | bool

#: Levels of truth values with missing ones among them.
TRUTHS: tuple[Level, ...] = (False, True)


@dataclass(frozen=True, eq=False)
class Categories:
    """A categorical column.

    Parameters
    ----------
    codes : ndarray, shape (n,)
        Index into `levels`, any integer dtype; negative where the value is missing.
    levels : tuple
        The levels in order.
    declared : bool
        Whether the column's type fixes the levels. If not, they are the values that occur.
    ordered : bool
        Whether the levels are in order by the column's type.
    """

    codes: np.ndarray
    levels: tuple[Level, ...]
    declared: bool = True
    ordered: bool = False

    def take(self, rows: np.ndarray) -> Column:
        """Keep the rows where the boolean mask `rows` is true, and only the levels that remain.

        Truth values come back as an array once none is missing.
        """
        codes = self.codes[rows]
        if self.declared:
            return Categories(codes, self.levels, ordered=self.ordered)
        if self.are_truths and (codes >= 0).all():
            return codes == 1
        used = np.bincount(codes[codes >= 0], minlength=len(self.levels)) > 0
        if used.all():
            return Categories(codes, self.levels, declared=False)
        levels = tuple(level for level, keep in zip(self.levels, used, strict=True) if keep)
        return Categories(recode(codes, np.cumsum(used) - 1, len(levels)), levels, declared=False)

    @property
    def are_truths(self) -> bool:
        """Whether these are truth values, of which some are missing."""
        return self.levels is TRUTHS

    def as_numbers(self) -> np.ndarray:
        """Truth values as 0, 1 and NaN."""
        return np.where(self.codes < 0, np.nan, self.codes)

    def in_order(self) -> Categories:
        """The same with levels in their declared order, or else sorted as text is.

        A category without an order, such as polars' Categorical, an Arrow dictionary or what
        pandas made of them, has its levels in the order in which they were met.
        """
        if self.ordered or not self.declared:
            return self
        return sorted_categories(self.codes, self.levels, "the response", declared=True)


Column: TypeAlias = np.ndarray | Categories


def recode(codes: np.ndarray, table: np.ndarray, n_levels: int) -> np.ndarray:
    """Map codes through a table, negative codes staying negative, to the smallest integer dtype."""
    dtype = np.min_scalar_type(-max(n_levels, 1))
    padded = np.append(table, -1).astype(dtype)
    return padded[codes]


def sorted_categories(
    codes: np.ndarray, levels: Sequence[Level], name: str, declared: bool = False
) -> Categories:
    """Categories with their levels in sorted order.

    Parameters
    ----------
    codes, levels, declared
        As for `Categories`; any order.
    name : str
        Of the column, for messages.

    Raises
    ------
    DataError
        If the levels are of several types, which have no order.
    """
    kinds = {type(level) for level in levels}
    if len(kinds) > 1 and not kinds <= {int, float}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(
            f"Column '{name}' mixes values of type {found}; convert it to one type first."
        )
    order = sorted(range(len(levels)), key=levels.__getitem__)
    rank = np.empty(len(levels), dtype=np.intp)
    rank[order] = np.arange(len(levels))
    ordered = tuple(levels[i] for i in order)
    return Categories(recode(codes, rank, len(levels)), ordered, declared)


def with_values(found: Categories) -> Column:
    """Categories, or NaN if every value is missing: a column of no kind."""
    return found if len(found.levels) else np.full(len(found.codes), np.nan)


def plain_levels(levels: Iterable[Any]) -> tuple[Level, ...]:
    """Levels as types that JSON keeps; any other, such as an interval, by its printed form."""
    return tuple(v if isinstance(v, str | int | float) else str(v) for v in levels)


def without_levels(column: np.ndarray) -> Column:
    """A column of which every value is missing as the category it may be; any other as it is."""
    if column.ndim == 1 and column.dtype.kind == "f" and np.isnan(column).all():
        return Categories(np.full(len(column), -1), (), declared=False)
    return column
