"""Families and links that a user defines by a few plain functions of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import ResponseDomain
from fastglm.families.family import Family
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import CustomLink, Identity
from fastglm.families.quasi_deviance import deviance_of_variance
from fastglm.families.registry import (
    CUSTOM_FAMILIES,
    FAMILIES,
    FAMILY_SYNONYMS,
    LINKS,
    refuse_taken_name,
)
from fastglm.families.shared_functions import (
    binomial_difference,
    plain_difference,
    undefined_log_density,
)
from fastglm.families.user_distribution import UserDistribution
from fastglm.families.user_functions import (
    call,
    compile_scalar,
    interval,
    points_inside,
    require_derivative,
)
from fastglm.kernels.compiler.decorators import inline

__all__ = ["CustomFamily", "CustomLink"]

#: A dispersion at which functions are tried; proportions of binomial variance have none above 1.
TRIAL_DISPERSION = 0.5


class CustomFamily(Family):
    """A family of a user: a variance function and what follows from it.

    Parameters
    ----------
    name : str
        Its name; a saved fit finds the family again by it.
    variance : callable
        ``variance(mu)``, positive.
    unit_deviance : callable, optional
        ``unit_deviance(y, mu)``: 0 at y = mu, with derivative ``-2 (y - mu) / variance(mu)`` in mu.
        By default that derivative is integrated numerically, which is slower.
    log_density : callable, optional
        ``log_density(y, mu, weight, dispersion)``; without it there is no likelihood.
    link : optional
        Default identity. Any link whose means lie in `domain` can be used.
    domain : pair of float, default (-inf, inf)
        Means lie between these two numbers, responses between them or at a finite end.
    starting_mean : callable, optional
        ``starting_mean(y, weight)``, inside the domain. By default the response, moved off the end.
    dispersion_known : bool, default False
        Whether the dispersion is 1.
    cdf : callable, optional
        ``cdf(y, mu, weight, dispersion)`` is P(Y <= y), of arrays of one shape (the dispersion is a
        number) with the means and responses inside `domain`. Quantile residuals, intervals of
        observations, `draw` and the report come from it; without it they are refused.
    quantile : callable, optional
        ``quantile(probability, mu, weight, dispersion)`` of arrays, the inverse of `cdf`; by
        default found by bisection, which is slower.
    draw : callable, optional
        ``draw(generator, mu, weight, dispersion)``: a response for each mean, from a
        `numpy.random.Generator`. By default the quantiles of uniform numbers.
    discrete : bool, default False
        Whether responses are whole numbers, which `cdf` is then asked for. A response that is
        otherwise continuous may be 0, the lower end of its domain, with positive probability.

    Raises
    ------
    ModelError
        If the functions do not go together or cannot be compiled; the text says which.

    Notes
    -----
    P(Y > y) is taken as 1 - `cdf`, so that quantile residuals end at 8.2.

    Wedderburn (1974), "Quasi-likelihood functions, generalized linear models, and the Gauss-Newton
    method".

    Examples
    --------
    Exponential waiting times:

    >>> import math
    >>> import numpy as np
    >>> import fastglm as fg
    >>> waiting = fg.families.CustomFamily(
    ...     "waiting times",
    ...     variance=lambda mu: mu * mu,
    ...     unit_deviance=lambda y, mu: 2.0 * ((y - mu) / mu - math.log(y / mu)),
    ...     log_density=lambda y, mu, weight, dispersion: weight * (-y / mu - math.log(mu)),
    ...     link="log",
    ...     domain=(0.0, math.inf),
    ...     dispersion_known=True,
    ...     cdf=lambda y, mu, weight, dispersion: -np.expm1(-y / mu),
    ... )
    >>> fit = fg.GLM([1.0, 2.0, 0.5, 3.0], np.ones((4, 1)), family=waiting).fit()
    >>> np.round(fit.resid_quantile(), 4).tolist()
    [-0.106, 0.5384, -0.6281, 0.9925]
    """

    custom = True
    default_link = Identity
    links = tuple(LINKS.values())

    def __init__(
        self,
        name: str,
        variance: Callable[[float], float],
        unit_deviance: Callable[[float, float], float] | None = None,
        log_density: Callable[[float, float, float, float], float] | None = None,
        link: Any = None,
        domain: tuple[float, float] = (-math.inf, math.inf),
        starting_mean: Callable[[float, float], float] | None = None,
        dispersion_known: bool = False,
        cdf: Callable[..., Any] | None = None,
        quantile: Callable[..., Any] | None = None,
        draw: Callable[..., Any] | None = None,
        discrete: bool = False,
    ):
        super().__init__(link)
        refuse_taken_name(name, [*FAMILIES, *FAMILY_SYNONYMS], "family")
        lower, upper = interval(domain, "domain")
        trial = 1.0 if dispersion_known else TRIAL_DISPERSION
        _check_family(variance, unit_deviance, log_density, starting_mean, lower, upper, trial)
        own = UserDistribution(cdf, quantile, draw, discrete, ResponseDomain(lower, upper), trial)
        given = {
            "name": name,
            "variance": variance,
            "unit_deviance": unit_deviance,
            "log_density": log_density,
            "domain": (lower, upper),
            "starting_mean": starting_mean,
            "dispersion_known": dispersion_known,
            "cdf": cdf,
            "quantile": quantile,
            "draw": draw,
            "discrete": discrete,
        }
        known = CUSTOM_FAMILIES.get(name)
        is_known = known is not None and known.given == given
        if not is_known:
            own.check(variance, log_density)
        self._set(
            name=name,
            given=given,
            domain=own.domain,
            user_distribution=own,
            functions=known.functions if known and is_known else _response_functions(given),
            has_likelihood=log_density is not None,
            dispersion_known=dispersion_known,
            n_dispersion_parameters=int(log_density is not None and not dispersion_known),
        )
        CUSTOM_FAMILIES[name] = self

    given: dict[str, Any]
    user_distribution: UserDistribution

    @property
    def response_kind(self) -> str:
        """Counts where responses are whole numbers, else by the domain."""
        return "counts" if self.user_distribution.discrete else self.domain.kind

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """The distribution that `cdf` gives.

        Raises
        ------
        ModelError
            Without `cdf`.
        """
        if self.user_distribution.cdf is None:
            raise ModelError(
                f"{self!r} does not say how responses are distributed, only their mean and "
                "variance: give it cdf(y, mu, weight, dispersion)."
            )
        return self.user_distribution.at(dispersion)

    def draw(
        self,
        mean: np.ndarray,
        weights: np.ndarray,
        dispersion: float,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """One response of each row, by `draw` or from `cdf`.

        Raises
        ------
        ModelError
            Without either.
        """
        if self.user_distribution.cdf is None and self.user_distribution.draw is None:
            raise ModelError(
                f"no responses can be drawn from {self!r}, which does not say how they are "
                "distributed: give it draw(generator, mu, weight, dispersion), or cdf."
            )
        return self.user_distribution.at(dispersion).drawn(mean, weights, generator)

    def arguments(self) -> dict[str, Any]:
        """Name, functions, domain and link."""
        return self.given | {"link": self.link}

    def __repr__(self) -> str:
        return f"CustomFamily({self.name!r}, link={self.link!r})"

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def to_dict(self) -> dict[str, Any]:
        """Name and link alone: functions are not saved."""
        return {"name": self.name, "custom": True, "arguments": {}, "link": self.link.to_dict()}

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Return the dispersion of the fit."""
        return scale


def _check_family(
    variance: Callable,
    unit_deviance: Callable | None,
    log_density: Callable | None,
    starting_mean: Callable | None,
    lower: float,
    upper: float,
    trial: float,
) -> None:
    means = points_inside(lower, upper)
    variances = call(variance, "variance", [(mu,) for mu in means])
    if (variances <= 0.0).any():
        worst = int(np.argmin(variances))
        raise ModelError(f"variance({means[worst]:.6g}) is {variances[worst]:g}, not positive.")
    if unit_deviance is not None:
        _check_deviance(unit_deviance, means, variances, lower, upper)
    if log_density is not None:
        call(
            log_density,
            "log_density",
            [(y, mu, 1.0, trial) for y, mu in itertools.pairwise(means)],
        )
    if starting_mean is not None:
        starts = call(starting_mean, "starting_mean", [(y, 1.0) for y in means])
        if not ((starts > lower) & (starts < upper)).all():
            raise ModelError(f"starting_mean leaves the domain ({lower:g}, {upper:g}).")


def _check_deviance(
    unit_deviance: Callable, means: list[float], variances: np.ndarray, lower: float, upper: float
) -> None:
    pairs = [(y, mu) for y in means for mu in means]
    values = call(unit_deviance, "unit_deviance", pairs)
    for (y, mu), value in zip(pairs, values, strict=True):
        if y == mu and abs(value) > 1e-8:
            raise ModelError(f"unit_deviance({y:.6g}, {y:.6g}) is {value:.6g}, not 0.")
        if y != mu and not value > 0.0:
            raise ModelError(f"unit_deviance({y:.6g}, {mu:.6g}) is {value:.6g}, not positive.")
    for mu, spread in zip(means, variances, strict=True):
        for y in (other for other in means if other != mu):
            require_derivative(
                lambda m, y=y: unit_deviance(y, m),  # type: ignore[misc]
                -2.0 * (y - mu) / spread,
                mu,
                min(mu - lower, upper - mu),
                "unit_deviance and variance disagree: the derivative of unit_deviance"
                f"({y:.6g}, mu) at mu = {mu:.6g} should be -2 (y - mu) / variance(mu)",
            )


def _response_functions(given: dict[str, Any]) -> ResponseFunctions:
    """The functions of `fastglm.families.shared_functions`, compiled."""
    lower, upper = given["domain"]
    is_proportion = (lower, upper) == (0.0, 1.0)
    variance = compile_scalar(given["variance"], "variance", 1)

    @inline
    def standard_deviation(mu, complement, parameter):
        return math.sqrt(variance(mu))

    return ResponseFunctions(
        f"custom_{given['name']}",
        standard_deviation=standard_deviation,
        unit_deviance=_deviance_function(given, variance),
        starting_mean=_start_function(given),
        valid_mean=_domain_function(lower, upper),
        difference=binomial_difference if is_proportion else plain_difference,
        log_density=_density_function(given),
        cached=False,
    )


def _deviance_function(given: dict[str, Any], variance: Callable) -> Callable:
    if given["unit_deviance"] is None:
        return deviance_of_variance(variance, given["domain"])
    unit_deviance = compile_scalar(given["unit_deviance"], "unit_deviance", 2)

    @inline
    def deviance(y, mu, complement, parameter):
        return unit_deviance(y, mu)

    return deviance


def _start_function(given: dict[str, Any]) -> Callable:
    if given["starting_mean"] is not None:
        starting_mean = compile_scalar(given["starting_mean"], "starting_mean", 2)

        @inline
        def start(y, weight, parameter):
            return starting_mean(y, weight)

        return start
    lower, upper = given["domain"]
    bounded = math.isfinite(lower) and math.isfinite(upper)
    room = 0.1 * (upper - lower) if bounded else 0.1

    @inline
    def nudged(y, weight, parameter):
        above = y if y > lower else lower + room
        return above if above < upper else upper - room

    return nudged


def _domain_function(lower: float, upper: float) -> Callable:
    @inline
    def valid(y, mu, complement):
        return ((mu > lower) | ((mu == lower) & (y == mu))) & (
            (mu < upper) | ((mu == upper) & (y == mu))
        )

    return valid


def _density_function(given: dict[str, Any]) -> Callable:
    if given["log_density"] is None:
        return undefined_log_density
    log_density = compile_scalar(given["log_density"], "log_density", 4)

    @inline
    def density(y, mu, complement, weight, dispersion, parameter):
        return log_density(y, mu, weight, dispersion)

    return density
