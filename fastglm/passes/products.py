"""Sums of products over rows at given coefficients, on the standardised columns of the kernels.

A column far from zero, such as a year, would cost digits; `Standard` leads from the model's
coefficients and columns to standardised ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from fastglm.families import Family
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.planes import BLOCK_ROWS, TILE
from fastglm.kernels.blocks.table import N_SUMS, SUM_OUTSIDE, WITH_GRAM
from fastglm.kernels.passes.score_products import group_scores_kernel, score_products_kernel
from fastglm.kernels.passes.windows import window_products_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.passes.chunks import count_chunks
from fastglm.passes.layout import Layout
from fastglm.passes.row_values import to_sweep_columns
from fastglm.passes.scaling import Centring, Scaling, find_scaling

__all__ = [
    "Pass",
    "Products",
    "Standard",
    "enter_partials",
    "group_scores",
    "information",
    "inverse_factor",
    "model_gram",
    "named_sums",
    "score_pass",
    "sum_products",
    "window_products",
]

#: Bytes that the chunks' sums of scores by group may take together, unless one alone takes more.
GROUP_BYTES = 16_000_000


@dataclass(frozen=True, eq=False)
class Products:
    """Sums over all rows.

    Attributes
    ----------
    gram : ndarray, shape (p, p)
        Sum of weight times x x', on standardised columns.
    score : ndarray, shape (p,)
        Sum of score residual times x, on standardised columns.
    n_undefined : int
        Rows of leverage 1 where the weights needed them to be less.
    """

    gram: np.ndarray
    score: np.ndarray
    n_undefined: int
    standard: Standard


@dataclass(frozen=True, eq=False)
class Standard:
    """The standardised columns of a layout.

    Parameters
    ----------
    scaling : Scaling
    layout : Layout
    """

    scaling: Scaling
    layout: Layout

    def lift(self, columns: np.ndarray) -> np.ndarray:
        """Standardised coefficients from each column of a (p, k) matrix of coefficients."""
        return np.column_stack([self.scaling.from_params(c, self.layout) for c in columns.T])

    def lift_centred(self, columns: np.ndarray, centring: Centring) -> np.ndarray:
        """Standardised coefficients from each column of a (p, k) matrix for centred columns."""
        scaling, layout = self.scaling, self.layout
        if scaling.constant < 0:
            return self.lift(centring.to_given(columns))
        theta = columns.astype(np.float64)
        owned, owner = layout.owned
        theta[owner] /= scaling.scale[owned, None]
        moved = (scaling.shift[owned] - centring.centre[owner]) @ columns[owner]
        theta[layout.dense_owner[scaling.constant]] += moved
        return theta

    def scores(self, sweep_scores: np.ndarray) -> np.ndarray:
        """Scores of the standardised model columns, (m, p), from those of the sweep's, (m, q)."""
        return (self.layout.transform_matrix().T @ sweep_scores.T).T

    def to_params(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients from standardised ones, (m, p) each."""
        return theta @ self.back.T

    @cached_property
    def back(self) -> np.ndarray:
        """The (p, p) matrix from standardised coefficients to coefficients."""
        unit = np.eye(self.layout.n_columns)
        return np.column_stack([self.scaling.to_params(c, self.layout) for c in unit])


class Pass:
    """One pass over the rows: a copy of the layout's table, and the arrays it points to.

    Parameters
    ----------
    layout, family, params, shifted
        As for `information`.
    """

    def __init__(self, layout: Layout, family: Family, params: np.ndarray, shifted: bool):
        params = np.where(np.isnan(params), 0.0, params)
        self.standard = Standard(find_scaling(layout, shifted), layout)
        scaling = self.standard.scaling
        self.beta = to_sweep_columns(layout, scaling.from_params(params, layout))
        self.parameters = np.array([family.parameter, 1.0, family.link.parameter])
        context = layout.context.copy()
        context[slots.BETA] = self.beta.ctypes.data
        scaling.enter(context)
        context[slots.PARAMETERS] = self.parameters.ctypes.data
        context[slots.INVERSE_ROWS] = family.link.inverse_rows.address
        self.context = context


def score_pass(layout: Layout, family: Family, params: np.ndarray, shifted: bool) -> Pass:
    """A pass that knows score residuals and weights, but no deviance."""
    run = Pass(layout, family, params, shifted)
    run.context[slots.RESPOND_ROWS] = family.score_rows.address
    return run


def information(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    *,
    shifted: bool,
    n_threads: int,
    with_gram: bool = True,
) -> Products:
    """Expected information X'WX and score X'residual, for a dispersion of 1.

    Parameters
    ----------
    layout
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
    run = score_pass(layout, family, params, shifted)
    run.context[slots.MODE] = WITH_GRAM if with_gram else 0
    return sum_products(run, layout, n_threads)


def enter_partials(context: np.ndarray, layout: Layout) -> np.ndarray:
    """Room for each chunk's Gram matrix, score and sums, (n_chunks, size), told to a table."""
    order = layout.gram_order
    size = order * order + layout.n_sweep + N_SUMS
    partials = np.empty((count_chunks(layout, 8 * size), size))
    context[slots.N_CHUNKS] = len(partials)
    context[slots.PARTIALS] = partials.ctypes.data
    return partials


def sum_products(run: Pass, layout: Layout, n_threads: int) -> Products:
    """Sums of `score_products_kernel` over all rows, in double precision."""
    partials = enter_partials(run.context, layout)
    launch(score_products_kernel, run.context, len(partials), n_threads)
    return named_sums(partials.sum(axis=0), run, layout)


def named_sums(total: np.ndarray, run: Pass, layout: Layout) -> Products:
    """Sums of all rows by their names."""
    order = layout.gram_order
    score, sums = total[order * order : -N_SUMS], total[-N_SUMS:]
    return Products(
        gram=model_gram(layout, total[: order * order]),
        score=layout.transform_matrix().T @ score if layout.transform[0].size else score,
        n_undefined=int(sums[SUM_OUTSIDE]),
        standard=run.standard,
    )


def model_gram(layout: Layout, total: np.ndarray) -> np.ndarray:
    """Gram matrix of the standardised model columns, (p, p), from the sweep's, as it is stored."""
    q, order = layout.n_sweep, layout.gram_order
    gram = _symmetric(total.reshape(order, order)[:q, :q], layout.n_dense)
    if not layout.transform[0].size:
        return gram
    transform = layout.transform_matrix()
    return np.asarray(transform.T @ (transform.T @ gram).T)


def group_scores(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    *,
    shifted: bool,
    n_threads: int,
) -> Products:
    """Products of the sums of score residuals times x over groups of rows.

    Parameters
    ----------
    layout, family, params, shifted, n_threads
        As for `information`.
    groups
        (n,) int64 numbers of the groups, from 0 to n_groups - 1.
    n_groups
        Number of groups.
    """
    run = score_pass(layout, family, params, shifted)
    order = layout.gram_order
    size = 8 * n_groups * order
    # Clearing and adding up the chunks' sums must cost less than the rows themselves.
    worthwhile = layout.n_rows // (32 * n_groups)
    n_chunks = max(1, min(count_chunks(layout), worthwhile, GROUP_BYTES // size))
    partials = np.empty((n_chunks, n_groups, order))
    groups = np.ascontiguousarray(groups, dtype=np.int64)
    run.context[slots.N_CHUNKS] = n_chunks
    run.context[slots.PARTIALS] = partials.ctypes.data
    run.context[slots.GROUP] = groups.ctypes.data
    run.context[slots.N_GROUPS] = n_groups
    launch(group_scores_kernel, run.context, n_chunks, n_threads)
    for other in partials[1:]:
        partials[0] += other
    scores = partials[0, :, : layout.n_sweep]
    transform = layout.transform_matrix()
    return Products(
        gram=transform.T @ (transform.T @ (scores.T @ scores)).T,
        score=transform.T @ scores.sum(axis=0),
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
    # Not `solve_triangular`: for however small a matrix it wakes the threads of OpenBLAS, and these
    # keep the cores from ours for a tenth of a second.
    inverse, _ = scipy.linalg.lapack.dtrtri(lower.T, lower=0)
    factor = np.zeros_like(gram)
    factor[block] = inverse / scale[:, None]
    return factor


def window_products(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    n_lags: int,
    *,
    shifted: bool,
    n_threads: int,
) -> tuple[np.ndarray, Standard]:
    """Products of sums of score residuals times x over all windows of ``n_lags + 1`` rows.

    Windows that reach over the ends of the rows are included.

    Parameters
    ----------
    layout, family, params, shifted, n_threads
        As for `information`.
    n_lags
        Rows of a window but one.

    Returns
    -------
    ndarray, shape (p, p)
        On standardised columns.
    Standard
        How these are standardised.
    """
    run = score_pass(layout, family, params, shifted)
    order = -(-layout.n_sweep // TILE) * TILE
    # A chunk reads the rows of a window again that the chunk before it has read.
    worthwhile = layout.n_rows // (8 * (n_lags + BLOCK_ROWS))
    n_chunks = max(1, min(count_chunks(layout, 8 * order * order), worthwhile))
    partials = np.zeros((n_chunks, order, order))
    run.context[slots.N_BLOCKS] = -(-(layout.n_rows + n_lags) // BLOCK_ROWS)
    run.context[slots.N_CHUNKS] = n_chunks
    run.context[slots.N_LAGS] = n_lags
    run.context[slots.PARTIALS] = partials.ctypes.data
    launch(window_products_kernel, run.context, n_chunks, n_threads)
    q = layout.n_sweep
    gram = _symmetric(partials.sum(axis=0)[:q, :q], q)
    transform = layout.transform_matrix()
    return transform.T @ (transform.T @ gram).T, run.standard


def _symmetric(total: np.ndarray, n_dense: int) -> np.ndarray:
    """The whole Gram matrix; see `fastglm.kernels.passes.gram` for what the kernel stores."""
    lower = np.tril(total)
    lower[n_dense:, n_dense:] += np.triu(total[n_dense:, n_dense:], 1).T
    return lower + np.tril(lower, -1).T
