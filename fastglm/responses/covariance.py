"""Robust covariances of fits with several predictors, from the scores of the rows.

White (1982), "Maximum likelihood estimation of misspecified models", *Econometrica* 50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.inference.covariance.sandwich import Covariance, clustered, over_df

if TYPE_CHECKING:
    from fastglm.responses.results import ResponseResults

__all__ = ["ROBUST"]


def _nonrobust(results: ResponseResults) -> Covariance:
    return Covariance(results.information_inverse, results.df_resid)


def _sandwich(results: ResponseResults, groups: tuple[np.ndarray, int] | None) -> np.ndarray:
    """``B M B``: inverse information, and products of scores of rows, or of sums over groups."""
    model = results._model_with_data("a robust covariance")
    back, scores_of = model.row_scores(results.estimates, results.n_threads)
    m, frequencies = back.shape[0], model.rows.frequencies
    meat = np.zeros((m, m))
    sums = np.zeros((0 if groups is None else groups[1], m))
    for numbers, scores in scores_of:
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
    bread = np.linalg.solve(back, np.nan_to_num(results.information_inverse))
    matrix = bread.T @ meat @ bread
    unknown = np.isnan(results.information_inverse.diagonal())
    matrix[unknown] = np.nan
    matrix[:, unknown] = np.nan
    return 0.5 * (matrix + matrix.T)


def _hc0(results: ResponseResults) -> Covariance:
    return Covariance(_sandwich(results, None), results.df_resid)


def _hc1(results: ResponseResults) -> Covariance:
    factor = over_df(results, results.nobs)
    return Covariance(factor * _sandwich(results, None), results.df_resid)


def _cluster(
    results: ResponseResults, *, groups: Any = None, use_correction: bool | str = True
) -> Covariance:
    return clustered(
        results, groups, use_correction, lambda codes, n: _sandwich(results, (codes, n))
    )


#: Every covariance by name. Options are keyword arguments with defaults.
ROBUST: dict[str, Callable[..., Covariance]] = {
    "nonrobust": _nonrobust,
    "HC0": _hc0,
    "HC1": _hc1,
    "cluster": _cluster,
}
