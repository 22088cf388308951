"""Groups of streamed rows by the values of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.categories import Categories
from fastglm.design.frames.frames import Frame
from fastglm.errors import DataError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Groups"]


class Groups:
    """Groups of rows by the values of a column, numbered in the order of the sorted values.

    Parameters
    ----------
    name : str
        Name of the column.
    """

    def __init__(self, name: str) -> None:
        self.name, self._found = name, set[Any]()
        self._values: list[Any] = []

    def _read(self, table: pyarrow.Table, present: np.ndarray | None) -> tuple[Any, np.ndarray]:
        """Distinct values, and the index of each row's value in them, (n,), -1 if missing."""
        column = Frame(table).column(self.name)
        if isinstance(column, Categories):
            values, codes = list(column.levels), column.codes.astype(np.int64)
        else:
            found, codes = np.unique(column, return_inverse=True)
            codes = np.where(np.isnan(column), -1, codes) if column.dtype.kind == "f" else codes
            values = found.tolist()
        if ((codes < 0) if present is None else (codes < 0) & present).any():
            raise DataError(
                f"groups: '{self.name}' has no value in some rows; every row needs one."
            )
        return values, codes

    def add(self, table: pyarrow.Table, present: np.ndarray | None) -> None:
        """Adds the groups of some rows; `present` masks the rows that count, None for all."""
        values, codes = self._read(table, present)
        used = np.unique(codes if present is None else codes[present])
        self._found.update(values[k] for k in used)

    def number(self) -> int:
        """Numbers the groups after all rows were added; returns how many there are."""
        self._values = sorted(self._found)
        return len(self._values)

    def codes(self, table: pyarrow.Table) -> np.ndarray:
        """Group numbers of some rows, (n,) int64; arbitrary for rows that do not count."""
        values, codes = self._read(table, np.zeros(table.num_rows, dtype=bool))
        place = {value: k for k, value in enumerate(self._values)}
        numbers = np.array([place.get(value, 0) for value in values] + [0], dtype=np.int64)
        return numbers[codes]
