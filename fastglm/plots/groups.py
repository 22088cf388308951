"""Rows in groups: sums of what was observed and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.kernels.blocks import planes

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["Observed", "observed", "quantile_groups"]


@dataclass(frozen=True, eq=False)
class Observed:
    """What was observed and expected, row by row.

    Attributes
    ----------
    response, mean : ndarray, shape (n,)
        Per unit of `weight`.
    weight : ndarray, shape (n,)
        Exposure where the model has one, else prior weight.
    weight_name : str
    """

    response: np.ndarray
    mean: np.ndarray
    weight: np.ndarray
    weight_name: str

    def by(self, group: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observed mean, expected mean and total weight of each group, (g,) each."""
        total = np.bincount(group, self.weight, minlength=n_groups)
        with np.errstate(invalid="ignore"):
            means = [
                np.bincount(group, self.weight * values, minlength=n_groups) / total
                for values in (self.response, self.mean)
            ]
        return means[0], means[1], total


def observed(fit: Fit) -> Observed:
    """Responses and fitted means, as rates where the model has an exposure."""
    rows = fit._model_with_data("observed responses").rows
    (mean,) = fit.row_values(planes.MEAN)
    weight = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    if rows.has_exposure and rows.offset is not None:
        exposure = np.exp(rows.offset)
        return Observed(rows.response / exposure, mean / exposure, weight * exposure, "exposure")
    name = "rows" if rows.prior_weights is None else "weight"
    return Observed(np.asarray(rows.response, np.float64), mean, weight, name)


def quantile_groups(values: np.ndarray, weight: np.ndarray, n_groups: int) -> np.ndarray:
    """Numbers of groups of about equal weight, from the smallest values to the largest, (n,).

    Equal values are in one group, so there may be fewer groups.
    """
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    share = (share - 0.5 * weight[order]) / share[-1]
    ordered = values[order]
    cuts = ordered[np.searchsorted(share, np.arange(1, n_groups) / n_groups)]
    group = np.searchsorted(np.unique(cuts), values, side="right")
    present = np.bincount(group) > 0
    return (np.cumsum(present) - 1)[group]
