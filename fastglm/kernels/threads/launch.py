"""The one parallel loop: runs any chunked kernel, given by address, over its chunks."""

from __future__ import annotations

from numba import prange

from fastglm.kernels.compiler.decorators import entry, parallel_entry
from fastglm.kernels.compiler.intrinsics import call_row_block


@parallel_entry
def run_parallel(kernel, context, n_chunks):
    """Chunks 0..n_chunks-1 of the kernel at address `kernel`, on numba's threads."""
    for chunk in prange(n_chunks):
        call_row_block(kernel, context, chunk)


@entry
def run_serial(kernel, context, n_chunks):
    """The same on the calling thread."""
    for chunk in range(n_chunks):
        call_row_block(kernel, context, chunk)
