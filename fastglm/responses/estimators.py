"""Which estimator finds which free parameter of a family."""

from __future__ import annotations

from fastglm.responses.free_parameters import Estimator
from fastglm.responses.negative_binomial import estimate_alpha
from fastglm.responses.tweedie_power import estimate_power

__all__ = ["ESTIMATORS"]

#: By the name of the parameter, `Family.free_parameter`.
ESTIMATORS: dict[str, Estimator] = {
    "alpha": estimate_alpha,
    "var_power": estimate_power,
}
