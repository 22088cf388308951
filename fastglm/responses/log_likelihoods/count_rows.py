# ruff: noqa: F821 -- the scalar functions are bound when a template is compiled
"""Row blocks of counts: a model for zeros beside that of the counts, or one for alpha.

Templates of `fastglm.kernels.passes.several_predictors`: eta_0 is the logarithm of the mean of the
count distribution, eta_1 the log odds of the zero part, and eta_2, where there is one, the
logarithm of alpha; without a zero part, eta_1 is the logarithm of alpha. Lambert (1992), "Zero-
inflated Poisson regression"; Mullahy (1986), "Specification and testing of some modified count data
models".
"""

from __future__ import annotations

from typing import Any

from numba.core.types import float64

from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.math.gamma import (
    HALF_LOG_2PI,
    LARGE,
    gamma_functions,
    rising_factorial,
    stirling_terms,
)
from fastglm.kernels.passes.several_predictors import (
    HEADER_SHAPE,
    ROW_LOG_LIKELIHOOD,
    ROW_RESPONSE,
    predictor_buffers,
)

__all__ = ["HURDLE_ROWS", "ZERO_INFLATED_ROWS", "negative_binomial_p_rows"]

# Bound by RowBlock; named here for the reader and the linter.
count: Any

# Poisson's distribution to rounding; the square of its reciprocal is still a number.
SMALLEST_ALPHA = 1e-100
# From here on Stirling's series is good to rounding.
MANY = 16.0


@inline
def log_factorial(y):
    """log(y!), exactly 0 for 0 and 1.

    Where means are tiny, a hurdle's probability of a zero is so near 1 that rounding would show.
    """
    return gamma_functions(y + 1.0)[0] if y > 1.0 else 0.0


@inline
def poisson_count(y, eta, log_alpha):
    """Log-mass and its derivatives: in eta, in log_alpha, then second ones (00, 20, 22)."""
    mu = vm.exp(eta)
    many = y >= MANY
    safe = y if many else MANY
    # In the distance from the mean: y log(y), which cancels, would leave its rounding.
    saturated = -stirling_terms(1.0 / safe)[0] - 0.5 * vm.log(safe) - HALF_LOG_2PI
    far = saturated - vm.relative_entropy(safe, mu, safe - mu)
    value = far if many else y * eta - mu - log_factorial(y)
    return value, y - mu, 0.0, -mu, 0.0, 0.0


@inline
def few_terms(y, eta, size):
    """Log-mass, and its first and second derivative in log(alpha), for a small count.

    In sums that go to 0 with alpha: all digits are there at the smallest.
    """
    mu = vm.exp(eta)
    m = mu / size
    rising = 1.0 + m
    total, slope, curve = rising_factorial(y, size)
    value = total + y * eta - (y + size) * vm.log1p(m) - log_factorial(y)
    # size (log(1 + m) - m / (1 + m))
    excess = size * vm.relative_entropy(rising, 1.0, m) / rising
    tilt = -(y - mu) / rising * (m / rising)
    return value, slope + excess - y * (m / rising), curve - excess + tilt


@inline
def many_terms(y, mu, size):
    """As `few_terms`, for a count of `MANY` or more.

    In the distance from the mean. The terms of `few_terms` are of the size of y log(y), and leave
    its rounding. Loader (2000), "Fast and accurate computation of binomial probabilities".
    """
    residual = size * ((y - mu) / (size + mu))
    growth = residual / size
    whole = y + size
    share = size / whole
    end = stirling_terms(1.0 / whole)
    small = size < LARGE
    start = stirling_terms(1.0 / (LARGE if small else size))
    low = size if small else 1.0
    log_low = vm.log(low)
    log_gamma, digamma, trigamma = gamma_functions(low)
    # Of the size: log(size!) less Stirling's formula, then two sums that vanish with alpha.
    error = log_gamma - (low - 0.5) * log_low + low - HALF_LOG_2PI
    error = error if small else start[0]
    near = low * (digamma - log_low) + share * 0.5 if small else -0.5 * (y / whole) - start[1]
    near += share * end[1]
    bend = 0.5 * share * share - low * (low * trigamma - 1.0)
    bend = bend if small else -0.5 * (1.0 + share) * (y / whole) - start[2]
    bend += share * share * end[2]
    successes = vm.relative_entropy(y, mu * (1.0 + growth), residual)
    failures = vm.relative_entropy(size, size * (1.0 + growth), -residual)
    value = end[0] - error - stirling_terms(1.0 / y)[0] - HALF_LOG_2PI - 0.5 * vm.log(y)
    value -= 0.5 * vm.log1p(y / size) + (successes + failures)
    # size (growth - log(1 + growth))
    gap = size * vm.relative_entropy(1.0, 1.0 + growth, -growth)
    return value, gap + near, residual * (residual / whole) - gap - near + bend


@inline
def negative_binomial_terms(y, eta, size):
    """As `poisson_count`, for variance mu + mu**2 / size; alpha is 1 / size."""
    mu = vm.exp(eta)
    m = mu / size
    rising = 1.0 + m
    many = y >= MANY
    few, far = few_terms(y, eta, size), many_terms(y if many else MANY, mu, size)
    residual = (y - mu) / rising
    return (
        far[0] if many else few[0],
        residual,
        far[1] if many else few[1],
        -mu * (1.0 + y / size) / (rising * rising),
        -residual * m / rising,
        far[2] if many else few[2],
    )


@inline
def negative_binomial_count(y, eta, log_alpha):
    """As `poisson_count`, for variance mu + alpha mu**2."""
    return negative_binomial_terms(y, eta, 1.0 / max(vm.exp(log_alpha), SMALLEST_ALPHA))


def zero_inflated_block(buffers, rows):
    """With probability logistic(eta_1) the response is zero, else it is a count."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, score, weight = predictor_buffers(base)
    has_alpha = n_predictors > 2
    for i in range(rows):
        y = base[ROW_RESPONSE * BUFFER + i]
        zero = base[eta + BUFFER + i]
        log_alpha = base[eta + 2 * BUFFER + i] if has_alpha else 0.0
        value, s_0, s_2, h_00, h_20, h_22 = count(y, base[eta + i], log_alpha)
        small = vm.exp(-abs(zero))
        inflation = (1.0 if zero > 0.0 else small) / (1.0 + small)
        log_rest = -(vm.log1p(small) + max(zero, 0.0))
        # Share of the zeros that belong to the count distribution, from log odds.
        gap = zero - value
        tail = vm.exp(-abs(gap))
        structural = (1.0 if gap > 0.0 else tail) / (1.0 + tail)
        is_zero = y == 0.0
        structural = structural if is_zero else 0.0
        own = 1.0 - structural
        log_either = max(zero, value) + vm.log1p(tail)
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = log_rest + (log_either if is_zero else value)
        base[score + i] = own * s_0
        base[score + BUFFER + i] = structural - inflation
        both = own * structural
        base[weight + i] = -own * h_00 - both * s_0 * s_0
        base[weight + BUFFER + i] = both * s_0
        base[weight + 2 * BUFFER + i] = inflation * (1.0 - inflation) - both
        if has_alpha:
            base[score + 2 * BUFFER + i] = own * s_2
            base[weight + 3 * BUFFER + i] = -own * h_20 - both * s_2 * s_0
            base[weight + 4 * BUFFER + i] = both * s_2
            base[weight + 5 * BUFFER + i] = -own * h_22 - both * s_2 * s_2
    return 0


def hurdle_block(buffers, rows):
    """With probability logistic(eta_1) the response is a positive count, else zero."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, score, weight = predictor_buffers(base)
    has_alpha = n_predictors > 2
    for i in range(rows):
        y = base[ROW_RESPONSE * BUFFER + i]
        hurdle = base[eta + BUFFER + i]
        log_alpha = base[eta + 2 * BUFFER + i] if has_alpha else 0.0
        value, s_0, s_2, h_00, h_20, h_22 = count(y, base[eta + i], log_alpha)
        log_zero, z_0, z_2, g_00, g_20, g_22 = count(0.0, base[eta + i], log_alpha)
        small = vm.exp(-abs(hurdle))
        above = (1.0 if hurdle > 0.0 else small) / (1.0 + small)
        present = 1.0 if y > 0.0 else 0.0
        # Odds of the zeros that are cut off.
        odds = 1.0 / vm.expm1(-log_zero)
        spread = odds * (1.0 + odds)
        part = value + vm.log1p(odds) if y > 0.0 else 0.0
        log_side = min(hurdle, 0.0) if y > 0.0 else -max(hurdle, 0.0)
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = part + log_side - vm.log1p(small)
        base[score + i] = present * (s_0 + odds * z_0)
        base[score + BUFFER + i] = present - above
        base[weight + i] = -present * (h_00 + odds * g_00 + spread * z_0 * z_0)
        base[weight + BUFFER + i] = 0.0
        base[weight + 2 * BUFFER + i] = above * (1.0 - above)
        if has_alpha:
            base[score + 2 * BUFFER + i] = present * (s_2 + odds * z_2)
            base[weight + 3 * BUFFER + i] = -present * (h_20 + odds * g_20 + spread * z_2 * z_0)
            base[weight + 4 * BUFFER + i] = 0.0
            base[weight + 5 * BUFFER + i] = -present * (h_22 + odds * g_22 + spread * z_2 * z_2)
    return 0


def negative_binomial_p_block(buffers, rows):
    """Negative binomial of variance mu + alpha mu**power, the power a parameter of the response.

    Greene (2008), "Functional forms for the negative binomial model for count data".
    """
    base = pointer(buffers, float64)
    _, _, eta, score, weight = predictor_buffers(base)
    rate = 2.0 - base[HEADER_SHAPE]
    for i in range(rows):
        y, log_mu = base[ROW_RESPONSE * BUFFER + i], base[eta + i]
        log_alpha = base[eta + BUFFER + i]
        size = min(vm.exp(rate * log_mu - log_alpha), 1.0 / SMALLEST_ALPHA)
        # Derivatives in the logarithms of the mean and of 1 / size.
        value, s_0, s_2, h_00, h_20, h_22 = negative_binomial_terms(y, log_mu, size)
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = value
        base[score + i] = s_0 - rate * s_2
        base[score + BUFFER + i] = s_2
        base[weight + i] = -(h_00 - 2.0 * rate * h_20 + rate * rate * h_22)
        base[weight + BUFFER + i] = rate * h_22 - h_20
        base[weight + 2 * BUFFER + i] = -h_22
    return 0


negative_binomial_p_rows = RowBlock(negative_binomial_p_block, "negative_binomial_p", {})

_COUNTS = {"poisson": poisson_count, "negative_binomial": negative_binomial_count}

#: Row blocks by the name of the count distribution.
ZERO_INFLATED_ROWS: dict[str, RowBlock] = {
    name: RowBlock(zero_inflated_block, f"zero_inflated_{name}", {"count": function})
    for name, function in _COUNTS.items()
}
HURDLE_ROWS: dict[str, RowBlock] = {
    name: RowBlock(hurdle_block, f"hurdle_{name}", {"count": function})
    for name, function in _COUNTS.items()
}
