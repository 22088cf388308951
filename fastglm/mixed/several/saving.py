"""Saved mixed models of several linear predictors, as plain JSON types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from fastglm.mixed.record import MixedFit
from fastglm.mixed.saving import describe_mixed, read_mixed
from fastglm.mixed.several.resolve import response_from_dict
from fastglm.responses.saving import describe_response, read_response

__all__ = ["describe_several", "read_several"]

F = TypeVar("F", bound=MixedFit)


def describe_several(fit: Any) -> dict[str, Any]:
    """A fit as plain JSON types."""
    return describe_mixed(fit) | {"population": describe_response(fit.population)}


def read_several(saved: dict[str, Any], kind: type[F]) -> F:
    """The fit that `describe_several` described, as a record of that class."""
    population = read_response({"fastglm": saved["fastglm"]} | saved["population"])
    fit = read_mixed(saved, kind, response_from_dict)
    return replace(fit, population=population)  # type: ignore[call-arg]
