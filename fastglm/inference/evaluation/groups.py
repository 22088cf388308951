"""Rows in groups: sums of what was observed and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import require_whole
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.rows.model_rows import ModelRows

__all__ = ["Groups", "Observed", "grouped", "observed", "observed_at", "quantile_groups"]

#: Standard deviations to either side of a mean that hold 95 of 100 draws.
REACH = 1.959963984540054
#: Relative difference up to which fitted rates are the same.
TIED = 1e-13


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
    variance : ndarray, shape (n,)
        Of weight times response, if the fit is right.
    rows : ModelRows
    """

    response: np.ndarray
    mean: np.ndarray
    weight: np.ndarray
    weight_name: str
    variance: np.ndarray
    rows: ModelRows

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
    rows = fit._rows_beside_columns("observed responses")
    (mean,) = fit.row_values(row_buffers.MEAN)
    return observed_at(rows, mean, fit.response_dispersion * fit.family.variance(mean))


def observed_at(rows: ModelRows, mean: np.ndarray, variance: np.ndarray) -> Observed:
    """Responses of rows beside means, and variances of responses of unit weight, (n,) each."""
    weight = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    variance = weight * variance
    exposure, response = rows.offset_parts.exposure, np.asarray(rows.response, np.float64)
    if exposure is not None:
        name = "exposure"
        rate = _tied(mean / exposure)
        return Observed(response / exposure, rate, weight * exposure, name, variance, rows)
    name = "rows" if rows.prior_weights is None else "weight"
    return Observed(response, mean, weight, name, variance, rows)


def _tied(values: np.ndarray) -> np.ndarray:
    """Values that differ by rounding alone, made equal.

    A mean over its exposure is not quite that of another row of the same rate, and curves over
    ordered rows, such as Lorenz's, would depend on which of them comes first.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    apart = np.append(True, np.diff(ordered) > TIED * np.abs(ordered[1:]))
    result = np.empty_like(values)
    result[order] = ordered[apart][np.cumsum(apart) - 1]
    return result


@dataclass(frozen=True, eq=False)
class Groups:
    """Sums over groups of rows, from the least fitted mean to the most.

    Attributes
    ----------
    group : ndarray, shape (n,)
        Of each row.
    actual, expected, weight : ndarray, shape (g,)
    low, high : ndarray, shape (g,)
        Between these the actual mean of a group falls in 95 of 100 cases, if the fit is right.
    """

    group: np.ndarray
    actual: np.ndarray
    expected: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray


def grouped(fit: Any, data: Observed, group: np.ndarray, n_groups: int) -> Groups:
    """Observed and expected means by group, and where observed ones fall by chance."""
    actual, expected, total = data.by(group, n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.bincount(group, data.variance, minlength=n_groups)) / total
    reach = REACH * spread
    lower, upper = fit.family.domain.lower, fit.family.domain.upper
    low, high = np.maximum(expected - reach, lower), np.minimum(expected + reach, upper)
    return Groups(group, actual, expected, total, low, high)


def quantile_groups(values: np.ndarray, weight: np.ndarray, n_groups: int) -> np.ndarray:
    """Numbers of groups of about equal weight, from the smallest values to the largest, (n,).

    Equal values are in one group, so there may be fewer groups.
    """
    require_whole("n_groups", n_groups, 1, None)
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    share = (share - 0.5 * weight[order]) / share[-1]
    ordered = values[order]
    # Of few rows the last may hold several shares.
    places = np.searchsorted(share, np.arange(1, n_groups) / n_groups)
    cuts = ordered[np.minimum(places, ordered.size - 1)]
    group = np.searchsorted(np.unique(cuts), values, side="right")
    present = np.bincount(group) > 0
    return (np.cumsum(present) - 1)[group]
