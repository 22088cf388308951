"""One block of rows in cache: which rows it holds, and where its scratch memory is divided.

A chunk allocates one scratch array and works through its blocks in it. It begins with the row
planes (`fastglm.kernels.planes`); then come the planes of the dense columns, one to spare, and the
sparse entries: a plane of sweep columns and one of values for each categorical term, and room for
the entries of a single row; last, which rows the block holds.
"""

from __future__ import annotations

import numpy as np
from numba.core.types import float64, int64

from fastglm.kernels.context import (
    BLOCK_LENGTH,
    BLOCK_STEP,
    MAX_ENTRIES,
    N_BLOCKS,
    N_CHUNKS,
    N_CODED,
    N_DENSE,
    N_ROWS,
    N_SWEEP,
    PARAMETERS,
)
from fastglm.kernels.jit import inlined, pointer
from fastglm.kernels.planes import (
    BLOCK_ROWS,
    FAMILY_PARAMETER,
    LINK_PARAMETER,
    N_PLANES,
    PLANE,
    TILE,
)

#: Numbers that say which rows a block holds.
SPAN = 3


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
def block_rows(context, block):
    """First row and number of rows of a visited block."""
    start = block * context[BLOCK_STEP] * BLOCK_ROWS
    return start, min(context[BLOCK_LENGTH], context[N_ROWS] - start)


@inlined
def allocate_scratch(context):
    """Scratch of one chunk, with the family's and link's parameters in their planes."""
    n_padded, _ = padded_size(context)
    size = (N_PLANES + n_padded + 1 + 2 * context[N_CODED]) * PLANE + 2 * context[MAX_ENTRIES]
    scratch = np.zeros(size + SPAN)
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
def dense_at(scratch):
    """Address of the planes of the dense columns."""
    return scratch + 8 * PLANE * N_PLANES


@inlined
def coded_columns_at(context, scratch):
    """Address of the planes of the categorical terms' columns; those of their values follow."""
    n_padded, _ = padded_size(context)
    return dense_at(scratch) + 8 * PLANE * (n_padded + 1)


@inlined
def span_at(context, scratch):
    """Address of the block's first row, number of rows, and distance to the next, int64."""
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
