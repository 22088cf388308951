"""Passes by the workers of a Dask cluster instead of threads; only sums are sent back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from fastglm.errors import ModelError, require_package
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.grains import TreeSum
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.requests import describe_sweep
from fastglm.passes.source import StreamedRows
from fastglm.passes.windows import shape_of
from fastglm.rows.windows import RowReader
from fastglm.rows.workers import Job, forget, sweep_ranges

__all__ = ["DaskWorkers", "Tasks", "pickled", "require_client"]

#: Tasks of a pass for each thread of a worker; few, as each costs the scheduler milliseconds.
TASKS_PER_THREAD = 3
#: Seconds to wait for a first worker, and between checks for one.
PATIENCE, LOOK = 60.0, 2.0
_LOST = (
    "the Dask cluster has lost its workers ({reason}): see their logs, which tell whether memory "
    "ran out, start new ones, and fit again, with checkpoint= to keep the passes that are done."
)


def require_client(client: Any) -> None:
    """Raises unless `client` is a synchronous client of a Dask cluster.

    Raises
    ------
    MissingPackageError
        If dask.distributed is not installed.
    ModelError
        If `client` is something else, or an asynchronous client.
    """
    require_package("distributed", "dask", "fits by workers")
    from distributed import Client

    if not isinstance(client, Client) or client.asynchronous:
        raise ModelError(
            "client must be a dask.distributed.Client that is not asynchronous, not "
            f"{type(client).__name__}: make one with Client(address of the scheduler)."
        )


class Tasks:
    """Tasks of a Dask cluster, whose loss of workers is an error that says what to do.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self.client, self._token = client, uuid.uuid4().hex

    def submit(self, function: Callable[..., Any], *arguments: Any, address: str) -> Any:
        """Future of a call by a worker, preferably that of an address."""
        return self.client.submit(
            function,
            *arguments,
            key=f"fastglm-{self._token}-{uuid.uuid4().hex}",
            pure=False,
            workers=[address],
            allow_other_workers=True,
        )

    def threads(self) -> dict[str, int]:
        """Number of threads by worker address; waits until there is a worker."""
        end = time.monotonic() + PATIENCE
        while not (threads := self.client.nthreads()):
            if time.monotonic() > end:
                raise ModelError(_LOST.format(reason=f"none for {PATIENCE:.0f} seconds"))
            time.sleep(min(LOOK, PATIENCE))
        return threads

    def result(self, future: Any) -> Any:
        """Result of a task; waits without limit as long as there are workers."""
        from distributed import CancelledError, KilledWorker

        try:
            while not _is_done(future):
                self.threads()
            return future.result()
        except KilledWorker as error:
            reason = "a task ended several of them"
            raise ModelError(_LOST.format(reason=reason)) from error
        except CancelledError as error:
            raise ModelError(_LOST.format(reason="its scheduler let the work go")) from error


class DaskWorkers:
    """Sums over ranges of grains by the workers of a cluster; see `fastglm.passes.source.Workers`.

    Parameters
    ----------
    client : distributed.Client
    rows : StreamedRows
        Rows of a `RowReader`, with the weights of the source.
    memory : int
        Bytes of rows that each process of the cluster may keep in memory.
    """

    def __init__(self, client: Any, rows: StreamedRows, memory: int) -> None:
        reader = rows.windows
        assert isinstance(reader, RowReader)
        self._tasks, self._row_table, self._family = (
            Tasks(client),
            rows.row_table,
            reader.model.family,
        )
        self._job = Job(
            uuid.uuid4().hex,
            pickled((reader.source, reader.model), reader.source.label),
            reader.window_grains,
            shape_of(rows.row_table),
            memory,
        )

    def sweep(
        self, shares: list[tuple[int, int]], kernel: RowBlock, table: KernelTable, size: int
    ) -> Iterator[tuple[int, int, TreeSum]] | None:
        """See `Workers.sweep`."""
        request = describe_sweep(kernel, table, self._row_table, self._family, size)
        return None if request is None or not shares else self._sums(request, shares)

    def _sums(self, request: Any, shares: list[tuple[int, int]]) -> Iterator[Any]:
        tasks = self._tasks
        threads = tasks.threads()
        parts = _parts(shares, TASKS_PER_THREAD * sum(threads.values()))
        addresses = sorted(threads)
        futures = [
            # Preferably the worker that has these rows in memory from the previous pass.
            tasks.submit(
                sweep_ranges,
                self._job,
                request,
                part,
                address=addresses[k * len(addresses) // len(parts)],
            )
            for k, part in enumerate(parts)
        ]
        try:
            for k, part in enumerate(parts):
                tree = TreeSum()
                for node in tasks.result(futures[k]):
                    tree.add_node(*node)
                yield part[0][0], part[-1][1], tree
        finally:
            tasks.client.cancel(futures)

    def close(self) -> None:
        """Makes the workers release the rows."""
        client = self._tasks.client
        if client.status == "running":
            client.run(forget, self._job.token, on_error="ignore")


def _is_done(future: Any) -> bool:
    """Waits up to `LOOK` seconds; returns whether the task is done."""
    from distributed import TimeoutError, wait

    try:
        wait(future, timeout=LOOK)
    except TimeoutError:
        return False
    return True


def pickled(what: tuple[Any, ...], label: str) -> bytes:
    """A source and what is asked of it as bytes for other processes.

    Raises
    ------
    ModelError
        If the source, called `label`, cannot be sent.
    """
    from distributed.protocol import pickle

    try:
        return bytes(pickle.dumps(what))
    except Exception as error:
        raise ModelError(
            f"{label} cannot be sent to workers ({type(error).__name__}): write the "
            "rows to Parquet files that all of them can read, and give their path."
        ) from error


def _parts(shares: list[tuple[int, int]], wanted: int) -> list[list[tuple[int, int]]]:
    """Groups consecutive shares into about `wanted` parts, none with a gap between its shares."""
    edges = set(np.linspace(0, len(shares), min(wanted, len(shares)) + 1).astype(int).tolist())
    edges |= {k for k in range(1, len(shares)) if shares[k - 1][1] != shares[k][0]}
    return [shares[a:b] for a, b in pairwise(sorted(edges))]
