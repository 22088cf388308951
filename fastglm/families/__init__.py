"""Families and links, their compiled row blocks, and the registries of both."""

from typing import TYPE_CHECKING

from fastglm.families import links
from fastglm.families.catalogue import FAMILIES
from fastglm.families.custom import CustomFamily
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import ResponseSummary, summarize
from fastglm.families.family import Family
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import LINKS, CustomLink, Link, resolve_link
from fastglm.families.members import (
    Binomial,
    Gamma,
    Gaussian,
    InverseGaussian,
    NegativeBinomial,
    Poisson,
    Quasi,
    QuasiBinomial,
    QuasiPoisson,
    Tweedie,
)
from fastglm.families.resolve import resolve_family
from fastglm.pointers import FAMILY_NAMES, pointing_module

__all__ = [
    "FAMILIES",
    "LINKS",
    "Binomial",
    "CustomFamily",
    "CustomLink",
    "Family",
    "Gamma",
    "Gaussian",
    "InverseGaussian",
    "Link",
    "NegativeBinomial",
    "Poisson",
    "Quasi",
    "QuasiBinomial",
    "QuasiPoisson",
    "ResponseDistribution",
    "ResponseFunctions",
    "ResponseSummary",
    "Tweedie",
    "links",
    "resolve_family",
    "resolve_link",
    "summarize",
]

if not TYPE_CHECKING:
    __getattr__ = pointing_module(__name__, __all__, FAMILY_NAMES)


def __dir__() -> list[str]:
    return list(__all__)
