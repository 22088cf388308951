"""The distribution of a new response, averaged over what is not known of mean and dispersion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.families.distribution import ResponseDistribution, lattice_quantile

if TYPE_CHECKING:
    from fastglm.families import Family
    from fastglm.fit.record import Fit

__all__ = ["Component", "Mixture", "certain_quantiles", "components_of", "normal_quadrature"]

#: Largest standard error of the mean, in standard deviations of a response, for so many nodes.
NODES = ((0.1, 3), (0.5, 9), (np.inf, 31))
#: The same for the dispersion, by its residual degrees of freedom.
DISPERSION_NODES = ((100_000, 1), (300, 3), (30, 7), (8, 15), (0, 31))
#: Outermost of the nodes, in standard errors: those of 31 end at 9.9.
FARTHEST_NODE = 10.0
#: Of a linear predictor, relative: nearer than this to a bound it is on neither side of it.
ROUNDING = 1e-9
DOUBLINGS = 60
ILLINOIS_STEPS = 60
#: Relative error of a quantile; false position leaves far less.
QUANTILE_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Component:
    """Responses at one dispersion: its probability, and its root in roots of the estimate."""

    mass: float
    root: float
    distribution: ResponseDistribution


def components_of(fit: Fit) -> list[Component]:
    """Distributions of responses for dispersions that the data allow.

    The estimate times its degrees of freedom is taken to be the dispersion times a chi-squared
    variable.
    """
    dispersion = fit.response_dispersion
    known = fit.family.distribution(dispersion)
    if fit.dispersion_known or known.lattice is not None:
        return [Component(1.0, 1.0, known)]
    df = fit.df_resid
    count = next(count for bound, count in DISPERSION_NODES if df >= bound)
    nodes, masses = normal_quadrature(count)
    below, above = scipy.special.ndtr(nodes), scipy.special.ndtr(-nodes)
    chi_squared = 2.0 * np.where(
        nodes < 0.0,
        scipy.special.gammaincinv(0.5 * df, below),
        scipy.special.gammainccinv(0.5 * df, above),
    )
    return [
        Component(mass, np.sqrt(ratio), fit.family.distribution(dispersion * ratio))
        for mass, ratio in zip(masses, df / chi_squared, strict=True)
    ]


def normal_quadrature(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of a standard normal variable, and probabilities, of Gauss-Hermite quadrature."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, masses / masses.sum()


def certain_quantiles(
    family: Family, eta: np.ndarray, error: np.ndarray, tails: Sequence[float], out: np.ndarray
) -> np.ndarray:
    """Quantiles of responses that are 0 or the upper end of the domain, where they are certain.

    P(Y = 0) is linear in the mean, so that the averaged mean decides. Where all means that are
    averaged are on one side of the bound, so is their average: no mean need be known.

    Parameters
    ----------
    family
        Whose link gives every linear predictor a mean.
    eta, error
        (n,) linear predictors and their standard errors.
    tails
        Probabilities of the lower tails.
    out
        (tails, n), overwritten.

    Returns
    -------
    ndarray of bool, shape (n,)
        Rows that are not certain, among them those that are NaN.
    """
    upper, link = family.domain.upper, family.link
    rises = link(0.75 * upper) > link(0.25 * upper)
    bounds = [float(link(upper * (1.0 - tail))) for tail in tails]
    reach = FARTHEST_NODE * error
    reach += ROUNDING * (1.0 + max(abs(bound) for bound in bounds))
    nearest, farthest = eta - reach, eta + reach
    unclear = np.isnan(nearest)
    for bound, quantile in zip(bounds, out, strict=True):
        above = nearest > bound
        unclear |= above != (farthest > bound)
        np.multiply(above if rises else ~above, upper, out=quantile)
    return unclear


class Mixture:
    """Distribution of responses averaged over normal linear predictors, row by row."""

    def __init__(
        self,
        components: Sequence[Component],
        inverse_link: Callable[[np.ndarray], np.ndarray],
        weights: np.ndarray,
        eta: np.ndarray,
        error: np.ndarray,
        mean: np.ndarray,
        error_of_mean: np.ndarray,
        deviation: np.ndarray,
        upper: float = np.inf,
    ):
        with np.errstate(invalid="ignore", divide="ignore"):
            largest = np.nanmax(error_of_mean / deviation, initial=0.0)
        n_nodes = next(count for bound, count in NODES if largest <= bound)
        nodes, masses = normal_quadrature(n_nodes)
        self.components, self.weights = components, weights
        self.masses = masses[:, None]
        # Errors of linear predictors grow with the root of the dispersion.
        self.means = [inverse_link(eta + nodes[:, None] * (c.root * error)) for c in components]
        self.center, self.spread, self.upper = mean, np.hypot(deviation, error_of_mean), upper

    @cached_property
    def _at_zero(self) -> np.ndarray:
        """P(Y = 0) of responses that are never negative."""
        return self.lower_tail(np.zeros_like(self.center))

    def lower_tail(self, y: np.ndarray) -> np.ndarray:
        """P(Y <= y); linear predictors without a mean are left out of the average."""
        lower = sum(
            component.mass * component.distribution.lower(y, means, self.weights)
            for component, means in zip(self.components, self.means, strict=True)
        )
        present = ~np.isnan(lower)
        if present.all():
            return np.sum(lower * self.masses, axis=0)
        total = np.sum(np.where(present, lower, 0.0) * self.masses, axis=0)
        return total / np.sum(present * self.masses, axis=0)

    def quantile(self, probability: float) -> np.ndarray:
        """The smallest response whose lower tail reaches the probability."""
        distribution = self.components[0].distribution
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if distribution.lattice is not None:
                unit = distribution.lattice(self.weights)
                if np.all(unit == self.upper):
                    # There is no other response than 0 and 1.
                    found = np.where(self._at_zero >= probability, 0.0, self.upper)
                    return np.where(np.isnan(self.center + self.spread), np.nan, found)
                guess = (self.center + self.spread * scipy.special.ndtri(probability)) / unit
                return unit * lattice_quantile(
                    lambda k: self.lower_tail(k * unit), np.maximum(guess, 0.0), probability
                )
            middle = len(self.components) // 2
            outer = self.means[middle][[0, -1]]
            means = self.means[middle] if np.isnan(outer).any() else outer
            ends = self.components[middle].distribution.quantile(probability, means, self.weights)
            return self._illinois(*self._bracket(ends, probability), probability)

    def _bracket(
        self, ends: np.ndarray, probability: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """An interval about the quantile, from some values near it, and what its ends miss."""
        low, high = np.fmin.reduce(ends), np.fmax.reduce(ends)
        f_low, f_high = self.lower_tail(low) - probability, self.lower_tail(high) - probability
        lowest = self.components[0].distribution.lowest
        for _ in range(DOUBLINGS):
            above, below = (f_low > 0.0) & (low > lowest), f_high < 0.0
            if not (above.any() or below.any()):
                break
            width = np.maximum(high - low, 0.1 * self.spread)
            further = np.maximum(low - width, 0.5 * (low + lowest))
            low, high = np.where(above, further, low), np.where(below, high + width, high)
            f_low, f_high = self.lower_tail(low) - probability, self.lower_tail(high) - probability
        return low, high, f_low, f_high

    def _illinois(
        self,
        low: np.ndarray,
        high: np.ndarray,
        f_low: np.ndarray,
        f_high: np.ndarray,
        probability: float,
    ) -> np.ndarray:
        """Safeguarded false position; Dowell & Jarratt (1971), *BIT* 11."""
        middle = high
        for _ in range(ILLINOIS_STEPS):
            middle = high - f_high * (high - low) / (f_high - f_low)
            middle = np.where(np.isfinite(middle), middle, 0.5 * (low + high))
            f_middle = self.lower_tail(middle) - probability
            same = f_middle * f_high > 0.0
            low, f_low = np.where(same, low, high), np.where(same, 0.5 * f_low, f_high)
            moved = np.abs(high - middle)
            high, f_high = middle, f_middle
            if not (moved > QUANTILE_TOLERANCE * np.abs(middle)).any():
                break
        # Without a distribution at any node, such as at a negative mean, there is no quantile.
        return np.where(np.isnan(f_high), np.nan, middle)
