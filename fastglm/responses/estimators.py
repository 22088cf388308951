"""Which estimator finds the free parameter of which family."""

from __future__ import annotations

from fastglm.responses.free_parameters import Estimator
from fastglm.responses.negative_binomial import estimate_alpha
from fastglm.responses.tweedie_power import estimate_power

__all__ = ["ESTIMATORS"]

#: By the name of the family.
ESTIMATORS: dict[str, Estimator] = {
    "negative_binomial": estimate_alpha,
    "tweedie": estimate_power,
}
