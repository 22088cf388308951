"""The links of R and statsmodels, each a row of the registry `LINKS`."""

from __future__ import annotations

import math
from typing import Any

from fastglm.arguments import checked_number
from fastglm.errors import ModelError
from fastglm.families.links import bends
from fastglm.families.links import functions as lf
from fastglm.families.links.base import Link, compile_link, compile_mean
from fastglm.families.registry import LINKS

__all__ = [
    "CDFLink",
    "CLogLog",
    "Cauchy",
    "Identity",
    "InversePower",
    "InverseSquared",
    "Log",
    "LogC",
    "LogLog",
    "Logit",
    "NegativeBinomial",
    "Power",
    "Probit",
    "Sqrt",
]


class Identity(Link):
    """eta = mu."""

    name = "identity"
    mean_range = (-math.inf, math.inf)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "identity", lf.identity_forward, lf.identity_inverse, lf.identity_inverse_deriv2
    )
    mean_rows = compile_mean("identity", lf.identity_inverse, bends.identity_bends)


class Log(Link):
    """eta = log(mu)."""

    name = "log"
    ratio = "mean"
    mean_range = (0.0, math.inf)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "log", lf.log_forward, lf.log_inverse, lf.log_inverse_deriv2
    )
    mean_rows = compile_mean("log", lf.log_inverse, bends.log_bends)


class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    name = "logit"
    ratio = "odds"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "logit", lf.logit_forward, lf.logit_inverse, lf.logit_inverse_deriv2
    )
    mean_rows = compile_mean("logit", lf.logit_inverse, bends.logit_bends)


class Probit(Link):
    """eta = the standard normal quantile of mu."""

    name = "probit"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "probit", lf.probit_forward, lf.probit_inverse, lf.probit_inverse_deriv2
    )
    mean_rows = compile_mean("probit", lf.probit_inverse, bends.probit_bends)


class CLogLog(Link):
    """eta = log(-log(1 - mu)), the complementary log-log link."""

    name = "cloglog"
    ratio = "hazard"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "cloglog", lf.cloglog_forward, lf.cloglog_inverse, lf.cloglog_inverse_deriv2
    )
    mean_rows = compile_mean("cloglog", lf.cloglog_inverse, bends.cloglog_bends)


class LogLog(Link):
    """eta = -log(-log(mu))."""

    name = "loglog"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "loglog", lf.loglog_forward, lf.loglog_inverse, lf.loglog_inverse_deriv2
    )
    mean_rows = compile_mean("loglog", lf.loglog_inverse, bends.loglog_bends)


class Cauchy(Link):
    """eta = tan(pi (mu - 1/2)), the Cauchy quantile of mu."""

    name = "cauchit"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "cauchit", lf.cauchit_forward, lf.cauchit_inverse, lf.cauchit_inverse_deriv2
    )
    mean_rows = compile_mean("cauchit", lf.cauchit_inverse, bends.cauchit_bends)


class InversePower(Link):
    """eta = 1 / mu, for eta other than 0."""

    name = "inverse"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "inverse", lf.inverse_forward, lf.inverse_inverse, lf.inverse_inverse_deriv2
    )
    mean_rows = compile_mean("inverse_power", lf.inverse_inverse, bends.inverse_power_bends)


class InverseSquared(Link):
    """eta = 1 / mu**2, for eta > 0."""

    name = "1/mu^2"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "inverse_squared",
        lf.inverse_squared_forward,
        lf.inverse_squared_inverse,
        lf.inverse_squared_inverse_deriv2,
    )
    mean_rows = compile_mean(
        "inverse_squared", lf.inverse_squared_inverse, bends.inverse_squared_bends
    )


class Sqrt(Link):
    """eta = sqrt(mu), for eta > 0."""

    name = "sqrt"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "sqrt", lf.sqrt_forward, lf.sqrt_inverse, lf.sqrt_inverse_deriv2
    )
    mean_rows = compile_mean("sqrt", lf.sqrt_inverse, bends.sqrt_bends)


class LogC(Link):
    """eta = log(1 - mu), the log-complement link."""

    name = "logc"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "logc", lf.logc_forward, lf.logc_inverse, lf.logc_inverse_deriv2
    )
    mean_rows = compile_mean("logc", lf.logc_inverse, bends.logc_bends)


_NAMED_POWERS: dict[float, type[Link]] = {
    1.0: Identity,
    0.0: Log,
    0.5: Sqrt,
    -1.0: InversePower,
    -2.0: InverseSquared,
}


class Power(Link):
    """eta = mu**power, for mu > 0.

    A power that has a link of its own is that link: ``Power(-1) == InversePower()``, and power 0
    is the logarithm, the limit of the Box-Cox powers.

    Parameters
    ----------
    power : float, default 1
        The exponent, finite.
    """

    name = "power"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "power", lf.power_forward, lf.power_inverse, lf.power_inverse_deriv2
    )
    mean_rows = compile_mean("power", lf.power_inverse, bends.power_bends)

    def __new__(cls, power: float = 1.0) -> Link:  # type: ignore[misc]
        """Make the named link where the power has one."""
        named = _NAMED_POWERS.get(checked_number("link Power: power", power))
        return object.__new__(cls) if named is None else named()

    def __init__(self, power: float = 1.0):
        self._set(parameter=float(power))

    def arguments(self) -> dict[str, Any]:
        """Return the power."""
        return {"power": self.parameter}


class NegativeBinomial(Link):
    """eta = log(alpha mu / (1 + alpha mu)), for eta < 0: canonical for the negative binomial.

    Parameters
    ----------
    alpha : float, default 1
        The family's dispersion of counts, positive.
    """

    name = "nbinom"
    forward_rows, inverse_rows, inverse_deriv2_rows = compile_link(
        "nbinom",
        lf.negative_binomial_forward,
        lf.negative_binomial_inverse,
        lf.negative_binomial_inverse_deriv2,
    )
    mean_rows = compile_mean(
        "negative_binomial", lf.negative_binomial_inverse, bends.negative_binomial_bends
    )

    def __init__(self, alpha: float = 1.0):
        if not 0.0 < alpha < math.inf:
            raise ModelError(f"link NegativeBinomial: alpha must be positive, got {alpha!r}")
        self._set(parameter=float(alpha))

    def arguments(self) -> dict[str, Any]:
        """Return alpha."""
        return {"alpha": self.parameter}


# The quantile function of a distribution of scipy.stats is the link of the same name here.
_LINKS_BY_DISTRIBUTION: dict[tuple[str | None, tuple[float, ...]], type[Link]] = {
    ("norm", ()): Probit,
    ("logistic", ()): Logit,
    ("cauchy", ()): Cauchy,
    ("t", (1,)): Cauchy,
    ("gumbel_r", ()): LogLog,
    ("gumbel_l", ()): CLogLog,
}


class CDFLink(Link):
    """The link whose inverse is the cumulative distribution function of a distribution.

    Statsmodels' spelling of probit and its relatives. It makes the link of that name:
    ``CDFLink(scipy.stats.norm)`` is ``Probit()``.

    Parameters
    ----------
    dbn : distribution of scipy.stats, optional
        ``norm`` (the default), ``logistic``, ``cauchy``, ``gumbel_r`` (loglog), ``gumbel_l``
        (cloglog) or ``t(1)``.

    Raises
    ------
    ModelError
        For any other distribution: `CustomLink` takes its functions.

    Examples
    --------
    >>> from fastglm.families.links import CDFLink
    >>> CDFLink().name
    'probit'
    """

    def __new__(cls, dbn: Any = None) -> Link:  # type: ignore[misc]
        """Make the link of that distribution."""
        if dbn is None:
            return Probit()
        arguments = (*getattr(dbn, "args", ()), *getattr(dbn, "kwds", {}).values())
        link = _LINKS_BY_DISTRIBUTION.get(
            (getattr(getattr(dbn, "dist", dbn), "name", None), arguments)
        )
        if link is None:
            names = ", ".join(sorted({str(name) for name, _ in _LINKS_BY_DISTRIBUTION}))
            raise ModelError(
                f"link CDFLink: dbn must be a standard one of {names} (t with 1 degree of freedom) "
                f"of scipy.stats, got {dbn!r}; write any other as a CustomLink"
            )
        return link()


for _link in (
    Identity, Log, Logit, Probit, CLogLog, LogLog, Cauchy, InversePower, InverseSquared, Sqrt,
    Power, LogC, NegativeBinomial,
):  # fmt: skip
    LINKS[_link.name] = _link
