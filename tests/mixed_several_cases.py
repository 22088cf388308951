"""Data of mixed models of several linear predictors, one for each response."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats
from scipy.special import expit

from fastglm.families import links

#: Options of `fastglm.mixed` by case.
CASES: dict[str, dict] = {
    "beta": {"family": "beta"},
    "beta cloglog": {"family": "beta", "link": "cloglog"},
    "ordinal": {"family": "ordinal"},
    "ordinal probit": {"family": "ordinal", "link": "probit"},
    "nb": {"family": "nbinom2", "dispformula": "~ w"},
    "zip": {"family": "poisson", "ziformula": "~ w"},
    "zinb": {"family": "negative_binomial", "ziformula": "~1"},
    "hurdle": {"family": "truncated_poisson", "ziformula": "~ w"},
    "hurdle nb": {"family": "truncated_negative_binomial", "ziformula": "~1"},
}


def draw_frame(case: str, q: int = 25, n: int = 400, seed: int = 3) -> pd.DataFrame:
    """Rows of a case: response y, columns x and w, factors g and h."""
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, q, n), rng.integers(0, 7, n)
    x, w = rng.normal(size=n), rng.normal(size=n)
    eta = 0.3 + 0.5 * x + 0.7 * rng.normal(size=q)[g] + 0.3 * rng.normal(size=7)[h]
    if case.startswith("beta"):
        mean = expit(eta)
        y = np.clip(rng.beta(6.0 * mean, 6.0 * (1.0 - mean)), 1e-6, 1.0 - 1e-6)
    elif case.startswith("ordinal"):
        y = np.digitize(eta + rng.logistic(size=n), [-0.8, 0.4, 1.9])
    else:
        mean = np.exp(eta)
        size = 2.0
        noisy = rng.poisson(mean * rng.gamma(size, 1.0 / size, n)) if "nb" in case else None
        counts = rng.poisson(mean) if noisy is None else noisy
        y = np.where(rng.random(n) < expit(-0.8 + 0.5 * w), 0, counts)
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g, "h": h})


def log_density(case, fit, eta, rows):
    """Log-densities of rows at linear predictors (n, nodes), from SciPy and textbooks alone."""
    y, params = rows["y"].to_numpy()[:, None], fit.params
    if case.startswith("beta"):
        link = links.CLogLog() if "cloglog" in case else links.Logit()
        mean, phi = link.inverse(eta), np.exp(params["precision-Intercept"])
        return stats.beta.logpdf(y, mean * phi, (1.0 - mean) * phi)
    if case.startswith("ordinal"):
        law = stats.norm if "probit" in case else stats.logistic
        cuts = np.concatenate([[-np.inf], params.to_numpy()[1:], [np.inf]])
        return np.log(law.cdf(cuts[y + 1] - eta) - law.cdf(cuts[y] - eta))
    if case == "nb":
        log_alpha = params["log(alpha)-Intercept"] + params["log(alpha)-w"] * rows["w"].to_numpy()
        size = np.exp(-log_alpha)[:, None]
        return stats.nbinom.logpmf(y, size, size / (size + np.exp(eta)))
    slope = params.get("zero-w", 0.0)
    odds = special.expit(params["zero-Intercept"] + slope * rows["w"].to_numpy())[:, None]
    mean = np.exp(eta)
    if "log(alpha)" in params:
        size = np.exp(-params["log(alpha)"])
        law = stats.nbinom(size, size / (size + mean))
    else:
        law = stats.poisson(mean)
    if case.startswith("hurdle"):
        positive = np.log(odds) + law.logpmf(y) - np.log1p(-law.pmf(0))
        return np.where(y == 0, np.log1p(-odds), positive)
    return np.log(np.where(y == 0, odds, 0.0) + (1.0 - odds) * law.pmf(y))
