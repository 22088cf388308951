"""Which linear predictors have a mean that the family allows."""

from __future__ import annotations

import math

import numpy as np

from fastglm.families.domain import ResponseDomain
from fastglm.families.links.base import Link

__all__ = ["predictors_inside"]


def predictors_inside(link: Link, domain: ResponseDomain) -> tuple[float, float] | None:
    """Ends of the linear predictors with a mean in the domain; None if they are no interval.

    Found to rounding from where the mean is inside, without any function of the link's own.
    """
    sizes = np.logspace(-8.0, 8.0, 65)
    eta = np.concatenate([-sizes[::-1], [0.0], sizes])
    inside = np.flatnonzero(_is_inside(link, domain, eta))
    if not inside.size or inside[-1] - inside[0] + 1 != inside.size:
        return None
    low, high = int(inside[0]), int(inside[-1])
    last = eta.size - 1
    return (
        -math.inf if low == 0 else _end_between(link, domain, eta[low - 1], eta[low]),
        math.inf if high == last else _end_between(link, domain, eta[high + 1], eta[high]),
    )


def _is_inside(link: Link, domain: ResponseDomain, eta: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return domain.contains(np.asarray(link.inverse(eta)))


def _end_between(link: Link, domain: ResponseDomain, outside: float, inside: float) -> float:
    """Where linear predictors begin to have a mean inside the domain."""
    while True:
        middle = 0.5 * (outside + inside)
        if middle in (outside, inside):
            return float(inside)
        if _is_inside(link, domain, np.array([middle]))[0]:
            inside = middle
        else:
            outside = middle
