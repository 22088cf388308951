"""Geometric counts: a family as one file, which is all that a new one takes."""

from __future__ import annotations

import math

import numpy as np

from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import NONNEGATIVE
from fastglm.families.family import UNBOUNDED_LINKS, Family
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import Log
from fastglm.families.shared_functions import plain_difference, valid_nonnegative
from fastglm.kernels.compiler.decorators import inline, inline_any_precision


@inline_any_precision
def geometric_sd(mu, complement, parameter):
    return math.sqrt(mu) * math.sqrt(1.0 + mu)


@inline
def geometric_unit_deviance(y, mu, complement, parameter):
    more = y * math.log(y / mu) if y > 0.0 else 0.0
    return 2.0 * (more - (y + 1.0) * math.log((1.0 + y) / (1.0 + mu)))


@inline
def geometric_start(y, weight, parameter):
    return y + 0.1


@inline
def geometric_log_density(y, mu, complement, weight, dispersion, parameter):
    return weight * (y * math.log(mu) - (y + 1.0) * math.log1p(mu))


class Geometric(Family):
    """Counts of failures before a success."""

    name = "geometric"
    default_link = Log
    links = UNBOUNDED_LINKS
    domain = NONNEGATIVE
    response_kind = "counts"
    dispersion_known = True
    functions = ResponseFunctions(
        "geometric", geometric_sd, geometric_unit_deviance, geometric_start, valid_nonnegative,
        plain_difference, geometric_log_density,
    )  # fmt: skip

    def distribution(self, dispersion):
        """Both tails are powers of the probability of a failure."""
        upper = lambda y, mu, weight: (mu / (1.0 + mu)) ** np.maximum(np.floor(y) + 1.0, 0.0)  # noqa: E731
        lower = lambda y, mu, weight: 1.0 - upper(y, mu, weight)  # noqa: E731
        return ResponseDistribution(lower, upper, lattice=np.ones_like)
