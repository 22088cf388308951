# ruff: noqa: D103 -- the module docstring says what each kind of function returns
"""Tweedie families: unit deviance and exact density for any power of the mean from 1 up.

The density is written as the saddlepoint approximation times a sum or an integral of positive
terms, with the large exponents already cancelled on paper: it neither overflows nor loses digits,
whatever the dispersion. Jorgensen (1997), The Theory of Dispersion Models, chapter 4; Dunn &
Smyth (2005), "Series evaluation of Tweedie exponential dispersion model densities".
"""

from __future__ import annotations

import math

from fastglm.families import densities
from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import inlined

# Terms below exp(-NEGLIGIBLE) of the largest are left out.
NEGLIGIBLE = 42.0
# The trapezoidal rule sums a bell curve to rounding when its step is at most this many spreads.
STEPS_PER_SPREAD = 3.0
# The trapezoidal rule for the positive stable density: where it starts and ends, its longest step.
STABLE_RANGE = 45.0
STABLE_STEP = 1.0 / 8.0


@inlined
def tweedie_sd(mu, complement, parameter):
    return vm.power(mu, 0.5 * parameter)


@inlined
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


@inlined
def _compound_exponent(j, peak, gamma):
    """Log of the term of j jumps, up to a constant; zero at the peak but for slow terms."""
    entropy = (1.0 + gamma) * vm.relative_entropy(j, peak, j - peak)
    return -entropy - densities.stirling_error(j) - densities.stirling_error(gamma * j)


@inlined
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


@inlined
def _log_sinc(x):
    """log(sin(x) / x) for 0 <= x < pi."""
    if x < 0.1:
        u = x * x
        tail = 1.0 / 2835.0 + u * (1.0 / 37800.0 + u * (1.0 / 467775.0))
        return -u * (1.0 / 6.0 + u * (1.0 / 180.0 + u * tail))
    return math.log(math.sin(x) / x)


@inlined
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


@inlined
def tweedie_log_density(y, mu, complement, weight, dispersion, parameter):
    scale = dispersion / weight
    exponent = -0.5 * tweedie_unit_deviance(y, mu, complement, parameter) / scale
    if y == 0.0:
        return exponent
    a = 2.0 - parameter
    b = 1.0 - parameter
    if a > 0.0:
        gamma = -a / b
        norm = 0.5 * math.log(gamma) - densities.LOG_2PI
        norm += _log_compound_sum(vm.power(y, a) / (scale * a), gamma)
    else:
        size = vm.power(y, a) / (scale * a * b)
        norm = math.log(-a * size / math.pi) + _log_stable_integral(size, a / b)
    return exponent - math.log(y) + norm


@inlined
def scaled_poisson_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 1: y is a Poisson count times the dispersion.
    rate = weight / dispersion
    return densities.poisson_log_mass(y * rate, mu * rate)


@inlined
def weighted_gamma_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 2: the prior weight divides the dispersion, where R's gamma multiplies the logarithm.
    return densities.gamma_log_density(y, mu, complement, 1.0, dispersion / weight, parameter)


@inlined
def weighted_inverse_gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    # Power 3: as for power 2.
    scale = dispersion / weight
    return densities.inverse_gaussian_log_density(y, mu, complement, 1.0, scale, parameter)
