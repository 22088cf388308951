"""Passes over the rows of a streamed model for what sweeps do not add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fastglm.design.frames.categories import Categories
from fastglm.design.frames.frames import Frame
from fastglm.errors import MemoryLimitError
from fastglm.passes.grains import GRAIN_ROWS, TreeSum, count_grains
from fastglm.rows.learning import PIECE_GRAINS
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.windows import RowReader, read_pieces, telling_rows

if TYPE_CHECKING:
    import pyarrow

    from fastglm.rows.streamed import StreamedModelRows

__all__ = ["complete_pieces", "numeric_column", "sum_values"]

#: Numbers of a row that a whole column takes, with copies and sort orders of it.
COLUMN_VECTORS = 4


def sum_values(
    rows: StreamedModelRows, values: Callable[[ModelRows], np.ndarray], n_threads: int
) -> np.ndarray:
    """Sums over all rows of a function that returns (n,) or (n, k): (k,); takes a pass."""
    reader = rows.row_source(n_threads).windows
    assert isinstance(reader, RowReader)
    tree, width = TreeSum(), 1
    # Of windows without any row that counts, which add nothing.
    empty: list[tuple[int, int]] = []
    for first, last in reader.shares():
        for window in reader.read(first, last):
            if window.rows is None:
                empty.append((window.first, count_grains(window.n_rows)))
                continue
            found = values(window.rows)
            sums = np.array(
                [found[k : k + GRAIN_ROWS].sum(axis=0) for k in range(0, len(found), GRAIN_ROWS)]
            )
            sums = sums.reshape(len(sums), -1)
            width = sums.shape[1]
            tree.add_grains(window.first, sums)
    for start, n in empty:
        tree.add_grains(start, np.zeros((n, width)))
    reader.require_unchanged()
    return tree.total(count_grains(reader.n_rows))


def complete_pieces(
    rows: StreamedModelRows, also: Sequence[str] = ()
) -> Iterator[tuple[ModelRows, pyarrow.Table]]:
    """Complete rows, some after the other, and the columns that they are made of; takes a pass.

    Pieces do not depend on how the source is divided. `also` are columns beside the model's.
    """
    import pyarrow

    reader = rows.own_source(1, single=True).windows
    assert isinstance(reader, RowReader)
    names = tuple(dict.fromkeys([*reader.names, *also]))
    most = min(reader.window_grains, PIECE_GRAINS) * GRAIN_ROWS
    for position, table in read_pieces(rows.source, names, 0, None, most):
        with telling_rows(rows.source, position, table.num_rows):
            found = reader.complete(table, False)
        if found is None:
            continue
        some, present = found
        some = replace(some, fitted_formulas=(rows.fitted_formula,))
        if present is not None and not present.all():
            yield some.take(np.flatnonzero(present)), table.filter(pyarrow.array(present))
        else:
            yield some, table
    reader.require_unchanged()


def numeric_column(rows: StreamedModelRows, name: str, what: str) -> np.ndarray | None:
    """A column at the complete rows, (n,); None if it is not numeric; takes a pass.

    Raises
    ------
    MemoryLimitError
        If a few numbers of each row take more than `memory`; `what` needs them.
    """
    needed = 8 * COLUMN_VECTORS * rows.n_rows
    if needed > rows.memory:
        raise MemoryLimitError(
            f"{what} needs the column '{name}' of {rows.source.label} in memory, about "
            f"{needed / 1e6:,.1f} MB: fit with memory= of at least that, or a sample of the rows."
        )
    found = []
    for _, table in complete_pieces(rows, [name]):
        column = Frame(table).column(name)
        if isinstance(column, Categories) or column.dtype.kind not in "fiu":
            return None
        found.append(np.asarray(column, dtype=np.float64))
    return np.concatenate(found)
