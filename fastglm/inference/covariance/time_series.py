"""Covariances of the estimates where rows near each other in time depend on each other.

Newey & West (1987), *Econometrica* 55, for one series; the same within every unit of a panel;
Driscoll & Kraay (1998), *Review of Economics and Statistics* 80, for the sums of all units at each
time. Names, options and small-sample factors are statsmodels'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import DataError, ModelError
from fastglm.inference.covariance.groups import group_values
from fastglm.inference.covariance.sandwich import (
    Covariance,
    orthogonal_rows,
    over_df,
    sandwich,
    trusted,
)
from fastglm.passes.products import hac_products
from fastglm.solve.orthogonal_rows import ScoreProducts, lag_products

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase
    from fastglm.fit.record import Fit

__all__ = ["TIME_SERIES", "Kernel", "lag_weights", "number_of_lags", "rows_in_time"]

Kernel = str | Callable[[int], Any]


def _bartlett(n_lags: int) -> np.ndarray:
    return 1.0 - np.arange(n_lags + 1) / (n_lags + 1.0)


_KERNELS: dict[str, Callable[[int], Any]] = {
    "bartlett": _bartlett,
    "uniform": lambda n_lags: np.ones(n_lags + 1),
}


def lag_weights(kernel: Kernel, n_lags: int) -> np.ndarray:
    """Weights of the lags 0 to `n_lags`."""
    if isinstance(kernel, str):
        others = " or a function of the number of lags that gives their weights"
        kernel = _KERNELS[checked_choice("kernel", kernel, _KERNELS, others)]
    weights = np.asarray(kernel(n_lags), dtype=np.float64)
    if weights.shape != (n_lags + 1,) or not np.isfinite(weights).all():
        raise ModelError(
            f"kernel must give {n_lags + 1} finite weights, of the lags 0 to {n_lags}, not an "
            f"array of shape {weights.shape}"
        )
    return weights


def number_of_lags(maxlags: int | None, n_times: int) -> int:
    """Number of lags; by default Newey and West's rule of thumb for that many times."""
    if maxlags is None:
        return min(int(4.0 * (n_times / 100.0) ** (2.0 / 9.0)), n_times - 1)
    if isinstance(maxlags, bool) or not 0 <= maxlags < n_times or maxlags != int(maxlags):
        raise ModelError(
            f"maxlags must be a whole number from 0 to the number of times less one, "
            f"{n_times - 1}, not {maxlags!r}"
        )
    return int(maxlags)


def rows_in_time(fit: FitBase) -> Any:
    """The rows of a fit, which must be one for each time."""
    rows = fit._model_with_data("a covariance over time").rows
    if rows.frequencies is not None:
        raise ModelError(
            "a covariance over time needs one row per time: freq_weights have no order."
        )
    return rows


def _hac(
    fit: Fit,
    *,
    maxlags: int | None = None,
    kernel: Kernel = "bartlett",
    weights_func: Kernel | None = None,
    use_correction: bool = False,
) -> Covariance:
    """Rows in the order of time.

    A window of k + 1 rows holds both rows of a lag l <= k in k + 1 - l places, so sums of scores
    over moving windows take the place of sums over lags: the second differences of the kernel's
    weights are those of the windows. Bartlett's weights need one window only.
    """
    n_lags = number_of_lags(maxlags, rows_in_time(fit).n_rows)
    weights = lag_weights(kernel if weights_func is None else weights_func, n_lags)
    shares = np.diff(np.append(weights, [0.0, 0.0]), n=2)
    shares[np.abs(shares) < 4.0 * np.finfo(float).eps * np.abs(weights).max()] = 0.0
    row_table, root, centering = fit._row_table, fit.inverse_information_factor, fit.centering

    def window_sums(lags: int) -> np.ndarray:
        def by_sums() -> ScoreProducts:
            gram, standard = hac_products(
                row_table,
                fit.family,
                fit.estimates,
                lags,
                shifted=fit.has_intercept,
                n_threads=fit.n_threads,
            )
            return ScoreProducts.from_gram(gram, standard, root, centering)

        def by_rows() -> ScoreProducts:
            return orthogonal_rows(fit, row_table).hac_products(lags)

        return trusted(fit, by_sums, by_rows).meat

    meat = sum(
        (shares[lags] * window_sums(lags) for lags in np.flatnonzero(shares).tolist()),
        np.zeros_like(root),
    )
    factor = over_df(fit, fit.nobs) if use_correction else 1.0
    return sandwich(fit, factor * meat, fit.df_resid)


def _correction(fit: Fit, use_correction: bool | str, n_groups: int) -> float:
    """Statsmodels' small-sample factor of a panel."""
    if use_correction not in (False, "hac", "cluster"):
        raise ModelError(
            'use_correction must be "hac" for n/(n-p), "cluster" for G/(G-1) (n-1)/(n-p), or '
            f"False, not {use_correction!r}"
        )
    if not use_correction:
        return 1.0
    if use_correction == "hac":
        return over_df(fit, fit.nobs)
    return n_groups / (n_groups - 1.0) * over_df(fit, fit.nobs - 1.0)


def _unit_starts(fit: Fit, time: Any, groups: Any) -> np.ndarray:
    """First rows of the units of a panel, whose rows follow each other in the order of time."""
    if groups is not None:
        codes = group_values(fit, groups, "groups")
        starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        if np.unique(codes[starts]).size < starts.size:
            raise DataError("groups: the rows of a unit must follow each other; sort the frame.")
    elif time is not None:
        times = group_values(fit, time, "time")
        starts = np.flatnonzero(np.append(True, times[1:] < times[:-1]))
    else:
        raise ModelError('covariance "hac-panel" needs cov_kwds={"groups": ...} or {"time": ...}.')
    if starts.size < 2:
        raise DataError("a panel needs two units or more; for one series take HAC.")
    return starts


def _hac_panel(
    fit: Fit,
    *,
    maxlags: int | None = None,
    groups: Any = None,
    time: Any = None,
    kernel: Kernel = "bartlett",
    weights_func: Kernel | None = None,
    use_correction: bool | str = "hac",
    df_correction: bool = True,
) -> Covariance:
    """Lags within the units of a panel; new units begin where `groups` change or `time` falls."""
    n_rows = rows_in_time(fit).n_rows
    starts = _unit_starts(fit, time, groups)
    n_lags = number_of_lags(maxlags, int(np.diff(starts, append=n_rows).max()))
    weights = lag_weights(kernel if weights_func is None else weights_func, n_lags)
    unit = np.zeros(n_rows, dtype=np.int64)
    unit[starts[1:]] = 1
    meat = lag_products(orthogonal_rows(fit, fit._row_table).scores(), weights, np.cumsum(unit))
    factor = _correction(fit, use_correction, starts.size)
    return sandwich(fit, factor * meat, starts.size - 1.0 if df_correction else fit.df_resid)


def _hac_groupsum(
    fit: Fit,
    *,
    maxlags: int | None = None,
    time: Any = None,
    kernel: Kernel = "bartlett",
    weights_func: Kernel | None = None,
    use_correction: bool | str = "cluster",
    df_correction: bool = True,
) -> Covariance:
    """Scores are summed over all rows of a time, and the sums have lags."""
    rows_in_time(fit)
    if time is None:
        raise ModelError('covariance "hac-groupsum" needs cov_kwds={"time": ...}.')
    codes = group_values(fit, time, "time")
    n_times = int(codes.max()) + 1
    n_lags = number_of_lags(maxlags, n_times)
    weights = lag_weights(kernel if weights_func is None else weights_func, n_lags)
    sums = orthogonal_rows(fit, fit._row_table).group_sums(codes, n_times)
    meat = lag_products([(slice(0, n_times), sums)], weights, np.zeros(n_times, dtype=np.int64))
    factor = _correction(fit, use_correction, n_times)
    return sandwich(fit, factor * meat, n_times - 1.0 if df_correction else fit.df_resid)


#: By name. Options are keyword arguments with defaults.
TIME_SERIES: dict[str, Callable[..., Covariance]] = {
    "HAC": _hac,
    "hac-panel": _hac_panel,
    "nw-panel": _hac_panel,
    "hac-groupsum": _hac_groupsum,
    "nw-groupsum": _hac_groupsum,
}
