# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""The normal family."""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.families.anscombe import power_integral
from fastglm.families.dispersion import DispersionEvidence
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import REAL
from fastglm.families.family import UNBOUNDED_LINKS, Family
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import Identity
from fastglm.families.shared_functions import LOG_2PI, plain_difference, plain_start, valid_real
from fastglm.kernels.compiler.decorators import inline, inline_any_precision


@inline_any_precision
def gaussian_sd(mu, complement, parameter):
    return 1.0


@inline
def gaussian_unit_deviance(y, mu, complement, parameter):
    return (y - mu) * (y - mu)


@inline
def gaussian_log_density(y, mu, complement, weight, dispersion, parameter):
    variance = dispersion / weight
    return -0.5 * (LOG_2PI + math.log(variance) + (y - mu) * (y - mu) / variance)


@inline
def gaussian_variances(mu, complement, parameter):
    return 1.0, 0.0, 0.0, 0.0


GAUSSIAN = ResponseFunctions(
    "gaussian",
    standard_deviation=gaussian_sd,
    unit_deviance=gaussian_unit_deviance,
    starting_mean=plain_start,
    valid_mean=valid_real,
    difference=plain_difference,
    log_density=gaussian_log_density,
    variances=gaussian_variances,
)


def gaussian_distribution(dispersion: float) -> ResponseDistribution:
    def standardized(y, mu, weight):
        return (y - mu) / np.sqrt(dispersion / weight)

    return ResponseDistribution(
        lambda y, mu, weight: scipy.special.ndtr(standardized(y, mu, weight)),
        lambda y, mu, weight: scipy.special.ndtr(-standardized(y, mu, weight)),
        lambda p, mu, weight: mu + np.sqrt(dispersion / weight) * scipy.special.ndtri(p),
        lowest=-np.inf,
        draw=lambda mu, weight, generator: generator.normal(mu, np.sqrt(dispersion / weight)),
    )


class Gaussian(Family):
    """Normal response of constant variance."""

    name = "gaussian"
    default_link = Identity
    canonical_link = Identity
    stabilizing_link = Identity
    links = UNBOUNDED_LINKS
    functions = GAUSSIAN
    deviance_is_likelihood_ratio = True
    domain = REAL
    n_dispersion_parameters = 1

    @property
    def is_linear(self) -> bool:
        """With the identity link."""
        return isinstance(self.link, Identity)

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the number of observations, the maximum likelihood estimate."""
        return deviance / n

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Normal, of variance dispersion / weight."""
        return gaussian_distribution(dispersion)

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """The response is normal as it is."""
        return power_integral(values, 0.0)

    def scaled_lack_of_fit(self, deviance: np.ndarray, nobs: float, scale: float) -> np.ndarray:
        """As R's ``extractAIC``, which takes the dispersion of maximum likelihood."""
        return nobs * np.log(deviance / nobs)

    def bias_reduced_dispersion(self, found: DispersionEvidence) -> float:
        """Deviance over the residual degrees of freedom, a third of an observation fewer twice."""
        return found.deviance / (found.df_resid - found.lost)
