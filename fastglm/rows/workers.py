"""Work of a process of a cluster for a fit: sums over ranges of grains, one call for each pass.

Sums depend on the model, the request and the range alone. Decoded windows that a process keeps only
save time and may be lost at any moment.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np

from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.requests import SweepRequest
from fastglm.passes.windows import Shape, Sweeper, Window
from fastglm.rows.streamed_model import StreamedModel
from fastglm.rows.windows import RowReader
from fastglm.sources.base import Source

__all__ = ["Job", "Nodes", "forget", "sweep_ranges"]

#: Level, number and value of the nodes of a `fastglm.passes.grains.TreeSum`.
Nodes = list[tuple[int, int, np.ndarray]]


class Job(NamedTuple):
    """A model of streamed rows, for another process.

    Attributes
    ----------
    token : str
        Unique name of the fit.
    pickled : bytes
        The source and the `StreamedModel`.
    window_grains : int
        Number of grains in a window.
    shape : Shape
    memory : int
        Bytes of windows that a process may keep.
    """

    token: str
    pickled: bytes
    window_grains: int
    shape: Shape
    memory: int

    def open(self) -> tuple[Sweeper, RowReader]:
        """The sweeper of the rows, and their reader."""
        source, model = pickle.loads(self.pickled)
        assert isinstance(source, Source)
        assert isinstance(model, StreamedModel)
        reader = RowReader(source, model, self.window_grains)
        return Sweeper(reader, self.shape), reader


class _Kept:
    """Cache of open jobs and decoded windows, shared by all threads of a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._jobs: OrderedDict[str, tuple[Sweeper, RowReader]] = OrderedDict()
        self._windows: OrderedDict[tuple[str, int, int], list[Window]] = OrderedDict()
        self.n_bytes = 0

    def opened(self, job: Job) -> tuple[Sweeper, RowReader]:
        """Sweeper and reader of a job, opened at the first call."""
        with self._lock:
            found = self._jobs.get(job.token)
            if found is None:
                found = self._jobs[job.token] = job.open()
            return found

    def windows(
        self, job: Job, first: int, last: int, read: Callable[[], Iterator[Window]]
    ) -> Iterator[Window]:
        """Windows of a range of grains, from the cache or else from `read`."""
        key = (job.token, first, last)
        with self._lock:
            found = self._windows.get(key)
            if found is not None:
                self._windows.move_to_end(key)
        if found is not None:
            yield from found
            return
        new: list[Window] | None = []
        n_bytes = 0
        for window in read():
            n_bytes += window.n_bytes
            if new is not None:
                # Only the row table is kept: kernels read nothing else.
                new.append(window._replace(rows=None))
            if n_bytes > job.memory:
                new = None
            yield window
        if new is not None:
            self._keep(key, new, job.memory)

    def _keep(self, key: tuple[str, int, int], windows: list[Window], most: int) -> None:
        """Caches windows; those of other jobs are dropped for them, least recently used first.

        Windows of the same job are never dropped: each pass reads them in the same order, so that
        the oldest is the one needed next.
        """
        with self._lock:
            n_bytes = self.n_bytes + _bytes_of(windows)
            others = [other for other in self._windows if other[0] != key[0]]
            while n_bytes > most and others:
                n_bytes -= self._drop(others.pop(0))
            if n_bytes <= most and key not in self._windows:
                self._windows[key] = windows
                self.n_bytes = n_bytes

    def _drop(self, key: tuple[str, int, int]) -> int:
        n_bytes = _bytes_of(self._windows.pop(key))
        self.n_bytes -= n_bytes
        return n_bytes

    def forget(self, token: str) -> None:
        """Drops a job and its windows."""
        with self._lock:
            self._jobs.pop(token, None)
            for key in [key for key in self._windows if key[0] == token]:
                self._drop(key)


_kept = _Kept()


def _bytes_of(windows: list[Window]) -> int:
    return sum(window.n_bytes for window in windows)


def sweep_ranges(job: Job, request: SweepRequest, ranges: list[tuple[int, int]]) -> Nodes:
    """Sums of ranges of grains, by one thread."""
    sweeper, reader = _kept.opened(job)
    table = request.table(reader.model.family)

    def windows() -> Iterator[Window]:
        for first, last in ranges:
            read = partial(reader.read, first, last)
            yield from _kept.windows(job, first, last, read)

    return list(sweeper.sweep(windows(), sweep_kernel, table, request.size, 1).nodes())


def forget(token: str) -> None:
    """Drops a job and its windows from the cache of this process."""
    _kept.forget(token)
