"""Ends of a mean's range that are met at infinity only, and the responses that lie there."""

from __future__ import annotations

import functools

import numpy as np

from fastglm.families.family import Family

__all__ = ["open_ends", "sides"]

#: A linear predictor at which means have come to the end of their range, but for rounding.
FAR_OUT = 1e300


@functools.lru_cache(maxsize=32)
def open_ends(family: Family) -> tuple[tuple[int, float, bool], ...]:
    """Ends of the mean's range that are met at an infinite linear predictor: sign, end, is lower.

    A response at such an end, or beyond it as a gaussian one may be, gains for ever. None where its
    deviance is not finite: there is no likelihood to maximise.
    """
    # The quasi-likelihood of a zero, the integral of 1 / variance times the mean, must converge.
    tiny = 1e-100
    if not tiny * tiny < 0.999 * float(family.variance(tiny)):
        return ()
    ends: list[tuple[int, float, bool]] = []
    for sign in (1, -1):
        near, far = (float(family.link.inverse(sign * size)) for size in (1.0, FAR_OUT))
        end = 0.0 if abs(far) < tiny else far
        # The other branch of 1 / mu has the same end.
        is_new = all(end != other for _, other, _ in ends)
        if abs(end) < 1.0 / tiny and family.domain.contains(np.array([near, end])).all() and is_new:
            ends.append((sign, end, near > end))
    return tuple(ends)


def sides(family: Family, response: np.ndarray) -> np.ndarray:
    """Sign of the change of linear predictor that each row's likelihood can bear; 0 for none."""
    side = np.zeros(response.shape[0], dtype=np.int8)
    for sign, end, is_lower in open_ends(family):
        side[response <= end if is_lower else response >= end] = sign
    return side
