"""The Dask cluster that an option names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastglm.errors import ModelError, require_package
from fastglm.kernels.threads.threads import usable_threads

__all__ = ["dask_client"]

#: Instead of an address: a cluster of processes on this machine.
LOCAL = "local"
#: Seconds to wait for a scheduler.
PATIENCE = 10.0


@contextmanager
def dask_client(address: str | None, n_threads: int | None) -> Iterator[Any]:
    """A client of the cluster at an address; None for none.

    Raises
    ------
    MissingPackageError
        If dask.distributed is not installed.
    ModelError
        If no scheduler answers at the address.
    """
    if address is None:
        yield None
        return
    require_package("distributed", "dask", "fits and predictions with --dask")
    from distributed import Client, LocalCluster

    if address == LOCAL:
        n = usable_threads(n_threads)
        with (
            LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"no Dask scheduler answers at {address} ({reason}): give its address, such as "
            "--dask tcp://host:8786, or --dask local for processes of this machine."
        ) from error
    with client:
        yield client
