"""The middle of a sandwich covariance: sums of squared scores, in single precision if that will do.

Many dense rows are added up in single precision, and some chunks of them once more in double: what
that changes is taken back, if its sampling error, as the sandwich magnifies it, is small enough.
"""

from __future__ import annotations

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.table import MEAT, N_SUMS, SUM_OUTSIDE, WITH_GRAM
from fastglm.kernels.passes.score_products import score_products_kernel
from fastglm.passes.chunks import (
    FLOAT32_ROUNDING,
    SAMPLED_ROUNDING,
    Chunks,
    clear_of,
    enough_chunks,
    may_sample_rounding,
)
from fastglm.passes.products import (
    CrossProducts,
    RowPass,
    bind_partials,
    named_sums,
    score_pass,
    sum_products,
)
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import in_tiles, to_stored_columns
from fastglm.passes.scaling import Centering
from fastglm.passes.source import MemoryRows, RowSource
from fastglm.solve.conditioning import inflation_of_sandwich

__all__ = ["score_products"]

#: Sums over X with fewer values than this are too cheap to be made cheaper.
FLOAT32_FROM_VALUES = 2_000_000
#: Largest sampling error, as a share of a variance, of a correction of rounding.
ROUNDING_LEFT = 1e-7
#: In single precision, a row's linear predictor may be this many of its standard errors from zero:
#: beyond, rounding would show in the residual of a single row of high leverage.
FLOAT32_REACH = 50.0
#: Scores that vary so many times less than the information implies come from rows of leverage close
#: to 1, whose residuals are small beside their rounding errors.
FAR_ROWS = 16.0


def score_products(
    rows: RowSource,
    family: Family,
    params: np.ndarray,
    *,
    shifted: bool,
    power: int,
    leverage_factor: np.ndarray,
    centering: Centering,
    mean_leverage: float,
    frequencies: np.ndarray | None,
    n_threads: int,
    dispersion: float = 1.0,
    exact: bool = False,
) -> CrossProducts:
    """Sum of squared score residuals times x x', and of score residuals times x.

    Parameters
    ----------
    rows
        With response and the weights of single observations, without frequencies.
    family, params, shifted, n_threads
        As for `information`.
    power
        Residuals are over ``(1 - leverage)**(power / 2)``; 0, 1, 2 or `HC4_EXPONENT`.
    leverage_factor
        (p, p) matrix F such that ``|F'x|**2`` times its weight is a row's leverage, where x is
        centred.
    centering
        How.
    mean_leverage
        Coefficients over observations, the unit of `HC4_EXPONENT`.
    frequencies
        (n,) numbers of observations behind each row, None if all are one or `rows` knows them.
    dispersion
        Of the fit.
    exact
        True to add up in double precision whatever the number of rows.
    """
    row_table = rows.row_table
    run = score_pass(row_table, family, params, shifted)
    table = run.table
    table.mode = WITH_GRAM | MEAT
    if frequencies is not None:
        table.point(fields.ROW_FACTOR, frequencies)
    factor = np.zeros((0, row_table.n_stored))
    standardized = run.standard.to_standardized_centered(leverage_factor, centering)
    if power:
        factor = in_tiles(to_stored_columns(row_table, standardized.T))
    mean = np.array([mean_leverage, FLOAT32_REACH**2 * dispersion])
    table.bind_factor(factor)
    table.set(fields.LEVERAGE_POWER, power)
    table.point(fields.MEAN_LEVERAGE, mean)
    is_large = row_table.n_rows * row_table.n_stored >= FLOAT32_FROM_VALUES
    if rows.is_in_memory and row_table.is_dense and is_large and not exact:
        products = _sum_in_float32(
            run, row_table, family, factor, standardized @ standardized.T, dispersion, n_threads
        )
        if products is not None:
            return products
    return sum_products(run, rows, n_threads)


def _sum_in_float32(
    run: RowPass,
    row_table: RowTable,
    family: Family,
    factor: np.ndarray,
    inverse: np.ndarray,
    dispersion: float,
    n_threads: int,
) -> CrossProducts | None:
    """Sums of `score_products_kernel` by single precision, less estimated rounding.

    None if that is not certain enough for the variances that the inverse information of
    standardised columns, (p, p), makes of them.
    """
    partials = bind_partials(run.table, MemoryRows(row_table))
    float32_table = run.table.copy()
    float32_table.bind_float32(family)
    float32_table.bind_factor(factor.astype(np.float32))
    float32_table.launch(score_products_kernel, len(partials), n_threads)
    total = partials.sum(axis=0)
    if total[SUM_OUTSIDE - N_SUMS] > 0.0:
        return None
    inflation = _inflation(inverse, named_sums(total, run, row_table).gram, dispersion)
    needed = inflation * SAMPLED_ROUNDING / ROUNDING_LEFT
    if not may_sample_rounding(row_table.n_rows, needed):
        return None
    chunks = Chunks(partials, enough_chunks(len(partials), row_table.n_rows, max(1.0, needed)))
    before = chunks.sums.copy()
    chunks.visit(score_products_kernel, run.table, run.table.mode, n_threads)
    diagonal = np.arange(row_table.n_stored) * (row_table.gram_order + 1)
    with np.errstate(all="ignore"):
        change = chunks.sums - before
        rounding, error = chunks.weight * change.sum(axis=0), chunks.error_of(change)
        # Rows unlike those of the chunks have rounding errors of their own.
        unlike = np.abs(chunks.weight * before[:, diagonal].sum(axis=0) - total[diagonal])
        own = np.maximum(error[diagonal], FLOAT32_ROUNDING * unlike)
        is_certain = (inflation * own <= ROUNDING_LEFT * total[diagonal]).all()
        total += clear_of(rounding, error)
    return named_sums(total, run, row_table) if is_certain and np.isfinite(total).all() else None


def _inflation(inverse: np.ndarray, meat: np.ndarray, dispersion: float) -> float:
    """By what a sandwich magnifies errors of its meat; infinite where rows of high leverage rule.

    What is left of their residuals is small beside its rounding error.
    """
    with np.errstate(all="ignore"):
        variances = np.einsum("ij,ij->j", inverse, meat @ inverse)
        if (FAR_ROWS * np.diag(meat) * np.diag(inverse) < dispersion)[np.diag(inverse) > 0.0].any():
            return np.inf
    return inflation_of_sandwich(inverse, meat, variances)
