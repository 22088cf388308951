# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""Shares of successes: the binomial family, and its variance times a dispersion."""

from __future__ import annotations

import math

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.families.anscombe import proportion_integral
from fastglm.families.distribution import ResponseDistribution, count_of
from fastglm.families.domain import PROPORTION
from fastglm.families.family import Family
from fastglm.families.functions import ResponseFunctions, without_likelihood
from fastglm.families.links import (
    Cauchy,
    CLogLog,
    Identity,
    Log,
    LogC,
    Logit,
    LogLog,
    Power,
    Probit,
    Sqrt,
)
from fastglm.families.shared_functions import (
    binomial_difference,
    binomial_log_mass,
    valid_probability,
)
from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm

PROPORTION_LINKS = (
    Logit,
    Probit,
    CLogLog,
    LogLog,
    Cauchy,
    Log,
    LogC,
    Identity,
    Sqrt,
    Power,
)


@inline_any_precision
def binomial_sd(mu, complement, parameter):
    return math.sqrt(mu * complement)


@inline
def binomial_unit_deviance(y, mu, complement, parameter):
    difference = binomial_difference(y, mu, complement)
    successes = vm.relative_entropy(y, mu, difference)
    failures = vm.relative_entropy(1.0 - y, complement, -difference)
    return 2.0 * (successes + failures)


@inline
def binomial_start(y, weight, parameter):
    return (weight * y + 0.5) / (weight + 1.0)


@inline
def binomial_log_density(y, mu, complement, weight, dispersion, parameter):
    # Prior weights are trials, rounded as R does.
    trials = vm.nearest_integer(weight)
    successes = vm.nearest_integer(weight * y)
    failures = trials - successes
    difference = successes * complement - failures * mu
    half_deviance = vm.relative_entropy(successes, trials * mu, difference) + vm.relative_entropy(
        failures, trials * complement, -difference
    )
    return binomial_log_mass(successes, failures, half_deviance)


@inline
def binomial_variances(mu, complement, parameter):
    return mu * complement, complement - mu, -2.0, 0.0


BINOMIAL = ResponseFunctions(
    "binomial",
    standard_deviation=binomial_sd,
    unit_deviance=binomial_unit_deviance,
    starting_mean=binomial_start,
    valid_mean=valid_probability,
    difference=binomial_difference,
    log_density=binomial_log_density,
    variances=binomial_variances,
)


QUASIBINOMIAL = without_likelihood(BINOMIAL, "quasibinomial")


def binomial_distribution() -> ResponseDistribution:
    """Of the share of successes in as many trials as the weight is."""

    def tail(y, mu, weight, below):
        trials = np.rint(weight)
        k = count_of(y, 1.0 / trials)
        if np.all(trials == 1.0):
            inside = 1.0 - mu if below else mu + 0.0
            inside = np.where(k >= 1.0, 0.0 * mu + below, inside)
            return np.where(k < 0.0, 0.0 * mu + (not below), inside)
        more = np.clip(k, 0.0, np.maximum(trials - 1.0, 0.0)) + 1.0
        fewer = np.maximum(trials - more + 1.0, 1.0)
        incomplete = scipy.special.betaincc if below else scipy.special.betainc
        inside = incomplete(more, fewer, mu)
        end = 0.0 * inside
        inside = np.where(k >= trials, end + below, inside)
        return np.where(k < 0.0, end + (not below), inside)

    return ResponseDistribution(
        lambda y, mu, weight: tail(y, mu, weight, True),
        lambda y, mu, weight: tail(y, mu, weight, False),
        lattice=lambda weight: 1.0 / np.rint(weight),
        draw=_draw,
    )


def _draw(mu: np.ndarray, weight: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    trials = np.rint(weight)
    if (trials != weight).any():
        raise ModelError("binomial responses can be drawn only for whole numbers of trials.")
    if (trials == 1.0).all():
        return (generator.random(mu.size) < mu).astype(np.float64)
    return generator.binomial(trials.astype(np.int64), mu) / weight


class _Proportion(Family):
    """Base of families of proportions."""

    takes_two_columns = True
    default_link = Logit
    canonical_link = Logit
    links = PROPORTION_LINKS
    domain = PROPORTION

    def respond_rows_for(self, binary: bool) -> RowBlock:
        """One logarithm in place of two when every response is 0 or 1."""
        return self.functions.respond_binary_rows if binary else self.functions.respond_rows

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """An incomplete beta function."""
        return proportion_integral(values, 2 / 3)


class Binomial(_Proportion):
    """Proportion of successes; the prior weights are the numbers of trials."""

    name = "binomial"
    functions = BINOMIAL
    dispersion_known = True

    def saturated_log_likelihood(self, binary: bool) -> float | None:
        """A single trial whose outcome is certain has probability 1."""
        return 0.0 if binary else None

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Binomial, in shares of the trials; the dispersion is 1."""
        return binomial_distribution()


class QuasiBinomial(_Proportion):
    """Binomial variance times an estimated dispersion."""

    name = "quasibinomial"
    functions = QUASIBINOMIAL
    has_likelihood = False
