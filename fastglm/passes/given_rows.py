"""Sums over the rows of a design with given weights and residuals instead of a family's."""

from __future__ import annotations

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import LINEAR_PREDICTOR
from fastglm.kernels.blocks.table import WITH_GRAM
from fastglm.kernels.passes.given_rows import (
    given_rows,
    group_products_kernel,
    no_prediction,
    no_rows,
)
from fastglm.kernels.passes.row_values import rows_kernel
from fastglm.kernels.passes.score_products import score_products_kernel
from fastglm.passes.chunks import count_chunks
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.products import GROUP_BYTES, bind_partials, design_gram
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import to_stored_columns
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.passes.standardized import StandardizedColumns

__all__ = ["GivenRows"]


class GivenRows:
    """The rows of a design on standardised columns, without a copy.

    Parameters
    ----------
    design : Design
        Of n rows and p columns.
    shifted : bool
        Whether it has a constant column, so that columns may be shifted.
    n_threads : int

    Attributes
    ----------
    standard : StandardizedColumns
        How columns are standardised.
    constant : int or None
        The column that is constant, one when standardised.
    residual : ndarray, shape (n,)
        What `score` sums up, to be written to by those who would save it a copy.
    """

    def __init__(self, design: Design, shifted: bool, n_threads: int):
        self.n_threads = n_threads
        self.residual, self._weight = np.zeros(design.n_rows), np.ones(design.n_rows)
        self._of_scores = build_row_table(design, self.residual)
        self._of_products = build_row_table(design, self.residual, self._weight)
        scaling = find_scaling(self._of_scores, shifted)
        self.standard = StandardizedColumns(scaling, self._of_scores)
        design_column = (
            self._of_scores.design_column_of[scaling.constant] if scaling.constant >= 0 else -1
        )
        self.constant = int(design_column) if design_column >= 0 else None
        self._parameters, self._beta = np.zeros(3), np.zeros(self._of_scores.n_stored)

    @property
    def p(self) -> int:
        """Number of columns."""
        return self._of_scores.n_columns

    def _table(self, with_weights: bool = False) -> KernelTable:
        row_table = self._of_products if with_weights else self._of_scores
        table = row_table.table.copy()
        self.standard.scaling.bind(table)
        table.point(fields.PARAMETERS, self._parameters)
        table.point(fields.BETA, self._beta)
        table.bind_respond(no_rows, given_rows, WITH_GRAM if with_weights else 0)
        return table

    def predict(self, beta: np.ndarray) -> np.ndarray:
        """X beta, (n,), of coefficients of the standardised columns."""
        row_table = self._of_scores
        coefficients, wanted = to_stored_columns(row_table, beta), np.array([LINEAR_PREDICTOR])
        output, n_chunks = np.empty((1, row_table.n_rows)), count_chunks(row_table)
        table = self._table()
        table.point(fields.BETA, coefficients)
        table.bind_output(wanted, output, n_chunks)
        table.launch(rows_kernel, n_chunks, self.n_threads)
        return output[0]

    def score(self, residual: np.ndarray) -> np.ndarray:
        """X' residual, (p,); nothing is copied if that is `self.residual`."""
        if residual is not self.residual:
            self.residual[:] = residual
        return self._sums(False)[1]

    def products(self, weight: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X' diag(weight) X, (p, p), and X' residual, (p,)."""
        self.residual[:], self._weight[:] = residual, weight
        return self._sums(True)

    def _sums(self, with_weights: bool) -> tuple[np.ndarray, np.ndarray]:
        row_table = self._of_products if with_weights else self._of_scores
        table = self._table(with_weights)
        table.call(fields.PREDICT, no_prediction)
        partials = bind_partials(table, MemoryRows(row_table))
        table.launch(score_products_kernel, len(partials), self.n_threads)
        total = partials.sum(axis=0)
        q, order = row_table.n_stored, row_table.gram_order
        score = total[order * order : order * order + q]
        score = row_table.transform_matrix().T @ score if row_table.column_map[0].size else score
        return design_gram(row_table, total[: order * order]), score

    def by_group(self, values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
        """Sums of values times x over groups of rows.

        Parameters
        ----------
        values : ndarray, shape (m, n)
        groups : ndarray, shape (n,), int64
            From 0 to n_groups - 1.
        n_groups : int

        Returns
        -------
        ndarray, shape (n_groups, m, p)
        """
        row_table = self._of_scores
        m, order = len(values), row_table.gram_order
        values = np.ascontiguousarray(values)
        size = 8 * n_groups * m * order
        # Clearing and adding the partial sums must cost less than the pass itself.
        worthwhile = row_table.n_rows // (32 * n_groups)
        n_chunks = max(1, min(count_chunks(row_table), worthwhile, GROUP_BYTES // size))
        partials = np.empty((n_chunks, n_groups, m, order))
        table = self._table()
        table.bind_partials(partials)
        table.bind_groups(groups, n_groups)
        table.set(fields.N_WANTED, m)
        table.point(fields.OUTPUT, values)
        table.launch(group_products_kernel, n_chunks, self.n_threads)
        for other in partials[1:]:
            partials[0] += other
        sums = partials[0, :, :, : row_table.n_stored]
        if not row_table.column_map[0].size:
            return sums
        flat = np.ascontiguousarray(sums).reshape(n_groups * m, -1)
        return self.standard.scores(flat).reshape(n_groups, m, -1)
