"""Links: how the mean follows from the linear predictor.

A link is three compiled scalar functions (`fastglm.families.link_functions`) and a row in the
registry `LINKS`. A link's parameter is data: it is never compiled in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.families import link_functions as lf
from fastglm.families.evaluate import Frozen, evaluate
from fastglm.families.registry import LINKS, plain_name
from fastglm.families.rows import curvature_rows, inverse_link_rows, link_rows
from fastglm.kernels.jit import RowBlock
from fastglm.kernels.planes import COMPLEMENT, LINEAR_PREDICTOR, MEAN, SCRATCH, SLOPE

__all__ = [
    "LINKS",
    "CLogLog",
    "Cauchy",
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
    "resolve_link",
]


class Link(Frozen):
    """Base of all links. Immutable; two links are equal when class and parameter are.

    Attributes
    ----------
    name : str
        The name R gives it; the key in `LINKS`.
    parameter : float
        The link's parameter, 0 for links that have none.
    custom : bool
        Whether a user defined it.
    mean_range : pair of float or None
        Open interval of the means of all finite linear predictors; None if some have none.
    forward_rows, inverse_rows, curvature_rows : RowBlock
        The link over one block of rows, compiled when their address is first asked for.
    """

    name: str = ""
    parameter: float = 0.0
    custom: bool = False
    mean_range: tuple[float, float] | None = None
    forward_rows: RowBlock
    inverse_rows: RowBlock
    curvature_rows: RowBlock

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments().items())
        return f"{type(self).__name__}({arguments})"

    def __call__(self, p: Any) -> Any:
        """Linear predictor at the mean `p`: an array of any shape, or a number."""
        mu = np.asarray(p, dtype=np.float64)
        planes = {MEAN: mu, COMPLEMENT: 1.0 - mu}
        return evaluate(self.forward_rows, planes, LINEAR_PREDICTOR, link=self.parameter)

    def inverse(self, z: Any) -> Any:
        """Mean at the linear predictor `z`; NaN where `z` is outside the link's domain."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, MEAN, link=self.parameter)

    def complement(self, z: Any) -> Any:
        """One minus the mean at the linear predictor `z`, accurate where the mean is near one."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, COMPLEMENT, link=self.parameter)

    def inverse_deriv(self, z: Any) -> Any:
        """Differentiate the mean in the linear predictor, at the linear predictor `z`."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, SLOPE, link=self.parameter)

    def inverse_deriv2(self, z: Any) -> Any:
        """Second derivative of the mean in the linear predictor, at the linear predictor `z`."""
        return evaluate(self.curvature_rows, {LINEAR_PREDICTOR: z}, SCRATCH, link=self.parameter)

    def deriv(self, p: Any) -> Any:
        """Differentiate the linear predictor in the mean, at the mean `p`."""
        return 1.0 / self.inverse_deriv(self(p))

    def deriv2(self, p: Any) -> Any:
        """Second derivative of the linear predictor in the mean, at the mean `p`."""
        eta = self(p)
        return -self.inverse_deriv2(eta) / self.inverse_deriv(eta) ** 3

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON from which `from_dict` makes an equal link."""
        return {"name": self.name, "arguments": self.arguments()}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> Link:
        """Rebuild the link that `to_dict` described; `ModelError` for an unknown name."""
        if saved.get("custom"):
            from fastglm.families.registry import CUSTOM_LINKS

            if saved["name"] not in CUSTOM_LINKS:
                raise ModelError(
                    f"the saved fit has a link {saved['name']!r} of its own: define it first, by "
                    f"the same fastglm.families.CustomLink({saved['name']!r}, ...) as before the "
                    "fit; no file holds its functions."
                )
            return CUSTOM_LINKS[saved["name"]]
        return _class_named(saved["name"])(**saved["arguments"])


def compile_link(
    name: str,
    forward: Callable,
    inverse: Callable,
    curvature: Callable,
    cached: bool = True,
) -> tuple[RowBlock, RowBlock, RowBlock]:
    """Make the three row blocks of a link."""
    bend = {"inverse": inverse, "curvature": curvature}
    return (
        RowBlock(link_rows, f"link_{name}", {"forward": forward}, cached),
        RowBlock(inverse_link_rows, f"inverse_{name}", {"inverse": inverse}, cached),
        RowBlock(curvature_rows, f"curvature_{name}", bend, cached),
    )


class Identity(Link):
    """eta = mu."""

    name = "identity"
    mean_range = (-math.inf, math.inf)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "identity", lf.identity_forward, lf.identity_inverse, lf.identity_curvature
    )


class Log(Link):
    """eta = log(mu)."""

    name = "log"
    mean_range = (0.0, math.inf)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "log", lf.log_forward, lf.log_inverse, lf.log_curvature
    )


class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    name = "logit"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "logit", lf.logit_forward, lf.logit_inverse, lf.logit_curvature
    )


class Probit(Link):
    """eta = the standard normal quantile of mu."""

    name = "probit"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "probit", lf.probit_forward, lf.probit_inverse, lf.probit_curvature
    )


class CLogLog(Link):
    """eta = log(-log(1 - mu)), the complementary log-log link."""

    name = "cloglog"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "cloglog", lf.cloglog_forward, lf.cloglog_inverse, lf.cloglog_curvature
    )


class LogLog(Link):
    """eta = -log(-log(mu))."""

    name = "loglog"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "loglog", lf.loglog_forward, lf.loglog_inverse, lf.loglog_curvature
    )


class Cauchy(Link):
    """eta = tan(pi (mu - 1/2)), the Cauchy quantile of mu."""

    name = "cauchit"
    mean_range = (0.0, 1.0)
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "cauchit", lf.cauchit_forward, lf.cauchit_inverse, lf.cauchit_curvature
    )


class InversePower(Link):
    """eta = 1 / mu, for eta other than 0."""

    name = "inverse"
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "inverse", lf.inverse_forward, lf.inverse_inverse, lf.inverse_curvature
    )


class InverseSquared(Link):
    """eta = 1 / mu**2, for eta > 0."""

    name = "1/mu^2"
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "inverse_squared",
        lf.inverse_squared_forward,
        lf.inverse_squared_inverse,
        lf.inverse_squared_curvature,
    )


class Sqrt(Link):
    """eta = sqrt(mu), for eta > 0."""

    name = "sqrt"
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "sqrt", lf.sqrt_forward, lf.sqrt_inverse, lf.sqrt_curvature
    )


class LogC(Link):
    """eta = log(1 - mu), the log-complement link."""

    name = "logc"
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "logc", lf.logc_forward, lf.logc_inverse, lf.logc_curvature
    )


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
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "power", lf.power_forward, lf.power_inverse, lf.power_curvature
    )

    def __new__(cls, power: float = 1.0) -> Link:  # type: ignore[misc]
        """Make the named link where the power has one."""
        named = _NAMED_POWERS.get(float(power))
        return object.__new__(cls) if named is None else named()

    def __init__(self, power: float = 1.0):
        if not math.isfinite(power):
            raise ModelError(f"link Power: power must be a finite number, got {power!r}")
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
    forward_rows, inverse_rows, curvature_rows = compile_link(
        "nbinom",
        lf.negative_binomial_forward,
        lf.negative_binomial_inverse,
        lf.negative_binomial_curvature,
    )

    def __init__(self, alpha: float = 1.0):
        if not 0.0 < alpha < math.inf:
            raise ModelError(f"link NegativeBinomial: alpha must be positive, got {alpha!r}")
        self._set(parameter=float(alpha))

    def arguments(self) -> dict[str, Any]:
        """Return alpha."""
        return {"alpha": self.parameter}


for _link in (
    Identity,
    Log,
    Logit,
    Probit,
    CLogLog,
    LogLog,
    Cauchy,
    InversePower,
    InverseSquared,
    Sqrt,
    Power,
    LogC,
    NegativeBinomial,
):
    LINKS[_link.name] = _link


_BY_PLAIN_NAME = {plain_name(link.__name__): link for link in LINKS.values()} | {
    plain_name(name): link for name, link in LINKS.items()
}


def _class_named(name: str) -> type[Link]:
    link = _BY_PLAIN_NAME.get(plain_name(name))
    if link is None:
        raise ModelError(f"unknown link {name!r}; known links: {', '.join(LINKS)}")
    return link


def resolve_link(link: Link | type[Link] | str) -> Link:
    """Make a link object from an object, its class, or its name in R or statsmodels.

    Raises
    ------
    ModelError
        If the name is unknown or the argument is no link; the text lists the names.
    """
    if isinstance(link, str):
        return _class_named(link)()
    if isinstance(link, type) and issubclass(link, Link):
        return link()
    if isinstance(link, Link):
        return link
    raise ModelError(
        f"link must be a link object, its class or one of {', '.join(LINKS)}; got {link!r}"
    )


# Names that older scripts for statsmodels have.
identity, log, logit, probit, cloglog, loglog = Identity, Log, Logit, Probit, CLogLog, LogLog
cauchy, inverse_power, inverse_squared, sqrt = Cauchy, InversePower, InverseSquared, Sqrt
logc, nbinom = LogC, NegativeBinomial
