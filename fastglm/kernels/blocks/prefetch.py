"""Prefetching of memory ahead of its use, at a pace that it can keep.

A core can request a cache line every nine cycles or so; what comes faster is dropped or waits.
Loading a block takes less time than its memory takes to come, so that loads which prefetch the next
block meanwhile are held up. Where many tiles of dot products follow, loading only lists what the
next block will read, in pieces of as many bytes as a buffer of the block has, and every tile
prefetches one or two of them while it multiplies.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.types import int64
from numba.extending import intrinsic

from fastglm.kernels.blocks.block import (
    BLOCK_N_ROWS,
    QUEUE,
    QUEUE_CAPACITY,
    QUEUE_LENGTH,
    QUEUE_READ,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer

CACHE_LINE = 64


def prefetch_line(builder: Any, address: Any) -> None:
    """For intrinsics: prefetches the cache line at an address."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = builder.module.declare_intrinsic(
        "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte] + [number] * 3)
    )
    # Read, keep in the second-level cache, data.
    hints = [ir.Constant(number, k) for k in (0, 2, 1)]
    builder.call(function, [builder.inttoptr(address, byte), *hints])


@intrinsic
def prefetch(typing_context: Any, address: Any) -> Any:
    """Prefetch the cache line at `address`; an address beyond the end of an array does no harm."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        prefetch_line(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inline
def prefetch_range(first, n_bytes):
    """Prefetch `n_bytes` from `first` on."""
    for line in range(0, n_bytes, CACHE_LINE):
        prefetch(first + line)


@inline
def queue_prefetch(block_state, first, n_bytes):
    """Lists `n_bytes` from `first` on for tiles; prefetches at once what has no room."""
    block = pointer(block_state, int64)
    step = 8 * block[BLOCK_N_ROWS]
    done = int64(0)
    while done < n_bytes and block[QUEUE_LENGTH] < block[QUEUE_CAPACITY]:
        block[QUEUE + block[QUEUE_LENGTH]] = first + done
        block[QUEUE_LENGTH] += 1
        done += step
    prefetch_range(first + done, n_bytes - done)


@inline
def next_queued(block_state):
    """Address of the next listed piece; of the list itself if there is none."""
    block = pointer(block_state, int64)
    if block[QUEUE_READ] == block[QUEUE_LENGTH]:
        return block_state
    block[QUEUE_READ] += 1
    return block[QUEUE + block[QUEUE_READ] - 1]


@inline
def prefetch_queued(block_state):
    """Prefetches all pieces that no tile has taken."""
    block = pointer(block_state, int64)
    while block[QUEUE_READ] < block[QUEUE_LENGTH]:
        prefetch_range(next_queued(block_state), 8 * block[BLOCK_N_ROWS])
