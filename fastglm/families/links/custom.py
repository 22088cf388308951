"""Links that a user defines by a few plain functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastglm.errors import ModelError
from fastglm.families.links.base import Link, compile_link
from fastglm.families.registry import CUSTOM_LINKS, LINKS, refuse_taken_name
from fastglm.families.user_functions import (
    call,
    compile_scalar,
    interval,
    points_inside,
    require_derivative,
)
from fastglm.kernels.compiler.decorators import inline

__all__ = ["CustomLink"]

#: Relative step of the differences that stand for a second derivative.
_STEP = 6e-6


class CustomLink(Link):
    """A link of a user.

    Parameters
    ----------
    name : str
        Its name; a saved fit finds the link again by it.
    forward : callable
        ``eta = forward(mu)``.
    inverse : callable
        ``mu = inverse(eta)``.
    inverse_deriv : callable
        The derivative of `inverse`.
    domain : pair of float, default (-inf, inf)
        Where `inverse` is defined, ends not included.

    Raises
    ------
    ModelError
        If `forward` does not undo `inverse`, if `inverse_deriv` is not its derivative, or if a
        function cannot be compiled; the text says which.
    """

    custom = True
    domain: tuple[float, float]

    def __init__(
        self,
        name: str,
        forward: Callable[[float], float],
        inverse: Callable[[float], float],
        inverse_deriv: Callable[[float], float],
        domain: tuple[float, float] = (-math.inf, math.inf),
    ):
        refuse_taken_name(name, [*LINKS, *(link.__name__ for link in LINKS.values())], "link")
        lower, upper = interval(domain, "domain")
        _check_link(forward, inverse, inverse_deriv, lower, upper)
        rows = compile_link(
            f"custom_{name}",
            *_link_functions(
                compile_scalar(forward, "forward", 1),
                compile_scalar(inverse, "inverse", 1),
                compile_scalar(inverse_deriv, "inverse_deriv", 1),
                lower,
                upper,
            ),
            cached=False,
        )
        self._set(
            name=name,
            given=(forward, inverse, inverse_deriv),
            domain=(lower, upper),
            forward_rows=rows[0],
            inverse_rows=rows[1],
            inverse_deriv2_rows=rows[2],
        )
        CUSTOM_LINKS[name] = self

    def arguments(self) -> dict[str, Any]:
        """Name, functions and domain."""
        forward, inverse, inverse_deriv = self.given  # type: ignore[attr-defined]
        return {
            "name": self.name,
            "forward": forward,
            "inverse": inverse,
            "inverse_deriv": inverse_deriv,
            "domain": self.domain,
        }

    def __repr__(self) -> str:
        return f"CustomLink({self.name!r})"

    def to_dict(self) -> dict[str, Any]:
        """The name alone: functions are not saved."""
        return {"name": self.name, "arguments": {}, "custom": True}


def _check_link(
    forward: Callable, inverse: Callable, inverse_deriv: Callable, lower: float, upper: float
) -> None:
    etas = points_inside(lower, upper)
    means = call(inverse, "inverse", [(eta,) for eta in etas])
    slopes = call(inverse_deriv, "inverse_deriv", [(eta,) for eta in etas])
    back = call(forward, "forward", [(mu,) for mu in means])
    for eta, mu, slope, again in zip(etas, means, slopes, back, strict=True):
        require_derivative(
            inverse,
            slope,
            eta,
            min(eta - lower, upper - eta),
            f"inverse_deriv({eta:.6g}) is not the derivative of inverse",
        )
        if not abs(again - eta) <= 1e-6 * max(1.0, abs(eta)):
            raise ModelError(
                f"forward does not undo inverse: inverse({eta:.6g}) = {mu:.8g}, but "
                f"forward({mu:.8g}) = {again:.8g}."
            )


def _link_functions(
    forward: Callable, inverse: Callable, slope: Callable, lower: float, upper: float
) -> tuple[Callable, Callable, Callable]:
    """The three functions of `fastglm.families.links.functions`."""

    @inline
    def link_forward(mu, complement, parameter):
        return forward(mu)

    @inline
    def link_inverse(eta, parameter):
        inside = (eta > lower) & (eta < upper)
        mu = inverse(eta) if inside else math.nan
        return mu, 1.0 - mu, slope(eta) if inside else math.nan

    @inline
    def link_inverse_deriv2(eta, mu, complement, slope_at, parameter):
        h = _STEP * max(1.0, abs(eta))
        return (slope(eta + h) - slope(eta - h)) / (2.0 * h)

    return link_forward, link_inverse, link_inverse_deriv2
