"""Sums of products over rows at given coefficients, on the standardised columns of the kernels.

A column far from zero, such as a year, would cost digits; `fastglm.passes.standardized` converts
coefficients and columns to standardised ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from fastglm.families import Family
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, TILE
from fastglm.kernels.blocks.table import N_SUMS, SUM_DEVIANCE, SUM_OUTSIDE, WITH_GRAM
from fastglm.kernels.passes.hac_windows import hac_products_kernel
from fastglm.kernels.passes.score_products import group_scores_kernel, score_products_kernel
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.chunks import count_chunks
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import to_stored_columns
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows, RowSource
from fastglm.passes.standardized import StandardizedColumns

__all__ = [
    "CrossProducts",
    "LikelihoodSums",
    "RowPass",
    "bind_partials",
    "design_gram",
    "group_scores",
    "hac_products",
    "information",
    "inverse_factor",
    "likelihood_sums",
    "named_sums",
    "score_pass",
    "streamed_group_scores",
    "sum_products",
]

#: Most bytes of all partial sums of scores by group, unless a single one takes more.
GROUP_BYTES = 16_000_000


@dataclass(frozen=True, eq=False)
class CrossProducts:
    """Sums over all rows.

    Attributes
    ----------
    gram : ndarray, shape (p, p)
        Sum of weight times x x', on standardised columns.
    score : ndarray, shape (p,)
        Sum of score residual times x, on standardised columns.
    n_undefined : int
        Rows of leverage 1, for which the weights are undefined.
    """

    gram: np.ndarray
    score: np.ndarray
    n_undefined: int
    standard: StandardizedColumns


class RowPass:
    """One pass over the rows: a copy of the kernel table, and the arrays it points to.

    Parameters
    ----------
    row_table, family, params, shifted
        As for `information`.
    """

    def __init__(self, row_table: RowTable, family: Family, params: np.ndarray, shifted: bool):
        params = np.where(np.isnan(params), 0.0, params)
        self.standard = StandardizedColumns(find_scaling(row_table, shifted), row_table)
        scaling = self.standard.scaling
        self.table = row_table.table.copy()
        beta = to_stored_columns(row_table, scaling.from_params(params, row_table))
        self.table.point(fields.BETA, beta)
        scaling.bind(self.table)
        self.table.bind_link(family.link, family.parameter)


def score_pass(row_table: RowTable, family: Family, params: np.ndarray, shifted: bool) -> RowPass:
    """A pass with score residuals and weights, but no deviance."""
    run = RowPass(row_table, family, params, shifted)
    run.table.call(fields.RESPOND_ROWS, family.score_rows)
    return run


def information(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    *,
    shifted: bool,
    n_threads: int,
    with_gram: bool = True,
) -> CrossProducts:
    """Expected information X'WX and score X'residual, for a dispersion of 1.

    Parameters
    ----------
    row_table
        With response and prior weights.
    family, params
        The model and its (p,) coefficients; NaN counts as zero.
    shifted
        Whether the design has a constant column, so that columns may be shifted.
    n_threads
        From `usable_threads`.
    with_gram
        False for the score alone; the information is then zero.
    """
    run = score_pass(row_table, family, params, shifted)
    run.table.mode = WITH_GRAM if with_gram else 0
    return sum_products(run, MemoryRows(row_table), n_threads)


class LikelihoodSums(NamedTuple):
    """Sums of a sweep at given coefficients.

    Attributes
    ----------
    deviance : float
        Infinite where a row has a mean outside the family's domain.
    gram : ndarray, shape (p, p)
        Expected information for a dispersion of 1, on standardised columns.
    score : ndarray, shape (p,)
        X'residual, on standardised columns.
    standard : StandardizedColumns
    """

    deviance: float
    gram: np.ndarray
    score: np.ndarray
    standard: StandardizedColumns


def likelihood_sums(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    *,
    binary: bool,
    shifted: bool,
    n_threads: int,
    with_gram: bool,
) -> LikelihoodSums:
    """Deviance, score and information in one pass over the rows.

    Parameters
    ----------
    binary
        Whether every response is exactly 0 or 1.
    row_table, family, params, shifted, n_threads, with_gram
        As for `information`.
    """
    run, rows = RowPass(row_table, family, params, shifted), MemoryRows(row_table)
    run.table.call(fields.RESPOND_ROWS, family.respond_rows_for(binary))
    run.table.mode = WITH_GRAM if with_gram else 0
    partials = bind_partials(run.table, rows)
    rows.add_up(sweep_kernel, run.table, partials, n_threads)
    total = partials.sum(axis=0)
    found, sums = named_sums(total, run, row_table), total[-N_SUMS:]
    deviance = math.inf if sums[SUM_OUTSIDE] > 0.0 else float(sums[SUM_DEVIANCE])
    return LikelihoodSums(deviance, found.gram, found.score, found.standard)


def bind_partials(table: KernelTable, rows: RowSource) -> np.ndarray:
    """Memory of each chunk's Gram matrix, score and sums, (n_chunks, size), bound to a table."""
    order = rows.row_table.gram_order
    size = order * order + rows.row_table.n_stored + N_SUMS
    partials = np.empty((rows.count_partials(8 * size), size))
    table.bind_partials(partials)
    return partials


def sum_products(run: RowPass, rows: RowSource, n_threads: int) -> CrossProducts:
    """Sums of `score_products_kernel` over all rows, in double precision."""
    partials = bind_partials(run.table, rows)
    rows.add_up(score_products_kernel, run.table, partials, n_threads)
    return named_sums(partials.sum(axis=0), run, rows.row_table)


def named_sums(total: np.ndarray, run: RowPass, row_table: RowTable) -> CrossProducts:
    """Sums of all rows by their names."""
    order = row_table.gram_order
    score, sums = total[order * order : -N_SUMS], total[-N_SUMS:]
    return CrossProducts(
        gram=design_gram(row_table, total[: order * order]),
        score=row_table.transform_matrix().T @ score if row_table.column_map[0].size else score,
        n_undefined=int(sums[SUM_OUTSIDE]),
        standard=run.standard,
    )


def design_gram(row_table: RowTable, total: np.ndarray) -> np.ndarray:
    """Gram matrix of the standardised design columns, (p, p), from the sweep's, as it is stored."""
    q, order = row_table.n_stored, row_table.gram_order
    gram = _symmetric(total.reshape(order, order)[:q, :q], row_table.n_dense)
    if not row_table.column_map[0].size:
        return gram
    column_map = row_table.transform_matrix()
    return np.asarray(column_map.T @ (column_map.T @ gram).T)


def group_scores(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    *,
    shifted: bool,
    n_threads: int,
) -> CrossProducts:
    """Products of the sums of score residuals times x over groups of rows.

    Parameters
    ----------
    row_table, family, params, shifted, n_threads
        As for `information`.
    groups
        (n,) int64 numbers of the groups, from 0 to n_groups - 1.
    n_groups
        Number of groups.
    """
    run = score_pass(row_table, family, params, shifted)
    order = row_table.gram_order
    size = 8 * n_groups * order
    # Clearing and adding the partial sums must cost less than the pass itself.
    worthwhile = row_table.n_rows // (32 * n_groups)
    n_chunks = max(1, min(count_chunks(row_table), worthwhile, GROUP_BYTES // size))
    partials = np.empty((n_chunks, n_groups, order))
    groups = np.ascontiguousarray(groups, dtype=np.int64)
    run.table.bind_partials(partials)
    run.table.bind_groups(groups, n_groups)
    run.table.launch(group_scores_kernel, n_chunks, n_threads)
    for other in partials[1:]:
        partials[0] += other
    return _of_group_scores(partials[0], run, row_table)


def streamed_group_scores(
    rows: RowSource,
    family: Family,
    params: np.ndarray,
    n_groups: int,
    *,
    shifted: bool,
    n_threads: int,
) -> CrossProducts:
    """As `group_scores`, of windows of rows with their own groups."""
    run, order = score_pass(rows.row_table, family, params, shifted), rows.row_table.gram_order
    partials = np.empty((1, n_groups * order))
    run.table.bind_groups(None, n_groups)
    rows.add_up(group_scores_kernel, run.table, partials, n_threads)
    return _of_group_scores(partials.reshape(n_groups, order), run, rows.row_table)


def _of_group_scores(sums: np.ndarray, run: RowPass, row_table: RowTable) -> CrossProducts:
    """Products of the scores of each group, (n_groups, order)."""
    scores = sums[:, : row_table.n_stored]
    column_map = row_table.transform_matrix()
    return CrossProducts(
        gram=column_map.T @ (column_map.T @ (scores.T @ scores)).T,
        score=column_map.T @ scores.sum(axis=0),
        n_undefined=0,
        standard=run.standard,
    )


def inverse_factor(gram: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """F with F F' the inverse of the kept part of a Gram matrix, (p, p); zero where not kept.

    Raises
    ------
    numpy.linalg.LinAlgError
        If that part is not finite or not positive definite.
    """
    block = np.ix_(kept, kept)
    scale = np.sqrt(np.diag(gram)[kept])
    if not (np.isfinite(gram).all() and (scale > 0.0).all()):
        raise np.linalg.LinAlgError("a Gram matrix without an inverse")
    lower = np.linalg.cholesky(gram[block] / np.outer(scale, scale))
    # Not `solve_triangular`: even for a small matrix it starts the threads of OpenBLAS, which
    # occupy the cores for a tenth of a second.
    inverse, _ = scipy.linalg.lapack.dtrtri(lower.T, lower=0)
    factor = np.zeros_like(gram)
    factor[block] = inverse / scale[:, None]
    return factor


def hac_products(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    n_lags: int,
    *,
    shifted: bool,
    n_threads: int,
) -> tuple[np.ndarray, StandardizedColumns]:
    """Products of sums of score residuals times x over all windows of ``n_lags + 1`` rows.

    Windows that reach over the ends of the rows are included.

    Parameters
    ----------
    row_table, family, params, shifted, n_threads
        As for `information`.
    n_lags
        Rows of a window less one.

    Returns
    -------
    ndarray, shape (p, p)
        On standardised columns.
    StandardizedColumns
        How these are standardised.
    """
    run = score_pass(row_table, family, params, shifted)
    order = -(-row_table.n_stored // TILE) * TILE
    # Windows across the start of a chunk read rows of the chunk before again.
    worthwhile = row_table.n_rows // (8 * (n_lags + BLOCK_ROWS))
    n_chunks = max(1, min(count_chunks(row_table, 8 * order * order), worthwhile))
    partials = np.zeros((n_chunks, order, order))
    run.table.set(fields.N_BLOCKS, -(-(row_table.n_rows + n_lags) // BLOCK_ROWS))
    run.table.set(fields.N_LAGS, n_lags)
    run.table.bind_partials(partials)
    run.table.launch(hac_products_kernel, n_chunks, n_threads)
    q = row_table.n_stored
    gram = _symmetric(partials.sum(axis=0)[:q, :q], q)
    column_map = row_table.transform_matrix()
    return column_map.T @ (column_map.T @ gram).T, run.standard


def _symmetric(total: np.ndarray, n_dense: int) -> np.ndarray:
    """The whole Gram matrix; see `fastglm.kernels.passes.gram` for what the kernel stores."""
    lower = np.tril(total)
    lower[n_dense:, n_dense:] += np.triu(total[n_dense:, n_dense:], 1).T
    return lower + np.tril(lower, -1).T
