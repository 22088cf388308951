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
    s = 1.0 / 156.0
    s = 691.0 / 360360.0 - s * u
    s = 1.0 / 1188.0 - s * u
    s = 1.0 / 1680.0 - s * u
    s = 1.0 / 1260.0 - s * u
    s = 1.0 / 360.0 - s * u
    s = 1.0 / 12.0 - s * u
    log_gamma = (x - 0.5) * log_x - x + HALF_LOG_2PI + s * r - vm.log(product)
    s = 1.0 / 12.0
    s = 691.0 / 32760.0 - s * u
    s = 1.0 / 132.0 - s * u
    s = 1.0 / 240.0 - s * u
    s = 1.0 / 252.0 - s * u
    s = 1.0 / 120.0 - s * u
    s = 1.0 / 12.0 - s * u
    digamma = log_x - 0.5 * r - s * u - first
    s = 7.0 / 6.0
    s = 691.0 / 2730.0 - s * u
    s = 5.0 / 66.0 - s * u
    s = 1.0 / 30.0 - s * u
    s = 1.0 / 42.0 - s * u
    s = 1.0 / 30.0 - s * u
    s = 1.0 / 6.0 - s * u
    trigamma = second + r + 0.5 * u + s * u * r
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
