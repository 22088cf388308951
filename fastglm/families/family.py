"""Families: how the response varies about its mean.

A family is a handful of compiled scalar functions and a row in the registry `FAMILIES`:

``standard_deviation(mu, complement, parameter)``
    the square root of the variance function.
``unit_deviance(y, mu, complement, parameter)``
    twice the log-likelihood ratio of one row against the saturated model, at dispersion 1.
``log_density(y, mu, complement, weight, dispersion, parameter)``
    the log-likelihood of one row, its prior weight included.
``starting_mean(y, weight, parameter)``
    a mean to start from, inside the domain.
``valid_mean(mu, complement)``
    whether a mean is inside the domain.
``difference(y, mu, complement)``
    y - mu without cancellation.
"""

from __future__ import annotations

import math

from fastglm.families.links import Link, Log, Logit
from fastglm.families.rows import log_density_rows, respond_rows, start_rows
from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import RowBlock, inlined


class Family:
    """Base of all families."""

    name: str = ""
    parameter: float = 0.0
    dispersion_known: bool = False
    default_link: type[Link]
    respond_rows: RowBlock
    start_rows: RowBlock
    log_density_rows: RowBlock

    def __init__(self, link: Link | None = None):
        self.link = self.default_link() if link is None else link


def _compiled(
    name,
    *,
    standard_deviation,
    unit_deviance,
    log_density,
    starting_mean,
    valid_mean,
    difference,
):
    """The three row blocks of a family."""
    return (
        RowBlock(
            respond_rows,
            f"respond_{name}",
            {
                "standard_deviation": standard_deviation,
                "unit_deviance": unit_deviance,
                "valid_mean": valid_mean,
                "difference": difference,
            },
        ),
        RowBlock(start_rows, f"start_{name}", {"starting_mean": starting_mean}),
        RowBlock(log_density_rows, f"log_density_{name}", {"log_density": log_density}),
    )


@inlined
def plain_difference(y, mu, complement):
    return y - mu


@inlined
def binomial_difference(y, mu, complement):
    return y * complement - (1.0 - y) * mu


@inlined
def binomial_sd(mu, complement, parameter):
    return math.sqrt(mu * complement)


@inlined
def binomial_unit_deviance(y, mu, complement, parameter):
    return 2.0 * (vm.relative_entropy(y, mu) + vm.relative_entropy(1.0 - y, complement))


@inlined
def binomial_start(y, weight, parameter):
    return (weight * y + 0.5) / (weight + 1.0)


@inlined
def valid_probability(mu, complement):
    return (mu >= 0.0) & (complement >= 0.0)


@inlined
def binomial_log_density(y, mu, complement, weight, dispersion, parameter):
    return -vm.relative_entropy(y, mu)


class Binomial(Family):
    """Proportion of successes."""

    name = "binomial"
    dispersion_known = True
    default_link = Logit
    respond_rows, start_rows, log_density_rows = _compiled(
        "binomial",
        standard_deviation=binomial_sd,
        unit_deviance=binomial_unit_deviance,
        log_density=binomial_log_density,
        starting_mean=binomial_start,
        valid_mean=valid_probability,
        difference=binomial_difference,
    )


@inlined
def poisson_sd(mu, complement, parameter):
    return math.sqrt(mu)


@inlined
def poisson_unit_deviance(y, mu, complement, parameter):
    return 2.0 * vm.relative_entropy(y, mu)


@inlined
def poisson_start(y, weight, parameter):
    return y + 0.1


@inlined
def valid_nonnegative(mu, complement):
    return mu >= 0.0


@inlined
def poisson_log_density(y, mu, complement, weight, dispersion, parameter):
    return -vm.relative_entropy(y, mu)


class Poisson(Family):
    """Counts."""

    name = "poisson"
    dispersion_known = True
    default_link = Log
    respond_rows, start_rows, log_density_rows = _compiled(
        "poisson",
        standard_deviation=poisson_sd,
        unit_deviance=poisson_unit_deviance,
        log_density=poisson_log_density,
        starting_mean=poisson_start,
        valid_mean=valid_nonnegative,
        difference=plain_difference,
    )
