"""Columns of Arrow tables, without narwhals' way round: a stream reads thousands of them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastglm.design.frames.categories import Categories, plain_levels, recode

__all__ = ["categories_of_arrow", "is_arrow_table", "read_arrow_numbers"]


def is_arrow_table(data: Any) -> bool:
    """Whether `data` is a table of pyarrow."""
    pyarrow: Any = sys.modules.get("pyarrow")
    kind: Any = getattr(pyarrow, "Table", None)
    return kind is not None and isinstance(data, kind)


def read_arrow_numbers(column: Any) -> np.ndarray | None:
    """A column of numbers in one piece and without nulls, as it lies; None for any other."""
    pyarrow: Any = sys.modules.get("pyarrow")
    kind: Any = getattr(pyarrow, "ChunkedArray", None)
    if kind is None or not isinstance(column, kind) or column.num_chunks != 1:
        return None
    plain = pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)
    if not plain or column.null_count:
        return None
    return column.chunk(0).to_numpy()


def categories_of_arrow(encoded: Any) -> Categories:
    """Categories of a dictionary-encoded array, with their levels in its order."""
    import pyarrow

    if isinstance(encoded, pyarrow.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    indices, values = encoded.indices, encoded.dictionary
    if indices.null_count:
        indices = indices.cast(pyarrow.int64()).fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False)
    if values.null_count:
        place = np.cumsum(values.is_valid()) - 1
        codes = recode(codes, np.where(values.is_valid(), place, -1), len(values))
        values = values.drop_null()
    ordered = bool(encoded.type.ordered)
    return Categories(codes, plain_levels(values.to_pylist()), ordered=ordered)
