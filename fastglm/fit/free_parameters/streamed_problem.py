"""Rows of a stream and a family whose parameter is free."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from fastglm.families import Family, summarize
from fastglm.fit.free_parameters.counts import added, weights_by_count
from fastglm.fit.free_parameters.problem import SAMPLE_TOLERANCE, Problem
from fastglm.kernels.blocks.row_buffers import MEAN
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.source import StreamedRows
from fastglm.rows.gathered import GatheredRows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.windows import telling_rows
from fastglm.solve.newton.run import SolverOptions
from fastglm.solve.solution import Solution
from fastglm.solve.streamed import StreamedSolution

__all__ = ["StreamedProblem"]


class StreamedProblem(Problem):
    """As `Problem`, of rows that are read in passes.

    Parameters
    ----------
    rows, source, family, options
        Of the model.
    solve
        Maximises the likelihood of a family, with options and (p,) coefficients to start from.
    """

    def __init__(
        self,
        rows: StreamedModelRows,
        source: StreamedRows,
        family: Family,
        options: SolverOptions,
        solve: Callable[[Family, SolverOptions, Any], StreamedSolution],
    ):
        super().__init__(source.row_table, rows, family, options)  # type: ignore[arg-type]
        self.source, self._passes = source, source
        self._streamed, self._maximum = rows, solve
        #: Columns whose estimates grew without end in the last fit.
        self.growing: tuple[int, ...] = ()

    @cached_property
    def vectors(self) -> GatheredRows:
        """Responses and weights of all rows, gathered by a pass."""
        return self._streamed.gathered(f"an estimate of the family's {self.family.free_parameter}")

    def _solved(
        self, family: Family, options: SolverOptions, start: Any, start_decrement: float = math.inf
    ) -> Solution:
        solution, self.growing = self._maximum(family, options, start)
        return solution

    def weights_by_count(self) -> np.ndarray:
        """See `Problem.weights_by_count`; takes a pass."""
        total, source = np.zeros(1), self._streamed.source
        for window in self._passes.each_window():
            rows = window.rows
            if rows is None:
                continue
            # By grains, so that sums do not depend on how many of them a window has.
            for first in range(0, window.n_rows, GRAIN_ROWS):
                part = slice(first, first + GRAIN_ROWS)
                weights = None if rows.prior_weights is None else rows.prior_weights[part]
                position = window.first * GRAIN_ROWS + first
                with telling_rows(source, position, rows.response[part].size):
                    total = added(total, weights_by_count(rows.response[part], weights))
        return total

    def sample(self) -> Problem | None:
        """The same of the sample that the fit starts from; see `Problem.sample`."""
        table = self.source.row_table
        response = table.response
        if response is None or 2 * table.n_rows > self._streamed.n_rows:
            return None
        few = ModelRows(
            response=response,
            summary=summarize(response),
            designs=(table.design,),
            offsets=(table.offset,),
            prior_weights=table.weights,
            variance_weights=table.weights,
        )
        options = self.options._replace(tol=SAMPLE_TOLERANCE, progress=None)
        return Problem(table, few, self.family, options)

    def means(self, family: Family, params: np.ndarray) -> np.ndarray:
        """Fitted means, (n,); takes a pass."""

        def of(row_table: RowTable) -> np.ndarray:
            return evaluate_rows(
                row_table, family, params, (MEAN,), n_threads=self.options.n_threads
            )

        return self.vectors.values(of, 1)[0]
