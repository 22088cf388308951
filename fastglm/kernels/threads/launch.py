"""The one parallel loop: runs any chunked kernel, given by address, over its chunks."""

from __future__ import annotations

from numba import prange

from fastglm.kernels.compiler.decorators import entry, parallel_entry
from fastglm.kernels.compiler.intrinsics import call_row_block, caller_threads, set_caller_threads


@parallel_entry
def run_parallel(kernel, table, n_chunks, n_threads):
    """Chunks 0..n_chunks-1 of the kernel at address `kernel`, on `n_threads` of numba's threads.

    The caller's number of threads is set and restored here because no signal is raised inside
    compiled code: in Python one could come between the loop and what restores it.
    """
    before = caller_threads()
    set_caller_threads(n_threads)
    for chunk in prange(n_chunks):
        call_row_block(kernel, table, chunk)
    set_caller_threads(before)


@entry
def run_serial(kernel, table, n_chunks):
    """The same on the calling thread."""
    for chunk in range(n_chunks):
        call_row_block(kernel, table, chunk)
