"""The families, and the registry `FAMILIES`."""

from __future__ import annotations

import math
from typing import Any

from fastglm.errors import ModelError
from fastglm.families.custom import CustomFamily
from fastglm.families.domain import ResponseDomain
from fastglm.families.family import Family, ResponseFunctions
from fastglm.families.function_sets import (
    BINOMIAL,
    GAMMA,
    GAUSSIAN,
    INVERSE_GAUSSIAN,
    NEGATIVE_BINOMIAL,
    NONNEGATIVE,
    POISSON,
    POSITIVE,
    PROPORTION,
    QUASI_VARIANCES,
    QUASIBINOMIAL,
    QUASIPOISSON,
    REAL,
    TWEEDIE,
    TWEEDIE_SPECIAL,
)
from fastglm.families.links import (
    LINKS,
    Cauchy,
    CLogLog,
    Identity,
    InversePower,
    InverseSquared,
    Link,
    Log,
    LogC,
    Logit,
    LogLog,
    Power,
    Probit,
    Sqrt,
)
from fastglm.families.links import NegativeBinomial as NegativeBinomialLink
from fastglm.families.registry import FAMILIES
from fastglm.kernels.jit import RowBlock

UNBOUNDED_LINKS = (Identity, Log, InversePower, InverseSquared, Sqrt, Power)
PROPORTION_LINKS = (
    Logit,
    Probit,
    CLogLog,
    LogLog,
    Cauchy,
    Log,
    LogC,
    Identity,
    Sqrt,
    Power,
)

LinkLike = Link | type[Link] | str | None


class Gaussian(Family):
    """Normal response of constant variance."""

    name = "gaussian"
    default_link = Identity
    canonical_link = Identity
    stabilizing_link = Identity
    links = UNBOUNDED_LINKS
    functions = GAUSSIAN
    domain = REAL
    n_dispersion_parameters = 1

    @property
    def is_linear(self) -> bool:
        """With the identity link."""
        return isinstance(self.link, Identity)

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the number of observations, the maximum likelihood estimate."""
        return deviance / n


class _Proportion(Family):
    """What families of proportions share."""

    takes_two_columns = True
    default_link = Logit
    canonical_link = Logit
    links = PROPORTION_LINKS
    domain = PROPORTION

    def respond_rows_for(self, binary: bool) -> RowBlock:
        """One logarithm in place of two when every response is 0 or 1."""
        return self.functions.respond_binary_rows if binary else self.functions.respond_rows


class Binomial(_Proportion):
    """Proportion of successes; the prior weights are the numbers of trials."""

    name = "binomial"
    functions = BINOMIAL
    dispersion_known = True


class QuasiBinomial(_Proportion):
    """Binomial variance times an estimated dispersion."""

    name = "quasibinomial"
    functions = QUASIBINOMIAL
    has_likelihood = False


class Poisson(Family):
    """Counts."""

    name = "poisson"
    default_link = Log
    canonical_link = Log
    links = UNBOUNDED_LINKS
    functions = POISSON
    domain = NONNEGATIVE
    dispersion_known = True


class QuasiPoisson(Family):
    """Poisson variance times an estimated dispersion."""

    name = "quasipoisson"
    default_link = Log
    canonical_link = Log
    links = UNBOUNDED_LINKS
    functions = QUASIPOISSON
    domain = NONNEGATIVE
    has_likelihood = False


class _MeanWeightDispersion(Family):
    """Families whose likelihood R evaluates at deviance over the sum of the weights."""

    n_dispersion_parameters = 1

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the sum of the weights, as in R's ``aic`` functions."""
        return deviance / sum_weights


class Gamma(_MeanWeightDispersion):
    """Positive response whose standard deviation is proportional to its mean."""

    name = "gamma"
    default_link = InversePower
    canonical_link = InversePower
    stabilizing_link = Log
    links = UNBOUNDED_LINKS
    functions = GAMMA
    domain = POSITIVE


class InverseGaussian(_MeanWeightDispersion):
    """Positive response whose variance is proportional to the cube of its mean."""

    name = "inverse_gaussian"
    default_link = InverseSquared
    canonical_link = InverseSquared
    links = UNBOUNDED_LINKS
    functions = INVERSE_GAUSSIAN
    domain = POSITIVE


class NegativeBinomial(Family):
    """Counts of variance mu + alpha mu**2 (NB2).

    With alpha given, the dispersion is estimated as R's ``summary`` does for
    ``MASS::negative.binomial(theta)``, alpha = 1/theta; the likelihood is that of dispersion 1.
    Without, a fit estimates alpha by maximum likelihood and the dispersion is 1, as in R's
    ``glm.nb``. Venables & Ripley (2002), *Modern Applied Statistics with S*, section 7.4.

    Parameters
    ----------
    link : optional
        Default log.
    alpha : float, optional
        Positive. None is to be estimated; until then the family's methods take 1.
    estimated : bool, default False
        Whether `alpha` is an estimate from the data; it may then be 0, the Poisson boundary.
    """

    name = "negative_binomial"
    default_link = Log
    links = (*UNBOUNDED_LINKS, CLogLog, NegativeBinomialLink)
    domain = NONNEGATIVE
    estimated: bool

    def __init__(self, link: LinkLike = None, alpha: float | None = None, estimated: bool = False):
        if alpha is not None and not (0.0 < alpha < math.inf or (estimated and alpha == 0.0)):
            raise ModelError(
                f"family NegativeBinomial: alpha must be positive and finite, got {alpha!r}; "
                "alpha = 0 is the Poisson family"
            )
        super().__init__(link)
        self._set(
            parameter=1.0 if alpha is None else float(alpha),
            free_parameter="alpha" if alpha is None else None,
            estimated=estimated,
            dispersion_known=alpha is None or estimated,
            n_dispersion_parameters=int(estimated),
        )

    @property
    def alpha(self) -> float | None:
        """The parameter of the variance function; None if it is to be estimated."""
        return None if self.free_parameter else self.parameter

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """At alpha = 0 those of the Poisson family, its limit."""
        return POISSON if self.parameter == 0.0 else NEGATIVE_BINOMIAL

    def arguments(self) -> dict[str, Any]:
        """Alpha and link."""
        estimated = {"estimated": True} if self.estimated else {}
        return {"alpha": self.alpha, "link": self.link} | estimated


class Tweedie(Family):
    """Response whose variance is proportional to mu**var_power.

    Power 0 is the normal, 1 the (overdispersed) Poisson, 2 the gamma and 3 the inverse Gaussian
    family; between 1 and 2 it is a sum of a Poisson number of gamma variables, with exact zeros.
    With the power given, the likelihood is taken at the deviance over the observations, as R's
    ``logLiktweedie`` does, and as for the gamma and normal families at powers 2 and 0. Without, a
    fit estimates power and dispersion by maximum (profile) likelihood, and likelihood and
    distribution are those of both estimates. Standard errors come from Pearson's dispersion either
    way. Jorgensen (1997), chapter 4.

    Parameters
    ----------
    link : optional
        Default log.
    var_power : float, optional
        0, or 1 and above: no distribution has a power in between. None is to be estimated, above
        1, and below 2 where responses are 0; until then the family's methods take 1.5.
    estimated : bool, default False
        Whether `var_power` is an estimate from the data.
    dispersion : float, optional
        Where the likelihood is taken instead: the estimate that goes with that of the power. A
        power that was estimated, given again without it, has the lower likelihood of R's
        convention.
    """

    name = "tweedie"
    default_link = Log
    links = UNBOUNDED_LINKS
    estimated: bool
    dispersion: float | None

    def __init__(
        self,
        link: LinkLike = None,
        var_power: float | None = None,
        estimated: bool = False,
        dispersion: float | None = None,
    ):
        if var_power is not None and not (var_power == 0.0 or 1.0 <= var_power < math.inf):
            raise ModelError(
                f"family Tweedie: var_power must be 0 or at least 1, got {var_power!r}"
            )
        if dispersion is not None and not 0.0 < dispersion < math.inf:
            raise ModelError(f"family Tweedie: dispersion must be positive, got {dispersion!r}")
        super().__init__(link)
        self._set(
            parameter=1.5 if var_power is None else float(var_power),
            free_parameter="var_power" if var_power is None else None,
            estimated=estimated,
            dispersion=dispersion,
            n_dispersion_parameters=1 + estimated,
        )

    @property
    def var_power(self) -> float | None:
        """The power of the variance function; None if it is to be estimated."""
        return None if self.free_parameter else self.parameter

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """Those of the special power, or the general ones."""
        return TWEEDIE_SPECIAL.get(self.parameter, TWEEDIE)

    @property
    def domain(self) -> ResponseDomain:  # type: ignore[override]
        """All reals, from 0, or above 0, by the power."""
        if self.parameter == 0.0:
            return REAL
        return NONNEGATIVE if self.parameter < 2.0 else POSITIVE

    def arguments(self) -> dict[str, Any]:
        """Power, link, and what was estimated."""
        given: dict[str, Any] = {"var_power": self.var_power, "link": self.link}
        if self.estimated:
            given["estimated"] = True
        if self.dispersion is not None:
            given["dispersion"] = self.dispersion
        return given

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the number of observations, or the estimate beside that of the power."""
        # The weights divide the dispersion, so it does not go by their sum: twice the weights
        # are twice the dispersion, and the same likelihood.
        return deviance / n if self.dispersion is None else self.dispersion

    def response_dispersion(self, scale: float) -> float:
        """Dispersion of the distribution of responses, given the `scale` of the fit."""
        return scale if self.dispersion is None else self.dispersion


class Quasi(Family):
    """Any of R's variance functions times an estimated dispersion.

    The deviance is the quasi-deviance. Wedderburn (1974), "Quasi-likelihood functions".

    Parameters
    ----------
    link : optional
        Default identity, as in R.
    variance : str or callable, default "constant"
        "constant", "mu", "mu^2", "mu^3", "mu(1-mu)" or "mu^2(1-mu)^2"; or a plain function of the
        mean, which makes a `CustomFamily`.
    domain : pair of float, optional
        Of the means, for a variance that is a function.
    """

    name = "quasi"
    default_link = Identity
    links = tuple(LINKS.values())
    has_likelihood = False
    variance_name: str

    def __new__(  # type: ignore[misc]
        cls,
        link: LinkLike = None,
        variance: Any = "constant",
        domain: tuple[float, float] = (-math.inf, math.inf),
    ) -> Family:
        """Make a custom family of a variance that is a function."""
        if callable(variance):
            name = getattr(variance, "__name__", "variance")
            return CustomFamily(f"quasi {name}", variance, link=link, domain=domain)
        return object.__new__(cls)

    def __init__(self, link: LinkLike = None, variance: str = "constant"):
        name = "".join(variance.split()).replace("**", "^") if isinstance(variance, str) else ""
        if name not in QUASI_VARIANCES:
            raise ModelError(
                f"family Quasi: variance must be one of {', '.join(QUASI_VARIANCES)}; "
                f"got {variance!r}"
            )
        super().__init__(link)
        self._set(variance_name=name)

    @property
    def functions(self) -> ResponseFunctions:  # type: ignore[override]
        """Those of the variance function."""
        return QUASI_VARIANCES[self.variance_name][0]

    @property
    def domain(self) -> ResponseDomain:  # type: ignore[override]
        """That of the variance function."""
        return QUASI_VARIANCES[self.variance_name][1]

    def respond_rows_for(self, binary: bool) -> RowBlock:
        """As `QuasiBinomial` for the binomial variance function."""
        if binary and self.variance_name == "mu(1-mu)":
            return self.functions.respond_binary_rows
        return self.functions.respond_rows

    def arguments(self) -> dict[str, Any]:
        """Variance function and link."""
        return {"variance": self.variance_name, "link": self.link}


for _family in (
    Gaussian,
    Binomial,
    Poisson,
    Gamma,
    InverseGaussian,
    NegativeBinomial,
    Tweedie,
    QuasiPoisson,
    QuasiBinomial,
    Quasi,
):
    FAMILIES[_family.name] = _family
