"""Pictures of a fit. Each function draws into one matplotlib Axes and returns it.

Fits of any size stay readable: many points are counted in hexagons or averaged in groups. Colours
can be distinguished by colour-blind readers (Okabe & Ito). matplotlib is imported when something is
drawn.
"""

from typing import TYPE_CHECKING

from fastglm.plots.added_variables import added_variable, ceres_residuals, influence
from fastglm.plots.calibration import binned_residuals, calibration, roc
from fastglm.plots.coefficients import coefficients
from fastglm.plots.convergence import convergence
from fastglm.plots.effects import effect, partial_residuals
from fastglm.plots.lift import actual_expected, double_lift, lift
from fastglm.plots.panels import leverage, panels, quantile_quantile, residuals, scale_location
from fastglm.plots.profile import profile_likelihood
from fastglm.pointers import PLOTS, pointing_module

__all__ = [
    "actual_expected",
    "added_variable",
    "binned_residuals",
    "calibration",
    "ceres_residuals",
    "coefficients",
    "convergence",
    "double_lift",
    "effect",
    "influence",
    "leverage",
    "lift",
    "panels",
    "partial_residuals",
    "profile_likelihood",
    "quantile_quantile",
    "residuals",
    "roc",
    "scale_location",
]

if not TYPE_CHECKING:
    __getattr__ = pointing_module(__name__, __all__, PLOTS)


def __dir__() -> list[str]:
    return list(__all__)
