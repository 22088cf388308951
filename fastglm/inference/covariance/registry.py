"""Every covariance of the estimates by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.fit.record import Fit
from fastglm.inference.covariance.bootstrap import bootstrap
from fastglm.inference.covariance.sandwich import SANDWICHES, Covariance, of_centred
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
    centring = fit.centring
    centred = centring.from_given(np.nan_to_num(replicates.cov_params()))
    matrix = centring.from_given(centred.T)
    return of_centred(fit, matrix, fit.df_resid, semidefinite_root(matrix), centring)


#: Options are keyword arguments with defaults.
COVARIANCES: dict[str, Callable[..., Covariance]] = {
    **SANDWICHES,
    **TIME_SERIES,
    "bootstrap": _bootstrap,
}
