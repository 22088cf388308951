"""The log-likelihood of a fit, and the null model that it is compared with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastglm.design.matrix.parts import Design, Ones
from fastglm.families import Family
from fastglm.kernels.blocks import planes
from fastglm.passes.layout import lay_out
from fastglm.passes.row_values import evaluate_rows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.vectors import product
from fastglm.solve.fit import SolverOptions, solve

__all__ = ["NullFit", "log_likelihood", "null_fit"]


class NullFit(NamedTuple):
    """The model of nothing but an intercept and the offset, or of the offset alone.

    Attributes
    ----------
    design : Design
        A constant.
    params : ndarray, shape (1,)
    deviance : float
        NaN where the model has no means.
    """

    design: Design
    params: np.ndarray
    deviance: float


def log_likelihood(
    design: Design,
    rows: ModelRows,
    family: Family,
    params: np.ndarray,
    dispersion: float,
    n_threads: int,
) -> float:
    """Log-likelihood of the rows, as R's ``logLik`` counts it.

    Parameters
    ----------
    design : Design
        Of the p columns; the rest is that of `rows`.
    rows : ModelRows
    family : Family
    params : ndarray, shape (p,)
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
    weights, times = rows.variance_weights, rows.frequencies
    if rows.trials is not None and weights is not None and (rows.trials > 1).any():
        tried = rows.trials > 0
        each = np.divide(weights, rows.trials, out=np.zeros_like(weights), where=tried)
        weights, times = rows.trials, product(times, each)
    layout = lay_out(design, rows.response, weights, rows.offset)
    (values,) = evaluate_rows(
        layout,
        family,
        params,
        (planes.LOG_LIKELIHOOD,),
        dispersion=dispersion,
        n_threads=n_threads,
    )
    return float(values.sum() if times is None else values @ times)


def null_fit(rows: ModelRows, family: Family, has_intercept: bool, n_threads: int) -> NullFit:
    """Fit the null model.

    Parameters
    ----------
    rows : ModelRows
    family : Family
    has_intercept : bool
        Whether the fit it is compared with has one. Without, R's null model has none either: its
        linear predictor is the offset, or 0.
    n_threads : int
    """
    design = Design((Ones(rows.n_rows),), rows.n_rows, ("Intercept",), None, 0, ())
    if not has_intercept and not _has_means(rows, family):
        return NullFit(design, np.zeros(1), float("nan"))
    start: np.ndarray | None = np.zeros(1)
    if has_intercept:
        start = np.array([family.link(rows.mean_response)]) if rows.offset is None else None
    solution = solve(
        lay_out(design, rows.response, rows.prior_weights, rows.offset),
        family,
        SolverOptions(max_iter=50 if has_intercept else 1, n_threads=n_threads),
        binary=rows.summary.binary,
        start_params=start,
        safe_mean=lambda: rows.mean_response,
    )
    params = solution.params if has_intercept else np.zeros(1)
    return NullFit(design, params, solution.deviance)


def _has_means(rows: ModelRows, family: Family) -> bool:
    """Whether the offset alone, or 0, gives every row a mean inside the family's domain."""
    with np.errstate(all="ignore"):
        means = np.asarray(family.link.inverse(0.0 if rows.offset is None else rows.offset))
    lower, upper = family.domain.lower, family.domain.upper
    return bool(((means > lower) & (means < upper)).all())
