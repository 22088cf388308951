"""Robust covariances of fits with several predictors, from the scores of the rows.

White (1982), "Maximum likelihood estimation of misspecified models", *Econometrica* 50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.inference.covariance.bootstrap import bootstrap
from fastglm.inference.covariance.sandwich import (
    Covariance,
    clustered,
    jackknife_meat,
    over_df,
    require_leverage,
)
from fastglm.inference.covariance.time_series import (
    Kernel,
    lag_weights,
    number_of_lags,
    rows_in_time,
)
from fastglm.kernels.passes.score_products import HC4_EXPONENT
from fastglm.solve.conditioning import semidefinite_root

if TYPE_CHECKING:
    from fastglm.responses.record import ResponseFit

__all__ = ["ROBUST"]


def _nonrobust(fit: ResponseFit) -> Covariance:
    return Covariance(fit.information_inverse, fit.df_resid)


def _sandwich(fit: ResponseFit, groups: tuple[np.ndarray, int] | None) -> np.ndarray:
    """``B M B``: inverse information, and products of scores of rows, or of sums over groups."""
    model = fit._model_with_data("a robust covariance")
    rows = model.row_scores(fit.estimates, fit.n_threads)
    m, frequencies = fit.estimates.size, model.rows.frequencies
    meat = np.zeros((m, m))
    sums = np.zeros((0 if groups is None else groups[1], m))
    for numbers, scores in rows.scores():
        if groups is not None:
            n = len(scores)
            place, shape = (groups[0][numbers], np.arange(n)), (groups[1], n)
            sums += scipy.sparse.csr_array((np.ones(n), place), shape=shape) @ scores
            continue
        # A row that stands for f alike counts f times; its score here is f times its own.
        tiny = np.finfo(float).tiny
        f = 1.0 if frequencies is None else np.maximum(frequencies[numbers, None], tiny)
        meat += (scores / f).T @ scores
    if groups is not None:
        meat = sums.T @ sums
    bread = np.linalg.solve(rows.back, np.nan_to_num(fit.information_inverse))
    matrix = bread.T @ meat @ bread
    return _unknown_where_aliased(fit, 0.5 * (matrix + matrix.T))


def _unknown_where_aliased(fit: ResponseFit, matrix: np.ndarray) -> np.ndarray:
    unknown = np.isnan(fit.information_inverse.diagonal())
    matrix[unknown] = np.nan
    matrix[:, unknown] = np.nan
    return matrix


def _adjusted(fit: ResponseFit, power: int, is_jackknife: bool = False) -> Covariance:
    """The sandwich of scores of rows from which a power of their leverage is divided out."""
    model = fit._model_with_data("a robust covariance")
    rows = model.row_scores(fit.estimates, fit.n_threads, second=True)
    bread = np.linalg.solve(rows.back, np.nan_to_num(fit.information_inverse))
    root = semidefinite_root(np.linalg.solve(rows.back, bread.T))
    products = rows.adjusted_products(root, power, fit.rank / fit.nobs, model.rows.frequencies)
    require_leverage(products.n_undefined)
    meat = jackknife_meat(products, fit.nobs) if is_jackknife else products.meat
    half = rows.back @ root
    return Covariance(_unknown_where_aliased(fit, half @ meat @ half.T), fit.df_resid)


def _hc0(fit: ResponseFit) -> Covariance:
    return Covariance(_sandwich(fit, None), fit.df_resid)


def _hc1(fit: ResponseFit) -> Covariance:
    factor = over_df(fit, fit.nobs)
    return Covariance(factor * _sandwich(fit, None), fit.df_resid)


def _hc2(fit: ResponseFit) -> Covariance:
    return _adjusted(fit, 1)


def _hc3(fit: ResponseFit) -> Covariance:
    return _adjusted(fit, 2)


def _hc4(fit: ResponseFit) -> Covariance:
    return _adjusted(fit, HC4_EXPONENT)


def _jackknife(fit: ResponseFit) -> Covariance:
    return _adjusted(fit, 2, is_jackknife=True)


def _cluster(
    fit: ResponseFit, *, groups: Any = None, use_correction: bool | str = True
) -> Covariance:
    return clustered(fit, groups, use_correction, lambda codes, n: _sandwich(fit, (codes, n)))


def _hac(
    fit: Any,
    *,
    maxlags: int | None = None,
    kernel: Kernel = "bartlett",
    weights_func: Kernel | None = None,
    use_correction: bool = False,
) -> Covariance:
    """Rows in the order of time; Newey & West (1987), *Econometrica* 55."""
    n_lags = number_of_lags(maxlags, rows_in_time(fit).n_rows)
    weights = lag_weights(kernel if weights_func is None else weights_func, n_lags)
    influence = np.concatenate([each for _, each in fit.row_influences()])
    matrix = weights[0] * influence.T @ influence
    for lag in range(1, n_lags + 1):
        product = influence[lag:].T @ influence[:-lag]
        matrix += weights[lag] * (product + product.T)
    factor = over_df(fit, fit.nobs) if use_correction else 1.0
    return Covariance(_unknown_where_aliased(fit, matrix * factor), fit.df_resid)


def _bootstrap(
    fit: ResponseFit,
    *,
    n_replicates: int = 1000,
    seed: int = 0,
    kind: str = "pairs",
    groups: Any = None,
) -> Covariance:
    replicates = bootstrap(fit, n_replicates, seed, kind, groups, None)
    return Covariance(replicates.cov_params(), fit.df_resid)


#: Every covariance by name. Options are keyword arguments with defaults.
ROBUST: dict[str, Callable[..., Covariance]] = {
    "nonrobust": _nonrobust,
    "HC0": _hc0,
    "HC1": _hc1,
    "HC2": _hc2,
    "HC3": _hc3,
    "HC4": _hc4,
    "cluster": _cluster,
    "HAC": _hac,
    "jackknife": _jackknife,
    "bootstrap": _bootstrap,
}
