"""The families of `fastglm.families.registry.FAMILIES`: a row each."""

from __future__ import annotations

from fastglm.families import members
from fastglm.families.registry import FAMILIES

__all__ = ["FAMILIES"]

for _family in (
    members.Gaussian,
    members.Binomial,
    members.Poisson,
    members.Gamma,
    members.InverseGaussian,
    members.NegativeBinomial,
    members.Tweedie,
    members.QuasiPoisson,
    members.QuasiBinomial,
    members.Quasi,
):
    FAMILIES[_family.name] = _family
