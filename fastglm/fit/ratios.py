"""Names of exponentials of coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.families import Family

__all__ = ["ratio_name", "to_ratio"]

#: Ratios of two means, by the kind of the response.
_OF_MEANS = {"counts": "rate ratio", "proportion": "risk ratio", "positive": "relativity"}


def ratio_name(family: Family) -> str | None:
    """Name of the exponential of a coefficient by link and response; None where it has none.

    Examples
    --------
    >>> from fastglm.families import Binomial, Gamma, Poisson
    >>> ratio_name(Binomial()), ratio_name(Poisson()), ratio_name(Gamma("log"))
    ('odds ratio', 'rate ratio', 'relativity')
    """
    of = family.link.ratio
    if of == "mean":
        return _OF_MEANS.get(family.response_kind, "ratio of means")
    return None if of is None else f"{of} ratio"


def to_ratio(coefficient: Any) -> Any:
    """The exponential of coefficients or their limits.

    Limits of infinite estimates overflow to infinity, which is what they are.
    """
    with np.errstate(over="ignore"):
        return np.exp(coefficient)
