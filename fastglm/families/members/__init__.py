"""One file a family. Each holds, in this order, all that makes the family what it is.

1. Scalar functions (`fastglm.families.shared_functions` lists the kinds): standard deviation, unit
   deviance, starting mean, log-density. Derivatives of the
   variance function and in the family's parameter (`fastglm.families.derivatives`, for mixed
   models) belong here as well, after the log-density.
2. The set of them, a `ResponseFunctions`.
3. The distribution of a response: both tails, quantile, draw, a `ResponseDistribution`.
4. The class: name, links, domain, kind of response, and what else it can do (`Family`).

A row in `fastglm.families.catalogue` makes it known.
"""

from fastglm.families.members.binomial import PROPORTION_LINKS, Binomial, QuasiBinomial
from fastglm.families.members.gamma import Gamma
from fastglm.families.members.gaussian import Gaussian
from fastglm.families.members.inverse_gaussian import InverseGaussian
from fastglm.families.members.negative_binomial import NegativeBinomial
from fastglm.families.members.poisson import Poisson, QuasiPoisson
from fastglm.families.members.quasi import QUASI_VARIANCES, Quasi
from fastglm.families.members.tweedie import TWEEDIE_SPECIAL, Tweedie

__all__ = [
    "PROPORTION_LINKS",
    "QUASI_VARIANCES",
    "TWEEDIE_SPECIAL",
    "Binomial",
    "Gamma",
    "Gaussian",
    "InverseGaussian",
    "NegativeBinomial",
    "Poisson",
    "Quasi",
    "QuasiBinomial",
    "QuasiPoisson",
    "Tweedie",
]
