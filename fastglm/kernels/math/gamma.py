"""The logarithm of the gamma function and its derivatives, in vector instructions."""

from __future__ import annotations

import math

from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.math import elementary as vm

# The asymptotic series are good to rounding from here on; below, the recurrence leads there.
LARGE = 10.0
STEPS = 10
# That of the tetragamma function from further on.
TETRAGAMMA_LARGE, TETRAGAMMA_STEPS = 14.0, 14
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@inline
def gamma_functions(x):
    """Return log gamma(x), digamma(x) and trigamma(x) for x > 0.

    Straight-line arithmetic, so that a loop over it becomes vector instructions. Abramowitz &
    Stegun (1964), 6.1.41, 6.3.18 and 6.4.12 above 10; 6.1.15, 6.3.5 and 6.4.6 below.
    """
    product, first, second = 1.0, 0.0, 0.0
    for _ in range(STEPS):
        small = x < LARGE
        reciprocal = 1.0 / x if small else 0.0
        product = product * x if small else product
        first += reciprocal
        second += reciprocal * reciprocal
        x = x + 1.0 if small else x
    r = 1.0 / x
    u = r * r
    log_x = vm.log(x)
    of_log, of_digamma, of_trigamma = stirling_terms(r)
    log_gamma = (x - 0.5) * log_x - x + HALF_LOG_2PI + of_log - vm.log(product)
    digamma = log_x - 0.5 * r - of_digamma * r - first
    trigamma = second + r + 0.5 * u + of_trigamma * u
    return log_gamma, digamma, trigamma


@inline
def tetragamma(x):
    """Second derivative of the digamma function, x > 0; Abramowitz & Stegun (1964), 6.4.14."""
    below = 0.0
    for _ in range(TETRAGAMMA_STEPS):
        small = x < TETRAGAMMA_LARGE
        below += 2.0 / (x * x * x) if small else 0.0
        x = x + 1.0 if small else x
    r = 1.0 / x
    u = r * r
    s = 35.0 / 2.0
    s = 691.0 / 210.0 - s * u
    s = 5.0 / 6.0 - s * u
    s = 3.0 / 10.0 - s * u
    s = 1.0 / 6.0 - s * u
    s = 1.0 / 6.0 - s * u
    s = 1.0 / 2.0 - s * u
    return -(below + u + u * r + s * u * u)


@inline
def stirling_terms(r):
    """Series in the reciprocal r of x >= 10 beyond the leading terms of the gamma functions.

    Of log gamma(x) in itself, of x (log x - 1 / (2 x) - digamma(x)) and of
    x^2 trigamma(x) - x - 1 / 2.
    """
    u = r * r
    s = 1.0 / 156.0
    s = 691.0 / 360360.0 - s * u
    s = 1.0 / 1188.0 - s * u
    s = 1.0 / 1680.0 - s * u
    s = 1.0 / 1260.0 - s * u
    s = 1.0 / 360.0 - s * u
    log_gamma = (1.0 / 12.0 - s * u) * r
    s = 1.0 / 12.0
    s = 691.0 / 32760.0 - s * u
    s = 1.0 / 132.0 - s * u
    s = 1.0 / 240.0 - s * u
    s = 1.0 / 252.0 - s * u
    s = 1.0 / 120.0 - s * u
    digamma = (1.0 / 12.0 - s * u) * r
    s = 7.0 / 6.0
    s = 691.0 / 2730.0 - s * u
    s = 5.0 / 66.0 - s * u
    s = 1.0 / 30.0 - s * u
    s = 1.0 / 42.0 - s * u
    s = 1.0 / 30.0 - s * u
    trigamma = (1.0 / 6.0 - s * u) * r
    return log_gamma, digamma, trigamma


@inline
def rising_factorial(y, size):
    """Return sums over j = 0, ..., y - 1 of log(1 + j a), j a / (1 + j a) and j a / (1 + j a)^2.

    With a = 1 / size: log gamma(size + y) - log gamma(size) - y log(size), and its first and second
    derivative in log(a), for y >= 0 and size > 0. Differences of gamma functions lose all digits
    where the size is large; here their leading terms are subtracted in closed form. Where it is
    small, the recurrence of `gamma_functions` leads to one that is not.
    """
    below, above, first, second, large = 1.0, 1.0, 0.0, 0.0, size
    for _ in range(STEPS):
        small = large < LARGE
        low = 1.0 / large if small else 0.0
        high = 1.0 / (large + y) if small else 0.0
        below = below * large if small else below
        above = above * (large + y) if small else above
        first += low - high
        second += (low - high) * (low + high)
        large = large + 1.0 if small else large
    share, r = size / large, 1.0 / large
    x = y * r
    rising = 1.0 + x
    log_rising = vm.log1p(x)
    start, end = stirling_terms(r), stirling_terms(r / rising)
    total = large * vm.relative_entropy(rising, 1.0, x) - 0.5 * log_rising + (end[0] - start[0])
    total += y * vm.log(large / size) + (vm.log(below) - vm.log(above))
    # y - s (digamma(s + y) - digamma(s)), and s^2 times the difference of trigammas less that.
    near = large * vm.relative_entropy(1.0, rising, -x) - 0.5 * x / rising
    near += end[1] / rising - start[1]
    bend = large * vm.relative_entropy(rising, 1.0, x) / rising - 0.5 * x / (rising * rising)
    bend += (start[1] - end[1] / rising) + (end[2] / (rising * rising) - start[2])
    slope = y * (1.0 - share) + share * near - size * first
    curve = share * share * bend + share * (1.0 - share) * (y - near)
    curve += size * (first - size * second)
    # Exactly: what rounding leaves would show beside the smallest means.
    is_none = (y == 0.0) | (y == 1.0)
    return (0.0 if is_none else total, 0.0 if is_none else slope, 0.0 if is_none else curve)
