"""Quantities of single rows at given coefficients, through the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastglm.families import Family, Link
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.planes import LOG_LIKELIHOOD, TILE
from fastglm.kernels.passes.quadratic import quadratic_stage
from fastglm.kernels.passes.row_sums import row_sums_kernel
from fastglm.kernels.passes.row_values import limits_kernel, rows_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.passes.chunks import count_chunks
from fastglm.passes.layout import Layout
from fastglm.passes.scaling import Centring

__all__ = ["evaluate_rows", "in_tiles", "limits_of_means", "sum_rows", "to_sweep_columns"]


def to_sweep_columns(layout: Layout, values: np.ndarray) -> np.ndarray:
    """Coefficients of the sweep's columns from those of the model's: (..., p) to (..., q).

    Aliased coefficients, NaN, count as zero.
    """
    values = np.where(np.isnan(values), 0.0, values)
    if not layout.transform[0].size:
        return np.ascontiguousarray(values)
    return np.ascontiguousarray((layout.transform_matrix() @ values.T).T)


def in_tiles(factor: np.ndarray) -> np.ndarray:
    """The factor of a quadratic form as a triangle, with rows of zeros up to a multiple of TILE.

    The kernel leaves out what is zero at either end of a tile's rows.
    """
    triangle = np.asarray(np.linalg.qr(factor, mode="r"))
    return np.pad(triangle, ((0, -triangle.shape[0] % TILE), (0, 0)))


def evaluate_rows(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    planes: Sequence[int],
    *,
    dispersion: float = 1.0,
    factor: np.ndarray | None = None,
    centring: Centring | None = None,
    n_threads: int = 1,
) -> np.ndarray:
    """Evaluate planes (`fastglm.kernels.blocks.planes`) for every row.

    Parameters
    ----------
    layout
        Rows; with a response for everything but the linear predictor, the mean, the quadratic form
        and the standard errors.
    family
        With its link.
    params
        (p,) coefficients; NaN where aliased.
    planes
        Which planes.
    dispersion
        At which log-likelihoods are evaluated.
    factor
        (k, p) matrix for the quadratic form |factor x|**2, and the standard errors of which that
        is the variance.
    centring
        What the columns that `factor` is for are less than those of the layout.
    n_threads
        From `usable_threads`.

    Returns
    -------
    ndarray, shape (len(planes), n)
    """
    shift, scale = np.zeros(layout.n_dense), np.ones(layout.n_dense)
    if centring is not None and factor is not None:
        params, factor = _centre(layout, centring, params, factor, shift)
    beta = to_sweep_columns(layout, params)
    parameters = np.array([family.parameter, dispersion, family.link.parameter])
    wanted = np.array(planes, dtype=np.int64)
    output = np.empty((wanted.size, layout.n_rows))
    context = _table(layout, family, LOG_LIKELIHOOD in planes)
    context[slots.BETA] = beta.ctypes.data
    context[slots.SHIFT] = shift.ctypes.data
    context[slots.SCALE] = scale.ctypes.data
    context[slots.PARAMETERS] = parameters.ctypes.data
    context[slots.N_WANTED] = wanted.size
    context[slots.WANTED] = wanted.ctypes.data
    context[slots.OUTPUT] = output.ctypes.data
    if factor is not None:
        factor = in_tiles(to_sweep_columns(layout, factor))
        context[slots.FACTOR] = factor.ctypes.data
        context[slots.N_FACTOR] = factor.shape[0]
        context[slots.QUADRATIC] = quadratic_stage.address
    launch(rows_kernel, context, int(context[slots.N_CHUNKS]), n_threads)
    return output


def sum_rows(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    planes: Sequence[int],
    *,
    dispersion: float = 1.0,
    times: np.ndarray | None = None,
    n_threads: int = 1,
) -> np.ndarray:
    """Sums of planes over the rows, (len(planes),), without writing them out.

    Parameters
    ----------
    layout, family, params, planes, dispersion, n_threads
        As for `evaluate_rows`, with a response.
    times
        (n,) how often each row counts; None for once.
    """
    shift, scale = np.zeros(layout.n_dense), np.ones(layout.n_dense)
    beta = to_sweep_columns(layout, params)
    parameters = np.array([family.parameter, dispersion, family.link.parameter])
    wanted = np.array(planes, dtype=np.int64)
    context = _table(layout, family, LOG_LIKELIHOOD in planes)
    sums = np.zeros((int(context[slots.N_CHUNKS]), wanted.size))
    counts = None if times is None else np.ascontiguousarray(times, dtype=np.float64)
    context[slots.ROW_FACTOR] = 0 if counts is None else counts.ctypes.data
    context[slots.BETA] = beta.ctypes.data
    context[slots.SHIFT] = shift.ctypes.data
    context[slots.SCALE] = scale.ctypes.data
    context[slots.PARAMETERS] = parameters.ctypes.data
    context[slots.N_WANTED] = wanted.size
    context[slots.WANTED] = wanted.ctypes.data
    context[slots.OUTPUT] = sums.ctypes.data
    launch(row_sums_kernel, context, len(sums), n_threads)
    return sums.sum(axis=0)


def _table(layout: Layout, family: Family, with_likelihood: bool) -> np.ndarray:
    """A copy of the layout's table that knows the chunks and the family's row blocks."""
    context = layout.context.copy()
    context[slots.N_CHUNKS] = count_chunks(layout)
    context[slots.INVERSE_ROWS] = family.link.inverse_rows.address
    context[slots.RESPOND_ROWS] = family.respond_rows.address
    if with_likelihood:
        context[slots.LOG_DENSITY_ROWS] = family.log_density_rows.address
    return context


def _centre(
    layout: Layout, centring: Centring, params: np.ndarray, factor: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and factor for the columns that the kernels can centre; fills their shifts."""
    owned, owner = layout.owned
    dense = np.zeros(layout.n_columns, dtype=bool)
    dense[owner] = True
    shift[owned] = centring.centre[owner]
    params = centring.only(dense).from_given(np.where(np.isnan(params), 0.0, params))
    return params, centring.only(~dense).to_given(factor.T).T


def limits_of_means(
    layout: Layout,
    link: Link,
    linear_predictor: np.ndarray,
    standard_error: np.ndarray,
    critical_value: float,
    n_threads: int,
) -> np.ndarray:
    """Intervals of linear predictors, mapped back through the link.

    Parameters
    ----------
    layout
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
    output = np.empty((2, layout.n_rows))
    reach, parameters = np.array([critical_value]), np.array([0.0, 1.0, link.parameter])
    context = layout.context.copy()
    context[slots.N_CHUNKS] = count_chunks(layout)
    context[slots.LINEAR_PREDICTORS] = linear_predictor.ctypes.data
    context[slots.STANDARD_ERRORS] = standard_error.ctypes.data
    context[slots.CRITICAL_VALUE] = reach.ctypes.data
    context[slots.PARAMETERS] = parameters.ctypes.data
    context[slots.INVERSE_ROWS] = link.inverse_rows.address
    context[slots.OUTPUT] = output.ctypes.data
    launch(limits_kernel, context, int(context[slots.N_CHUNKS]), n_threads)
    return output
