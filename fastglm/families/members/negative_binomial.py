# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""The negative binomial family of counts (NB2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy

from fastglm.arguments import checked_number
from fastglm.errors import ModelError
from fastglm.families.dispersion import DispersionEvidence
from fastglm.families.distribution import ResponseDistribution, count_of
from fastglm.families.domain import NONNEGATIVE
from fastglm.families.family import UNBOUNDED_LINKS, Family, LinkLike
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import CLogLog, Log
from fastglm.families.links import NegativeBinomial as NegativeBinomialLink
from fastglm.families.members.poisson import POISSON, poisson_distribution
from fastglm.families.shared_functions import (
    binomial_log_mass,
    plain_difference,
    valid_nonnegative,
)
from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.math import elementary as vm

#: Probabilities are Poisson's below it.
SMALLEST_ALPHA = 1e-100


@inline_any_precision
def negative_binomial_sd(mu, complement, parameter):
    # Two roots: the variance mu + alpha mu**2 would overflow first.
    return math.sqrt(mu) * math.sqrt(1.0 + parameter * mu)


@inline
def negative_binomial_unit_deviance(y, mu, complement, parameter):
    # A binomial deviance of y successes and 1/alpha failures; the excess is y's over its share.
    rising = 1.0 + parameter * mu
    excess = (y - mu) / rising
    share = (1.0 + parameter * y) / rising
    size = 1.0 / parameter
    successes = vm.relative_entropy(y, mu * share, excess)
    failures = vm.relative_entropy(size, size * share, -excess)
    return 2.0 * (successes + failures)


@inline
def negative_binomial_start(y, weight, parameter):
    return y if y > 0.0 else 1.0 / 6.0


@inline
def negative_binomial_log_density(y, mu, complement, weight, dispersion, parameter):
    half_deviance = 0.5 * negative_binomial_unit_deviance(y, mu, complement, parameter)
    mass = binomial_log_mass(y, 1.0 / parameter, half_deviance)
    return weight * (mass - math.log1p(parameter * y))


@inline
def negative_binomial_variances(mu, complement, parameter):
    return mu * (1.0 + parameter * mu), 1.0 + 2.0 * parameter * mu, 2.0 * parameter, 0.0


@inline
def negative_binomial_of_parameter(y, mu, parameter):
    # Minus half the unit deviance is h(y, mu) - h(y, y) and terms without alpha.
    here = vm.log1p(parameter * mu) / parameter - mu * (1.0 + parameter * y) / (
        1.0 + parameter * mu
    )
    saturated = vm.log1p(parameter * y) / parameter - y
    return here - saturated, parameter * mu * mu, 2.0 * parameter * mu


NEGATIVE_BINOMIAL = ResponseFunctions(
    "negative_binomial",
    standard_deviation=negative_binomial_sd,
    unit_deviance=negative_binomial_unit_deviance,
    starting_mean=negative_binomial_start,
    valid_mean=valid_nonnegative,
    difference=plain_difference,
    log_density=negative_binomial_log_density,
    variances=negative_binomial_variances,
    of_parameter=negative_binomial_of_parameter,
)


def negative_binomial_distribution(alpha: float | np.ndarray) -> ResponseDistribution:
    """Of one alpha, or of one for each row; Poisson where it is 0 or not told from 0."""
    is_poisson = np.less(alpha, SMALLEST_ALPHA)
    poisson = poisson_distribution(1.0)
    if is_poisson.all():
        return poisson
    size = 1.0 / np.where(is_poisson, 1.0, alpha)

    def lower(y, mu, weight):
        k = count_of(y, 1.0)
        # By the probability of a success: that of a failure is rounded to 1 where alpha is small.
        tail = scipy.special.betaincc(np.maximum(k, 0.0) + 1.0, size, mu / (size + mu))
        tail = np.where(k < 0.0, 0.0 * tail, tail)
        return (
            np.where(is_poisson, poisson.lower(y, mu, weight), tail) if is_poisson.any() else tail
        )

    def upper(y, mu, weight):
        k = count_of(y, 1.0)
        tail = scipy.special.betainc(np.maximum(k, 0.0) + 1.0, size, mu / (size + mu))
        tail = np.where(k < 0.0, 1.0 + 0.0 * tail, tail)
        return (
            np.where(is_poisson, poisson.upper(y, mu, weight), tail) if is_poisson.any() else tail
        )

    def draw(mu, weight, generator):
        return generator.poisson(np.where(is_poisson, mu, generator.gamma(size, alpha * mu)))

    return ResponseDistribution(lower, upper, lattice=np.ones_like, draw=draw)


class NegativeBinomial(Family):
    """Counts of variance mu + alpha mu**2 (NB2).

    With alpha given, the dispersion is estimated as R's ``summary`` does for
    ``MASS::negative.binomial(theta)``, alpha = 1/theta; the likelihood is that of dispersion 1.
    Without, a fit estimates alpha by maximum likelihood and the dispersion is 1, as in R's
    ``glm.nb``. Venables & Ripley (2002), *Modern Applied Statistics with S*, section 7.4.

    Parameters
    ----------
    link : optional
        Default log.
    alpha : float, optional
        Positive. None is to be estimated; until then the family's methods take 1.
    estimated : bool, default False
        Whether `alpha` is an estimate from the data; it may then be 0, the Poisson boundary.
    """

    name = "negative_binomial"
    default_link = Log
    deviance_is_likelihood_ratio = True
    links = (*UNBOUNDED_LINKS, CLogLog, NegativeBinomialLink)
    domain = NONNEGATIVE
    response_kind = "counts"  # type: ignore[assignment]
    parameter_name = "alpha"
    estimated: bool

    def __init__(self, link: LinkLike = None, alpha: float | None = None, estimated: bool = False):
        if alpha is not None:
            alpha = checked_number("family NegativeBinomial: alpha", alpha)
        if alpha is not None and not (0.0 < alpha < math.inf or (estimated and alpha == 0.0)):
            raise ModelError(
                f"family NegativeBinomial: alpha must be positive and finite, got {alpha!r}; "
                "alpha = 0 is the Poisson family"
            )
        super().__init__(link)
        self._set(
            parameter=1.0 if alpha is None else float(alpha),
            free_parameter="alpha" if alpha is None else None,
            estimated=estimated,
            dispersion_known=alpha is None or estimated,
            n_dispersion_parameters=int(estimated),
        )

    @property
    def alpha(self) -> float | None:
        """The parameter of the variance function; None if it is to be estimated."""
        return None if self.free_parameter else self.parameter

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """At alpha = 0 those of the Poisson family, its limit."""
        return POISSON if self.parameter == 0.0 else NEGATIVE_BINOMIAL

    def arguments(self) -> dict[str, Any]:
        """Alpha and link."""
        estimated = {"estimated": True} if self.estimated else {}
        return {"alpha": self.alpha, "link": self.link} | estimated

    @property
    def has_jeffreys_prior(self) -> bool:
        """With the link that is canonical at this alpha."""
        return isinstance(self.link, NegativeBinomialLink) and self.link.parameter == self.parameter

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """Negative binomial, or Poisson at alpha = 0; the dispersion is 1."""
        return negative_binomial_distribution(self.parameter)

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """A hypergeometric function."""
        u, alpha = values, self.parameter
        return 1.5 * np.cbrt(u) ** 2 * scipy.special.hyp2f1(1 / 3, 2 / 3, 5 / 3, -alpha * u)

    def relative_variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance over mean."""
        return 1.0 + self.parameter * mean

    def bias_reduced_dispersion(self, found: DispersionEvidence) -> float:
        """The likelihood is that of dispersion 1."""
        return 1.0
