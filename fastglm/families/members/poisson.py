# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""Counts: the Poisson family, and its variance times a dispersion."""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.families.anscombe import power_integral
from fastglm.families.distribution import ResponseDistribution, count_of
from fastglm.families.domain import NONNEGATIVE
from fastglm.families.family import UNBOUNDED_LINKS, Family
from fastglm.families.functions import ResponseFunctions, without_likelihood
from fastglm.families.links import Log
from fastglm.families.shared_functions import (
    LOG_2PI,
    plain_difference,
    stirling_error,
    valid_nonnegative,
)
from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.math import elementary as vm


@inline_any_precision
def poisson_sd(mu, complement, parameter):
    return math.sqrt(mu)


@inline
def poisson_unit_deviance(y, mu, complement, parameter):
    return 2.0 * vm.relative_entropy(y, mu, y - mu)


@inline
def poisson_start(y, weight, parameter):
    return y + 0.1


@inline
def poisson_log_mass(y, mu):
    """Log of the Poisson probability, continued to y that are not integers."""
    correction = stirling_error(y) + 0.5 * (LOG_2PI + math.log(y)) if y > 0.0 else 0.0
    return -vm.relative_entropy(y, mu, y - mu) - correction


@inline
def poisson_log_density(y, mu, complement, weight, dispersion, parameter):
    return weight * poisson_log_mass(y, mu)


@inline
def poisson_variances(mu, complement, parameter):
    return mu, 1.0, 0.0, 0.0


POISSON = ResponseFunctions(
    "poisson",
    standard_deviation=poisson_sd,
    unit_deviance=poisson_unit_deviance,
    starting_mean=poisson_start,
    valid_mean=valid_nonnegative,
    difference=plain_difference,
    log_density=poisson_log_density,
    variances=poisson_variances,
)


QUASIPOISSON = without_likelihood(POISSON, "quasipoisson")


def poisson_distribution(dispersion: float) -> ResponseDistribution:
    """Of dispersion / weight times a Poisson count."""

    def lower(y, mu, weight):
        k = count_of(y, dispersion / weight)
        tail = scipy.special.gammaincc(np.maximum(k, 0.0) + 1.0, mu * weight / dispersion)
        return np.where(k < 0.0, 0.0 * tail, tail)

    def upper(y, mu, weight):
        k = count_of(y, dispersion / weight)
        tail = scipy.special.gammainc(np.maximum(k, 0.0) + 1.0, mu * weight / dispersion)
        return np.where(k < 0.0, 1.0 + 0.0 * tail, tail)

    def draw(mu, weight, generator):
        rate = weight / dispersion
        return generator.poisson(rate * mu) / rate

    return ResponseDistribution(lower, upper, lattice=lambda w: dispersion / w, draw=draw)


class Poisson(Family):
    """Counts."""

    name = "poisson"
    default_link = Log
    canonical_link = Log
    links = UNBOUNDED_LINKS
    functions = POISSON
    deviance_is_likelihood_ratio = True
    domain = NONNEGATIVE
    response_kind = "counts"  # type: ignore[assignment]
    variance_is_mean = True
    dispersion_known = True

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Poisson; the dispersion is 1."""
        return poisson_distribution(1.0)

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """A power of 2/3."""
        return power_integral(values, 1.0)

    def relative_variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance over mean: 1."""
        return np.ones_like(mean)


class QuasiPoisson(Family):
    """Poisson variance times an estimated dispersion."""

    name = "quasipoisson"
    default_link = Log
    canonical_link = Log
    links = UNBOUNDED_LINKS
    functions = QUASIPOISSON
    domain = NONNEGATIVE
    response_kind = "counts"  # type: ignore[assignment]
    has_likelihood = False

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """As the Poisson family."""
        return power_integral(values, 1.0)
