"""Estimates of resampled data: their covariance, bias and intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.errors import ModelError, require_level
from fastglm.inference.rendering import RenderedFrame
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit

__all__ = ["Bootstrap"]


@dataclass(frozen=True, eq=False)
class Bootstrap(RenderedFrame):
    """Estimates of resampled data.

    Attributes
    ----------
    names : tuple of str
        Names of the p coefficients.
    estimates : ndarray, shape (p,)
        Of the data themselves.
    replicates : ndarray, shape (B, p)
        Of the samples; NaN in all of a row where a sample has no estimates.
    kind : {"pairs", "cluster", "parametric"}
    seed : int
    n_failed : int
        Samples without estimates: separated, or with a column that tells nothing.
    groups : ndarray of int64, shape (n,), or None
        Group of each row, where groups were drawn.
    fit : Fit
        The fit.
    """

    names: tuple[str, ...]
    estimates: np.ndarray
    replicates: np.ndarray
    kind: str
    seed: int
    n_failed: int
    groups: np.ndarray | None
    fit: Fit

    @property
    def _usable(self) -> np.ndarray:
        kept = ~np.isnan(self.estimates)
        usable = self.replicates[~np.isnan(self.replicates[:, kept]).any(axis=1)]
        if len(usable) < 2:
            raise ModelError("fewer than two of the samples have estimates.")
        return usable

    def cov_params(self) -> np.ndarray:
        """Covariance of the replicates, (p, p)."""
        away = self._usable - self._usable.mean(axis=0)
        return away.T @ away / (len(away) - 1.0)

    @property
    def bse(self) -> np.ndarray:
        """Standard deviations of the replicates, (p,)."""
        return np.sqrt(np.diag(self.cov_params()))

    @property
    def bias(self) -> np.ndarray:
        """Mean of the replicates less the estimates, (p,)."""
        return self._usable.mean(axis=0) - self.estimates

    def conf_int(self, alpha: float = 0.05, method: str = "percentile") -> np.ndarray:
        """Intervals at level 1 - alpha, (p, 2).

        Parameters
        ----------
        alpha : float, default 0.05
        method : {"percentile", "basic", "bca"}, default "percentile"
            Quantiles of the replicates; those reflected at the estimate; or quantiles at levels
            that are corrected for bias and for a standard error that changes with the coefficient.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1, there is no such method, or "bca" is asked of
            parametric replicates, or where all replicates are on one side of the estimate.

        Notes
        -----
        "bca": Efron (1987), *Journal of the American Statistical Association* 82, with the
        acceleration from the influence of each row, or group of rows, on the estimates.
        """
        require_level(alpha)
        if method == "bca":
            return self._corrected(alpha)
        low, high = np.quantile(self._usable, [alpha / 2.0, 1.0 - alpha / 2.0], axis=0)
        if method == "basic":
            low, high = 2.0 * self.estimates - high, 2.0 * self.estimates - low
        elif method != "percentile":
            raise ModelError(f'method must be "percentile", "basic" or "bca", not {method!r}')
        return np.column_stack([low, high])

    def _corrected(self, alpha: float) -> np.ndarray:
        if self.kind == "parametric":
            raise ModelError('method="bca" is for rows or groups drawn from the data.')
        usable, limits = self._usable, np.full((len(self.names), 2), np.nan)
        # Ties count as half below.
        below = np.mean([usable < self.estimates, usable <= self.estimates], axis=(0, 1))
        normal = scipy.special.ndtri([alpha / 2.0, 1.0 - alpha / 2.0])
        acceleration = _accelerations(self.fit, self.groups)
        for j in np.flatnonzero(~np.isnan(self.estimates)):
            if not 0.0 < below[j] < 1.0:
                raise ModelError(
                    f"all replicates of {self.names[j]!r} are on one side of its estimate: draw "
                    'more, or use method="percentile".'
                )
            bias = scipy.special.ndtri(below[j])
            moved = bias + (bias + normal) / (1.0 - acceleration[j] * (bias + normal))
            limits[j] = np.quantile(usable[:, j], scipy.special.ndtr(moved))
        return limits

    def summary_frame(self, alpha: float = 0.05, method: str = "percentile") -> pd.DataFrame:
        """Estimates, biases, standard errors and intervals as a pandas DataFrame."""
        import pandas as pd

        low, high = self.conf_int(alpha, method).T
        columns = {
            "coef": self.estimates,
            "bias": self.bias,
            "std err": self.bse,
            f"[{alpha / 2:.3g}": low,
            f"{1 - alpha / 2:.3g}]": high,
        }
        return pd.DataFrame(columns, index=list(self.names))

    def _heading(self) -> str:
        return repr(self).strip("<>")

    def __repr__(self) -> str:
        return f"<Bootstrap: {len(self.replicates)} replicates ({self.kind}), seed {self.seed}>"


def _accelerations(fit: Any, groups: np.ndarray | None) -> np.ndarray:
    """A sixth of the skewness of what each row, or group of rows, adds to the estimates, (p,)."""
    rows, p = fit._model_with_data("accelerations").rows, len(fit.names)
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    totals = np.zeros((0 if groups is None else int(groups.max()) + 1, p))
    squares, cubes = np.zeros(p), np.zeros(p)
    several = fit.has_several_predictors
    for part, influence in fit.row_influences() if several else _influences(fit, groups):
        if groups is not None:
            np.add.at(totals, groups[part], influence)
            continue
        n = often[part]
        # Of several predictors they are those of all observations behind a row.
        one = influence / np.where(n > 0.0, n, 1.0)[:, None] if several else influence
        squares += n @ one**2
        cubes += n @ one**3
    squares, cubes = squares + (totals**2).sum(axis=0), cubes + (totals**3).sum(axis=0)
    return cubes / (6.0 * np.where(squares > 0.0, squares, np.nan) ** 1.5)


def _influences(fit: Fit, groups: np.ndarray | None) -> Iterator[tuple[slice, np.ndarray]]:
    """What an observation of each row, or of groups the row, adds to the estimates, slice-wise."""
    model = fit._model_with_data("accelerations")
    (residual,) = evaluate_rows(
        fit._row_table if groups is None else model.row_table,
        fit.family,
        fit.estimates,
        (row_buffers.RESIDUAL,),
        n_threads=fit.n_threads,
    )
    back = np.nan_to_num(fit.information_inverse)
    for part, X in dense_slices(model.rows.design):
        yield part, (X * residual[part, None]) @ back
