# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""The gamma family."""

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
from fastglm.families.links import InversePower, Log
from fastglm.families.mean_weight_dispersion import MeanWeightDispersion
from fastglm.families.shared_functions import (
    LOG_2PI,
    plain_difference,
    plain_start,
    stirling_error,
    valid_positive,
)
from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.math import elementary as vm


@inline_any_precision
def gamma_sd(mu, complement, parameter):
    return mu


@inline
def gamma_unit_deviance(y, mu, complement, parameter):
    return 2.0 * vm.relative_entropy(mu, y, mu - y) / mu


@inline
def gamma_log_density(y, mu, complement, weight, dispersion, parameter):
    shape = 1.0 / dispersion
    deviance = gamma_unit_deviance(y, mu, complement, parameter)
    spread = 0.5 * (math.log(shape) - LOG_2PI) - stirling_error(shape)
    return weight * (-0.5 * shape * deviance + spread - math.log(y))


@inline
def gamma_variances(mu, complement, parameter):
    return mu * mu, 2.0 * mu, 2.0, 0.0


GAMMA = ResponseFunctions(
    "gamma",
    standard_deviation=gamma_sd,
    unit_deviance=gamma_unit_deviance,
    starting_mean=plain_start,
    valid_mean=valid_positive,
    difference=plain_difference,
    log_density=gamma_log_density,
    variances=gamma_variances,
)


def gamma_distribution(dispersion: float) -> ResponseDistribution:
    def lower(y, mu, weight):
        shape = weight / dispersion
        return scipy.special.gammainc(shape, shape * y / positive(mu))

    def upper(y, mu, weight):
        shape = weight / dispersion
        return scipy.special.gammaincc(shape, shape * y / positive(mu))

    def quantile(probability, mu, weight):
        shape = weight / dispersion
        return positive(mu) / shape * scipy.special.gammaincinv(shape, probability)

    def draw(mu, weight, generator):
        shape = weight / dispersion
        return generator.gamma(shape, mu / shape)

    return ResponseDistribution(lower, upper, quantile, draw=draw)


class Gamma(MeanWeightDispersion):
    """Positive response whose standard deviation is proportional to its mean."""

    name = "gamma"
    default_link = InversePower
    canonical_link = InversePower
    stabilizing_link = Log
    links = UNBOUNDED_LINKS
    functions = GAMMA
    deviance_is_likelihood_ratio = True
    domain = POSITIVE

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Gamma, of shape weight / dispersion."""
        return gamma_distribution(dispersion)

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """A cube root."""
        return power_integral(values, 2.0)

    def bias_reduced_dispersion(self, found: DispersionEvidence) -> float:
        """Root of the adjusted score of the dispersion, given the deviance."""
        return _bias_reduced_dispersion(found)


def _bias_reduced_dispersion(found: DispersionEvidence) -> float:
    weights, counts = found.weights[found.weights > 0.0], found.counts[found.weights > 0.0]

    def adjusted_score(log_dispersion: float) -> float:
        shape = weights * math.exp(-log_dispersion)
        expected = 2.0 * weights * (np.log(shape) - scipy.special.psi(shape))
        second = 2.0 * (scipy.special.polygamma(1, shape) - 1.0 / shape)
        third = -2.0 * (scipy.special.polygamma(2, shape) + 1.0 / shape**2)
        skewness = (counts @ (weights**3 * third)) / (counts @ (weights**2 * second))
        dispersion = math.exp(log_dispersion)
        if found.median:
            adjustment = found.rank * dispersion + skewness / 3.0
        else:
            adjustment = (found.rank - 2.0) * dispersion + skewness
        return float(found.deviance - counts @ expected + adjustment)

    guess = math.log(found.deviance / found.df_resid)
    return math.exp(scipy.optimize.brentq(adjusted_score, guess - 5.0, guess + 5.0, xtol=1e-14))
