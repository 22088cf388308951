"""R of a QR factorisation of weighted, standardised rows, which are never written out."""

from __future__ import annotations

import numpy as np

from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.math.triangle import append_rows
from fastglm.kernels.passes.triangle import triangle_kernel
from fastglm.passes.chunks import count_chunks
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.scaling import Scaling

__all__ = ["triangle_of_array", "triangle_of_rows"]


def triangle_of_rows(
    row_table: RowTable, scaling: Scaling, root_weight: np.ndarray, n_threads: int
) -> np.ndarray:
    """Upper triangle R of the standardised columns times `root_weight`, (p, p).

    Parameters
    ----------
    row_table, scaling
        Of the design.
    root_weight
        (n,) factors of the rows.
    n_threads
        From `usable_threads`.
    """
    p = row_table.n_columns
    weighted = build_row_table(row_table.design, weights=root_weight)
    table = weighted.table.copy()
    scaling.bind(table)
    triangles = np.zeros((count_chunks(weighted, 8 * p * p), p, p))
    table.bind_partials(triangles)
    table.launch(triangle_kernel, len(triangles), n_threads)
    for other in triangles[1:]:
        append_rows(triangles[0], np.ascontiguousarray(other.T))
    return triangles[0]


def triangle_of_array(rows: np.ndarray) -> np.ndarray:
    """Upper triangle R of a matrix, (n, p) to (p, p)."""
    p = rows.shape[1]
    triangle = np.zeros((p, p))
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        append_rows(triangle, np.array(block.T, dtype=np.float64, order="C"))
    return triangle
