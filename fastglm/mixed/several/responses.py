"""Responses of mixed models that have several linear predictors.

The models without random effects are those of `fastglm.responses`: they check the rows, start the
search, and say what follows from linear predictors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastglm.design.formula.response import NUMBERS, ResponseRule
from fastglm.errors import ModelError
from fastglm.families import resolve_family
from fastglm.families.links import Link, Log, resolve_link
from fastglm.families.registry import family_class
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.mixed.explained import latent_variance
from fastglm.mixed.prediction import marginal_mean
from fastglm.mixed.several.third_derivatives import (
    HURDLE_THIRDS,
    ZERO_INFLATED_THIRDS,
    beta_thirds,
    cumulative_thirds,
)
from fastglm.responses.models.beta import BetaModel
from fastglm.responses.models.ordinal import OrderedModel
from fastglm.responses.models.zero_inflated_and_hurdle import Hurdle, ZeroInflated
from fastglm.rows.model_rows import ModelRows

__all__ = ["MixedResponse", "resolve_response", "response_from_dict"]


@dataclass(frozen=True)
class MixedResponse:
    """A response whose rows have several linear predictors.

    Attributes
    ----------
    link : Link
        Of the predictor with the random effects.
    """

    link: Link

    #: Name of the response in saved fits.
    name: ClassVar[str] = ""
    #: Rule for allowed responses.
    takes: ClassVar[ResponseRule] = NUMBERS
    has_zero_part: ClassVar[bool] = False
    takes_exposure: ClassVar[bool] = False
    is_linear: ClassVar[bool] = False

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"name": self.name, "link": self.link.name}

    def without_alpha(self) -> MixedResponse | None:
        """The response at an alpha of zero; None where there is no alpha."""
        return None

    def without_effects(self, rows: ModelRows) -> Any:
        """The model of the rows without random effects.

        Raises
        ------
        DataError
            If the model does not allow the response.
        """
        if rows.offset_parts.exposure is not None and not self.takes_exposure:
            raise ModelError(
                "exposure= multiplies a mean of counts: give offset=, on the scale of the linear "
                "predictor."
            )
        return self._model_of(rows)

    def _model_of(self, rows: ModelRows) -> Any:
        raise NotImplementedError

    def direction(self, model: Any) -> np.ndarray:
        """Factors of the random part in each predictor, (K,)."""
        size = len(model._maps(model._blocks()))
        return np.eye(size)[0]

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        raise NotImplementedError

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """Variance of a response around its mean, on the scale of the linear predictor.

        Raises
        ------
        ModelError
            If it is not defined.
        """
        raise ModelError(
            "shares of variance are not defined for counts with a model of their zeros, whose "
            "variance is that of two linear predictors: use varcorr, or fit the counts without "
            "ziformula=."
        )


class BetaResponse(MixedResponse):
    """Shares between 0 and 1; the precision is one number."""

    name = "beta"

    def _model_of(self, rows: ModelRows) -> Any:
        model = BetaModel.__new__(BetaModel)
        model._take(rows.with_constant_design(), self.link, "log", "observed")
        return model

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return beta_thirds(self.link.name)

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """By the delta method at the mean share."""
        link, precision = self.link, float(np.mean(population.predict(which="precision")))
        mean = float(np.mean(marginal_mean(link, eta, sd)))
        slope = float(link.inverse_deriv(link(mean)))
        return mean * (1.0 - mean) / (1.0 + precision) / slope**2


class OrdinalResponse(MixedResponse):
    """Ordered categories by cumulative links; effects are added to x'b, as the offset is."""

    name = "ordinal"

    takes = ResponseRule("family='ordinal'", category=True, ordered=True)

    def _model_of(self, rows: ModelRows) -> Any:
        model = OrderedModel.__new__(OrderedModel)
        model._take(rows, self.link)
        return model

    def direction(self, model: Any) -> np.ndarray:
        """The random part is subtracted from both thresholds of a row."""
        return np.array([-1.0, -1.0])

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return cumulative_thirds(self.link.name)

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """Variance of the latent variable that the thresholds divide."""
        found = latent_variance(self.link)
        if found is None:
            raise ModelError(
                f"the latent variable of the link {self.link.name} has no variance, so that there "
                "are no shares of it: use varcorr."
            )
        return found


@dataclass(frozen=True)
class ZeroInflatedResponse(MixedResponse):
    """Counts with a model for extra zeros.

    Attributes
    ----------
    counts : str
        Distribution of the counts.
    """

    counts: str = "poisson"

    name: ClassVar[str] = "zero-inflated"
    has_zero_part: ClassVar[bool] = True
    takes_exposure: ClassVar[bool] = True
    of_rows: ClassVar[Any] = ZeroInflated
    thirds: ClassVar[dict[str, RowBlock]] = ZERO_INFLATED_THIRDS

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return super().to_dict() | {"counts": self.counts}

    def without_alpha(self) -> MixedResponse | None:
        """Poisson counts."""
        return None if self.counts == "poisson" else replace(self, counts="poisson")

    def _model_of(self, rows: ModelRows) -> Any:
        model = self.of_rows.__new__(self.of_rows)
        model._take(rows, self.counts)
        return model

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return self.thirds[self.counts]


class HurdleResponse(ZeroInflatedResponse):
    """Counts cut off at zero, with a model for whether there are any."""

    name = "hurdle"
    of_rows = Hurdle
    thirds = HURDLE_THIRDS


def _hurdle(counts: str) -> Callable[[Link], MixedResponse]:
    return lambda link: HurdleResponse(link, counts)


#: Responses by names of glmmTMB, ordinal and brms; the link is logit, or log for hurdle models.
NAMED: dict[str, Callable[[Link], MixedResponse]] = {
    "beta": BetaResponse,
    "beta_family": BetaResponse,
    "ordinal": OrdinalResponse,
    "cumulative": OrdinalResponse,
    "truncated_poisson": _hurdle("poisson"),
    "truncated_negative_binomial": _hurdle("negative_binomial"),
    "truncated_nbinom2": _hurdle("negative_binomial"),
}
_MULTINOMIAL = ("multinomial", "categorical", "mnlogit")


_BY_NAME: dict[str, type[MixedResponse]] = {
    each.name: each
    for each in (BetaResponse, OrdinalResponse, ZeroInflatedResponse, HurdleResponse)
}


def response_from_dict(saved: dict[str, Any]) -> MixedResponse:
    """The response that `MixedResponse.to_dict` described."""
    options = {name: saved[name] for name in ("counts",) if name in saved}
    return _BY_NAME[saved["name"]](resolve_link(saved["link"]), **options)


def resolve_response(
    family: Any, link: Any, ziformula: str | None, dispformula: str | None
) -> MixedResponse | None:
    """The response that a family names, or None for a family of one linear predictor.

    Raises
    ------
    ModelError
        If mixed models do not have the response; the message names what to use.
    """
    if dispformula is not None and dispformula.replace(" ", "") != "~1":
        raise ModelError(
            "dispformula= is not there yet: the dispersion of a mixed model is one number. Without "
            "random effects, fastglm.BetaModel takes precision=."
        )
    if isinstance(family, MixedResponse):
        return family
    named = family.lower() if isinstance(family, str) else None
    if named in _MULTINOMIAL:
        raise ModelError(
            "a multinomial response with random effects is not there yet: use "
            "fastglm.MNLogit without them, family='ordinal' if the categories have an "
            "order, or a binomial mixed model of each category against the first."
        )
    zeros = None if ziformula is None or ziformula.replace(" ", "") == "~0" else ziformula
    if zeros is not None and "|" in zeros:
        raise ModelError(
            "random effects of the zero part are not there yet: write ziformula= without a bar; "
            "effects in the formula itself are those of the counts."
        )
    if named in NAMED:
        return _named(named, link, zeros)
    if named is not None and zeros is None:
        _require_family(named)
    return None if zeros is None else _inflated(family, link)


def _require_family(name: str) -> None:
    """Add the names of responses that mixed models have beside the families to an error."""
    try:
        family_class(name)
    except ModelError as error:
        raise ModelError(f"{error}; of mixed models also {', '.join(NAMED)}") from None


def _named(name: str, link: Any, zeros: str | None) -> MixedResponse:
    default = "log" if name.startswith("truncated") else "logit"
    found = NAMED[name](resolve_link(default if link is None else link))
    if found.has_zero_part:
        if zeros is None:
            raise ModelError(
                f"family={name!r} needs ziformula=, the model of whether there is a count at all: "
                "'~1' for a constant."
            )
        _require_log(found.link)
    elif zeros is not None:
        raise ModelError(
            f"ziformula= is for counts, not family={name!r}: leave it out, or use family='poisson' "
            "or 'negative_binomial'."
        )
    return found


def _inflated(family: Any, link: Any) -> MixedResponse:
    family = {"nbinom2": "negative_binomial"}.get(family, family) if isinstance(
        family, str
    ) else family  # fmt: skip
    counts = resolve_family(family, link)
    if counts.name not in ZERO_INFLATED_THIRDS:
        raise ModelError(
            f"ziformula= is for family='poisson' or 'negative_binomial', not {counts!r}."
        )
    _require_log(counts.link)
    estimated = counts.free_parameter is not None or not counts.parameter
    if not estimated:
        raise ModelError(
            "with ziformula= alpha is estimated: give family='negative_binomial' without alpha."
        )
    return ZeroInflatedResponse(counts.link, counts.name)


def _require_log(link: Link) -> None:
    if not isinstance(link, Log):
        raise ModelError(f"counts with a model of their zeros have the log link, not {link!r}.")
