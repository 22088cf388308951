"""Distributions of single responses given their means: tail probabilities and quantiles.

Both tails are there, since one minus a probability near one has no digits left. Means that the
family cannot have give NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["ResponseDistribution", "count_of", "lattice_quantile", "positive"]

#: A function of responses, means and weights, arrays that broadcast.
Tail = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

#: A function of means, weights and a generator of random numbers.
Draw = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class ResponseDistribution:
    """Distribution of a response of given mean and weight.

    Attributes
    ----------
    lower, upper : callable
        ``lower(y, mu, weight)`` is P(Y <= y), and ``upper(y, mu, weight)`` P(Y > y).
    continuous_quantile : callable or None
        ``continuous_quantile(probability, mu, weight)``; None for discrete responses.
    lattice : callable or None
        For discrete responses, ``lattice(weight)`` is the distance between neighbouring values.
    mass_at_zero : bool
        Whether an otherwise continuous response is exactly 0 with positive probability.
    lowest : float
        End of the range of responses.
    draw : callable or None
        ``draw(mu, weight, generator)`` gives a response of each row, all weights positive; by
        default the quantile of a uniform number.
    """

    lower: Tail
    upper: Tail
    continuous_quantile: Callable[..., np.ndarray] | None = None
    lattice: Callable[[np.ndarray], np.ndarray] | None = None
    mass_at_zero: bool = False
    lowest: float = 0.0
    draw: Draw | None = None

    def tails(
        self, y: np.ndarray, mu: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """P(Y <= y) and P(Y > y)."""
        return self.lower(y, mu, weight), self.upper(y, mu, weight)

    def tails_below(
        self, y: np.ndarray, mu: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """P(Y < y) and P(Y >= y)."""
        if self.lattice is not None:
            return self.tails(y - self.lattice(weight), mu, weight)
        lower, upper = self.tails(y, mu, weight)
        if not self.mass_at_zero:
            return lower, upper
        return np.where(y > 0.0, lower, 0.0), np.where(y > 0.0, upper, 1.0)

    def quantile(
        self, probability: float | np.ndarray, mu: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """The smallest y with P(Y <= y) at least the probability."""
        if self.lattice is None:
            assert self.continuous_quantile is not None
            return self.continuous_quantile(probability, mu, weight)
        unit = self.lattice(weight)
        return unit * lattice_quantile(
            lambda k: self.lower(k * unit, mu, weight), mu / unit, probability
        )

    def drawn(
        self, mu: np.ndarray, weight: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """One response of each row, all of positive weight."""
        if self.draw is not None:
            return self.draw(mu, weight, generator)
        return self.quantile(generator.random(mu.shape), mu, weight)


def lattice_quantile(
    lower: Callable[[np.ndarray], np.ndarray], guess: np.ndarray, probability: float | np.ndarray
) -> np.ndarray:
    """The smallest counts whose lower tail reaches the probability: galloping, then bisection.

    Parameters
    ----------
    lower
        P(count <= k) of an array of counts k.
    guess
        Where to start; NaN stays NaN.
    probability
        Between 0 and 1.
    """
    # Beyond 2**53 neighbouring counts are further apart than 1.
    unit = np.maximum(1.0, 4.0 * np.spacing(np.abs(guess)))
    low = np.maximum(np.floor(guess) - unit, -1.0)
    high = low + 2.0 * unit
    step = unit
    while (short := (lower(high) < probability) & np.isfinite(high)).any():
        low, high = np.where(short, high, low), np.where(short, high + step, high)
        step = 2.0 * step
    step = unit
    while (far := (low >= 0.0) & (lower(low) >= probability)).any():
        high = np.where(far, low, high)
        low = np.where(far, np.maximum(low - step, -1.0), low)
        step = 2.0 * step
    middle = np.floor(0.5 * (low + high))
    while (apart := (low < middle) & (middle < high)).any():
        enough = lower(middle) >= probability
        high = np.where(apart & enough, middle, high)
        low = np.where(apart & ~enough, middle, low)
        middle = np.floor(0.5 * (low + high))
    return high


def count_of(y: np.ndarray, unit: np.ndarray | float) -> np.ndarray:
    """The whole number of units in a response, which rounding may have left a little short."""
    return np.floor(y / unit + 1e-9)


def positive(mu: np.ndarray) -> np.ndarray:
    """NaN for means that positive responses cannot have."""
    return np.where(mu > 0.0, mu, np.nan)
