"""The distribution of a user's family, of vectorised functions, checked when it is made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import ResponseDomain
from fastglm.families.user_functions import points_inside

__all__ = ["UserDistribution"]

#: Standard normal numbers at whose probabilities quantiles are taken for a mean and a variance.
SCORES = np.linspace(-8.0, 8.0, 641)
#: Disagreement that is taken for an error: of means and variances, and of densities.
MOMENT_TOLERANCE = 0.02
DENSITY_TOLERANCE = 1e-3
QUANTILE_TOLERANCE = 1e-6
#: Share of the way to an end of the domain where a distribution must have none, or all, below it.
CLOSE = 1e-9
DOUBLINGS = 1000
BISECTIONS = 120


@dataclass(frozen=True)
class UserDistribution:
    """What a user gives of the distribution of responses.

    Attributes
    ----------
    cdf, quantile, draw : callable or None
        As given to `fastglm.families.CustomFamily`.
    discrete : bool
        Whether responses are whole numbers.
    domain : ResponseDomain
    trial : float
        The dispersion at which the functions are tried.
    """

    cdf: Callable[..., Any] | None
    quantile: Callable[..., Any] | None
    draw: Callable[..., Any] | None
    discrete: bool
    domain: ResponseDomain
    trial: float

    def lower(
        self, y: np.ndarray, mu: np.ndarray, weight: np.ndarray, dispersion: float
    ) -> np.ndarray:
        """P(Y <= y), NaN where there is no such mean."""
        assert self.cdf is not None
        y, mu, weight = np.broadcast_arrays(np.asarray(y, np.float64), mu, weight)
        low, high = self.domain.lower, self.domain.upper
        there = (mu > low) & (mu < high)
        below = (y < low) | ((y == low) & ~self.has_mass_below)
        inside = there & ~below & (y < high)
        safe_mean = np.where(there, mu, self._some_mean)
        safe = np.where(inside, y, safe_mean)
        value = np.asarray(self.cdf(safe, safe_mean, weight, dispersion), np.float64)
        value = np.where(inside, value, np.where(below, 0.0, 1.0))
        return np.where(there, value, np.nan)

    @cached_property
    def has_mass_below(self) -> bool:
        """Whether responses may be the lower end itself."""
        return self.discrete or (
            self.cdf is not None
            and math.isfinite(self.domain.lower)
            and bool(self._at(self.domain.lower, self._some_mean) > 0.0)
        )

    @property
    def _some_mean(self) -> float:
        return points_inside(self.domain.lower, self.domain.upper)[3]

    def _at(self, y: float, mu: float) -> float:
        assert self.cdf is not None
        return float(np.asarray(self.cdf(np.array([y]), np.array([mu]), np.ones(1), self.trial))[0])

    def at(self, dispersion: float) -> ResponseDistribution:
        """The distribution at a dispersion."""

        def lower(y: np.ndarray, mu: np.ndarray, weight: np.ndarray) -> np.ndarray:
            return self.lower(y, mu, weight, dispersion)

        def upper(y: np.ndarray, mu: np.ndarray, weight: np.ndarray) -> np.ndarray:
            return 1.0 - lower(y, mu, weight)

        def continuous(p: Any, mu: np.ndarray, weight: np.ndarray) -> np.ndarray:
            if self.quantile is None:
                return self._bisected(lower, p, mu, weight)
            p, mu, weight = np.broadcast_arrays(p, mu, weight)
            return np.asarray(self.quantile(p, mu, weight, dispersion), np.float64)

        draw = None
        if self.draw is not None:
            given = self.draw

            def draw(
                mu: np.ndarray, weight: np.ndarray, generator: np.random.Generator
            ) -> np.ndarray:
                return np.asarray(given(generator, mu, weight, dispersion), np.float64)

        return ResponseDistribution(
            lower,
            upper,
            None if self.discrete else continuous,
            np.ones_like if self.discrete else None,
            mass_at_zero=not self.discrete and self.has_mass_below,
            lowest=self.domain.lower,
            draw=draw,
        )

    def _bisected(
        self, lower: Callable[..., np.ndarray], p: Any, mu: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """Quantiles of a continuous response: doubling, then bisection."""
        p, mu, weight = np.broadcast_arrays(np.asarray(p, np.float64), mu, weight)
        low, high = (np.full(mu.shape, end) for end in (self.domain.lower, self.domain.upper))
        if math.isinf(self.domain.upper):
            high = mu + 1.0
            for step in 2.0 ** np.arange(DOUBLINGS):
                if not (short := lower(high, mu, weight) < p).any():
                    break
                high = np.where(short, high + step, high)
        if math.isinf(self.domain.lower):
            low = mu - 1.0
            for step in 2.0 ** np.arange(DOUBLINGS):
                if not (far := lower(low, mu, weight) >= p).any():
                    break
                low = np.where(far, low - step, low)
        start = low
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            if ((middle <= low) | (middle >= high)).all():
                break
            enough = lower(middle, mu, weight) >= p
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        at_the_end = np.isfinite(start) & (lower(start, mu, weight) >= p)
        return np.where(np.isnan(mu), np.nan, np.where(at_the_end, start, high))

    def check(
        self, variance: Callable[[float], float], log_density: Callable[..., float] | None
    ) -> None:
        """Raise `ModelError` with the reason if the functions do not go together."""
        if self.cdf is None:
            if self.quantile is not None:
                raise ModelError("quantile needs cdf beside it: give both, or draw alone.")
            if self.draw is not None:
                self._check_draw()
            return
        means = points_inside(self.domain.lower, self.domain.upper)
        self._check_cdf(means)
        for mu in (means[2], means[4]):
            self._check_moments(mu, self.trial * variance(mu))
        if log_density is not None:
            self._check_density(means, log_density)
        if self.draw is not None:
            self._check_draw()

    def _responses(self, means: list[float]) -> list[float]:
        """Responses at which the distribution is tried, in order."""
        return sorted({math.floor(y) for y in means}) if self.discrete else means

    def _check_cdf(self, means: list[float]) -> None:
        responses = np.array(self._responses(means), np.float64)
        for mu in means:
            values = _called(
                self.cdf,
                "cdf",
                responses,
                np.full(responses.size, mu),
                np.ones(responses.size),
                self.trial,
            )
            if (np.diff(values) < 0.0).any() or values.min() < 0.0 or values.max() > 1.0:
                raise ModelError(
                    f"cdf at mu = {mu:.6g} must rise between 0 and 1, but is "
                    f"{', '.join(f'{v:.6g}' for v in values)} at "
                    f"{', '.join(f'{y:.6g}' for y in responses)}."
                )
        low, high = self.domain.lower, self.domain.upper
        if math.isfinite(high) and not self.discrete:
            top = self._at(high - CLOSE * (high - max(low, high - 1.0)), means[3])
            if not top > 1.0 - 1e-3:
                raise ModelError(
                    f"cdf is {top:.6g} just below {high:g}: responses at the upper end itself "
                    "cannot be given."
                )
        if math.isfinite(low) and low != 0.0 and not self.discrete and self.has_mass_below:
            raise ModelError(f"cdf({low:g}) is positive: only 0 can have a probability of its own.")

    def _check_moments(self, mu: float, variance: float) -> None:
        p = scipy.special.ndtr(SCORES)
        inside = (p > 0.0) & (p < 1.0)
        mass = np.exp(-0.5 * SCORES[inside] ** 2)
        mass /= mass.sum()
        one = np.ones(mass.size)
        values = self.at(self.trial).quantile(p[inside], mu * one, one)
        mean = float(mass @ values)
        spread = float(mass @ (values - mean) ** 2)
        if not abs(mean - mu) <= MOMENT_TOLERANCE * math.sqrt(variance):
            raise ModelError(
                f"the distribution that cdf gives at mu = {mu:.6g} has mean {mean:.6g}."
            )
        if not abs(spread - variance) <= 5.0 * MOMENT_TOLERANCE * variance:
            raise ModelError(
                f"the distribution that cdf gives at mu = {mu:.6g}, weight 1 and dispersion "
                f"{self.trial:g} has variance {spread:.6g}, not dispersion * variance(mu) = "
                f"{variance:.6g}."
            )
        if self.quantile is not None:
            middle = (p[inside] > 1e-6) & (p[inside] < 1.0 - 1e-6)
            self._check_quantile(mu, p[inside][middle], values[middle])

    def _check_quantile(self, mu: float, p: np.ndarray, values: np.ndarray) -> None:
        again = self.lower(values, np.full(p.size, mu), np.ones(p.size), self.trial)
        wrong = again < p - QUANTILE_TOLERANCE
        if not self.discrete and not self.has_mass_below:
            wrong |= again > p + QUANTILE_TOLERANCE
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ModelError(
                f"quantile does not undo cdf at mu = {mu:.6g}: quantile({p[k]:.6g}) = "
                f"{values[k]:.6g}, where cdf is {again[k]:.6g}."
            )

    def _check_density(self, means: list[float], log_density: Callable[..., float]) -> None:
        h = 1.0 if self.discrete else 1e-4
        for y, mu in itertools.product(self._responses(means), means[1:6:2]):
            room = math.inf if self.discrete else min(y - self.domain.lower, self.domain.upper - y)
            width = min(h, 0.25 * room)
            ends = (y - 1.0, y) if self.discrete else (y - width, y + width)
            at = [0.0 if end < self.domain.lower else self._at(end, mu) for end in ends]
            found = (at[1] - at[0]) / (1.0 if self.discrete else 2.0 * width)
            density = math.exp(log_density(float(y), mu, 1.0, self.trial))
            if not abs(found - density) <= DENSITY_TOLERANCE * max(density, found, 1e-4):
                raise ModelError(
                    f"cdf and log_density disagree at y = {y:.6g}, mu = {mu:.6g}, weight 1 and "
                    f"dispersion {self.trial:g}: differences of cdf give {found:.8g}, "
                    f"exp(log_density) is {density:.8g}."
                )

    def _check_draw(self) -> None:
        means = np.array(points_inside(self.domain.lower, self.domain.upper))
        generator = np.random.default_rng(0)
        drawn = _called(self.draw, "draw", generator, means, np.ones(means.size), self.trial)
        if not self.domain.contains(drawn).all():
            raise ModelError(f"draw gives responses that are not {self.domain}.")


def _called(function: Any, name: str, *arguments: Any) -> np.ndarray:
    """The values of a vectorised function, checked to be as many finite numbers as means."""
    means = arguments[1]
    try:
        values = np.asarray(function(*arguments), np.float64)
    except Exception as error:
        raise ModelError(
            f"{name} raises {type(error).__name__}: {error}; it is called with arrays."
        ) from error
    if values.shape != means.shape:
        raise ModelError(
            f"{name} must give an array of the shape {means.shape} of its arguments, not "
            f"{values.shape}."
        )
    if not np.isfinite(values).all():
        raise ModelError(f"{name} is not finite at mu = {means[~np.isfinite(values)][0]:.6g}.")
    return values
