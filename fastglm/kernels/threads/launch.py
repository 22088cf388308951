"""The one parallel loop: runs any chunked kernel, given by address, over its chunks."""

from __future__ import annotations

from numba import prange

from fastglm.kernels.compiler.decorators import entry, parallel_entry
from fastglm.kernels.compiler.intrinsics import (
    call_row_block,
    caller_threads,
    set_caller_threads,
    take_number,
)

#: Two counters are never in one line of a cache.
COUNTER_BYTES = 128


@parallel_entry
def run_parallel(kernel, table, n_chunks, n_threads, counters):
    """Chunks 0..n_chunks-1 of the kernel at address `kernel`, on `n_threads` of numba's threads.

    Each thread takes the chunks of its own share one by one, which are in its cache from the pass
    before, and then what is left of the others': a thread that the machine keeps waiting holds up
    one chunk. `counters` is the address of the next chunk of each share, `COUNTER_BYTES` apart.

    The caller's number of threads is set and restored here because no signal is raised inside
    compiled code: in Python one could come between the loop and what restores it.
    """
    before = caller_threads()
    set_caller_threads(n_threads)
    for thread in prange(n_threads):
        for further in range(n_threads):
            share = (thread + further) % n_threads
            last = n_chunks * (share + 1) // n_threads
            counter = counters + COUNTER_BYTES * share
            chunk = take_number(counter)
            while chunk < last:
                call_row_block(kernel, table, chunk)
                chunk = take_number(counter)
    set_caller_threads(before)


@entry
def run_serial(kernel, table, n_chunks):
    """The same on the calling thread."""
    for chunk in range(n_chunks):
        call_row_block(kernel, table, chunk)
