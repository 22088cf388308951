"""One block of rows in cache: which rows it holds, and where its scratch memory is divided.

A chunk allocates one scratch array and works through its blocks in it. It begins with the row
buffers (`fastglm.kernels.blocks.row_buffers`); then come the buffers of the dense columns, one to
spare, those of the same in single precision, and the sparse entries: a buffer of stored columns and
one of values for each categorical term, and room for the entries of a single row; last, the state:
which rows the block holds, and what comes next.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    FAMILY_PARAMETER,
    LINK_PARAMETER,
    N_BUFFERS,
    TILE,
    WEIGHTED,
)
from fastglm.kernels.blocks.table import (
    BLOCK_LENGTH,
    BLOCK_STEP,
    CHUNK_STEP,
    FLOAT32,
    MAX_ENTRIES,
    MODE,
    N_BLOCKS,
    N_CHUNKS,
    N_DENSE,
    N_ELIMINATED,
    N_INDICATORS,
    N_ROWS,
    N_STORED,
    N_SUMS,
    PARAMETERS,
    PARTIALS,
    WITH_DIAGONAL,
    WITH_GRAM,
)
from fastglm.kernels.compiler.decorators import inline, noinline
from fastglm.kernels.compiler.intrinsics import pointer

# The state of a block, int64: its rows and a queue of memory to prefetch. The pieces of memory are
# those of the next block (`fastglm.kernels.blocks.prefetch`).
(
    BLOCK_START,  # first row
    BLOCK_N_ROWS,
    NEXT_BLOCK_AHEAD,  # rows from the first to that of the next block
    QUEUE_CAPACITY,  # pieces that may be listed
    QUEUE_LENGTH,
    QUEUE_READ,
    QUEUE,  # the first of as many addresses as there is room for
) = range(7)
#: Values behind the last row of a block that loops in whole vectors read, at most.
BEYOND = 16
#: Response, prior weights and offset.
OTHER_SOURCES = 3


@inline
def padded_size(table):
    """Dense columns rounded up to whole tiles, and the order of a partial Gram matrix."""
    n_padded = (table[N_DENSE] + TILE - 1) // TILE * TILE
    return n_padded, max(n_padded, table[N_STORED] - table[N_ELIMINATED])


@inline
def gram_size(table):
    """Numbers of a partial Gram matrix.

    Behind that of the other columns come the products of each eliminated column with these, in as
    many rows, and then the squares of the eliminated columns, which meet in no row.
    """
    _, order = padded_size(table)
    return order * order + table[N_ELIMINATED] * (order + 1)


@inline
def block_range(table, chunk):
    """First and last-plus-one of the visited blocks that belong to a chunk."""
    n_blocks = table[N_BLOCKS]
    n_chunks = table[N_CHUNKS]
    return chunk * n_blocks // n_chunks, (chunk + 1) * n_blocks // n_chunks


@inline
def visited_chunk(table, number):
    """The chunk that a kernel visits; CHUNK_STEP leaves some out, evenly."""
    step = table[CHUNK_STEP]
    return number * step + step // 2


@inline
def zeroed_partial(table, chunk):
    """Address of a chunk's Gram matrix and score, and its sums behind them, all made zero.

    But for a Gram matrix that sweeps in single precision only lead past: with many columns, to
    clear that of all chunks takes longer than such a sweep.
    """
    whole = gram_size(table)
    size = whole + table[N_STORED] + N_SUMS
    address = table[PARTIALS] + 8 * size * chunk
    partial, first = pointer(address, float64), 0
    if table[MODE] & FLOAT32 and not table[MODE] & WITH_GRAM:
        first = whole
        if table[MODE] & WITH_DIAGONAL:
            for k in range(0, whole, padded_size(table)[1] + 1):
                partial[k] = 0.0
    for k in range(first, size):
        partial[k] = 0.0
    return address, pointer(address + 8 * (size - N_SUMS), float64)


@inline
def block_rows(table, block):
    """First row and number of rows of a visited block."""
    start = block * table[BLOCK_STEP] * BLOCK_ROWS
    return start, min(table[BLOCK_LENGTH], table[N_ROWS] - start)


@inline
def queue_capacity(table):
    """Pieces of memory that a block's columns have at most, short of unusual layouts."""
    n_padded, _ = padded_size(table)
    return 2 * n_padded + table[N_INDICATORS] + OTHER_SOURCES


@noinline
def _zero_begun(scratch, n_buffers, reach, size):
    """Zeros at the beginning of each of the first buffers, and in all that comes behind them."""
    numbers = pointer(scratch, float64)
    for buffer in range(n_buffers):
        for i in range(reach):
            numbers[buffer * BUFFER + i] = 0.0
    for i in range(n_buffers * BUFFER, size):
        numbers[i] = 0.0


@inline
def allocate_scratch(table):
    """Scratch of one chunk, with the family's and link's parameters in their buffers."""
    n_padded, _ = padded_size(table)
    n_buffers = N_BUFFERS + n_padded + 1 + n_padded // 2 + 2 * table[N_INDICATORS]
    size = n_buffers * BUFFER + 2 * table[MAX_ENTRIES] + QUEUE + queue_capacity(table)
    reach = min(table[BLOCK_LENGTH], table[N_ROWS]) + BEYOND
    if reach < BUFFER:
        # Zeros that nobody reads would take a third of the time of a sweep over 100 rows.
        scratch = np.empty(size)
        _zero_begun(scratch.ctypes.data, N_BUFFERS + n_padded + 1, reach, size)
    else:
        scratch = np.zeros(size)
    parameters = pointer(table[PARAMETERS], float64)
    scratch[FAMILY_PARAMETER * BUFFER] = parameters[0]
    scratch[FAMILY_PARAMETER * BUFFER + 1] = parameters[1]
    scratch[LINK_PARAMETER * BUFFER] = parameters[2]
    return scratch


@inline
def buffer_at(scratch, which):
    """A row buffer of the scratch memory at address `scratch`."""
    return pointer(scratch + 8 * BUFFER * which, float64)


@inline
def float32_buffer_at(scratch, which):
    """A row buffer of float32, which begins where that of float64 would."""
    return pointer(scratch + 8 * BUFFER * which, float32)


@inline
def passing_at(scratch):
    """Address of TILE buffers for passing use."""
    return scratch + 8 * BUFFER * WEIGHTED


@inline
def copy_to_float32(buffer, rows, target):
    """The first `rows` values of a buffer in single precision."""
    for i in range(rows):
        target[i] = float32(buffer[i])


@inline
def dense_at(scratch):
    """Address of the buffers of the dense columns."""
    return scratch + 8 * BUFFER * N_BUFFERS


@inline
def float32_columns_at(table, scratch):
    """Address of the buffers of the dense columns in single precision, of whole tiles of them."""
    n_padded, _ = padded_size(table)
    return dense_at(scratch) + 8 * BUFFER * (n_padded + 1)


@inline
def indicator_columns_at(table, scratch):
    """Address of the buffers of the categorical terms' columns; those of their values follow."""
    n_padded, _ = padded_size(table)
    return float32_columns_at(table, scratch) + 4 * BUFFER * n_padded


@inline
def block_state_at(table, scratch):
    """Address of the numbers that begin with BLOCK_START."""
    entries = indicator_columns_at(table, scratch) + 16 * BUFFER * table[N_INDICATORS]
    return entries + 16 * table[MAX_ENTRIES]


@inline
def entries_at(table, scratch):
    """Buffers of the categorical terms' columns and values, and a row's own entries likewise."""
    n_indicators = table[N_INDICATORS]
    columns = indicator_columns_at(table, scratch)
    values = columns + 8 * BUFFER * n_indicators
    row_columns = values + 8 * BUFFER * n_indicators
    row_values = row_columns + 8 * table[MAX_ENTRIES]
    return (
        pointer(columns, int64),
        pointer(values, float64),
        pointer(row_columns, int64),
        pointer(row_values, float64),
    )
