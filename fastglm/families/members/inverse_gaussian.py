# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""The inverse Gaussian family."""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.families.anscombe import power_integral
from fastglm.families.dispersion import DispersionEvidence
from fastglm.families.distribution import ResponseDistribution, positive
from fastglm.families.domain import POSITIVE
from fastglm.families.family import UNBOUNDED_LINKS
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import InverseSquared
from fastglm.families.mean_weight_dispersion import MeanWeightDispersion
from fastglm.families.shared_functions import (
    LOG_2PI,
    plain_difference,
    plain_start,
    valid_positive,
)
from fastglm.kernels.compiler.decorators import inline, inline_any_precision

#: Most steps to a quantile; far out in a heavy tail the first are short.
NEWTON_STEPS = 100
#: Relative, where the steps already fall by squares.
NEWTON_TOLERANCE = 1e-9


@inline_any_precision
def inverse_gaussian_sd(mu, complement, parameter):
    return mu * math.sqrt(mu)


@inline
def inverse_gaussian_unit_deviance(y, mu, complement, parameter):
    relative = (y - mu) / mu
    return relative * relative / y


@inline
def inverse_gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    deviance = inverse_gaussian_unit_deviance(y, mu, complement, parameter)
    spread = LOG_2PI + math.log(dispersion) + 3.0 * math.log(y)
    return -0.5 * weight * (spread + deviance / dispersion)


@inline
def inverse_gaussian_variances(mu, complement, parameter):
    return mu * mu * mu, 3.0 * mu * mu, 6.0 * mu, 6.0


INVERSE_GAUSSIAN = ResponseFunctions(
    "inverse_gaussian",
    standard_deviation=inverse_gaussian_sd,
    unit_deviance=inverse_gaussian_unit_deviance,
    starting_mean=plain_start,
    valid_mean=valid_positive,
    difference=plain_difference,
    log_density=inverse_gaussian_log_density,
    variances=inverse_gaussian_variances,
)


def inverse_gaussian_distribution(dispersion: float) -> ResponseDistribution:
    """Newton's steps for quantiles from the mode, on either side of which they never overshoot.

    Giner & Smyth (2016), *The R Journal* 8(1).
    """

    def parts(y, mu, weight):
        shape, mu = weight / dispersion, positive(mu)
        root = np.sqrt(shape / y)
        reflected = np.exp(2.0 * shape / mu + scipy.special.log_ndtr(-root * (y / mu + 1.0)))
        return root * (y / mu - 1.0), reflected

    def lower(y, mu, weight):
        z, reflected = parts(y, mu, weight)
        return scipy.special.ndtr(z) + reflected

    def upper(y, mu, weight):
        z, reflected = parts(y, mu, weight)
        return np.maximum(scipy.special.ndtr(-z) - reflected, 0.0)

    def quantile(probability, mu, weight):
        mu, shape = np.broadcast_arrays(positive(mu), weight / dispersion)
        ratio = 1.5 * mu / shape
        y = mu / (np.hypot(1.0, ratio) + ratio)
        for _ in range(NEWTON_STEPS):
            density = np.sqrt(shape / (2.0 * np.pi * y)) / y
            density = density * np.exp(-0.5 * shape / y * (y / mu - 1.0) ** 2)
            change = (probability - lower(y, mu, weight)) / density
            y = y + change
            if not (np.abs(change) > NEWTON_TOLERANCE * y).any():
                break
        return y

    def draw(mu, weight, generator):
        return generator.wald(mu, weight / dispersion)

    return ResponseDistribution(lower, upper, quantile, draw=draw)


class InverseGaussian(MeanWeightDispersion):
    """Positive response whose variance is proportional to the cube of its mean."""

    name = "inverse_gaussian"
    default_link = InverseSquared
    canonical_link = InverseSquared
    links = UNBOUNDED_LINKS
    functions = INVERSE_GAUSSIAN
    deviance_is_likelihood_ratio = True
    domain = POSITIVE

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Inverse Gaussian, of shape weight / dispersion."""
        return inverse_gaussian_distribution(dispersion)

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """The logarithm."""
        return power_integral(values, 3.0)

    def bias_reduced_dispersion(self, found: DispersionEvidence) -> float:
        """As the normal family, whose deviance has the same distribution."""
        return found.deviance / (found.df_resid - found.lost)
