"""Distributions of single responses given their means: tail probabilities and quantiles.

Each answers with both tails, since one minus a probability near one has no digits left. Means that
the family cannot have give NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from fastglm.errors import ModelError
from fastglm.families import Family

__all__ = ["ResponseDistribution", "Tails", "distribution_of"]

#: P(Y <= y) and P(Y > y).
Tails = tuple[np.ndarray, np.ndarray]

#: Poisson counts further than this many standard deviations from their mean are left out of sums.
POISSON_REACH = 12.0
BISECTIONS = 64


@dataclass(frozen=True)
class ResponseDistribution:
    """Distribution of a response of given mean and weight.

    Attributes
    ----------
    tails : callable
        ``tails(y, mu, weight)`` gives P(Y <= y) and P(Y > y).
    quantile : callable
        ``quantile(probability, mu, weight)`` gives the smallest y with P(Y <= y) at least that.
    lattice : callable or None
        For discrete responses, ``lattice(weight)`` is the distance between neighbouring values.
    mass_at_zero : bool
        Whether an otherwise continuous response is exactly 0 with positive probability.
    """

    tails: Callable[..., Tails]
    quantile: Callable[..., np.ndarray]
    lattice: Callable[[np.ndarray], np.ndarray] | None = None
    mass_at_zero: bool = False

    def tails_below(self, y: np.ndarray, mu: np.ndarray, weight: np.ndarray) -> Tails:
        """P(Y < y) and P(Y >= y)."""
        if self.lattice is not None:
            return self.tails(y - self.lattice(weight), mu, weight)
        lower, upper = self.tails(y, mu, weight)
        if not self.mass_at_zero:
            return lower, upper
        return np.where(y > 0.0, lower, 0.0), np.where(y > 0.0, upper, 1.0)


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
    power = {"gaussian": 0.0, "poisson": 1.0, "gamma": 2.0, "inverse_gaussian": 3.0}.get(
        family.name, family.parameter
    )
    if family.name == "binomial":
        return _binomial()
    if family.name == "poisson" or (family.name == "negative_binomial" and power == 0.0):
        return _poisson(1.0)
    if family.name == "negative_binomial":
        return _negative_binomial(1.0 / family.parameter)
    if not family.has_likelihood:
        raise ModelError(
            f"{family!r} does not say how responses are distributed, only their mean and variance."
        )
    if 1.0 < power < 2.0:
        return _compound_poisson(power, dispersion)
    if power not in _BY_POWER:
        raise ModelError(
            f"the Tweedie distribution of power {power:g} has no closed form; powers 0, 3 and from "
            "1 to 2 have one."
        )
    return _BY_POWER[power](dispersion)


def _with_sure_ends(k: np.ndarray, last: np.ndarray | float, lower, upper) -> Tails:
    """Tails of a count, which is never below 0 nor above `last`."""
    invalid = np.isnan(lower)
    lower = np.where(k < 0, 0.0, np.where(k >= last, 1.0, lower))
    upper = np.where(k < 0, 1.0, np.where(k >= last, 0.0, upper))
    return np.where(invalid, np.nan, lower), np.where(invalid, np.nan, upper)


def _count_quantile(guess: np.ndarray, tails: Callable, probability: float) -> np.ndarray:
    """The smallest count whose lower tail reaches the probability, near a real-valued guess."""
    k = np.ceil(np.maximum(guess, 0.0) - 1e-6)
    below = np.maximum(k - 1.0, 0.0)
    k = np.where(tails(below)[0] >= probability, below, k)
    return np.where(tails(k)[0] >= probability, k, k + 1.0)


def _gaussian(dispersion: float) -> ResponseDistribution:
    def tails(y, mu, weight):
        z = (y - mu) / np.sqrt(dispersion / weight)
        return special.ndtr(z), special.ndtr(-z)

    def quantile(probability, mu, weight):
        return mu + np.sqrt(dispersion / weight) * special.ndtri(probability)

    return ResponseDistribution(tails, quantile)


def _poisson(dispersion: float) -> ResponseDistribution:
    """Of dispersion / weight times a Poisson count."""

    def count_tails(k, mean):
        body = np.maximum(k, 0.0) + 1.0
        return _with_sure_ends(
            k, np.inf, special.gammaincc(body, mean), special.gammainc(body, mean)
        )

    def tails(y, mu, weight):
        unit = dispersion / weight
        return count_tails(np.floor(y / unit + 1e-9), mu / unit)

    def quantile(probability, mu, weight):
        unit = dispersion / weight
        guess = special.pdtrik(probability, mu / unit)
        return unit * _count_quantile(guess, lambda k: count_tails(k, mu / unit), probability)

    return ResponseDistribution(tails, quantile, lambda weight: dispersion / weight)


def _binomial() -> ResponseDistribution:
    def count_tails(k, mu, trials):
        body = np.clip(k, 0.0, np.maximum(trials - 1.0, 0.0))
        return _with_sure_ends(
            k,
            trials,
            special.betainc(np.maximum(trials - body, 1.0), body + 1.0, 1.0 - mu),
            special.betainc(body + 1.0, np.maximum(trials - body, 1.0), mu),
        )

    def tails(y, mu, weight):
        trials = np.rint(weight)
        return count_tails(np.floor(y * trials + 1e-9), mu, trials)

    def quantile(probability, mu, weight):
        trials = np.rint(weight)
        guess = np.nan_to_num(special.bdtrik(probability, trials, mu))
        k = _count_quantile(guess, lambda k: count_tails(k, mu, trials), probability)
        return np.minimum(k, trials) / trials

    return ResponseDistribution(tails, quantile, lambda weight: 1.0 / np.rint(weight))


def _negative_binomial(size: float) -> ResponseDistribution:
    def count_tails(k, mu):
        body = np.maximum(k, 0.0)
        share = mu / (size + mu)
        return _with_sure_ends(
            k,
            np.inf,
            special.betainc(size, body + 1.0, 1.0 - share),
            special.betainc(body + 1.0, size, share),
        )

    def tails(y, mu, weight):
        return count_tails(np.floor(y + 1e-9), mu)

    def quantile(probability, mu, weight):
        guess = special.nbdtrik(probability, size, size / (size + mu))
        return _count_quantile(np.nan_to_num(guess), lambda k: count_tails(k, mu), probability)

    return ResponseDistribution(tails, quantile, np.ones_like)


def _gamma(dispersion: float) -> ResponseDistribution:
    def tails(y, mu, weight):
        shape = weight / dispersion
        return special.gammainc(shape, shape * y / mu), special.gammaincc(shape, shape * y / mu)

    def quantile(probability, mu, weight):
        shape = weight / dispersion
        return mu / shape * special.gammaincinv(shape, probability)

    return ResponseDistribution(tails, quantile)


def _inverse_gaussian(dispersion: float) -> ResponseDistribution:
    def tails(y, mu, weight):
        shape = weight / dispersion
        root = np.sqrt(shape / y)
        z = root * (y / mu - 1.0)
        reflected = np.exp(2.0 * shape / mu + special.log_ndtr(-root * (y / mu + 1.0)))
        return special.ndtr(z) + reflected, np.maximum(special.ndtr(-z) - reflected, 0.0)

    def quantile(probability, mu, weight):
        from scipy import stats

        shape = weight / dispersion
        return stats.invgauss.ppf(probability, mu / shape, scale=shape)

    return ResponseDistribution(tails, quantile)


def _compound_poisson(power: float, dispersion: float) -> ResponseDistribution:
    """Of a sum of a Poisson number of gamma variables; Jorgensen (1997), section 4.2."""
    shape = (2.0 - power) / (power - 1.0)

    def tails(y, mu, weight):
        own = dispersion / weight
        y, mu, own = np.broadcast_arrays(np.asarray(y, np.float64), mu, own)
        events = mu ** (2.0 - power) / (own * (2.0 - power))
        scaled = y / (own * (power - 1.0) * mu ** (power - 1.0))
        lower, upper = np.exp(-events) * (y >= 0.0), np.zeros(y.shape)
        reach = POISSON_REACH * np.sqrt(events) + POISSON_REACH
        first = max(1, int(np.nanmin(events - reach, initial=1.0)))
        for count in range(first, int(np.nanmax(events + reach, initial=1.0)) + 1):
            mass = np.exp(special.xlogy(count, events) - events - special.gammaln(count + 1.0))
            lower = lower + mass * special.gammainc(count * shape, scaled)
            upper = upper + mass * special.gammaincc(count * shape, scaled)
        return lower, upper

    def quantile(probability, mu, weight):
        mu, weight = np.broadcast_arrays(np.asarray(mu, np.float64), weight)
        low, high = np.zeros(mu.shape), mu + np.sqrt(dispersion / weight * mu**power)
        while (short := tails(high, mu, weight)[0] < probability).any():
            high = np.where(short, 2.0 * high, high)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            enough = tails(middle, mu, weight)[0] >= probability
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(tails(np.zeros(mu.shape), mu, weight)[0] >= probability, 0.0, high)

    return ResponseDistribution(tails, quantile, mass_at_zero=True)


_BY_POWER: dict[float, Callable[[float], ResponseDistribution]] = {
    0.0: _gaussian,
    1.0: _poisson,
    2.0: _gamma,
    3.0: _inverse_gaussian,
}
