"""Quantities of single rows at given coefficients, through the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastglm.families import Family, Link
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import LOG_LIKELIHOOD, TILE
from fastglm.kernels.passes.row_sums import row_sums_kernel
from fastglm.kernels.passes.row_values import limits_kernel, rows_kernel
from fastglm.passes.chunks import count_chunks
from fastglm.passes.kernel_table import KernelTable
from fastglm.passes.row_table import RowTable
from fastglm.passes.scaling import Centering

__all__ = ["evaluate_rows", "in_tiles", "limits_of_means", "sum_rows", "to_stored_columns"]


def to_stored_columns(row_table: RowTable, values: np.ndarray) -> np.ndarray:
    """Coefficients of the stored columns from those of the model's: (..., p) to (..., q).

    Aliased coefficients, NaN, count as zero.
    """
    values = np.where(np.isnan(values), 0.0, values)
    if not row_table.column_map[0].size:
        return np.ascontiguousarray(values)
    start, index, value = row_table.column_map
    if values.ndim == 1:
        # The product with the matrix below, which takes longer to build than few rows to predict.
        each = value * np.repeat(values, np.diff(start))
        # Sums of no values are whole numbers to NumPy.
        return np.bincount(index, each, minlength=row_table.n_stored).astype(np.float64, copy=False)
    return np.ascontiguousarray((row_table.transform_matrix() @ values.T).T)


def in_tiles(factor: np.ndarray) -> np.ndarray:
    """The factor of a quadratic form as a triangle, with rows of zeros up to a multiple of TILE.

    The kernel skips zeros at either end of a tile's rows.
    """
    triangle = np.asarray(np.linalg.qr(factor, mode="r"))
    return np.pad(triangle, ((0, -triangle.shape[0] % TILE), (0, 0)))


def evaluate_rows(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    buffers: Sequence[int],
    *,
    dispersion: float = 1.0,
    factor: np.ndarray | None = None,
    centering: Centering | None = None,
    n_threads: int = 1,
) -> np.ndarray:
    """Evaluate buffers (`fastglm.kernels.blocks.row_buffers`) for every row.

    Parameters
    ----------
    row_table
        Rows; with a response for everything but the linear predictor, the mean, the quadratic form
        and the standard errors.
    family
        With its link.
    params
        (p,) coefficients; NaN where aliased.
    buffers
        Which buffers.
    dispersion
        At which log-likelihoods are evaluated.
    factor
        (k, p) matrix for the quadratic form |factor x|**2, and the standard errors of which that
        is the variance.
    centering
        Centering of the columns that `factor` is for, relative to those of the row table.
    n_threads
        From `usable_threads`.

    Returns
    -------
    ndarray, shape (len(buffers), n)
    """
    shift, scale = np.zeros(row_table.n_dense), np.ones(row_table.n_dense)
    if centering is not None and factor is not None:
        params, factor = _center(row_table, centering, params, factor, shift)
    table = _table(row_table, family, params, dispersion, buffers, (shift, scale))
    if factor is not None:
        table.bind_factor(in_tiles(to_stored_columns(row_table, factor)))
    output, n_chunks = np.empty((len(buffers), row_table.n_rows)), count_chunks(row_table)
    table.bind_output(np.array(buffers, dtype=np.int64), output, n_chunks)
    table.launch(rows_kernel, n_chunks, n_threads)
    return output


def sum_rows(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    buffers: Sequence[int],
    *,
    dispersion: float = 1.0,
    times: np.ndarray | None = None,
    n_threads: int = 1,
) -> np.ndarray:
    """Sums of buffers over the rows, (len(buffers),), without writing them out.

    Parameters
    ----------
    row_table, family, params, buffers, dispersion, n_threads
        As for `evaluate_rows`, with a response.
    times
        (n,) how often each row counts; None for once.
    """
    as_given = np.zeros(row_table.n_dense), np.ones(row_table.n_dense)
    table = _table(row_table, family, params, dispersion, buffers, as_given)
    counts = None if times is None else np.ascontiguousarray(times, dtype=np.float64)
    table.point(fields.ROW_FACTOR, counts)
    sums = np.zeros((count_chunks(row_table), len(buffers)))
    table.bind_output(np.array(buffers, dtype=np.int64), sums, len(sums))
    table.launch(row_sums_kernel, len(sums), n_threads)
    return sums.sum(axis=0)


def _table(
    row_table: RowTable,
    family: Family,
    params: np.ndarray,
    dispersion: float,
    buffers: Sequence[int],
    scaling: tuple[np.ndarray, np.ndarray],
) -> KernelTable:
    """A copy of the kernel table with the model set; (shifts, scales) of dense columns."""
    table = row_table.table.copy()
    table.point(fields.BETA, to_stored_columns(row_table, params))
    table.point(fields.SHIFT, scaling[0])
    table.point(fields.SCALE, scaling[1])
    table.bind_link(family.link, family.parameter, dispersion)
    table.call(fields.RESPOND_ROWS, family.respond_rows)
    if LOG_LIKELIHOOD in buffers:
        table.call(fields.LOG_DENSITY_ROWS, family.log_density_rows)
    return table


def _center(
    row_table: RowTable,
    centering: Centering,
    params: np.ndarray,
    factor: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and factor for the columns that kernels centre; sets their shifts."""
    direct_columns, design_column = row_table.direct_columns
    dense = np.zeros(row_table.n_columns, dtype=bool)
    dense[design_column] = True
    shift[direct_columns] = centering.center[design_column]
    params = centering.only(dense).from_given(np.where(np.isnan(params), 0.0, params))
    return params, centering.only(~dense).to_given(factor.T).T


def limits_of_means(
    row_table: RowTable,
    link: Link,
    linear_predictor: np.ndarray,
    standard_error: np.ndarray,
    critical_value: float,
    n_threads: int,
) -> np.ndarray:
    """Intervals of linear predictors, mapped back through the link.

    Parameters
    ----------
    row_table
        Of the rows.
    link
        Of the family.
    linear_predictor, standard_error
        (n,) contiguous float64.
    critical_value
        Standard errors from the middle to the ends.
    n_threads
        From `usable_threads`.

    Returns
    -------
    ndarray, shape (2, n)
        Lower and upper ends; NaN beyond the link's domain.
    """
    output, n_chunks = np.empty((2, row_table.n_rows)), count_chunks(row_table)
    table = row_table.table.copy()
    table.set(fields.N_CHUNKS, n_chunks)
    table.point(fields.LINEAR_PREDICTORS, linear_predictor)
    table.point(fields.STANDARD_ERRORS, standard_error)
    table.point(fields.CRITICAL_VALUE, np.array([critical_value]))
    table.bind_link(link)
    table.point(fields.OUTPUT, output)
    table.launch(limits_kernel, n_chunks, n_threads)
    return output
