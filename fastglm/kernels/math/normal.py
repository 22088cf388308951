"""The standard normal distribution for the probit link: accurate in both tails."""

from __future__ import annotations

import math

from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import bits_of, from_bits
from fastglm.kernels.math import elementary as vm

SQRT_HALF = math.sqrt(0.5)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
# Keeps the sign, the exponent and the first 24 bits of the mantissa, whose square is exact.
LEADING_BITS = ~((1 << 29) - 1)
# Beyond this both density and tail are 0.
FARTHEST = 40.0


@inline
def _scaled_tail(z):
    """Tail probability above z >= 0, times exp(z**2 / 2), to about 1e-15.

    With t = 4 / (4 + z / sqrt(2)) it is t times a smooth function of t on all of [0, 1]: its
    Chebyshev interpolant of degree 22, written in powers of u = 2t - 1.
    """
    t = 4.0 / (4.0 + z * SQRT_HALF)
    u = 2.0 * t - 1.0
    s = 2.9752845875918867e-10
    s = s * u - 6.707432476105168e-11
    s = s * u - 3.795827979047317e-09
    s = s * u - 2.0264337763364893e-10
    s = s * u + 3.057945451701016e-08
    s = s * u + 1.89860681416576e-08
    s = s * u - 2.10844508792718e-07
    s = s * u - 3.562308364735145e-07
    s = s * u + 1.1730406410599415e-06
    s = s * u + 4.715365778480418e-06
    s = s * u - 9.085218123932037e-07
    s = s * u - 4.420326998981672e-05
    s = s * u - 0.00011376325302653468
    s = s * u + 7.023973429629971e-05
    s = s * u + 0.0015280139293790008
    s = s * u + 0.006592513332172356
    s = s * u + 0.01909537872560958
    s = s * u + 0.043502734310239814
    s = s * u + 0.08271289696960274
    s = s * u + 0.1352134578282987
    s = s * u + 0.19330217556630708
    s = s * u + 0.24413718227022063
    s = s * u + 0.27399891525012277
    return 0.5 * t * s


@inline
def normal_density_and_tail(x):
    """Density at x, and probability above abs(x)."""
    z = abs(x)
    z = FARTHEST if z > FARTHEST else z
    # The square in two parts, or its rounding would cost digits in the tail.
    leading = from_bits(bits_of(z) & LEADING_BITS)
    rest = 0.5 * (z - leading) * (z + leading)
    # exp(-rest) by its series: rest is below 3e-4.
    series = 1.0 - rest * (1.0 - 0.5 * rest * (1.0 - rest / 3.0))
    bell = vm.exp(-0.5 * leading * leading) * series
    return INVERSE_SQRT_2PI * bell, bell * _scaled_tail(z)


@inline
def _central_quantile(q):
    """Quantile at probability 1/2 + q, for |q| <= 0.425."""
    r = 0.180625 - q * q
    numerator = 2.5090809287301226727e3
    numerator = numerator * r + 3.3430575583588128105e4
    numerator = numerator * r + 6.7265770927008700853e4
    numerator = numerator * r + 4.5921953931549871457e4
    numerator = numerator * r + 1.3731693765509461125e4
    numerator = numerator * r + 1.9715909503065514427e3
    numerator = numerator * r + 1.3314166789178437745e2
    numerator = numerator * r + 3.3871328727963666080e0
    denominator = 5.2264952788528545610e3
    denominator = denominator * r + 2.8729085735721942674e4
    denominator = denominator * r + 3.9307895800092710610e4
    denominator = denominator * r + 2.1213794301586595867e4
    denominator = denominator * r + 5.3941960214247511077e3
    denominator = denominator * r + 6.8718700749205790830e2
    denominator = denominator * r + 4.2313330701600911252e1
    denominator = denominator * r + 1.0
    return q * numerator / denominator


@inline
def _tail_quantile(r):
    """Upper quantile at tail probability exp(-r**2), for 1.6 <= r <= 5."""
    r = r - 1.6
    numerator = 7.74545014278341407640e-4
    numerator = numerator * r + 2.27238449892691845833e-2
    numerator = numerator * r + 2.41780725177450611770e-1
    numerator = numerator * r + 1.27045825245236838258e0
    numerator = numerator * r + 3.64784832476320460504e0
    numerator = numerator * r + 5.76949722146069140550e0
    numerator = numerator * r + 4.63033784615654529590e0
    numerator = numerator * r + 1.42343711074968357734e0
    denominator = 1.05075007164441684324e-9
    denominator = denominator * r + 5.47593808499534494600e-4
    denominator = denominator * r + 1.51986665636164571966e-2
    denominator = denominator * r + 1.48103976427480074590e-1
    denominator = denominator * r + 6.89767334985100004550e-1
    denominator = denominator * r + 1.67638483018380384940e0
    denominator = denominator * r + 2.05319162663775882187e0
    denominator = denominator * r + 1.0
    return numerator / denominator


@inline
def _far_tail_quantile(r):
    """Upper quantile at tail probability exp(-r**2), for r >= 5."""
    r = r - 5.0
    numerator = 2.01033439929228813265e-7
    numerator = numerator * r + 2.71155556874348757815e-5
    numerator = numerator * r + 1.24266094738807843860e-3
    numerator = numerator * r + 2.65321895265761230930e-2
    numerator = numerator * r + 2.96560571828504891230e-1
    numerator = numerator * r + 1.78482653991729133580e0
    numerator = numerator * r + 5.46378491116411436990e0
    numerator = numerator * r + 6.65790464350110377720e0
    denominator = 2.04426310338993978564e-15
    denominator = denominator * r + 1.42151175831644588870e-7
    denominator = denominator * r + 1.84631831751005468180e-5
    denominator = denominator * r + 7.86869131145613259100e-4
    denominator = denominator * r + 1.48753612908506148525e-2
    denominator = denominator * r + 1.36929880922735805310e-1
    denominator = denominator * r + 5.99832206555887937690e-1
    denominator = denominator * r + 1.0
    return numerator / denominator


@inline
def normal_quantile(p, complement):
    """Quantile at probability p = 1 - complement; infinite at 0 and 1, NaN outside.

    Algorithm AS 241 (Wichura 1988), whose rational approximations are accurate to 1e-16.
    """
    tail = min(p, complement)
    r = math.sqrt(-vm.log(tail))
    far = _tail_quantile(r) if r <= 5.0 else _far_tail_quantile(r)
    far = math.inf if r == math.inf else far
    far = -far if p < complement else far
    q = 0.5 * (p - complement)
    return _central_quantile(q) if abs(q) <= 0.425 else far
