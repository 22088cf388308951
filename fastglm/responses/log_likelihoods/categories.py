# ruff: noqa: F821 -- the scalar functions are bound when a template is compiled
"""Row blocks of categorical responses: the log-likelihood of a row and its derivatives.

Templates of `fastglm.kernels.passes.several_predictors`: they read ETA and the response, the code
of a category from 0, and write the log-likelihood, its first derivatives and its negative second
ones.
"""

from __future__ import annotations

import math
from typing import Any

from numba.core.types import float64

from fastglm.families.links import functions as lf
from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.passes.several_predictors import (
    HEADER_SHAPE,
    ROW_LOG_LIKELIHOOD,
    ROW_RESPONSE,
    pair_index,
    predictor_buffers,
)

__all__ = ["CUMULATIVE_ROWS", "softmax_rows"]

# Bound by RowBlock; named here for the reader and the linter.
inverse: Any
inverse_deriv2: Any


@inline
def relative_probabilities(base, n_predictors, eta, weight, total, rows):
    """Probabilities over that of the likeliest category, and their sums, of which none overflows.

    The buffer of the log-likelihood holds the largest linear predictor of each row, 0 included.
    """
    likelihood = ROW_LOG_LIKELIHOOD * BUFFER
    for i in range(rows):
        base[likelihood + i] = 0.0
    for k in range(n_predictors):
        for i in range(rows):
            largest = base[likelihood + i]
            value = base[eta + k * BUFFER + i]
            base[likelihood + i] = value if value > largest else largest
    for i in range(rows):
        base[total + i] = vm.exp(-base[likelihood + i])
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * BUFFER
        for i in range(rows):
            relative = vm.exp(base[eta + k * BUFFER + i] - base[likelihood + i])
            base[probability + i] = relative
            base[total + i] += relative


def softmax_block(buffers, rows):
    """Multinomial logit: category 0 has the linear predictor 0, category k the k-th.

    The second derivatives do not depend on the response: observed information is expected
    information. McCullagh & Nelder (1989), section 5.2.4.
    """
    base = pointer(buffers, float64)
    n_predictors, _, eta, score, weight = predictor_buffers(base)
    likelihood = ROW_LOG_LIKELIHOOD * BUFFER
    total = score  # the first score buffer holds the sums until the scores are known
    relative_probabilities(base, n_predictors, eta, weight, total, rows)
    for i in range(rows):
        log_total = base[likelihood + i] + vm.log(base[total + i])
        base[likelihood + i] = -log_total
        base[total + i] = 1.0 / base[total + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * BUFFER
        for i in range(rows):
            base[probability + i] *= base[total + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * BUFFER
        for i in range(rows):
            hit = base[ROW_RESPONSE * BUFFER + i] == k + 1.0
            base[likelihood + i] += base[eta + k * BUFFER + i] if hit else 0.0
            base[score + k * BUFFER + i] = (1.0 if hit else 0.0) - base[probability + i]
        for j in range(k):
            other = weight + pair_index(j, j) * BUFFER
            pair = weight + pair_index(k, j) * BUFFER
            for i in range(rows):
                base[pair + i] = -base[probability + i] * base[other + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * BUFFER
        for i in range(rows):
            base[probability + i] *= 1.0 - base[probability + i]
    return 0


softmax_rows = RowBlock(softmax_block, "softmax", {})


def cumulative_block(buffers, rows):
    """Cumulative link: log(F(eta_0) - F(eta_1)) of the thresholds above and below the category.

    The lowest category has no threshold below it and the highest, the first parameter of the
    response, none above. McCullagh (1980), "Regression models for ordinal data".
    """
    base = pointer(buffers, float64)
    _, _, eta, score, weight = predictor_buffers(base)
    highest = base[HEADER_SHAPE]
    for i in range(rows):
        code = base[ROW_RESPONSE * BUFFER + i]
        upper, lower = base[eta + i], base[eta + BUFFER + i]
        mu_u, rest_u, slope_u = inverse(upper, 0.0)
        mu_l, rest_l, slope_l = inverse(lower, 0.0)
        bend_u = inverse_deriv2(upper, mu_u, rest_u, slope_u, 0.0)
        bend_l = inverse_deriv2(lower, mu_l, rest_l, slope_l, 0.0)
        is_highest, is_lowest = code >= highest, code <= 0.0
        mu_u = 1.0 if is_highest else mu_u
        rest_u = 0.0 if is_highest else rest_u
        slope_u = 0.0 if is_highest else slope_u
        bend_u = 0.0 if is_highest else bend_u
        mu_l = 0.0 if is_lowest else mu_l
        rest_l = 1.0 if is_lowest else rest_l
        slope_l = 0.0 if is_lowest else slope_l
        bend_l = 0.0 if is_lowest else bend_l
        # The difference of the smaller tails keeps their digits.
        probability = mu_u - mu_l if mu_u < 0.5 else rest_l - rest_u
        inside = probability > 0.0
        inverse_probability = 1.0 / probability if inside else 0.0
        up, down = slope_u * inverse_probability, slope_l * inverse_probability
        likelihood = math.log(probability) if inside else -math.inf
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = likelihood
        base[score + i] = up
        base[score + BUFFER + i] = -down
        base[weight + i] = up * up - bend_u * inverse_probability
        base[weight + BUFFER + i] = -up * down
        base[weight + 2 * BUFFER + i] = down * down + bend_l * inverse_probability
    return 0


#: Row blocks of cumulative links, by R's name of the link.
CUMULATIVE_ROWS: dict[str, RowBlock] = {
    name: RowBlock(
        cumulative_block,
        f"cumulative_{name}",
        {"inverse": inverse_of, "inverse_deriv2": inverse_deriv2_of},
    )
    for name, inverse_of, inverse_deriv2_of in (
        ("logit", lf.logit_inverse, lf.logit_inverse_deriv2),
        ("probit", lf.probit_inverse, lf.probit_inverse_deriv2),
        ("cloglog", lf.cloglog_inverse, lf.cloglog_inverse_deriv2),
        ("loglog", lf.loglog_inverse, lf.loglog_inverse_deriv2),
        ("cauchit", lf.cauchit_inverse, lf.cauchit_inverse_deriv2),
    )
}
