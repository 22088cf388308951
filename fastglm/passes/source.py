"""Sources of the rows of a pass: memory, or windows that are read one by one.

The solver depends on neither: a `RowSource` runs a kernel and returns sums over all rows. Rows in
memory are one table, cut into chunks. Rows of a stream are windows of grains, whose sums are added
as a tree, so that they do not depend on the size of the windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import perf_counter
from typing import Protocol

import numpy as np

from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.checkpoint import Checkpoint
from fastglm.passes.chunks import count_chunks
from fastglm.passes.grains import GRAIN_ROWS, TreeSum, count_grains
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.pass_progress import PassSoFar
from fastglm.passes.requests import numbers_read
from fastglm.passes.row_table import RowTable
from fastglm.passes.windows import Sweeper, Window, Windows, shape_of

__all__ = ["MemoryRows", "RowSource", "StreamedRows", "Workers", "without"]


class RowSource(Protocol):
    """Rows of a model, wherever they are.

    Attributes
    ----------
    row_table : RowTable
        Layout of all rows, with the rows themselves if in memory, else with a sample of them.
    n_rows : int
        All.
    is_in_memory : bool
        Whether the layout has all of them.
    """

    row_table: RowTable
    n_rows: int
    is_in_memory: bool

    def count_partials(self, partial_bytes: int) -> int:
        """Number of partial sums, of so many bytes each, that `add_up` returns."""

    def add_up(
        self, kernel: RowBlock, table: KernelTable, partials: np.ndarray, n_threads: int
    ) -> None:
        """Run a kernel over all rows.

        Parameters
        ----------
        kernel
            Kernel that adds up each chunk of rows in a partial sum of its own.
        table
            Its table, with the rows of `row_table`.
        partials
            (n_partials, m) sums that add up to those of all rows, where the table says they are.
        n_threads
            From `usable_threads`.
        """


class MemoryRows:
    """Rows in memory: one table, whose chunks are shared out among threads."""

    is_in_memory = True

    def __init__(self, row_table: RowTable) -> None:
        self.row_table, self.n_rows = row_table, row_table.n_rows

    def count_partials(self, partial_bytes: int) -> int:
        """See `RowSource.count_partials`."""
        return count_chunks(self.row_table, partial_bytes)

    def add_up(
        self, kernel: RowBlock, table: KernelTable, partials: np.ndarray, n_threads: int
    ) -> None:
        """See `RowSource.add_up`."""
        table.launch(kernel, len(partials), n_threads)


class Workers(Protocol):
    """Other processes that sweep rows for this one."""

    def sweep(
        self, shares: list[tuple[int, int]], kernel: RowBlock, table: KernelTable, size: int
    ) -> Iterator[tuple[int, int, TreeSum]] | None:
        """Ranges of grains and their sums, (size,); None for a kernel they cannot run."""


class StreamedRows:
    """Rows that are read window by window in every pass, or once where they fit into memory.

    Parameters
    ----------
    windows : Windows
    sample : RowTable
        Of some of the rows, spread by position.
    memory : int
        Most bytes of windows that are kept for later passes.

    Attributes
    ----------
    n_passes : int
        Number of passes over all rows.
    """

    is_in_memory = False

    def __init__(self, windows: Windows, sample: RowTable, memory: int) -> None:
        self.row_table, self.n_rows = sample, windows.n_rows
        self.windows, self._memory = windows, memory
        self._kept: list[Window] = []
        self._keeping, self._is_kept = memory > 0, False
        self._sweeper = Sweeper(windows, shape_of(sample))
        self._lock = Lock()
        self.n_passes = 0
        #: File with the sums of passes, if any.
        self.checkpoint: Checkpoint | None = None
        #: Other processes that sweep rows, if any.
        self.workers: Workers | None = None
        #: Callback for the progress of a pass, if any.
        self.tell: Callable[[PassSoFar], None] | None = None

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of all threads so far by kind of work."""
        return dict(self.windows.seconds)

    def count_partials(self, partial_bytes: int) -> int:
        """See `RowSource.count_partials`."""
        return 1

    def add_up(
        self, kernel: RowBlock, table: KernelTable, partials: np.ndarray, n_threads: int
    ) -> None:
        """See `RowSource.add_up`."""
        total = None
        if self.checkpoint is not None:
            total = self.checkpoint.answer(_question(kernel, table, self.row_table))
        if total is None:
            total = self._total(kernel, table, partials.shape[1], n_threads)
        self.n_passes += 1
        partials[0] = total

    def _total(self, kernel: RowBlock, table: KernelTable, size: int, n_threads: int) -> np.ndarray:
        """Sums of all rows, (size,), by a pass over the rows whose sums no checkpoint has."""
        checkpoint, shares = self.checkpoint, self.windows.shares()
        tree = TreeSum() if checkpoint is None else checkpoint.tree
        if checkpoint is not None and checkpoint.done:
            shares = without(shares, checkpoint.done)
        if self.workers is not None or (checkpoint is not None and checkpoint.done):
            # Windows are kept in a pass that reads all of them here.
            self._keeping = self._is_kept
        begin, before, done = perf_counter(), self.seconds, 0
        for first, last, part in self._parts(shares, kernel, table, size, n_threads):
            if checkpoint is None:
                tree.merge(part)
            else:
                checkpoint.add(part, first, last)
            if self.tell is not None:
                done += min(last * GRAIN_ROWS, self.n_rows) - first * GRAIN_ROWS
                spent = {name: now - before[name] for name, now in self.seconds.items()}
                elapsed = perf_counter() - begin
                self.tell(PassSoFar(self.n_passes + 1, done, self.n_rows, elapsed, spent))
        self._is_kept = self._keeping
        self.windows.require_unchanged()
        total = tree.total(count_grains(self.n_rows))
        if checkpoint is not None:
            checkpoint.complete(total)
        return total

    def _parts(
        self,
        shares: list[tuple[int, int]],
        kernel: RowBlock,
        table: KernelTable,
        size: int,
        n_threads: int,
    ) -> Iterator[tuple[int, int, TreeSum]]:
        """Ranges of grains and their sums."""
        workers = self.workers
        swept = None if workers is None else workers.sweep(shares, kernel, table, size)
        if swept is not None:
            yield from swept
            return
        if self._is_kept or n_threads == 1 or len(shares) < n_threads:
            for window in self._kept if self._is_kept else self._read(shares):
                part = self._sweeper.sweep(iter([window]), kernel, table, size, n_threads)
                yield window.first, window.first + count_grains(window.n_rows), part
            return
        # The thread that decodes rows sweeps them: handing them on costs more than it saves.
        with ThreadPoolExecutor(n_threads) as pool:
            futures = [
                pool.submit(self._sweeper.sweep, self._read([share]), kernel, table, size, 1)
                for share in shares
            ]
            try:
                for (first, last), found in zip(shares, futures, strict=True):
                    yield first, last, found.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def each_window(self) -> Iterator[Window]:
        """All windows one after the other; a pass, unless they are kept."""
        yield from self._kept if self._is_kept else self._read(self.windows.shares())
        self._is_kept = self._keeping
        self.n_passes += 1
        self.windows.require_unchanged()

    def _read(self, shares: list[tuple[int, int]]) -> Iterator[Window]:
        for first, last in shares:
            for window in self.windows.read(first, last):
                if self._keeping:
                    self._keep(window)
                yield window

    def _keep(self, window: Window) -> None:
        """Keep a window for later passes, or drop all windows if they are too many."""
        with self._lock:
            if not self._keeping:
                return
            self._memory -= window.n_bytes
            self._kept.append(window)
            if self._memory < 0:
                self._keeping = False
                self._kept.clear()


def without(ranges: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges less other ranges, in order."""
    left = ranges
    for start, end in others:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, start)), (max(first, end), last))
            if part[0] < part[1]
        ]
    return left


def _question(kernel: RowBlock, table: KernelTable, row_table: RowTable) -> bytes:
    """Identity of a pass: all that its sums depend on beside the rows."""
    numbers = (array.tobytes() for array in numbers_read(table, row_table).values())
    return b"|".join([kernel.name.encode(), str(table.mode).encode(), *numbers])
