"""Columns of pandas as they lie, read without narwhals, which takes as long as a small fit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.categories import (
    Categories,
    Column,
    plain_levels,
    sorted_categories,
    with_values,
)

if TYPE_CHECKING:
    import pandas
from fastglm.design.frames.whole_numbers import require_told_apart

__all__ = ["categories_of", "factorize", "is_pandas_frame", "read_pandas"]

#: Texts up to so many are made codes one by one, sooner than pandas starts.
FEW = 32


def is_pandas_frame(data: Any) -> bool:
    """Whether it is a pandas data frame whose columns have one name each, all different."""
    kind: Any = getattr(sys.modules.get("pandas"), "DataFrame", None)
    if kind is None or not isinstance(data, kind):
        return False
    names = data.columns
    return names.nlevels == 1 and names.is_unique


def read_pandas(column: Any, name: str) -> Column | None:
    """A pandas column of NumPy numbers, of text or of categories; None for any other.

    Numbers are as they lie, of whatever byte order and size.
    """
    pandas: Any = sys.modules.get("pandas")
    kind: Any = getattr(pandas, "Series", None)
    if kind is None or not isinstance(column, kind):
        return None
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy() if dtype.kind in "biuf" else None
    if isinstance(dtype, pandas.StringDtype):
        return with_values(factorize(column, name))
    return categories_of(column) if isinstance(dtype, pandas.CategoricalDtype) else None


def categories_of(column: pandas.Series) -> Column:
    """Categories of pandas, with the codes that it has for them."""
    native: Any = column.array
    levels = plain_levels(native.categories.tolist())
    return with_values(Categories(native.codes, levels, ordered=bool(native.ordered)))


def factorize(values: np.ndarray | pandas.Series, name: str) -> Categories:
    """Categories of an array or a pandas column, with sorted levels; missing ones have code -1."""
    import pandas

    if len(values) <= FEW and isinstance(values.dtype, pandas.StringDtype):
        numbers: dict[str, int] = {}
        found = [
            numbers.setdefault(text, len(numbers)) if isinstance(text, str) else -1
            for text in values.tolist()
        ]
        return sorted_categories(np.array(found, dtype=np.intp), tuple(numbers), name)
    codes, levels = pandas.factorize(values)
    if isinstance(levels, np.ndarray):
        require_told_apart(levels, f"Column '{name}'")
    return sorted_categories(codes, plain_levels(levels.tolist()), name)
