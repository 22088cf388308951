"""Every link and family in plain NumPy and SciPy: obviously right where nothing is extreme."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from fastglm import families
from fastglm.families import FAMILIES, LINKS, links

ALPHA = 0.7
POWER = 0.3

#: name -> forward(mu), inverse(eta), slope(eta)
LINK_ORACLE = {
    "identity": (lambda m: m, lambda e: e, np.ones_like),
    "log": (np.log, np.exp, np.exp),
    "logit": (special.logit, special.expit, lambda e: special.expit(e) * special.expit(-e)),
    "probit": (special.ndtri, special.ndtr, stats.norm.pdf),
    "cloglog": (
        lambda m: np.log(-np.log1p(-m)),
        lambda e: -np.expm1(-np.exp(e)),
        lambda e: np.exp(e - np.exp(e)),
    ),
    "loglog": (
        lambda m: -np.log(-np.log(m)),
        lambda e: np.exp(-np.exp(-e)),
        lambda e: np.exp(-e - np.exp(-e)),
    ),
    "cauchit": (stats.cauchy.ppf, stats.cauchy.cdf, stats.cauchy.pdf),
    "inverse": (lambda m: 1 / m, lambda e: 1 / e, lambda e: -1 / e**2),
    "1/mu^2": (lambda m: m**-2.0, lambda e: e**-0.5, lambda e: -0.5 * e**-1.5),
    "sqrt": (np.sqrt, np.square, lambda e: 2 * e),
    "power": (
        lambda m: m**POWER,
        lambda e: e ** (1 / POWER),
        lambda e: e ** (1 / POWER - 1) / POWER,
    ),
    "logc": (np.log1p, lambda e: -np.expm1(e), lambda e: -np.exp(e)),
    "nbinom": (
        lambda m: np.log(m / (m + 1 / ALPHA)),
        lambda e: 1 / (ALPHA * np.expm1(-e)),
        lambda e: np.exp(-e) / (ALPHA * np.expm1(-e) ** 2),
    ),
}
LINK_ORACLE["logc"] = (lambda m: np.log1p(-m), *LINK_ORACLE["logc"][1:])

UNIT_INTERVAL = {"logit", "probit", "cloglog", "loglog", "cauchit", "logc"}


def make_link(name: str) -> links.Link:
    arguments = {"power": {"power": POWER}, "nbinom": {"alpha": ALPHA}}
    return LINKS[name](**arguments.get(name, {}))


def make_families() -> dict[str, families.Family]:
    """One of every family, by a readable name; every special power and variance function."""
    made = {name: cls() for name, cls in FAMILIES.items() if name not in ("tweedie", "quasi")}
    made["negative_binomial"] = families.NegativeBinomial(alpha=ALPHA)
    for power in (0.0, 1.0, 1.3, 1.5, 1.9, 2.0, 2.5, 3.0, 4.0):
        made[f"tweedie {power:g}"] = families.Tweedie(var_power=power)
    for variance in ("constant", "mu", "mu^2", "mu^3", "mu(1-mu)", "mu^2(1-mu)^2"):
        made[f"quasi {variance}"] = families.Quasi(links.Log(), variance=variance)
    return made


def is_proportion(family: families.Family) -> bool:
    return family.domain.upper == 1.0


def variance(family: families.Family, mu):
    """Variance function, written out."""
    power = {"gaussian": 0, "poisson": 1, "quasipoisson": 1, "gamma": 2, "inverse_gaussian": 3}
    if family.name in power:
        return mu ** float(power[family.name])
    if family.name == "tweedie":
        return mu**family.parameter
    if family.name == "negative_binomial":
        return mu + family.parameter * mu**2
    if family.name in ("binomial", "quasibinomial"):
        return mu * (1 - mu)
    formulas = {
        "constant": np.ones_like,
        "mu": lambda m: m,
        "mu^2": np.square,
        "mu^3": lambda m: m**3,
        "mu(1-mu)": lambda m: m * (1 - m),
        "mu^2(1-mu)^2": lambda m: (m * (1 - m)) ** 2,
    }
    return formulas[family.variance_name](mu)
