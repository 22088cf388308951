"""Every covariance of the estimates by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.fit.record import Fit
from fastglm.inference.covariance.bootstrap import bootstrap
from fastglm.inference.covariance.sandwich import SANDWICHES, Covariance, of_centered
from fastglm.inference.covariance.time_series import TIME_SERIES
from fastglm.solve.conditioning import semidefinite_root

__all__ = ["COVARIANCES"]


def _bootstrap(
    fit: Fit,
    *,
    n_replicates: int = 1000,
    seed: int = 0,
    kind: str = "pairs",
    groups: Any = None,
) -> Covariance:
    replicates = bootstrap(fit, n_replicates, seed, kind, groups, None)
    centering = fit.centering
    centered = centering.from_given(np.nan_to_num(replicates.cov_params()))
    matrix = centering.from_given(centered.T)
    return of_centered(fit, matrix, fit.df_resid, semidefinite_root(matrix), centering)


#: Options are keyword arguments with defaults.
COVARIANCES: dict[str, Callable[..., Covariance]] = {
    **SANDWICHES,
    **TIME_SERIES,
    "bootstrap": _bootstrap,
}
