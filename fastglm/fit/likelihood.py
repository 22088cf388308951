"""The log-likelihood of a fit, and the null model that it is compared with."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastglm.families import Family
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows, sum_rows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_passes import sum_values
from fastglm.rows.vectors import product
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.streamed import solve_streamed

__all__ = ["NullFit", "log_likelihood", "null_fit"]

AnyRows: TypeAlias = ModelRows | StreamedModelRows

#: Relative, of what must be right but for rounding.
ROUNDING = 1e-12
#: Terms that a row may add to a log-likelihood: rounding errors grow with it.
MOST_OF_A_ROW = 1e4


class NullFit(NamedTuple):
    """The model of nothing but an intercept and the offset, or of the offset alone.

    Attributes
    ----------
    rows : ModelRows or StreamedModelRows
        With a constant for all columns.
    params : ndarray, shape (1,)
    deviance : float
        NaN where the model has no means.
    """

    rows: AnyRows
    params: np.ndarray
    deviance: float


def log_likelihood(
    rows: AnyRows,
    family: Family,
    params: np.ndarray,
    deviance: float | None,
    dispersion: float,
    n_threads: int,
) -> float:
    """Log-likelihood of the rows, as R's ``logLik`` counts it.

    Parameters
    ----------
    rows : ModelRows or StreamedModelRows
        These may take another pass.
    family : Family
    params : ndarray, shape (p,)
    deviance : float or None
        At these coefficients; None to read all rows at their means, whatever it is.
    dispersion : float
    n_threads : int

    Returns
    -------
    float
        NaN for families without a likelihood.

    Notes
    -----
    Successes and failures have the binomial log-likelihood of their trials, and a variance weight
    is a number of such rows, unless no row has more than one trial: see the ``aic`` of R's
    ``binomial``.
    """
    if not family.has_likelihood:
        return float("nan")
    saturated = family.saturated_log_likelihood(rows.summary.binary)
    if saturated is not None and deviance is not None and not rows.any_variance_weights:
        return saturated - 0.5 * deviance / dispersion
    if isinstance(rows, StreamedModelRows):
        many = rows.many_trials
        total = sum_values(
            rows, lambda some: _row_values(some, many, family, params, dispersion), n_threads
        )
        return float(total[0])
    weights, times = _weights_and_times(rows, rows.many_trials)

    def summed(row_table: RowTable, at: np.ndarray, *wanted: int) -> list[float]:
        return sum_rows(
            row_table, family, at, wanted, dispersion=dispersion, times=times, n_threads=n_threads
        ).tolist()

    if deviance is not None and family.deviance_is_likelihood_ratio and dispersion > 0.0:
        constant = _at_mean(rows, family)
        if constant is not None:
            # All that means add to the log-likelihood is in the deviance: a pass over responses
            # at their mean, without the columns, gives the rest.
            row_table = build_row_table(rows.without_columns().design, rows.response, weights)
            found, other = summed(
                row_table, constant, row_buffers.LOG_LIKELIHOOD, row_buffers.DEVIANCE
            )
            added = 0.5 * (other - deviance) / dispersion
            if abs(added) <= MOST_OF_A_ROW * rows.n_rows:
                return found + added
    row_table = build_row_table(rows.design, rows.response, weights, rows.offset)
    return summed(row_table, params, row_buffers.LOG_LIKELIHOOD)[0]


def _weights_and_times(
    rows: ModelRows, many_trials: bool
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Prior weights of single observations, and how often each counts; None for once."""
    weights, times = rows.variance_weights, rows.frequencies
    if rows.trials is None or weights is None or not many_trials:
        return weights, times
    tried = rows.trials > 0
    each = np.divide(weights, rows.trials, out=np.zeros_like(weights), where=tried)
    return rows.trials, product(times, each)


def _row_values(
    rows: ModelRows, many_trials: bool, family: Family, params: np.ndarray, dispersion: float
) -> np.ndarray:
    """Log-likelihood of each row, (n,), as often as it counts."""
    weights, times = _weights_and_times(rows, many_trials)
    row_table = build_row_table(rows.design, rows.response, weights, rows.offset)
    wanted = (row_buffers.LOG_LIKELIHOOD,)
    (values,) = evaluate_rows(row_table, family, params, wanted, dispersion=dispersion)
    return values if times is None else values * times


def _at_mean(rows: AnyRows, family: Family) -> np.ndarray | None:
    """Linear predictor, (1,), of the mean response; None where that has none."""
    mean = rows.mean_response
    with np.errstate(all="ignore"):
        eta = float(family.link(mean)) if family.domain.lower < mean < family.domain.upper else 0.0
        inside = family.domain.lower < mean < family.domain.upper and np.isfinite(eta)
        inside = inside and abs(float(family.link.inverse(eta)) - mean) <= ROUNDING * abs(mean)
    return np.array([eta]) if inside else None


def null_fit(rows: AnyRows, family: Family, has_intercept: bool, n_threads: int) -> NullFit:
    """Fit the null model.

    Parameters
    ----------
    rows : ModelRows or StreamedModelRows
    family : Family
    has_intercept : bool
        Whether the fit it is compared with has one. Without, R's null model has none either: its
        linear predictor is the offset, or 0.
    n_threads : int
    """
    constant = rows.without_columns()
    if not has_intercept and not _has_means(rows, family):
        return NullFit(constant, np.zeros(1), float("nan"))
    start: np.ndarray | None = np.zeros(1)
    if has_intercept:
        start = _at_mean(rows, family) if not rows.any_offset else None
        deviance = None if start is None else _deviance_at_mean(rows, family, start, n_threads)
        if start is not None and deviance is not None:
            return NullFit(constant, start, deviance)
    options = SolverOptions(max_iter=50 if has_intercept else 1, n_threads=n_threads)
    asked: dict[str, Any] = {
        "binary": rows.summary.binary,
        "start_params": start,
        "safe_mean": lambda: rows.mean_response,
    }
    if isinstance(constant, StreamedModelRows):
        source, reach = constant.row_source(n_threads), constant.totals.offset_range
        solution = solve_streamed(source, family, options, offset_range=reach, **asked).solution
    else:
        solution = solve(constant.row_table(), family, options, **asked)
    params = solution.params if has_intercept else np.zeros(1)
    return NullFit(constant, params, solution.deviance)


def _deviance_at_mean(
    rows: AnyRows, family: Family, params: np.ndarray, n_threads: int
) -> float | None:
    """Deviance of the mean response, where that is seen to be the best constant."""
    mean = rows.mean_response
    if rows.summary.binary:
        failure, success = family.unit_deviance(np.array([0.0, 1.0]), np.array([mean, mean]))
        return float(rows.sum_weights * ((1.0 - mean) * failure + mean * success))
    if isinstance(rows, StreamedModelRows):
        return None
    deviance, residual, weight = sum_rows(
        build_row_table(rows.without_columns().design, rows.response, rows.prior_weights),
        family,
        params,
        (row_buffers.DEVIANCE, row_buffers.RESIDUAL, row_buffers.WEIGHT),
        n_threads=n_threads,
    )
    # By half of this a step would lower the deviance.
    return float(deviance) if residual**2 <= ROUNDING * weight * (deviance + 0.1) else None


def _has_means(rows: AnyRows, family: Family) -> bool:
    """Whether the offset alone, or 0, gives every row a mean inside the family's domain."""
    offset: Any = rows.totals.offset_range if isinstance(rows, StreamedModelRows) else rows.offset
    with np.errstate(all="ignore"):
        means = np.asarray(family.link.inverse(0.0 if offset is None else np.asarray(offset)))
    lower, upper = family.domain.lower, family.domain.upper
    return bool(((means > lower) & (means < upper)).all())
