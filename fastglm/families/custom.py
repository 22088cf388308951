"""Families and links that a user defines by a few plain functions of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.errors import ModelError
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
from fastglm.families.user_functions import (
    call,
    compile_scalar,
    interval,
    points_inside,
    require_derivative,
)
from fastglm.kernels.jit import inlined

__all__ = ["CustomFamily", "CustomLink"]


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

    Raises
    ------
    ModelError
        If the functions do not go together or cannot be compiled; the text says which.

    Notes
    -----
    Wedderburn (1974), "Quasi-likelihood functions, generalized linear models, and the Gauss-Newton
    method".
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
    ):
        super().__init__(link)
        refuse_taken_name(name, [*FAMILIES, *FAMILY_SYNONYMS], "family")
        lower, upper = interval(domain, "domain")
        _check_family(variance, unit_deviance, log_density, starting_mean, lower, upper)
        given = {
            "name": name,
            "variance": variance,
            "unit_deviance": unit_deviance,
            "log_density": log_density,
            "domain": (lower, upper),
            "starting_mean": starting_mean,
            "dispersion_known": dispersion_known,
        }
        known = CUSTOM_FAMILIES.get(name)
        self._set(
            name=name,
            given=given,
            domain=ResponseDomain(lower, upper),
            functions=known.functions
            if known is not None and known.given == given
            else _response_functions(given),
            has_likelihood=log_density is not None,
            dispersion_known=dispersion_known,
            n_dispersion_parameters=int(log_density is not None and not dispersion_known),
        )
        CUSTOM_FAMILIES[name] = self

    given: dict[str, Any]

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
            [(y, mu, 1.0, 1.0) for y, mu in itertools.pairwise(means)],
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

    @inlined
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

    @inlined
    def deviance(y, mu, complement, parameter):
        return unit_deviance(y, mu)

    return deviance


def _start_function(given: dict[str, Any]) -> Callable:
    if given["starting_mean"] is not None:
        starting_mean = compile_scalar(given["starting_mean"], "starting_mean", 2)

        @inlined
        def start(y, weight, parameter):
            return starting_mean(y, weight)

        return start
    lower, upper = given["domain"]
    bounded = math.isfinite(lower) and math.isfinite(upper)
    room = 0.1 * (upper - lower) if bounded else 0.1

    @inlined
    def nudged(y, weight, parameter):
        above = y if y > lower else lower + room
        return above if above < upper else upper - room

    return nudged


def _domain_function(lower: float, upper: float) -> Callable:
    @inlined
    def valid(y, mu, complement):
        return ((mu > lower) | ((mu == lower) & (y == mu))) & (
            (mu < upper) | ((mu == upper) & (y == mu))
        )

    return valid


def _density_function(given: dict[str, Any]) -> Callable:
    if given["log_density"] is None:
        return undefined_log_density
    log_density = compile_scalar(given["log_density"], "log_density", 4)

    @inlined
    def density(y, mu, complement, weight, dispersion, parameter):
        return log_density(y, mu, weight, dispersion)

    return density
