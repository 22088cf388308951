"""Links: how the mean follows from the linear predictor."""

from fastglm.families.links.base import Link, compile_link
from fastglm.families.links.custom import CustomLink
from fastglm.families.links.resolve import resolve_link
from fastglm.families.links.standard import (
    Cauchy,
    CDFLink,
    CLogLog,
    Identity,
    InversePower,
    InverseSquared,
    Log,
    LogC,
    Logit,
    LogLog,
    NegativeBinomial,
    Power,
    Probit,
    Sqrt,
)
from fastglm.families.registry import LINKS, plain_name

__all__ = [
    "LINKS",
    "CDFLink",
    "CLogLog",
    "Cauchy",
    "CustomLink",
    "Identity",
    "InversePower",
    "InverseSquared",
    "Link",
    "Log",
    "LogC",
    "LogLog",
    "Logit",
    "NegativeBinomial",
    "Power",
    "Probit",
    "Sqrt",
    "compile_link",
    "plain_name",
    "resolve_link",
]

# Names that older scripts for statsmodels have.
identity, log, logit, probit, cloglog, loglog = Identity, Log, Logit, Probit, CLogLog, LogLog
cauchy, inverse_power, inverse_squared, sqrt = Cauchy, InversePower, InverseSquared, Sqrt
logc, nbinom = LogC, NegativeBinomial


def __dir__() -> list[str]:
    return list(__all__)
