"""Row blocks of categorical responses: the log-likelihood of a row and its derivatives.

Templates of `fastglm.kernels.joint`: they read ETA and the response, the code of a category from 0,
and write the log-likelihood, its first derivatives and its negative second ones.
"""

from __future__ import annotations


from numba.core.types import float64

from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import RowBlock, pointer
from fastglm.kernels.joint import (
    JOINT_LOG_LIKELIHOOD,
    JOINT_RESPONSE,
    pair_index,
    predictor_planes,
)
from fastglm.kernels.planes import PLANE

__all__ = ["softmax_rows"]


def softmax_block(planes, rows):
    """Multinomial logit: category 0 has the linear predictor 0, category k the k-th.

    The second derivatives do not depend on the response: observed information is expected
    information. McCullagh & Nelder (1989), section 5.2.4.
    """
    base = pointer(planes, float64)
    n_predictors, _, eta, score, weight = predictor_planes(base)
    likelihood = JOINT_LOG_LIKELIHOOD * PLANE
    total = score  # the first score plane holds the sums until the scores are known
    for i in range(rows):
        base[likelihood + i] = 0.0
    for k in range(n_predictors):
        for i in range(rows):
            largest = base[likelihood + i]
            value = base[eta + k * PLANE + i]
            base[likelihood + i] = value if value > largest else largest
    for i in range(rows):
        base[total + i] = vm.exp(-base[likelihood + i])
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * PLANE
        for i in range(rows):
            relative = vm.exp(base[eta + k * PLANE + i] - base[likelihood + i])
            base[probability + i] = relative
            base[total + i] += relative
    for i in range(rows):
        log_total = base[likelihood + i] + vm.log(base[total + i])
        base[likelihood + i] = -log_total
        base[total + i] = 1.0 / base[total + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * PLANE
        for i in range(rows):
            base[probability + i] *= base[total + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * PLANE
        for i in range(rows):
            hit = base[JOINT_RESPONSE * PLANE + i] == k + 1.0
            base[likelihood + i] += base[eta + k * PLANE + i] if hit else 0.0
            base[score + k * PLANE + i] = (1.0 if hit else 0.0) - base[probability + i]
        for j in range(k):
            other = weight + pair_index(j, j) * PLANE
            pair = weight + pair_index(k, j) * PLANE
            for i in range(rows):
                base[pair + i] = -base[probability + i] * base[other + i]
    for k in range(n_predictors):
        probability = weight + pair_index(k, k) * PLANE
        for i in range(rows):
            base[probability + i] *= 1.0 - base[probability + i]
    return 0


softmax_rows = RowBlock(softmax_block, "softmax", {})
