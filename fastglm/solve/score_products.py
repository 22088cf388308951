"""The middle of a sandwich covariance: sums of squared scores, in single precision if that will do.

Many dense rows are added up in single precision, and some chunks of them once more in double: what
that changes is taken back, if its sampling error, as the sandwich magnifies it, is small enough.
"""

from __future__ import annotations

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.table import MEAT, N_SUMS, SUM_OUTSIDE, WITH_GRAM
from fastglm.kernels.passes.quadratic import quadratic_stage
from fastglm.kernels.passes.score_products import score_products_kernel
from fastglm.kernels.threads.threads import launch
from fastglm.passes.chunks import (
    ROUNDING_TOLD,
    SINGLE_ROUNDING,
    Chunks,
    clear_of,
    enough_chunks,
    enter_single_precision,
    may_sample_rounding,
)
from fastglm.passes.layout import Layout
from fastglm.passes.products import (
    Pass,
    Products,
    enter_partials,
    named_sums,
    score_pass,
    sum_products,
)
from fastglm.passes.row_values import in_tiles, to_sweep_columns
from fastglm.passes.scaling import Centring
from fastglm.solve.conditioning import inflation_of_sandwich

__all__ = ["score_products"]

#: Sums over X with fewer values than this are too cheap to be made cheaper.
SINGLE_FROM_VALUES = 2_000_000
#: What is taken back of rounding may have this sampling error, as a share of a variance.
ROUNDING_LEFT = 1e-7
#: In single precision, a row's linear predictor may be this many of its standard errors from zero:
#: beyond, rounding would show in the residual of a single row of high leverage.
SINGLE_REACH = 50.0
#: Scores that vary so many times less than the information says come from rows of leverage close to
#: 1, whose residuals are small beside their rounding errors.
FAR_ROWS = 16.0


def score_products(
    layout: Layout,
    family: Family,
    params: np.ndarray,
    *,
    shifted: bool,
    power: int,
    leverage_factor: np.ndarray,
    centring: Centring,
    mean_leverage: float,
    frequencies: np.ndarray | None,
    n_threads: int,
    dispersion: float = 1.0,
    exact: bool = False,
) -> Products:
    """Sum of squared score residuals times x x', and of score residuals times x.

    Parameters
    ----------
    layout
        With response and the weights of single observations, without frequencies.
    family, params, shifted, n_threads
        As for `information`.
    power
        Residuals are over ``(1 - leverage)**(power / 2)``; 0, 1, 2 or `GROWING_POWER`.
    leverage_factor
        (p, p) matrix F such that ``|F'x|**2`` times its weight is a row's leverage, where x is
        centred.
    centring
        How.
    mean_leverage
        Coefficients over observations, the unit of `GROWING_POWER`.
    frequencies
        (n,) numbers of observations behind each row, None if all are one.
    dispersion
        Of the fit.
    exact
        True to add up in double precision whatever the number of rows.
    """
    run = score_pass(layout, family, params, shifted)
    context = run.context
    context[slots.MODE] = WITH_GRAM | MEAT
    if frequencies is not None:
        context[slots.ROW_FACTOR] = frequencies.ctypes.data
    factor = np.zeros((0, layout.n_sweep))
    lifted = run.standard.lift_centred(leverage_factor, centring)
    if power:
        factor = in_tiles(to_sweep_columns(layout, lifted.T))
    mean = np.array([mean_leverage, SINGLE_REACH**2 * dispersion])
    context[slots.FACTOR] = factor.ctypes.data
    context[slots.N_FACTOR] = factor.shape[0]
    context[slots.QUADRATIC] = quadratic_stage.address
    context[slots.LEVERAGE_POWER] = power
    context[slots.MEAN_LEVERAGE] = mean.ctypes.data
    is_large = layout.n_rows * layout.n_sweep >= SINGLE_FROM_VALUES
    if layout.is_dense and is_large and not exact:
        products = _sum_in_single_precision(
            run, layout, family, factor, lifted @ lifted.T, dispersion, n_threads
        )
        if products is not None:
            return products
    return sum_products(run, layout, n_threads)


def _sum_in_single_precision(
    run: Pass,
    layout: Layout,
    family: Family,
    factor: np.ndarray,
    inverse: np.ndarray,
    dispersion: float,
    n_threads: int,
) -> Products | None:
    """Sums of `score_products_kernel` by single precision, less what some chunks tell of rounding.

    None if that is not certain enough for the variances that the inverse information of
    standardised columns, (p, p), makes of them.
    """
    partials = enter_partials(run.context, layout)
    single, narrow = run.context.copy(), factor.astype(np.float32)
    enter_single_precision(single, family)
    single[slots.FACTOR] = narrow.ctypes.data
    launch(score_products_kernel, single, len(partials), n_threads)
    total = partials.sum(axis=0)
    if total[SUM_OUTSIDE - N_SUMS] > 0.0:
        return None
    inflation = _inflation(inverse, named_sums(total, run, layout).gram, dispersion)
    needed = inflation * ROUNDING_TOLD / ROUNDING_LEFT
    if not may_sample_rounding(layout.n_rows, needed):
        return None
    chunks = Chunks(partials, enough_chunks(len(partials), layout.n_rows, max(1.0, needed)))
    before = chunks.sums.copy()
    chunks.visit(score_products_kernel, run.context, int(run.context[slots.MODE]), n_threads)
    diagonal = np.arange(layout.n_sweep) * (layout.gram_order + 1)
    with np.errstate(all="ignore"):
        change = chunks.sums - before
        rounding, error = chunks.weight * change.sum(axis=0), chunks.error_of(change)
        # Rows unlike those of the chunks have rounding errors of their own.
        unlike = np.abs(chunks.weight * before[:, diagonal].sum(axis=0) - total[diagonal])
        own = np.maximum(error[diagonal], SINGLE_ROUNDING * unlike)
        is_certain = (inflation * own <= ROUNDING_LEFT * total[diagonal]).all()
        total += clear_of(rounding, error)
    return named_sums(total, run, layout) if is_certain and np.isfinite(total).all() else None


def _inflation(inverse: np.ndarray, meat: np.ndarray, dispersion: float) -> float:
    """By what a sandwich magnifies errors of its meat; infinite where rows of high leverage rule.

    What is left of their residuals is small beside its rounding error.
    """
    with np.errstate(all="ignore"):
        variances = np.einsum("ij,ij->j", inverse, meat @ inverse)
        if (FAR_ROWS * np.diag(meat) * np.diag(inverse) < dispersion)[np.diag(inverse) > 0.0].any():
            return np.inf
    return inflation_of_sandwich(inverse, meat, variances)
