"""Digamma and trigamma functions, compiled."""

from __future__ import annotations

import math

from fastglm.kernels.jit import inlined

# The asymptotic series are good to rounding from here on; below, the recurrence leads there.
LARGE = 10.0


@inlined
def digamma(x):
    """Logarithmic derivative of the gamma function at x > 0. Abramowitz & Stegun 6.3.5, 6.3.18."""
    shift = 0.0
    while x < LARGE:
        shift += 1.0 / x
        x += 1.0
    u = 1.0 / (x * x)
    s = 1.0 / 12.0
    s = 691.0 / 32760.0 - s * u
    s = 1.0 / 132.0 - s * u
    s = 1.0 / 240.0 - s * u
    s = 1.0 / 252.0 - s * u
    s = 1.0 / 120.0 - s * u
    s = 1.0 / 12.0 - s * u
    return math.log(x) - 0.5 / x - s * u - shift


@inlined
def trigamma(x):
    """Derivative of the digamma function at x > 0. Abramowitz & Stegun 6.4.6, 6.4.12."""
    shift = 0.0
    while x < LARGE:
        shift += 1.0 / (x * x)
        x += 1.0
    u = 1.0 / (x * x)
    s = 7.0 / 6.0
    s = 691.0 / 2730.0 - s * u
    s = 5.0 / 66.0 - s * u
    s = 1.0 / 30.0 - s * u
    s = 1.0 / 42.0 - s * u
    s = 1.0 / 30.0 - s * u
    s = 1.0 / 6.0 - s * u
    return shift + 1.0 / x + 0.5 * u + s * u / x
