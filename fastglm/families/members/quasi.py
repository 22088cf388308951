# ruff: noqa: D103 -- `fastglm.families.shared_functions` says what each kind of function returns
"""Quasi-likelihood of R's variance functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastglm.errors import ModelError
from fastglm.families.anscombe import power_integral, proportion_integral
from fastglm.families.custom import CustomFamily
from fastglm.families.domain import NONNEGATIVE, POSITIVE, PROPORTION, REAL, ResponseDomain
from fastglm.families.family import Family, LinkLike
from fastglm.families.functions import ResponseFunctions, without_likelihood
from fastglm.families.links import Identity
from fastglm.families.members.binomial import BINOMIAL, QUASIBINOMIAL
from fastglm.families.members.gamma import GAMMA, gamma_unit_deviance
from fastglm.families.members.gaussian import GAUSSIAN
from fastglm.families.members.inverse_gaussian import INVERSE_GAUSSIAN
from fastglm.families.members.poisson import POISSON
from fastglm.families.registry import LINKS
from fastglm.families.shared_functions import nudged_start
from fastglm.kernels.compiler.decorators import inline, inline_any_precision
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm

# R's package gnm keeps the logarithm of Wedderburn's deviance finite at 0 and 1 with this.
WEDDERBURN_EPSILON = 0.0005


@inline
def quasi_mu_squared_unit_deviance(y, mu, complement, parameter):
    # R lets a response of 0 count as 1 inside the logarithm, and cuts the result off at 0.
    at_zero = max(2.0 * (vm.log(mu) - 1.0), 0.0)
    positive = gamma_unit_deviance(y if y > 0.0 else 1.0, mu, complement, parameter)
    return positive if y > 0.0 else at_zero


@inline_any_precision
def wedderburn_sd(mu, complement, parameter):
    return mu * complement


@inline
def wedderburn_unit_deviance(y, mu, complement, parameter):
    fraction = (y + WEDDERBURN_EPSILON) / (1.0 - y + WEDDERBURN_EPSILON)
    log_odds_ratio = vm.log(fraction) + vm.log(complement) - vm.log(mu)
    return 2.0 * (y / mu + (1.0 - y) / complement - 2.0 + (2.0 * y - 1.0) * log_odds_ratio)


@inline
def wedderburn_start(y, weight, parameter):
    return max(0.001, min(0.99, y))


class QuasiVariance(NamedTuple):
    """A variance function of R's ``quasi``: its functions, the responses it allows, its scale."""

    functions: ResponseFunctions
    domain: ResponseDomain
    anscombe_integral: Callable[[np.ndarray], np.ndarray]


_CONSTANT = without_likelihood(GAUSSIAN, "quasi_constant")
_MU = without_likelihood(POISSON, "quasi_mu", starting_mean=nudged_start)
_MU_SQUARED = without_likelihood(
    GAMMA,
    "quasi_mu_squared",
    starting_mean=nudged_start,
    unit_deviance=quasi_mu_squared_unit_deviance,
)
_MU_CUBED = without_likelihood(INVERSE_GAUSSIAN, "quasi_mu_cubed")
_WEDDERBURN = without_likelihood(
    BINOMIAL,
    "wedderburn",
    standard_deviation=wedderburn_sd,
    unit_deviance=wedderburn_unit_deviance,
    starting_mean=wedderburn_start,
)

#: Variance functions of `Quasi` by R's name.
QUASI_VARIANCES: dict[str, QuasiVariance] = {
    "constant": QuasiVariance(_CONSTANT, REAL, partial(power_integral, power=0.0)),
    "mu": QuasiVariance(_MU, NONNEGATIVE, partial(power_integral, power=1.0)),
    "mu^2": QuasiVariance(_MU_SQUARED, NONNEGATIVE, partial(power_integral, power=2.0)),
    "mu^3": QuasiVariance(_MU_CUBED, POSITIVE, partial(power_integral, power=3.0)),
    "mu(1-mu)": QuasiVariance(QUASIBINOMIAL, PROPORTION, partial(proportion_integral, a=2 / 3)),
    "mu^2(1-mu)^2": QuasiVariance(_WEDDERBURN, PROPORTION, partial(proportion_integral, a=1 / 3)),
}


class Quasi(Family):
    """Any of R's variance functions times an estimated dispersion.

    The deviance is the quasi-deviance. Wedderburn (1974), "Quasi-likelihood functions".

    Parameters
    ----------
    link : optional
        Default identity, as in R.
    variance : str or callable, default "constant"
        "constant", "mu", "mu^2", "mu^3", "mu(1-mu)" or "mu^2(1-mu)^2"; or a plain function of the
        mean, which makes a `CustomFamily`.
    domain : pair of float, optional
        Of the means, for a variance that is a function.
    """

    name = "quasi"
    default_link = Identity
    links = tuple(LINKS.values())
    has_likelihood = False
    variance_name: str

    def __new__(  # type: ignore[misc]
        cls,
        link: LinkLike = None,
        variance: Any = "constant",
        domain: tuple[float, float] = (-math.inf, math.inf),
    ) -> Family:
        """Make a custom family of a variance that is a function."""
        if callable(variance):
            name = getattr(variance, "__name__", "variance")
            return CustomFamily(f"quasi {name}", variance, link=link, domain=domain)
        return object.__new__(cls)

    def __init__(self, link: LinkLike = None, variance: str = "constant"):
        name = "".join(variance.split()).replace("**", "^") if isinstance(variance, str) else ""
        if name not in QUASI_VARIANCES:
            raise ModelError(
                f"family Quasi: variance must be one of {', '.join(QUASI_VARIANCES)}; "
                f"got {variance!r}"
            )
        super().__init__(link)
        self._set(variance_name=name)

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """Those of the variance function."""
        return QUASI_VARIANCES[self.variance_name].functions

    @property
    def domain(self) -> ResponseDomain:  # type: ignore[override]
        """That of the variance function."""
        return QUASI_VARIANCES[self.variance_name].domain

    def respond_rows_for(self, binary: bool) -> RowBlock:
        """As `QuasiBinomial` for the binomial variance function."""
        if binary and self.functions is QUASIBINOMIAL:
            return self.functions.respond_binary_rows
        return self.functions.respond_rows

    def arguments(self) -> dict[str, Any]:
        """Variance function and link."""
        return {"variance": self.variance_name, "link": self.link}

    def anscombe_integral(self, values: np.ndarray) -> np.ndarray:
        """That of the variance function."""
        return QUASI_VARIANCES[self.variance_name].anscombe_integral(values)
