# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""Tweedie families: any power of the mean from 1 up, with an exact density, and power 0.

The density is written as the saddlepoint approximation times a sum or an integral of positive
terms, with the large exponents already cancelled on paper: it neither overflows nor loses digits,
whatever the dispersion. Jorgensen (1997), The Theory of Dispersion Models, chapter 4; Dunn &
Smyth (2005), "Series evaluation of Tweedie exponential dispersion model densities".
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.arguments import checked_number
from fastglm.errors import ModelError
from fastglm.families.anscombe import power_integral
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import NONNEGATIVE, POSITIVE, REAL, ResponseDomain
from fastglm.families.family import UNBOUNDED_LINKS, Family, LinkLike
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import Log
from fastglm.families.members.gamma import GAMMA, gamma_distribution, gamma_log_density
from fastglm.families.members.gaussian import GAUSSIAN, gaussian_distribution
from fastglm.families.members.inverse_gaussian import (
    INVERSE_GAUSSIAN,
    inverse_gaussian_distribution,
    inverse_gaussian_log_density,
)
from fastglm.families.members.poisson import POISSON, poisson_distribution, poisson_log_mass
from fastglm.families.shared_functions import (
    LOG_2PI,
    nudged_start,
    plain_difference,
    stirling_error,
    valid_nonnegative,
)
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.math import elementary as vm

# Terms below exp(-NEGLIGIBLE) of the largest are left out.
NEGLIGIBLE = 42.0
# The trapezoidal rule sums a bell curve to rounding when its step is at most this many spreads.
STEPS_PER_SPREAD = 3.0
#: Poisson counts further than this many standard deviations from their mean are left out of sums.
POISSON_REACH = 12.0
BISECTIONS = 64
# The trapezoidal rule for the positive stable density: where it starts and ends, its longest step.
STABLE_RANGE = 45.0
STABLE_STEP = 1.0 / 8.0


@inline
def tweedie_sd(mu, complement, parameter):
    return vm.power(mu, 0.5 * parameter)


@inline
def tweedie_unit_deviance(y, mu, complement, parameter):
    a = 2.0 - parameter
    b = 1.0 - parameter
    positive = y if y > 0.0 else 1.0
    relative = (positive - mu) / mu
    # The quotient overflows where its logarithm does not.
    log_ratio = vm.log1p(relative) if abs(relative) < 0.5 else vm.log(positive) - vm.log(mu)
    mu_to_a = vm.power(mu, a)
    # Series of (expm1(a L)/a - expm1(L)) / b about L = 0, where the two terms cancel.
    term = 0.5 * log_ratio * log_ratio
    quotient = 1.0
    series = term
    for n in range(3, 15):
        term = term * log_ratio / n
        quotient = a * quotient + 1.0
        series = series + term * quotient
    near = mu_to_a * series
    far = (mu_to_a * vm.expm1(a * log_ratio) / a - (positive - mu) * vm.power(mu, b)) / b
    half = near if abs(log_ratio) * max(1.0, abs(a)) < 0.25 else far
    return 2.0 * (half if y > 0.0 else mu_to_a / a)


@inline
def _compound_exponent(j, peak, gamma):
    """Log of the term of j jumps, up to a constant; zero at the peak but for slow terms."""
    entropy = (1.0 + gamma) * vm.relative_entropy(j, peak, j - peak)
    return -entropy - stirling_error(j) - stirling_error(gamma * j)


@inline
def _log_compound_sum(peak, gamma):
    """Log of the sum over the number of jumps, for a power between 1 and 2.

    A smooth bell curve: where it is wide, every h-th term times h is the same sum to rounding.
    """
    spread = math.sqrt(peak / (1.0 + gamma))
    step = max(1.0, math.floor(spread / STEPS_PER_SPREAD))
    middle = max(1.0, math.floor(peak + 0.5))
    largest = _compound_exponent(middle, peak, gamma)
    total = 1.0
    for direction in (-1.0, 1.0):
        j = middle + direction * step
        exponent = largest
        while (j >= 1.0) & (exponent > largest - NEGLIGIBLE):
            exponent = _compound_exponent(j, peak, gamma)
            total += math.exp(exponent - largest)
            j += direction * step
    return largest + math.log(step * total)


@inline
def _log_sinc(x):
    """log(sin(x) / x) for 0 <= x < pi."""
    if x < 0.1:
        u = x * x
        tail = 1.0 / 2835.0 + u * (1.0 / 37800.0 + u * (1.0 / 467775.0))
        return -u * (1.0 / 6.0 + u * (1.0 / 180.0 + u * tail))
    return math.log(math.sin(x) / x)


@inline
def _log_stable_integral(size, alpha):
    """Log of the integral over (0, pi) of g(u) exp(-size (g(u) - 1)), for a power above 2.

    Zolotarev's integral for the positive stable density of index `alpha`, g scaled to 1 at 0. The
    substitution u = pi / (1 + exp(-t)) makes the trapezoidal rule converge geometrically.
    """
    # The integrand's upper end gets steeper as alpha nears 1.
    step = min(STABLE_STEP, (1.0 - alpha) / 5.0)
    steps = int(STABLE_RANGE / step)
    total = 0.0
    for k in range(-steps, steps + 1):
        small = math.exp(-abs(k * step))
        near, far = small / (1.0 + small), 1.0 / (1.0 + small)
        u = math.pi * (near if k < 0 else far)
        rest = math.pi * (far if k < 0 else near)
        # sin(u) from the distance to pi, which keeps its digits at the upper end.
        log_sinc_u = _log_sinc(u) if k < 0 else math.log(math.sin(rest) / u)
        log_g = (
            alpha * _log_sinc(alpha * u) + (1.0 - alpha) * _log_sinc((1.0 - alpha) * u) - log_sinc_u
        ) / (1.0 - alpha)
        if log_g < 700.0:
            total += near * far * math.exp(log_g - size * math.expm1(log_g))
    return math.log(math.pi * step * total)


@inline
def tweedie_log_density(y, mu, complement, weight, dispersion, parameter):
    scale = dispersion / weight
    exponent = -0.5 * tweedie_unit_deviance(y, mu, complement, parameter) / scale
    if y == 0.0:
        return exponent
    a = 2.0 - parameter
    b = 1.0 - parameter
    if a > 0.0:
        gamma = -a / b
        norm = 0.5 * math.log(gamma) - LOG_2PI
        norm += _log_compound_sum(vm.power(y, a) / (scale * a), gamma)
    else:
        size = vm.power(y, a) / (scale * a * b)
        norm = math.log(-a * size / math.pi) + _log_stable_integral(size, a / b)
    return exponent - math.log(y) + norm


@inline
def scaled_poisson_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 1: y is a Poisson count times the dispersion.
    rate = weight / dispersion
    return poisson_log_mass(y * rate, mu * rate)


@inline
def weighted_gamma_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 2: the prior weight divides the dispersion, where R's gamma multiplies the logarithm.
    return gamma_log_density(y, mu, complement, 1.0, dispersion / weight, parameter)


@inline
def weighted_inverse_gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 3: as for power 2.
    scale = dispersion / weight
    return inverse_gaussian_log_density(y, mu, complement, 1.0, scale, parameter)


@inline
def tweedie_variances(mu, complement, parameter):
    v = vm.power(mu, parameter)
    first = parameter * v / mu
    second = (parameter - 1.0) * first / mu
    return v, first, second, (parameter - 2.0) * second / mu


TWEEDIE = ResponseFunctions(
    "tweedie",
    standard_deviation=tweedie_sd,
    unit_deviance=tweedie_unit_deviance,
    starting_mean=nudged_start,
    valid_mean=valid_nonnegative,
    difference=plain_difference,
    log_density=tweedie_log_density,
    variances=tweedie_variances,
)

# Special powers: prior weights divide the dispersion in all of them.
TWEEDIE_SPECIAL = {
    0.0: GAUSSIAN,
    1.0: replace(POISSON, name="tweedie_1", log_density=scaled_poisson_log_density),
    2.0: replace(GAMMA, name="tweedie_2", log_density=weighted_gamma_log_density),
    3.0: replace(
        INVERSE_GAUSSIAN,
        name="tweedie_3",
        log_density=weighted_inverse_gaussian_log_density,
    ),
}
SPECIAL_DISTRIBUTIONS = {
    0.0: gaussian_distribution,
    1.0: poisson_distribution,
    2.0: gamma_distribution,
    3.0: inverse_gaussian_distribution,
}


def _compound_poisson_tail(power, y, mu, own, below):
    """Probability of y or less, or of more, at dispersions `own`: one term a number of events."""
    y, mu, own = np.broadcast_arrays(np.asarray(y, np.float64), mu, own)
    shape = (2.0 - power) / (power - 1.0)
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


def compound_poisson_distribution(power: float, dispersion: float) -> ResponseDistribution:
    """Of a sum of a Poisson number of gamma variables; Jorgensen (1997), section 4.2."""

    def lower(y, mu, weight):
        return _compound_poisson_tail(power, y, mu, dispersion / weight, True)

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

    def upper(y, mu, weight):
        return _compound_poisson_tail(power, y, mu, dispersion / weight, False)

    def draw(mu, weight, generator):
        own = dispersion / weight
        jumps = generator.poisson(mu ** (2.0 - power) / (own * (2.0 - power)))
        sizes = own * (power - 1.0) * mu ** (power - 1.0)
        return generator.gamma(jumps * (2.0 - power) / (power - 1.0), sizes)

    return ResponseDistribution(lower, upper, quantile, mass_at_zero=True, draw=draw)


class Tweedie(Family):
    """Response whose variance is proportional to mu**var_power.

    Power 0 is the normal, 1 the (overdispersed) Poisson, 2 the gamma and 3 the inverse Gaussian
    family; between 1 and 2 it is a sum of a Poisson number of gamma variables, with exact zeros.
    With the power given, the likelihood is taken at the deviance over the observations, as R's
    ``logLiktweedie`` does, and as for the gamma and normal families at powers 2 and 0. Without, a
    fit estimates power and dispersion by maximum (profile) likelihood, and likelihood and
    distribution are those of both estimates. Standard errors come from Pearson's dispersion either
    way. Jorgensen (1997), chapter 4.

    Parameters
    ----------
    link : optional
        Default log.
    var_power : float, optional
        0, or 1 and above: no distribution has a power in between. None is to be estimated, above
        1, and below 2 where responses are 0; until then the family's methods take 1.5.
    estimated : bool, default False
        Whether `var_power` is an estimate from the data.
    dispersion : float, optional
        Where the likelihood is taken instead: the estimate that goes with that of the power. A
        power that was estimated, given again without it, has the lower likelihood of R's
        convention.
    """

    name = "tweedie"
    default_link = Log
    links = UNBOUNDED_LINKS
    parameter_name = "var_power"
    estimated: bool
    dispersion: float | None

    def __init__(
        self,
        link: LinkLike = None,
        var_power: float | None = None,
        estimated: bool = False,
        dispersion: float | None = None,
    ):
        if var_power is not None:
            var_power = checked_number("family Tweedie: var_power", var_power)
        if var_power is not None and not (var_power == 0.0 or 1.0 <= var_power < math.inf):
            raise ModelError(
                f"family Tweedie: var_power must be 0 or at least 1, got {var_power!r}"
            )
        if dispersion is not None:
            dispersion = checked_number("family Tweedie: dispersion", dispersion)
        if dispersion is not None and not 0.0 < dispersion < math.inf:
            raise ModelError(f"family Tweedie: dispersion must be positive, got {dispersion!r}")
        super().__init__(link)
        self._set(
            parameter=1.5 if var_power is None else float(var_power),
            free_parameter="var_power" if var_power is None else None,
            estimated=estimated,
            dispersion=dispersion,
            n_dispersion_parameters=1 + estimated,
        )

    @property
    def var_power(self) -> float | None:
        """The power of the variance function; None if it is to be estimated."""
        return None if self.free_parameter else self.parameter

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """Those of the special power, or the general ones."""
        return TWEEDIE_SPECIAL.get(self.parameter, TWEEDIE)

    @property
    def domain(self) -> ResponseDomain:  # type: ignore[override]
        """All reals, from 0, or above 0, by the power."""
        if self.parameter == 0.0:
            return REAL
        return NONNEGATIVE if self.parameter < 2.0 else POSITIVE

    def arguments(self) -> dict[str, Any]:
        """Power, link, and what was estimated."""
        given: dict[str, Any] = {"var_power": self.var_power, "link": self.link}
        if self.estimated:
            given["estimated"] = True
        if self.dispersion is not None:
            given["dispersion"] = self.dispersion
        return given

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the number of observations, or the estimate beside that of the power."""
        # The weights divide the dispersion, so it does not go by their sum: twice the weights
        # are twice the dispersion, and the same likelihood.
        return deviance / n if self.dispersion is None else self.dispersion

    def parameter_range(self, smallest: float) -> tuple[float, float]:
        """Ends of the powers that a response with this smallest value may have."""
        return (1.01, 1.99) if smallest == 0.0 else (1.01, 11.0)

    def response_dispersion(self, scale: float) -> float:
        """Dispersion of the distribution of responses, given the `scale` of the fit."""
        return scale if self.dispersion is None else self.dispersion

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """That of the special power, or a sum of gamma variables.

        Raises
        ------
        ModelError
            For powers without closed forms.
        """
        if self.parameter in SPECIAL_DISTRIBUTIONS:
            return SPECIAL_DISTRIBUTIONS[self.parameter](dispersion)
        if 1.0 < self.parameter < 2.0:
            return compound_poisson_distribution(self.parameter, dispersion)
        raise ModelError(
            f"the Tweedie distribution of power {self.parameter:g} has no closed form; powers 0, 3 "
            "and from 1 to 2 have one."
        )

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """A power."""
        return power_integral(values, self.parameter)
