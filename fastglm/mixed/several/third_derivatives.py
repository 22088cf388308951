# ruff: noqa: F821 -- the scalar functions are bound when a template is compiled
"""Row blocks of the third derivatives that Laplace's approximation needs.

The random part t of a row moves its linear predictors by d_k t. The blocks of
`fastglm.responses.log_likelihoods` give the log-likelihood l, its first derivatives in the
predictors and its second ones; these here give minus the derivatives of the second derivative in t,
d l_tt / d eta_k, in the buffers behind. That in t itself is their sum with weights d_k. Counts with
a model of their zeros may have random parts in both: of these, derivatives of l_01 and l_11 follow.
"""

from __future__ import annotations

import functools
from typing import Any

from numba.core.types import float64

from fastglm.families.links import bends
from fastglm.families.links import functions as lf
from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.math.gamma import gamma_functions, tetragamma
from fastglm.kernels.passes.several_predictors import (
    HEADER_SHAPE,
    ROW_RESPONSE,
    pair_index,
    predictor_buffers,
)
from fastglm.responses.log_likelihoods.count_rows import (
    SMALLEST_ALPHA,
    negative_binomial_count,
    poisson_count,
)

__all__ = [
    "HURDLE_THIRDS",
    "ZERO_INFLATED_THIRDS",
    "beta_thirds",
    "cumulative_thirds",
    "negative_binomial_thirds",
]

# Bound by RowBlock.
count: Any
count_third: Any
inverse: Any
link_bends: Any


@inline
def bend_buffer(n_predictors, weight):
    """Position of the first derivative of l_tt, behind the second derivatives."""
    return weight + pair_index(n_predictors, 0) * BUFFER


@inline
def poisson_third(y, eta, log_alpha):
    """Derivatives of the second derivative in eta: in eta, and in log_alpha."""
    return -vm.exp(eta), 0.0


@inline
def negative_binomial_third(y, eta, log_alpha):
    """As `poisson_third`, for variance mu + alpha mu**2."""
    mu, alpha = vm.exp(eta), max(vm.exp(log_alpha), SMALLEST_ALPHA)
    m = alpha * mu
    rising, whole = 1.0 + m, 1.0 + alpha * y
    cube = mu / (rising * rising * rising)
    return -whole * (1.0 - m) * cube, -(alpha * y * rising - 2.0 * whole * m) * cube


@inline
def logistic_third(eta):
    """Third derivative of log(1 + exp(eta))."""
    small = vm.exp(-abs(eta))
    share = 1.0 / (1.0 + small)
    size = small * share * share * (1.0 - small) * share
    return size if eta < 0.0 else -size


def zero_inflated_thirds(buffers, rows):
    """For `fastglm.responses.log_likelihoods.count_rows.zero_inflated_block`."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, _, weight = predictor_buffers(base)
    bend = bend_buffer(n_predictors, weight)
    has_alpha = n_predictors > 2
    for i in range(rows):
        y, log_mu = base[ROW_RESPONSE * BUFFER + i], base[eta + i]
        log_alpha = base[eta + 2 * BUFFER + i] if has_alpha else 0.0
        value, s_0, s_2, h_00, h_20, _ = count(y, log_mu, log_alpha)
        h_000, h_002 = count_third(y, log_mu, log_alpha)
        gap = base[eta + BUFFER + i] - value
        tail = vm.exp(-abs(gap))
        own = (tail if gap > 0.0 else 1.0) / (1.0 + tail)
        own = own if y == 0.0 else 1.0
        # Derivatives of own in the count's log-mass.
        both = own * (1.0 - own)
        tilt = both * (1.0 - 2.0 * own)
        square = s_0 * s_0
        base[bend + i] = -(own * h_000 + 3.0 * both * s_0 * h_00 + tilt * square * s_0)
        base[bend + BUFFER + i] = both * h_00 + tilt * square
        crossed = bend + n_predictors * BUFFER
        of_zeros = crossed + n_predictors * BUFFER
        base[crossed + i] = both * h_00 + tilt * square
        base[crossed + BUFFER + i] = base[of_zeros + i] = -tilt * s_0
        base[of_zeros + BUFFER + i] = tilt + logistic_third(base[eta + BUFFER + i])
        if has_alpha:
            mixed = both * (s_2 * h_00 + 2.0 * s_0 * h_20)
            base[bend + 2 * BUFFER + i] = -(own * h_002 + mixed + tilt * s_2 * square)
            base[crossed + 2 * BUFFER + i] = tilt * s_0 * s_2 + both * h_20
            base[of_zeros + 2 * BUFFER + i] = -tilt * s_2
    return 0


def hurdle_thirds(buffers, rows):
    """For `fastglm.responses.log_likelihoods.count_rows.hurdle_block`."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, _, weight = predictor_buffers(base)
    bend = bend_buffer(n_predictors, weight)
    has_alpha = n_predictors > 2
    for i in range(rows):
        y, log_mu = base[ROW_RESPONSE * BUFFER + i], base[eta + i]
        log_alpha = base[eta + 2 * BUFFER + i] if has_alpha else 0.0
        h_000, h_002 = count_third(y, log_mu, log_alpha)
        log_zero, z_0, z_2, g_00, g_20, _ = count(0.0, log_mu, log_alpha)
        g_000, g_002 = count_third(0.0, log_mu, log_alpha)
        odds = 1.0 / vm.expm1(-log_zero)
        spread = odds * (1.0 + odds)
        tilt = spread * (1.0 + 2.0 * odds)
        square = z_0 * z_0
        third = h_000 + odds * g_000 + 3.0 * spread * z_0 * g_00 + tilt * square * z_0
        base[bend + i] = -third if y > 0.0 else 0.0
        base[bend + BUFFER + i] = 0.0
        for k in range(n_predictors, 3 * n_predictors):
            base[bend + k * BUFFER + i] = 0.0
        of_hurdle = bend + (2 * n_predictors + 1) * BUFFER
        base[of_hurdle + i] = logistic_third(base[eta + BUFFER + i])
        if has_alpha:
            mixed = spread * (z_2 * g_00 + 2.0 * z_0 * g_20)
            third = h_002 + odds * g_002 + mixed + tilt * z_2 * square
            base[bend + 2 * BUFFER + i] = -third if y > 0.0 else 0.0
    return 0


def negative_binomial_thirds_block(buffers, rows):
    """For `fastglm.responses.log_likelihoods.count_rows.negative_binomial_p_block`, power 2."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, _, weight = predictor_buffers(base)
    bend = bend_buffer(n_predictors, weight)
    for i in range(rows):
        y, log_mu = base[ROW_RESPONSE * BUFFER + i], base[eta + i]
        own, mixed = negative_binomial_third(y, log_mu, base[eta + BUFFER + i])
        base[bend + i] = -own
        base[bend + BUFFER + i] = -mixed
    return 0


def beta_thirds_block(buffers, rows):
    """For `fastglm.responses.log_likelihoods.proportions.beta_block`, precision exp(eta_1)."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, _, weight = predictor_buffers(base)
    bend = bend_buffer(n_predictors, weight)
    for i in range(rows):
        y, eta_0 = base[ROW_RESPONSE * BUFFER + i], base[eta + i]
        phi = vm.exp(base[eta + BUFFER + i])
        mu, rest, slope = inverse(eta_0, 0.0)
        second, third, _ = link_bends(eta_0, mu, rest, slope, 0.0)
        a, b = mu * phi, rest * phi
        _, psi_a, curve_a = gamma_functions(a)
        _, psi_b, curve_b = gamma_functions(b)
        bend_a, bend_b = tetragamma(a), tetragamma(b)
        surprise = (vm.log(y) - vm.log1p(-y)) - (psi_a - psi_b)
        curve = curve_a + curve_b
        of_mu = phi * surprise
        of_mu_mu = -phi * phi * curve
        of_all = -phi * phi * phi * (bend_a - bend_b)
        own = of_all * slope * slope * slope + 3.0 * of_mu_mu * slope * second + of_mu * third
        by_phi = surprise - phi * (mu * curve_a - rest * curve_b)
        twice = -phi * (2.0 * curve + phi * (mu * bend_a + rest * bend_b))
        base[bend + i] = -own
        base[bend + BUFFER + i] = -phi * (twice * slope * slope + by_phi * second)
    return 0


def cumulative_thirds_block(buffers, rows):
    """For `fastglm.responses.log_likelihoods.categories.cumulative_block`: t lowers both."""
    base = pointer(buffers, float64)
    n_predictors, _, eta, _, weight = predictor_buffers(base)
    bend = bend_buffer(n_predictors, weight)
    highest = base[HEADER_SHAPE]
    for i in range(rows):
        code = base[ROW_RESPONSE * BUFFER + i]
        upper, lower = base[eta + i], base[eta + BUFFER + i]
        mu_u, rest_u, slope_u = inverse(upper, 0.0)
        mu_l, rest_l, slope_l = inverse(lower, 0.0)
        second_u, third_u, _ = link_bends(upper, mu_u, rest_u, slope_u, 0.0)
        second_l, third_l, _ = link_bends(lower, mu_l, rest_l, slope_l, 0.0)
        has_upper, has_lower = code < highest, code > 0.0
        mu_u, rest_u = (mu_u, rest_u) if has_upper else (1.0, 0.0)
        mu_l, rest_l = (mu_l, rest_l) if has_lower else (0.0, 1.0)
        probability = mu_u - mu_l if mu_u < 0.5 else rest_l - rest_u
        over = 1.0 / probability if probability > 0.0 else 0.0
        # Over the probability: its derivatives in each threshold, and along both.
        f_u, g_u, h_u = slope_u * over, second_u * over, third_u * over
        f_u, g_u, h_u = (f_u, g_u, h_u) if has_upper else (0.0, 0.0, 0.0)
        f_l, g_l, h_l = slope_l * over, second_l * over, third_l * over
        f_l, g_l, h_l = (f_l, g_l, h_l) if has_lower else (0.0, 0.0, 0.0)
        first, curve = f_u - f_l, g_u - g_l
        square = 2.0 * first * first - curve
        base[bend + i] = -(h_u - 2.0 * first * g_u + square * f_u)
        base[bend + BUFFER + i] = h_l - 2.0 * first * g_l + square * f_l
    return 0


_COUNTS = {
    "poisson": {"count": poisson_count, "count_third": poisson_third},
    "negative_binomial": {"count": negative_binomial_count, "count_third": negative_binomial_third},
}

#: Row blocks by the name of the count distribution.
ZERO_INFLATED_THIRDS: dict[str, RowBlock] = {
    name: RowBlock(zero_inflated_thirds, f"zero_inflated_{name}_thirds", functions)
    for name, functions in _COUNTS.items()
}
HURDLE_THIRDS: dict[str, RowBlock] = {
    name: RowBlock(hurdle_thirds, f"hurdle_{name}_thirds", functions)
    for name, functions in _COUNTS.items()
}

negative_binomial_thirds = RowBlock(negative_binomial_thirds_block, "negative_binomial_thirds", {})


def _of_link(link: str) -> dict[str, Any]:
    return {
        "inverse": getattr(lf, f"{link}_inverse"),
        "link_bends": getattr(bends, f"{link}_bends"),
    }


@functools.cache
def beta_thirds(link: str) -> RowBlock:
    """The row block of beta responses for R's name of the link of the mean."""
    return RowBlock(beta_thirds_block, f"beta_{link}_thirds", _of_link(link))


@functools.cache
def cumulative_thirds(link: str) -> RowBlock:
    """The row block of ordered categories for R's name of a link."""
    return RowBlock(cumulative_thirds_block, f"cumulative_{link}_thirds", _of_link(link))
