"""What y is: families and links, their compiled row blocks, and the registries of both."""

from fastglm.families import links
from fastglm.families.custom import CustomFamily, CustomLink
from fastglm.families.domain import ResponseSummary, summarize
from fastglm.families.family import Family, ResponseFunctions
from fastglm.families.links import LINKS, Link, resolve_link
from fastglm.families.members import (
    FAMILIES,
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
    "ResponseFunctions",
    "ResponseSummary",
    "Tweedie",
    "links",
    "resolve_family",
    "resolve_link",
    "summarize",
]
