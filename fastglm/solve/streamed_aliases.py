"""Aliased columns of streamed rows: found in a sample of rows, then verified on all rows.

The verification is that of `fastglm.solve.aliases` for rows in memory, and takes a pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.passes.source import MemoryRows, StreamedRows
from fastglm.solve.aliases import ProvenAliases
from fastglm.solve.newton.run import Run

__all__ = ["StreamedAliases"]


class StreamedAliases(ProvenAliases):
    """Columns of a streamed run that are verified to be combinations of earlier ones.

    Parameters
    ----------
    run
        The run over the stream.
    n_threads
        From `usable_threads`.
    """

    def __init__(self, run: Run, n_threads: int):
        sample = Run(MemoryRows(run.row_table), run.scaling, run.family, run.binary)
        super().__init__(sample, n_threads)
        assert isinstance(run.rows, StreamedRows)
        self._rows = run.rows

    def _designs(self) -> Iterator[tuple[Design, np.ndarray | None]]:
        for window in self._rows.each_window():
            if window.row_table is not None:
                yield window.rows.design, window.row_table.weights
