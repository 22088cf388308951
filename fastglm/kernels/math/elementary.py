"""Elementary functions written so that LLVM turns a loop over them into vector instructions.

A call into the C library keeps a loop scalar. These are straight-line arithmetic with selects in
place of branches, within about one unit in the last place of the true value over the whole range,
and with the C library's answers at the ends (overflow, underflow, NaN, infinities, negative zero
aside).
"""

from __future__ import annotations

import math

import numpy as np
from numba.core.types import int32

from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.compiler.intrinsics import bits_of, from_bits, from_float32_bits

# log(2) split so that k * LN2_HIGH is exact for |k| < 2**11.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
INVERSE_LN2 = 1.44269504088896338700e00
# Adding and subtracting 1.5 * 2**52 rounds to the nearest integer.
ROUNDER = 6755399441055744.0
LARGEST_ROUNDED = 2.0**51
EXPONENT_ONE = 1023
MANTISSA_BITS = 52
SMALLEST_NORMAL = 2.2250738585072014e-308
TWO_54 = 18014398509481984.0
# Bits of the float64 nearest to sqrt(1/2), whose distance from 1.0's bits centres the mantissa.
BITS_SQRT_HALF = 0x3FE6A09E667F3BCD
BITS_ONE = 0x3FF0000000000000
SQRT_2 = math.sqrt(2.0)
# A quotient's denominator beyond 2**-500 or 2**500 is brought back by 2**500 before dividing.
EXTREME_LOW = 2.0**-500
EXTREME_HIGH = 2.0**500
EXTREME_SHIFT = 500.0 * math.log(2.0)
# The same for single precision, whose range is narrower: k * FLOAT32_LN2_HIGH is exact for its k.
FLOAT32_LN2_HIGH = 0.693359375
FLOAT32_LN2_LOW = LN2_HIGH - FLOAT32_LN2_HIGH + LN2_LOW
# From here on exp(x) counts as infinite: a factor 2**k with a k that is rounded up would be.
FLOAT32_LARGEST = 88.3
FLOAT32_ROUNDER = 12582912.0
FLOAT32_EXPONENT_ONE = 127
FLOAT32_MANTISSA_BITS = 23


@inline
def power_of_two(k):
    """2.0**k for an integer -1022 <= k <= 1023."""
    return from_bits((k + EXPONENT_ONE) << MANTISSA_BITS)


@inline
def _exp_parts(x):
    """Integer k and polynomial parts with exp(x) = 2**k (1 + r + tail), |r| <= log(2)/2."""
    k_float = (x * INVERSE_LN2 + ROUNDER) - ROUNDER
    high = x - k_float * LN2_HIGH
    low = k_float * LN2_LOW
    r = high - low
    correction = (high - r) - low
    # Taylor series of (exp(r) - 1 - r) / r**2: at |r| = 0.3466 the first term left out is 3e-18.
    s = 1.0 / 6227020800.0
    s = s * r + 1.0 / 479001600.0
    s = s * r + 1.0 / 39916800.0
    s = s * r + 1.0 / 3628800.0
    s = s * r + 1.0 / 362880.0
    s = s * r + 1.0 / 40320.0
    s = s * r + 1.0 / 5040.0
    s = s * r + 1.0 / 720.0
    s = s * r + 1.0 / 120.0
    s = s * r + 1.0 / 24.0
    s = s * r + 1.0 / 6.0
    s = s * r + 0.5
    tail = s * (r * r) + (correction + correction * r)
    return np.int64(k_float), r, tail


@inline
def exp(x):
    """e**x."""
    clipped = min(max(x, -746.0), 710.0)
    k, r, tail = _exp_parts(clipped)
    # Two factors, because 2**k alone leaves the range before the product does.
    half = k >> 1
    value = (1.0 + (r + tail)) * power_of_two(half) * power_of_two(k - half)
    return value if x == x else x


@inline
def expm1(x):
    """e**x - 1, accurate for small x."""
    # Reduced exactly as in `exp`, so that a loop that needs both does the work once.
    clipped = min(max(x, -746.0), 710.0)
    k, r, tail = _exp_parts(clipped)
    half = k >> 1
    scale_1 = power_of_two(half)
    scale_2 = power_of_two(k - half)
    scale = scale_1 * scale_2
    moderate = (scale - 1.0) + scale * (r + tail)
    # From here on the 1 is below rounding, and `scale` alone may leave the range.
    large = (1.0 + (r + tail)) * scale_1 * scale_2
    value = large if x > 60.0 else moderate
    return value if x == x else x


@inline_any_precision
def _exp_parts_float32(x):
    """2**k, 0 where it would be subnormal, and more with exp(x) = 2**k (1 + more)."""
    clipped = min(max(x, -88.0), FLOAT32_LARGEST)
    k = (clipped * INVERSE_LN2 + FLOAT32_ROUNDER) - FLOAT32_ROUNDER
    r = (clipped - k * FLOAT32_LN2_HIGH) - k * FLOAT32_LN2_LOW
    # At |r| = 0.3466 the first term left out is 5e-9.
    s = 1.0 / 5040.0
    s = s * r + 1.0 / 720.0
    s = s * r + 1.0 / 120.0
    s = s * r + 1.0 / 24.0
    s = s * r + 1.0 / 6.0
    s = s * r + 0.5
    exponent = int32(k) + int32(FLOAT32_EXPONENT_ONE)
    power = from_float32_bits(exponent << int32(FLOAT32_MANTISSA_BITS))
    return power, r + s * (r * r)


@inline_any_precision
def _exp_float32(x):
    power, more = _exp_parts_float32(x)
    return power + power * more if x <= FLOAT32_LARGEST else x + math.inf


@inline_any_precision
def _expm1_float32(x):
    power, more = _exp_parts_float32(x)
    return (power - 1.0) + power * more if x <= FLOAT32_LARGEST else x + math.inf


exp.in_float32 = _exp_float32
expm1.in_float32 = _expm1_float32


@inline
def log(x):
    """Natural logarithm; -inf at 0, NaN below."""
    subnormal = x < SMALLEST_NORMAL
    scaled = x * TWO_54 if subnormal else x
    bits = bits_of(scaled)
    shifted = bits + (BITS_ONE - BITS_SQRT_HALF)
    exponent = (shifted >> MANTISSA_BITS) - EXPONENT_ONE
    mantissa = from_bits(bits - (exponent << MANTISSA_BITS))
    k = np.float64(exponent) - (54.0 if subnormal else 0.0)
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    # log(1 + f) = f - f**2/2 + s (f**2/2 + R(z)), R from the series of atanh; coefficients of
    # the minimax polynomial published with the Sun C library (error below 2**-58.45).
    t = 1.479819860511658591e-01
    t = t * z + 1.531383769920937332e-01
    t = t * z + 1.818357216161805012e-01
    t = t * z + 2.222219843214978396e-01
    t = t * z + 2.857142874366239149e-01
    t = t * z + 3.999999999940941908e-01
    t = t * z + 6.666666666666735130e-01
    series = t * z
    half_square = 0.5 * f * f
    value = k * LN2_HIGH - ((half_square - (s * (half_square + series) + k * LN2_LOW)) - f)
    value = value if x < math.inf else x
    value = value if x > 0.0 else (-math.inf if x == 0.0 else math.nan)
    return value


@inline
def log1p(x):
    """log(1 + x), accurate for small x."""
    u = 1.0 + x
    # What rounding 1 + x lost, put back to first order (Kahan).
    lost = x - (u - 1.0)
    correction = lost / u if (u > 0.0) & (u < math.inf) else 0.0
    value = log(u) + correction
    # 1 + x is inexact by up to half a unit: below this the series is exact to rounding.
    return x - 0.5 * x * x if abs(x) < 1e-9 else value


@inline
def nearest_integer(x):
    """Round x >= 0 to the nearest integer, halves to even."""
    return (x + ROUNDER) - ROUNDER if x < LARGEST_ROUNDED else x


@inline
def power(x, exponent):
    """x**exponent for x >= 0, to about |exponent * log(x)| units in the last place."""
    value = exp(exponent * log(x))
    return 1.0 if exponent == 0.0 else value


@inline
def arc_cotangent(x):
    """Angle in (0, pi/2] whose cotangent is x >= 0; accurate where x is large."""
    # arccot(x) = offset + atan(ratio) with abs(ratio) <= sqrt(2) - 1.
    large = x > SQRT_2 + 1.0
    small = x < SQRT_2 - 1.0
    numerator = 1.0 if large else (-x if small else 1.0 - x)
    denominator = x if large else (1.0 if small else 1.0 + x)
    offset = 0.0 if large else (0.5 * math.pi if small else 0.25 * math.pi)
    ratio = numerator / denominator
    w = ratio * ratio
    # Series of the arc tangent; the first term left out is 3e-18.
    s = 0.0
    for n in range(20, 0, -1):
        s = 1.0 / (2 * n + 1) - w * s
    return offset + (ratio - ratio * (w * s))


@inline
def relative_entropy(y, mu, difference):
    """Return y log(y / mu) - y + mu for y, mu >= 0, given ``difference`` = y - mu.

    Half the unit deviance of a Poisson response, and the piece other deviances are made of. As
    accurate as the difference where y is near mu; infinite where mu = 0 < y. Loader (2000), "Fast
    and accurate computation of binomial probabilities", for the series about y = mu.
    """
    total = y + mu
    v = difference / total if total > 0.0 else 0.0
    w = v * v
    s = 1.0 / 17.0
    s = s * w + 1.0 / 15.0
    s = s * w + 1.0 / 13.0
    s = s * w + 1.0 / 11.0
    s = s * w + 1.0 / 9.0
    s = s * w + 1.0 / 7.0
    s = s * w + 1.0 / 5.0
    s = s * w + 1.0 / 3.0
    near = v * difference + 2.0 * y * v * w * s
    # The quotient itself would leave the range when mu is near either end of it.
    shift = EXTREME_SHIFT if mu < EXTREME_LOW else 0.0
    shift = -EXTREME_SHIFT if mu > EXTREME_HIGH else shift
    scale = EXTREME_HIGH if mu < EXTREME_LOW else 1.0
    scale = EXTREME_LOW if mu > EXTREME_HIGH else scale
    safe = y if y > 0.0 else 1.0
    far = y * (log(safe / (mu * scale)) + shift) - difference
    far = far if y > 0.0 else mu
    return near if w < 0.01 else far
