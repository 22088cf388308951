"""One block of rows in cache: which rows it holds, and where its scratch memory is divided.

A chunk allocates one scratch array and works through its blocks in it. It begins with the row
planes (`fastglm.kernels.blocks.planes`); then come the planes of the dense columns, one to spare,
those of the same in single precision, and the sparse entries: a plane of sweep columns and one of
values for each categorical term, and room for the entries of a single row; last, the span: which
rows the block holds, and what comes next.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float32, float64, int64

from fastglm.kernels.blocks.planes import (
    BLOCK_ROWS,
    FAMILY_PARAMETER,
    LINK_PARAMETER,
    N_PLANES,
    PLANE,
    TILE,
    WEIGHTED,
)
from fastglm.kernels.blocks.table import (
    BLOCK_LENGTH,
    BLOCK_STEP,
    CHUNK_STEP,
    MAX_ENTRIES,
    N_BLOCKS,
    N_CHUNKS,
    N_CODED,
    N_DENSE,
    N_ROWS,
    N_SUMS,
    N_SWEEP,
    PARAMETERS,
    PARTIALS,
)
from fastglm.kernels.compiler.decorators import inlined
from fastglm.kernels.compiler.intrinsics import pointer

# What stands at the span of a block: int64. The pieces of memory are those of the next block
# (`fastglm.kernels.blocks.prefetch`).
(
    SPAN_START,  # first row
    SPAN_ROWS,
    SPAN_AHEAD,  # rows from the first to that of the next block
    ROOM,  # pieces that may be listed
    LISTED,
    TAKEN,
    PIECES,  # the first of as many addresses as there is room for
) = range(7)
#: Response, prior weights and offset.
OTHER_SOURCES = 3


@inlined
def padded_size(context):
    """Dense columns rounded up to whole tiles, and the order of a partial Gram matrix."""
    n_padded = (context[N_DENSE] + TILE - 1) // TILE * TILE
    return n_padded, max(n_padded, context[N_SWEEP])


@inlined
def block_range(context, chunk):
    """First and last-plus-one of the visited blocks that belong to a chunk."""
    n_blocks = context[N_BLOCKS]
    n_chunks = context[N_CHUNKS]
    return chunk * n_blocks // n_chunks, (chunk + 1) * n_blocks // n_chunks


@inlined
def visited_chunk(context, number):
    """Which chunk a kernel visits that may be told to visit only some, spread evenly."""
    step = context[CHUNK_STEP]
    return number * step + step // 2


@inlined
def zeroed_partial(context, chunk):
    """Address of a chunk's Gram matrix and score, and its sums behind them, all made zero."""
    _, order = padded_size(context)
    size = order * order + context[N_SWEEP] + N_SUMS
    address = context[PARTIALS] + 8 * size * chunk
    partial = pointer(address, float64)
    for k in range(size):
        partial[k] = 0.0
    return address, pointer(address + 8 * (size - N_SUMS), float64)


@inlined
def block_rows(context, block):
    """First row and number of rows of a visited block."""
    start = block * context[BLOCK_STEP] * BLOCK_ROWS
    return start, min(context[BLOCK_LENGTH], context[N_ROWS] - start)


@inlined
def count_pieces(context):
    """Pieces of memory that a block's columns have at most, short of unusual layouts."""
    n_padded, _ = padded_size(context)
    return 2 * n_padded + context[N_CODED] + OTHER_SOURCES


@inlined
def allocate_scratch(context):
    """Scratch of one chunk, with the family's and link's parameters in their planes."""
    n_padded, _ = padded_size(context)
    n_planes = N_PLANES + n_padded + 1 + n_padded // 2 + 2 * context[N_CODED]
    size = n_planes * PLANE + 2 * context[MAX_ENTRIES]
    scratch = np.zeros(size + PIECES + count_pieces(context))
    parameters = pointer(context[PARAMETERS], float64)
    scratch[FAMILY_PARAMETER * PLANE] = parameters[0]
    scratch[FAMILY_PARAMETER * PLANE + 1] = parameters[1]
    scratch[LINK_PARAMETER * PLANE] = parameters[2]
    return scratch


@inlined
def plane_at(scratch, which):
    """A row plane of the scratch memory at address `scratch`."""
    return pointer(scratch + 8 * PLANE * which, float64)


@inlined
def single_plane_at(scratch, which):
    """A row plane of float32, which begins where that of float64 would."""
    return pointer(scratch + 8 * PLANE * which, float32)


@inlined
def passing_at(scratch):
    """Address of TILE planes for passing use."""
    return scratch + 8 * PLANE * WEIGHTED


@inlined
def narrow(plane, rows, single):
    """The first `rows` values of a plane in single precision."""
    for i in range(rows):
        single[i] = float32(plane[i])


@inlined
def dense_at(scratch):
    """Address of the planes of the dense columns."""
    return scratch + 8 * PLANE * N_PLANES


@inlined
def narrowed_at(context, scratch):
    """Address of the planes of the dense columns in single precision, of whole tiles of them."""
    n_padded, _ = padded_size(context)
    return dense_at(scratch) + 8 * PLANE * (n_padded + 1)


@inlined
def coded_columns_at(context, scratch):
    """Address of the planes of the categorical terms' columns; those of their values follow."""
    n_padded, _ = padded_size(context)
    return narrowed_at(context, scratch) + 4 * PLANE * n_padded


@inlined
def span_at(context, scratch):
    """Address of the numbers that begin with SPAN_START."""
    entries = coded_columns_at(context, scratch) + 16 * PLANE * context[N_CODED]
    return entries + 16 * context[MAX_ENTRIES]


@inlined
def entries_at(context, scratch):
    """Planes of the categorical terms' columns and values, and a row's own entries likewise."""
    n_coded = context[N_CODED]
    columns = coded_columns_at(context, scratch)
    values = columns + 8 * PLANE * n_coded
    row_columns = values + 8 * PLANE * n_coded
    row_values = row_columns + 8 * context[MAX_ENTRIES]
    return (
        pointer(columns, int64),
        pointer(values, float64),
        pointer(row_columns, int64),
        pointer(row_values, float64),
    )
