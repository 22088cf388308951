"""Who may use how many threads: one parallel loop at a time, and none in a forked child.

Numba's threading layers do not agree on what is allowed: one aborts when two Python threads enter
a parallel loop at once, another ends the process when a forked child enters one. Here the first
caller gets the threads, and whoever comes while they are in use works alone on its own thread. The
answer is the same either way: chunks and the order of their sums do not depend on threads. A fork
waits until no thread compiles: its child would wait forever for the one that it left behind.
"""

from __future__ import annotations

import multiprocessing
import os
import threading

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from fastglm.errors import ModelError
from fastglm.kernels.jit import RowBlock
from fastglm.kernels.launch import run_parallel, run_serial

__all__ = ["launch", "usable_threads"]


class _Pool:
    """The lock on numba's threads, and whether they were left behind in a parent process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inherited = False

    def after_fork_in_child(self) -> None:
        """The child has the parent's memory but none of its threads."""
        global_compiler_lock.release()
        self.lock = threading.Lock()
        self.inherited = _threads_started()


def _threads_started() -> bool:
    """Whether numba has started its threads: asking it for their number is enough to do so."""
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=_pool.after_fork_in_child,
    )


def usable_threads(n_threads: int | None) -> int:
    """Threads that a fit may use.

    Parameters
    ----------
    n_threads
        What the caller asked for. None is what numba is set to (`numba.set_num_threads`, the
        variable NUMBA_NUM_THREADS, or every core), and 1 in a child process of `multiprocessing`,
        whose siblings use the other cores.

    Raises
    ------
    ModelError
        If `n_threads` is not a positive whole number.
    """
    if n_threads is None:
        return 1 if multiprocessing.parent_process() is not None else numba.get_num_threads()
    if not isinstance(n_threads, int | np.integer) or isinstance(n_threads, bool) or n_threads < 1:
        raise ModelError(f"n_threads must be a positive whole number or None, not {n_threads!r}")
    return min(int(n_threads), numba.config.NUMBA_NUM_THREADS)


def launch(kernel: RowBlock, context: np.ndarray, n_chunks: int, n_threads: int) -> None:
    """Run a chunked kernel over all of its chunks.

    Parameters
    ----------
    kernel
        A kernel of the form ``f(context, chunk)``.
    context
        Its table (`fastglm.kernels.context`).
    n_chunks
        Number of chunks.
    n_threads
        Most threads to use, from `usable_threads`.
    """
    address = context.ctypes.data
    alone = n_threads == 1 or n_chunks == 1 or _pool.inherited
    if alone or not _pool.lock.acquire(blocking=False):
        run_serial(kernel.address, address, n_chunks)
        return
    try:
        before = numba.get_num_threads()
        try:
            numba.set_num_threads(n_threads)
            run_parallel(kernel.address, address, n_chunks)
            # A signal that came meanwhile is raised by the next call of a Python function. That
            # must not be the one that restores the caller's number.
            numba.get_num_threads()
        finally:
            numba.set_num_threads(before)
    finally:
        _pool.lock.release()
