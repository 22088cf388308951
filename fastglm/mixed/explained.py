"""Shares of variance: R squared and intraclass correlation of mixed models.

Nakagawa, Johnson & Schielzeth (2017), "The coefficient of determination R2 and intra-class
correlation coefficient from generalized linear mixed-effects models revisited and expanded",
*Journal of the Royal Society Interface* 14.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastglm.families import links
from fastglm.mixed.prediction import effect_sd, marginal_mean, new_rows
from fastglm.mixed.record import MixedFit

__all__ = ["distribution_variance", "intraclass_correlations", "latent_variance", "r_squared"]

#: Variances of the latent variables behind links of proportions.
_LATENT = {
    links.Logit: math.pi**2 / 3.0,
    links.Probit: 1.0,
    links.CLogLog: math.pi**2 / 6.0,
    links.LogLog: math.pi**2 / 6.0,
}


def latent_variance(link: Any) -> float | None:
    """Variance of the variable that a link of proportions is the distribution of, or None."""
    return _LATENT.get(type(link))


def _variances(fit: Any) -> tuple[float, dict[str, float], float]:
    """Variance of the fixed part, mean variances of the random parts, and of the distribution."""
    rows = new_rows(fit, None, {})
    eta = np.asarray(fit.predict(None, "population", "linear"))
    parts = {
        group.group: float(np.einsum("na,ab,nb->", columns, group.covariance, columns) / eta.size)
        for group, columns in zip(fit.groups, rows.columns, strict=True)
    }
    return float(np.var(eta)), parts, fit._distribution_variance(eta, effect_sd(fit, rows))


def distribution_variance(fit: MixedFit, eta: np.ndarray, sd: np.ndarray) -> float:
    """Variance of a response around its mean, on the scale of the linear predictor."""
    family, link = fit.family, fit.family.link
    latent = latent_variance(link)
    if math.isfinite(family.domain.upper) and latent is not None:
        return latent
    if fit.is_linear:
        return fit.scale
    mean = float(np.mean(marginal_mean(link, eta, sd)))
    variance = fit.scale * float(family.variance(mean))
    if isinstance(link, links.Log):
        return math.log1p(variance / mean**2)
    return variance / float(link.inverse_deriv(link(mean))) ** 2


def r_squared(fit: Any) -> dict[str, float]:
    """Shares of the fixed part, "marginal", and of fixed and random parts, "conditional"."""
    fixed, parts, rest = _variances(fit)
    random = sum(parts.values())
    total = fixed + random + rest
    return {"marginal": fixed / total, "conditional": (fixed + random) / total}


def intraclass_correlations(fit: Any) -> dict[str, float]:
    """Share of each grouping factor in the variance that the fixed part does not explain."""
    _, parts, rest = _variances(fit)
    total = sum(parts.values()) + rest
    return {group: value / total for group, value in parts.items()}
