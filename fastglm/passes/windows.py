"""Windows of rows that are read one by one, and the sums of their grains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastglm.errors import DataError
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.grains import GRAIN_ROWS, TreeSum, count_grains
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable

__all__ = ["Shape", "Sweeper", "Window", "Windows", "grain_sums", "shape_of"]


class Window(NamedTuple):
    """Rows that are in memory for a while: whole grains, but for the last grain of all.

    Attributes
    ----------
    first : int
        Number of the first grain.
    n_rows : int
    row_table : RowTable or None
        None if no row counts.
    n_bytes : int
        Approximate size in memory.
    frequencies : ndarray, shape (n_rows,), or None
        How often each row was observed, where that is not among its weights.
    rows : ModelRows or None
        The rows before they became a table, for what kernels do not read.
    groups : ndarray of int64, shape (n_rows,), or None
        Numbers of the groups of the rows, if requested.
    present : ndarray of bool, shape (n_rows,), or None
        The rows that are complete; None if all are.
    """

    first: int
    n_rows: int
    row_table: RowTable | None
    n_bytes: int = 0
    frequencies: np.ndarray | None = None
    rows: Any = None
    groups: np.ndarray | None = None
    present: np.ndarray | None = None


class Windows(Protocol):
    """Reader of windows of a source, for several threads at once."""

    n_rows: int
    #: Seconds of all threads by kind of work.
    seconds: dict[str, float]

    def shares(self) -> list[tuple[int, int]]:
        """Ranges of grains that can be read separately, in order."""

    def require_unchanged(self) -> None:
        """Raise `DataError` if the rows may have changed since the first pass."""

    def read(self, first: int, last: int, checked: bool = False) -> Iterator[Window]:
        """Windows of the grains from `first` to `last` - 1.

        With `checked`, values that are missing or not finite are errors that name them.
        """


def grain_sums(
    kernel: RowBlock, table: KernelTable, window: Window, size: int, n_threads: int
) -> np.ndarray:
    """Sums of each grain of a window, (n_grains, size), by a kernel whose table `table` is."""
    n_grains = count_grains(window.n_rows)
    if window.row_table is None:
        return np.zeros((n_grains, size))
    sums = np.empty((n_grains, size))
    own = table.copy()
    own.take_rows(window.row_table.table)
    if window.frequencies is not None:
        own.point(fields.ROW_FACTOR, window.frequencies)
    if window.groups is not None:
        own.point(fields.GROUP, window.groups)
    own.bind_partials(sums)
    # Kernels that add up numbers of rows alone write them here.
    own.point(fields.OUTPUT, sums)
    own.launch(kernel, n_grains, n_threads)
    return sums


class Shape(NamedTuple):
    """Layout of the columns, which must be the same in every window."""

    n_dense: int
    n_stored: int
    n_columns: int
    n_indicators: int


def shape_of(row_table: RowTable) -> Shape:
    """The shape of some rows."""
    sizes = row_table.n_dense, row_table.n_stored, row_table.n_columns, row_table.n_indicators
    return Shape(*sizes)


class Sweeper:
    """Sweeps windows of one shape, and names the fault where sums are not finite.

    Parameters
    ----------
    windows : Windows
    shape : Shape
    """

    def __init__(self, windows: Windows, shape: Shape) -> None:
        self.windows, self._shape = windows, shape
        self._explained: set[int] = set()
        self._lock = Lock()

    def sweep(
        self,
        windows: Iterator[Window],
        kernel: RowBlock,
        table: KernelTable,
        size: int,
        n_threads: int,
    ) -> TreeSum:
        """Sums of the grains of some windows."""
        tree, spent = TreeSum(), 0.0
        for window in windows:
            begin = time.perf_counter()
            self._require_alike(window)
            sums = grain_sums(kernel, table, window, size, n_threads)
            tree.add_grains(window.first, sums)
            spent += time.perf_counter() - begin
            if not np.isfinite(sums).all():
                self._explain(window)
        with self._lock:
            self.windows.seconds["sweep"] += spent
        return tree

    def _require_alike(self, window: Window) -> None:
        """Refuse a window whose columns are not laid out as the sample's, as kernels assume."""
        if window.row_table is not None and shape_of(window.row_table) != self._shape:
            raise DataError(
                f"the columns from row {window.first * GRAIN_ROWS:,} on are not what they were in "
                "other rows: the source must stay as it is during a fit."
            )

    def _explain(self, window: Window) -> None:
        """Raise the fault of a window whose sums are not finite; once for each window."""
        with self._lock:
            if window.first in self._explained:
                return
            self._explained.add(window.first)
        for _ in self.windows.read(
            window.first, window.first + count_grains(window.n_rows), checked=True
        ):
            pass
