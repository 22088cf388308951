"""Is the model right: tests of the link, and of the number of zeros."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.arguments import checked_number
from fastglm.errors import (
    ConvergenceWarning,
    ModelError,
    StartError,
)
from fastglm.families import Family
from fastglm.families.links import Power
from fastglm.inference.diagnostics.added_columns import (
    Added,
    other_fit,
    predictor_of_rows,
    test_of_columns,
)
from fastglm.inference.hypothesis_tests.refits import streamed_rows
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.inference.rendering import RenderedText
from fastglm.kernels.blocks import row_buffers
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed_passes import sum_values

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit

__all__ = [
    "PowerLinkProfile",
    "goodness_of_link",
    "link_test",
    "power_link_profile",
    "zero_inflation_test",
]

#: Powers that a profile starts from.
POWERS = tuple(np.linspace(-2.0, 2.0, 17).tolist())


# -- the link


def _centered_predictor(fit: Fit) -> np.ndarray:
    """Linear predictor less what the link gives a probability of one half, or else its mean."""
    (eta,) = fit.row_values(row_buffers.LINEAR_PREDICTOR)
    if fit.family.takes_two_columns:
        return eta - float(fit.family.link(0.5))
    rows = fit._rows_beside_columns("the mean linear predictor")
    return eta - np.average(eta, weights=_times_observed(rows))


def _times_observed(rows: ModelRows) -> np.ndarray:
    """How often each row was observed, (n,); 0 where it has no weight."""
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    return often if rows.prior_weights is None else often * (rows.prior_weights > 0.0)


@dataclass(frozen=True)
class _OfPredictor:
    """Functions of the linear predictor as columns of rows that are read from a source."""

    fit: Fit
    functions: Sequence[Callable[[np.ndarray], np.ndarray]]
    center: float

    def __call__(self, rows: ModelRows, piece: Any = None) -> np.ndarray:
        """The columns, (n, k)."""
        eta = predictor_of_rows(self.fit, rows) - self.center
        return np.column_stack([function(eta) for function in self.functions])


def _test_of_functions(
    fit: Fit, name: str, functions: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> HypothesisTest:
    """Test of functions of the centred linear predictor as more columns, but for those of 0."""
    rows = streamed_rows(fit)
    if rows is None:
        eta = _centered_predictor(fit)
        columns = np.column_stack([function(eta) for function in functions])
        return test_of_columns(fit, name, columns[:, np.abs(columns).max(axis=0) > 0.0])
    if fit.family.takes_two_columns:
        center = float(fit.family.link(0.5))
    else:

        def sums(some: ModelRows) -> np.ndarray:
            times = _times_observed(some)
            seen = np.where(times > 0.0, predictor_of_rows(fit, some), 0.0)
            return np.column_stack([times, times * seen])

        total, weighted = sum_values(rows, sums, fit.n_threads)
        center = float(weighted / total)
    added = _OfPredictor(fit, functions, center)
    if len(functions) > 1:
        sizes = sum_values(rows, lambda some: np.abs(added(some)), fit.n_threads)
        there = [f for f, size in zip(functions, sizes, strict=True) if size > 0.0]
        added = replace(added, functions=there)
    return test_of_columns(fit, name, Added(len(added.functions), added))


def link_test(fit: Fit) -> HypothesisTest:
    """Square of the linear predictor as one more column; see `Results.link_test`."""
    return _test_of_functions(fit, "Link test", [np.square])


def goodness_of_link(fit: Fit) -> HypothesisTest:
    """Bends of either tail of the link; see `Results.goodness_of_link`."""
    tails = [
        lambda eta: 0.5 * eta**2 * (eta >= 0.0),
        lambda eta: -0.5 * eta**2 * (eta < 0.0),
    ]
    return _test_of_functions(fit, "Goodness of link", tails)


@dataclass(frozen=True, eq=False)
class PowerLinkProfile(RenderedText):
    """How the fit changes with the power of a power link.

    Attributes
    ----------
    powers : ndarray, shape (k,)
        Those tried that the family can have.
    deviance : ndarray, shape (k,)
        NaN where the fit did not converge.
    best : float
        The power of least deviance.
    interval : tuple of two floats
        Powers that a likelihood ratio test does not refuse; NaN beyond the powers tried.
    """

    powers: np.ndarray
    deviance: np.ndarray
    best: float
    interval: tuple[float, float]

    def summary_frame(self) -> pd.DataFrame:
        """Power and deviance, a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({"power": self.powers, "deviance": self.deviance})

    def __str__(self) -> str:
        known = self.powers[~np.isnan(self.deviance)]
        least, most = (f"beyond {end:.4g}" for end in (known.min(), known.max()))
        low, high = (f"{end:.4g}" for end in self.interval)
        low, high = low.replace("nan", least), high.replace("nan", most)
        return (
            f"Power of the link: {self.best:.4g}, interval {low} to {high} (1 is the identity, 0 "
            "the logarithm, -1 the inverse)"
        )

    __repr__ = __str__


def power_link_profile(
    fit: Fit, powers: Sequence[float] = POWERS, alpha: float = 0.05
) -> PowerLinkProfile:
    """Deviance by power; see `Results.power_link_profile`."""
    grid = _powers_of(fit.family, powers)

    @cache
    def fit_with(power: float) -> Fit:
        with warnings.catch_warnings():
            # Where a power has no optimum the profile has a gap.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return other_fit(fit, family=fit.family.with_link(Power(power)))

    def deviance(power: float) -> float:
        try:
            fit = fit_with(float(power))
        except StartError:
            return np.inf
        return float(fit.deviance) if fit.converged else np.inf

    values = np.array([deviance(power) for power in grid])
    least = int(np.argmin(values))
    if np.isinf(values[least]):
        raise ModelError("no power link among those tried has an optimum.")
    bounds = grid[max(least - 1, 0)], grid[min(least + 1, len(grid) - 1)]
    with np.errstate(invalid="ignore"):
        # Where there is no optimum the deviance is infinite.
        found = scipy.optimize.minimize_scalar(deviance, bounds=bounds, method="bounded")
    best = float(found.x) if found.fun < values[least] else grid[least]
    scale = fit_with(best).scale
    limit = deviance(best) + scale * float(scipy.special.chdtri(1, alpha))
    interval = (
        _crossing(deviance, limit, best, [power for power in reversed(grid) if power < best]),
        _crossing(deviance, limit, best, [power for power in grid if power > best]),
    )
    deviances = np.where(np.isinf(values), np.nan, values)
    return PowerLinkProfile(np.array(grid), deviances, best, interval)


def _powers_of(family: Family, powers: Sequence[float]) -> list[float]:
    """Those powers, in order, whose link the family can have; `ModelError` if it is none."""
    usable = []
    if isinstance(powers, str) or not np.iterable(powers):
        raise ModelError(f"powers must be a list of numbers, not {powers!r}")
    for power in sorted(checked_number("powers", power) for power in powers):
        link = Power(power)
        if type(link) in family.links or family.custom:
            usable.append(power)
    if not usable:
        raise ModelError(f"family {type(family).__name__} has none of these power links.")
    return usable


def _crossing(
    function: Callable[[float], float], limit: float, inner: float, outward: Sequence[float]
) -> float:
    """Where the function first rises through the limit; NaN if it does not before it ends."""
    for power in outward:
        value = function(power)
        if np.isinf(value):
            break
        if value > limit:
            return float(
                scipy.optimize.brentq(lambda x: function(x) - limit, inner, power, xtol=1e-6)
            )
        inner = power
    return float("nan")


# -- zeros


def zero_inflation_test(fit: Fit) -> HypothesisTest:
    """Score test of more zeros than the family has; see `Results.zero_inflation_test`."""
    family = fit.family
    if family.response_kind != "counts" or not family.has_likelihood:
        raise ModelError("the test of zero inflation is for Poisson and negative binomial models.")
    rows = fit._rows_beside_columns("zero inflation")
    mean, slope = fit.row_values(row_buffers.MEAN, row_buffers.SLOPE)
    weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    zero = family.distribution(1.0).lower(np.zeros(mean.size), mean, np.ones(mean.size))
    odds = (1.0 - zero) / zero
    score = weights @ np.where(rows.response == 0.0, odds, -1.0)
    # d log P(Y = 0) / d mean is minus the mean over the variance; -1 for Poisson counts.
    change = slope / family.relative_variance(mean)
    cross = rows.times_columns(weights * change)
    information = weights @ odds - cross @ np.nan_to_num(fit.information_inverse) @ cross
    statistic = score**2 / information
    if score < 0.0:
        # Fewer zeros than expected speak for the family: the alternative has one side.
        return HypothesisTest("Zero inflation", 0.0, 1.0, 1.0)
    return HypothesisTest(
        "Zero inflation", float(statistic), float(scipy.special.ndtr(-np.sqrt(statistic))), 1.0
    )
