"""The exponential family in full: p(y; η) = b(y) exp(η'T(y) - a(η)), one class per member."""

from __future__ import annotations

from fastglm.expfam.base import ExponentialFamily
from fastglm.expfam.categories import Categorical, Multinomial
from fastglm.expfam.construction import ConjugatePrior
from fastglm.expfam.continuous import Normal, NormalKnownVariance
from fastglm.expfam.discrete import Geometric, NegativeBinomial, Poisson
from fastglm.expfam.matrix import InverseWishart, Wishart
from fastglm.expfam.positive import ChiSquared, Exponential, Gamma, InverseGaussian
from fastglm.expfam.simplex import Beta, Dirichlet
from fastglm.expfam.table import MEMBERS, table
from fastglm.expfam.trials import Bernoulli, Binomial

__all__ = [
    "MEMBERS",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "ChiSquared",
    "ConjugatePrior",
    "Dirichlet",
    "Exponential",
    "ExponentialFamily",
    "Gamma",
    "Geometric",
    "InverseGaussian",
    "InverseWishart",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "NormalKnownVariance",
    "Poisson",
    "Wishart",
    "table",
]


def __dir__() -> list[str]:
    return list(__all__)
