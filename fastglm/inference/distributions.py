"""Distributions of single responses given their means: tail probabilities and quantiles.

Both tails are there, since one minus a probability near one has no digits left. Means that the
family cannot have give NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.families import Family

__all__ = ["ResponseDistribution", "distribution_of", "lattice_quantile"]

#: A function of responses, means and weights, arrays that broadcast.
Tail = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

#: Poisson counts further than this many standard deviations from their mean are left out of sums.
POISSON_REACH = 12.0
BISECTIONS = 64
#: For quantiles of the inverse Gaussian; far out in a heavy tail the first are short.
NEWTON_STEPS = 100
#: Relative, where the steps already fall by squares.
NEWTON_TOLERANCE = 1e-9


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
    """

    lower: Tail
    upper: Tail
    continuous_quantile: Callable[..., np.ndarray] | None = None
    lattice: Callable[[np.ndarray], np.ndarray] | None = None
    mass_at_zero: bool = False
    lowest: float = 0.0

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

    def quantile(self, probability: float, mu: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The smallest y with P(Y <= y) at least the probability."""
        if self.lattice is None:
            assert self.continuous_quantile is not None
            return self.continuous_quantile(probability, mu, weight)
        unit = self.lattice(weight)
        return unit * lattice_quantile(
            lambda k: self.lower(k * unit, mu, weight), mu / unit, probability
        )


def lattice_quantile(
    lower: Callable[[np.ndarray], np.ndarray], guess: np.ndarray, probability: float
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


def distribution_of(family: Family, dispersion: float) -> ResponseDistribution:
    """The distribution of a family's responses.

    Parameters
    ----------
    family
    dispersion
        Positive; without meaning for binomial, Poisson and negative binomial responses. A
        response's own is this over its weight; the weight of a binomial response is its number of
        trials.

    Raises
    ------
    ModelError
        For quasi families, which have no distribution, and Tweedie powers without closed forms.
    """
    powers = {"gaussian": 0.0, "poisson": 1.0, "gamma": 2.0, "inverse_gaussian": 3.0}
    powers |= {"tweedie": family.parameter}
    power = None if family.custom else powers.get(family.name)
    if power is None and (family.custom or not family.has_likelihood):
        raise ModelError(
            f"{family!r} does not say how responses are distributed, only their mean and variance."
        )
    if family.name == "binomial":
        return _binomial()
    if family.name == "poisson" or (family.name == "negative_binomial" and family.parameter == 0.0):
        return _poisson(1.0)
    if family.name == "negative_binomial":
        return _negative_binomial(1.0 / family.parameter)
    assert power is not None
    if 1.0 < power < 2.0:
        return _compound_poisson(power, dispersion)
    if power not in _BY_POWER:
        raise ModelError(
            f"the Tweedie distribution of power {power:g} has no closed form; powers 0, 3 and from "
            "1 to 2 have one."
        )
    return _BY_POWER[power](dispersion)


def _gaussian(dispersion: float) -> ResponseDistribution:
    def standardized(y, mu, weight):
        return (y - mu) / np.sqrt(dispersion / weight)

    return ResponseDistribution(
        lambda y, mu, weight: scipy.special.ndtr(standardized(y, mu, weight)),
        lambda y, mu, weight: scipy.special.ndtr(-standardized(y, mu, weight)),
        lambda p, mu, weight: mu + np.sqrt(dispersion / weight) * scipy.special.ndtri(p),
        lowest=-np.inf,
    )


def _count(y: np.ndarray, unit: np.ndarray | float) -> np.ndarray:
    """The whole number of units in a response, which rounding may have left a little short."""
    return np.floor(y / unit + 1e-9)


def _poisson(dispersion: float) -> ResponseDistribution:
    """Of dispersion / weight times a Poisson count."""

    def lower(y, mu, weight):
        k = _count(y, dispersion / weight)
        tail = scipy.special.gammaincc(np.maximum(k, 0.0) + 1.0, mu * weight / dispersion)
        return np.where(k < 0.0, 0.0 * tail, tail)

    def upper(y, mu, weight):
        k = _count(y, dispersion / weight)
        tail = scipy.special.gammainc(np.maximum(k, 0.0) + 1.0, mu * weight / dispersion)
        return np.where(k < 0.0, 1.0 + 0.0 * tail, tail)

    return ResponseDistribution(lower, upper, lattice=lambda weight: dispersion / weight)


def _binomial() -> ResponseDistribution:
    """Of the share of successes in as many trials as the weight says."""

    def tail(y, mu, weight, below):
        trials = np.rint(weight)
        k = _count(y, 1.0 / trials)
        more = np.clip(k, 0.0, np.maximum(trials - 1.0, 0.0)) + 1.0
        fewer = np.maximum(trials - more + 1.0, 1.0)
        inside = (
            scipy.special.betainc(fewer, more, 1.0 - mu)
            if below
            else scipy.special.betainc(more, fewer, mu)
        )
        end = 0.0 * inside
        inside = np.where(k >= trials, end + below, inside)
        return np.where(k < 0.0, end + (not below), inside)

    return ResponseDistribution(
        lambda y, mu, weight: tail(y, mu, weight, True),
        lambda y, mu, weight: tail(y, mu, weight, False),
        lattice=lambda weight: 1.0 / np.rint(weight),
    )


def _negative_binomial(size: float) -> ResponseDistribution:
    def lower(y, mu, weight):
        k = _count(y, 1.0)
        tail = scipy.special.betainc(size, np.maximum(k, 0.0) + 1.0, size / (size + mu))
        return np.where(k < 0.0, 0.0 * tail, tail)

    def upper(y, mu, weight):
        k = _count(y, 1.0)
        tail = scipy.special.betainc(np.maximum(k, 0.0) + 1.0, size, mu / (size + mu))
        return np.where(k < 0.0, 1.0 + 0.0 * tail, tail)

    return ResponseDistribution(lower, upper, lattice=np.ones_like)


def _positive(mu: np.ndarray) -> np.ndarray:
    """NaN for means that positive responses cannot have."""
    return np.where(mu > 0.0, mu, np.nan)


def _gamma(dispersion: float) -> ResponseDistribution:
    def lower(y, mu, weight):
        shape = weight / dispersion
        return scipy.special.gammainc(shape, shape * y / _positive(mu))

    def upper(y, mu, weight):
        shape = weight / dispersion
        return scipy.special.gammaincc(shape, shape * y / _positive(mu))

    def quantile(probability, mu, weight):
        shape = weight / dispersion
        return _positive(mu) / shape * scipy.special.gammaincinv(shape, probability)

    return ResponseDistribution(lower, upper, quantile)


def _inverse_gaussian(dispersion: float) -> ResponseDistribution:
    """Newton's steps for quantiles from the mode, on either side of which they never overshoot.

    Giner & Smyth (2016), *The R Journal* 8(1).
    """

    def parts(y, mu, weight):
        shape, mu = weight / dispersion, _positive(mu)
        root = np.sqrt(shape / y)
        reflected = np.exp(2.0 * shape / mu + scipy.special.log_ndtr(-root * (y / mu + 1.0)))
        return root * (y / mu - 1.0), reflected

    def lower(y, mu, weight):
        z, reflected = parts(y, mu, weight)
        return scipy.special.ndtr(z) + reflected

    def upper(y, mu, weight):
        z, reflected = parts(y, mu, weight)
        return np.maximum(scipy.special.ndtr(-z) - reflected, 0.0)

    def quantile(probability, mu, weight):
        mu, shape = np.broadcast_arrays(_positive(mu), weight / dispersion)
        ratio = 1.5 * mu / shape
        y = mu / (np.hypot(1.0, ratio) + ratio)
        for _ in range(NEWTON_STEPS):
            density = np.sqrt(shape / (2.0 * np.pi * y)) / y
            density = density * np.exp(-0.5 * shape / y * (y / mu - 1.0) ** 2)
            change = (probability - lower(y, mu, weight)) / density
            y = y + change
            if not (np.abs(change) > NEWTON_TOLERANCE * y).any():
                break
        return y

    return ResponseDistribution(lower, upper, quantile)


def _compound_poisson(power: float, dispersion: float) -> ResponseDistribution:
    """Of a sum of a Poisson number of gamma variables; Jorgensen (1997), section 4.2."""
    shape = (2.0 - power) / (power - 1.0)

    def tail(y, mu, weight, below):
        own = dispersion / weight
        y, mu, own = np.broadcast_arrays(np.asarray(y, np.float64), mu, own)
        events = mu ** (2.0 - power) / (own * (2.0 - power))
        scaled = y / (own * (power - 1.0) * mu ** (power - 1.0))
        incomplete = scipy.special.gammainc if below else scipy.special.gammaincc
        total = np.exp(-events) * ((y >= 0.0) if below else (y < 0.0))
        reach = POISSON_REACH * np.sqrt(events) + POISSON_REACH
        first = max(1, int(np.nanmin(events - reach, initial=1.0)))
        for count in range(first, int(np.nanmax(events + reach, initial=1.0)) + 1):
            mass = np.exp(
                scipy.special.xlogy(count, events) - events - scipy.special.gammaln(count + 1.0)
            )
            total = total + mass * incomplete(count * shape, scaled)
        return total

    def lower(y, mu, weight):
        return tail(y, mu, weight, True)

    def quantile(probability, mu, weight):
        mu, weight = np.broadcast_arrays(np.asarray(mu, np.float64), weight)
        low, high = np.zeros(mu.shape), mu + np.sqrt(dispersion / weight * mu**power)
        while (short := lower(high, mu, weight) < probability).any():
            high = np.where(short, 2.0 * high, high)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            enough = lower(middle, mu, weight) >= probability
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(lower(np.zeros(mu.shape), mu, weight) >= probability, 0.0, high)

    return ResponseDistribution(
        lower, lambda y, mu, weight: tail(y, mu, weight, False), quantile, mass_at_zero=True
    )


_BY_POWER: dict[float, Callable[[float], ResponseDistribution]] = {
    0.0: _gaussian,
    1.0: _poisson,
    2.0: _gamma,
    3.0: _inverse_gaussian,
}
