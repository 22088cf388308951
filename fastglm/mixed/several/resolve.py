"""The response of several linear predictors that a family and formulas of a mixed model name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastglm.errors import ModelError
from fastglm.families import Family, resolve_family
from fastglm.families.links import Link, Log, resolve_link
from fastglm.families.registry import family_class
from fastglm.mixed.several.responses import (
    BetaResponse,
    HurdleResponse,
    MixedResponse,
    NegativeBinomialResponse,
    OrdinalResponse,
    ZeroInflatedResponse,
    is_constant,
)
from fastglm.mixed.several.third_derivatives import ZERO_INFLATED_THIRDS

__all__ = ["family_of", "resolve_response", "response_from_dict"]


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
#: Names of families in glmmTMB.
_GLMMTMB = {"nbinom2": "negative_binomial"}
_MULTINOMIAL = ("multinomial", "categorical", "mnlogit")


_BY_NAME: dict[str, type[MixedResponse]] = {
    each.name: each
    for each in (
        BetaResponse, OrdinalResponse, NegativeBinomialResponse, ZeroInflatedResponse,
        HurdleResponse,
    )
}  # fmt: skip


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
    found = _resolved(family, link, ziformula, dispformula)
    if not is_constant(dispformula):
        _require_dispersion_part(found, family, dispformula)
    return found


def _require_dispersion_part(found: MixedResponse | None, family: Any, formula: Any) -> None:
    if found is None or not found.has_dispersion_part:
        raise ModelError(
            "dispformula= is for families beta and negative_binomial, the latter with ziformula= "
            f"too: {family!r} has no dispersion that columns could model here."
        )
    if "|" in formula:
        raise ModelError(
            "random effects of the dispersion are not there yet: write dispformula= without a bar."
        )


def _resolved(
    family: Any, link: Any, ziformula: str | None, dispformula: str | None
) -> MixedResponse | None:
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
    if named in NAMED:
        return _named(named, link, zeros)
    if named is not None and zeros is None:
        _require_family(named)
    if zeros is not None:
        return _inflated(family, link)
    return None if is_constant(dispformula) else _dispersed(family, link)


def _require_family(name: str) -> None:
    """Add the names of responses that mixed models have beside the families to an error."""
    try:
        family_class(_GLMMTMB.get(name, name))
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


def _dispersed(family: Any, link: Any) -> MixedResponse | None:
    """The response of a family whose dispersion has columns; None for families without any."""
    found = family_of(family, link)
    if found.name != NegativeBinomialResponse.counts:
        return None
    _require_log(found.link)
    _require_estimated(found, "dispformula=")
    return NegativeBinomialResponse(found.link)


def family_of(family: Any, link: Any) -> Family:
    """The family of one linear predictor, which may have glmmTMB's name."""
    return resolve_family(_GLMMTMB.get(family, family) if isinstance(family, str) else family, link)


def _inflated(family: Any, link: Any) -> MixedResponse:
    counts = family_of(family, link)
    if counts.name not in ZERO_INFLATED_THIRDS:
        raise ModelError(
            f"ziformula= is for family='poisson' or 'negative_binomial', not {counts!r}."
        )
    _require_log(counts.link)
    _require_estimated(counts, "ziformula=")
    return ZeroInflatedResponse(counts.link, counts.name)


def _require_estimated(counts: Family, argument: str) -> None:
    if counts.free_parameter is None and counts.parameter:
        raise ModelError(
            f"with {argument} alpha is estimated: give family='negative_binomial' without alpha."
        )


def _require_log(link: Link) -> None:
    if not isinstance(link, Log):
        raise ModelError(
            f"counts with a model of their zeros or dispersion have the log link, not {link!r}."
        )
