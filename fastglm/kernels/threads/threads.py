"""Who may use how many threads: one parallel loop at a time, and none in a forked child.

Numba's threading layers do not agree on what is allowed: one aborts when two Python threads enter
a parallel loop at once, another ends the process when a forked child enters one. Here the first
caller gets the threads, and whoever comes while they are in use works alone on its own thread. The
answer is the same either way: chunks and the order of their sums do not depend on threads. A fork
waits until no thread compiles: its child would wait forever for one that it left behind.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from functools import cached_property
from itertools import chain

import numba
import numpy as np

from fastglm.errors import ModelError
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.compiler.backend import backend
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.threads.launch import COUNTER_BYTES, run_parallel, run_serial

__all__ = ["launch", "usable_threads"]


class _Pool:
    """The locks on numba's threads, and whether they were left behind in a parent process."""

    def __init__(self) -> None:
        self.inherited = False
        #: Whether numba's threads are known to run in this process: then asking needs no lock.
        self.started = False
        self._new_locks()

    def _new_locks(self) -> None:
        self.lock = threading.Lock()
        # Held while numba is asked for its threads, which starts them.
        self.query_lock = threading.Lock()

    def before_fork(self) -> None:
        """Waits until no thread compiles or starts threads."""
        backend.compiler_lock.acquire()
        self.query_lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Lets them go on."""
        self.query_lock.release()
        backend.compiler_lock.release()

    def after_fork_in_child(self) -> None:
        """The child has the parent's memory, locks included, but none of its threads."""
        backend.compiler_lock.release()
        self._new_locks()
        self.inherited = _threads_started()
        if sys.version_info < (3, 12):
            _renew_property_locks()


def _threads_started() -> bool:
    """Whether numba has started its threads: asking it for their number is enough to do so."""
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


def _renew_property_locks() -> None:
    """New locks for this package's cached properties, which have one each before Python 3.12."""
    modules = [m for name, m in list(sys.modules.items()) if name.split(".")[0] == "fastglm"]
    classes = {c for m in modules for c in vars(m).values() if isinstance(c, type)}
    for attribute in chain.from_iterable(vars(c).values() for c in classes):
        if isinstance(attribute, cached_property):
            attribute.lock = threading.RLock()  # type: ignore[attr-defined]


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_pool.before_fork,
        after_in_parent=_pool.after_fork_in_parent,
        after_in_child=_pool.after_fork_in_child,
    )


def usable_threads(n_threads: int | None) -> int:
    """Threads that a fit may use.

    Parameters
    ----------
    n_threads
        What the caller asked for. None is what numba is set to (`numba.set_num_threads`, the
        variable NUMBA_NUM_THREADS, or every core), and 1 in a child process of `multiprocessing`,
        whose siblings use the other cores, or of a process that has numba's threads.

    Raises
    ------
    ModelError
        If `n_threads` is not a positive whole number.
    """
    if n_threads is None:
        if _pool.inherited or multiprocessing.parent_process() is not None:
            return 1
        if _pool.started:
            return backend.caller_threads()
        with _pool.query_lock:
            n_threads = numba.get_num_threads()
        _pool.started = True
        return n_threads
    if not isinstance(n_threads, int | np.integer) or isinstance(n_threads, bool) or n_threads < 1:
        raise ModelError(f"n_threads must be a positive whole number or None, not {n_threads!r}")
    return min(int(n_threads), numba.config.NUMBA_NUM_THREADS)


def launch(kernel: RowBlock, table: np.ndarray, n_chunks: int, n_threads: int) -> None:
    """Run a chunked kernel over all of its chunks.

    Parameters
    ----------
    kernel
        A kernel of the form ``f(table, chunk)``.
    table
        Its table (`fastglm.kernels.blocks.table`).
    n_chunks
        Number of chunks.
    n_threads
        Most threads to use, from `usable_threads`.
    """
    address = address_of(table)
    alone = n_threads == 1 or n_chunks == 1 or _pool.inherited
    if alone or _pool.lock.locked():
        run_serial(kernel.address, address, n_chunks)
        return
    # A signal may be raised as soon as `acquire` returns, before any `try`; `with` lets none come
    # between. Whoever is overtaken here waits.
    with _pool.lock:
        with _pool.query_lock:
            numba.get_num_threads()  # starts them, if nothing has
        counters = np.zeros((n_threads, COUNTER_BYTES // 8), dtype=np.int64)
        counters[:, 0] = np.arange(n_threads) * n_chunks // n_threads
        run_parallel(kernel.address, address, n_chunks, n_threads, address_of(counters))
