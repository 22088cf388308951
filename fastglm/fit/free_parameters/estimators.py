"""Which estimator finds which free parameter of a family."""

from __future__ import annotations

from fastglm.fit.free_parameters.alpha import estimate_alpha
from fastglm.fit.free_parameters.problem import Estimator
from fastglm.fit.free_parameters.tweedie_power import estimate_power

__all__ = ["ESTIMATORS"]

#: By the name of the parameter, `Family.free_parameter`.
ESTIMATORS: dict[str, Estimator] = {
    "alpha": estimate_alpha,
    "var_power": estimate_power,
}
