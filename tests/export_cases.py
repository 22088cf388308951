"""Fits to export: every link of the registry, and every kind of term."""

import math

import numpy as np
import pandas as pd

import fastglm as fg
from fastglm.families.links import LINKS

#: Of a family that takes the link, the offsets that its means are asked at.
WIDE, UP = np.linspace(-30.0, 30.0, 241), np.linspace(-2.0, 30.0, 161)
DOWN = -np.arange(0.01, 9.0, 0.1)
LINK_CASES = {
    "identity": ("gaussian", WIDE),
    "log": ("poisson", WIDE),
    "logit": ("binomial", WIDE),
    "probit": ("binomial", WIDE / 3.0),
    "cloglog": ("binomial", WIDE / 5.0),
    "loglog": ("binomial", WIDE / 5.0),
    "cauchit": ("binomial", WIDE),
    "inverse": ("gamma", UP),
    "1/mu^2": ("inverse_gaussian", UP),
    "sqrt": ("poisson", UP),
    "power": ("gamma", UP),
    "logc": ("binomial", DOWN),
    "nbinom": ("negative_binomial", DOWN),
}


def link_fit(name):
    """A fit with this link, and a table of offsets, its linear predictors."""
    family, etas = LINK_CASES[name]
    link = LINKS[name](0.4) if name == "power" else LINKS[name](1.5) if name == "nbinom" else name
    rng = np.random.default_rng(3)
    y = (rng.random(80) < 0.4).astype(float) if family == "binomial" else rng.gamma(3.0, 1.0, 80)
    y = np.round(y) if family in ("poisson", "negative_binomial") else y
    options = {"alpha": 1.5} if family == "negative_binomial" else {}
    chosen = fg.families.FAMILIES[family](link=link, **options)
    frame = pd.DataFrame({"y": y, "o": np.zeros(80)})
    fit = fg.glm("y ~ 1", frame, family=chosen, offset="o")
    return fit, pd.DataFrame({"o": etas - float(np.asarray(fit.params)[0])})


FORMULAS = (
    "x + z + region",
    "region * x + smoker",
    "region:kind + kind",
    "0 + kind * smoker * x",
    "C(year) + C(region, Treatment('plain'))",
    "C(kind, Sum) * C(year, Helmert) + C(region, Poly)",
    "bs(age, df=5) + cr(z, df=4) * kind",
    "cc(month, df=4) + poly(age, 3) + poly(z, 2, raw=True)",
    "bs(age, df=4, degree=2, extrapolation='clip'):smoker",
    "scale(x) + I(x**2) + log(z) + sqrt(age)",
    "center(z) + expm1(x) + log1p(age) + exp(-x)",
    "I(x > 0.1) + I(region == 'plain') + maximum(x, z) + tanh(age / 50) + cos(month)",
    "sin(x) + abs(z - 1) + I(age // 10) + I((z < 2) & (x > 0)) + log10(years)",
    "Q('odd \"name\" \\'s') + offset(log(z)) + C(smoker)",
)

#: Formulas of one column, by what has an edge: a pole, an overflow, knots, a period.
EDGES = (
    "x", "exp(x)", "log(x)", "log1p(x)", "expm1(x)", "sqrt(x)", "abs(x)", "sin(x)", "tanh(x)",
    "log2(x)", "log10(x)", "exp2(x)", "square(x)", "power(x, 3)", "power(x, 0.5)", "I(x**-2)",
    "I(1 / x)", "I(x // 1)", "I(x % 2)", "I(x % -2)", "maximum(x, 1)", "minimum(x, 1)",
    "I((x > 1) | (x < -1))", "I(~(x >= 1))", "center(x)", "scale(x)", "poly(x, 2)",
    "bs(x, df=4, extrapolation='clip')", "bs(x, df=4, extrapolation='extend')",
    "bs(x, df=4, extrapolation='zero')", "bs(x, df=4, extrapolation='na')", "bs(x, df=4)",
    "cr(x, df=4)", "cs(x, df=5)", "cc(x, df=4)", "cr(x, df=4, extrapolation='clip')",
)  # fmt: skip
AT = [0.0, -0.0, -1.0, -0.5, 1.0, 2.5, -2.5, 1e-300, -1.0 - 1e-9, 1e-17, 3.0, 40.0, -40.0, 709.9,
      -745.2, 1e5, -1e5, np.inf, -np.inf, np.nan]  # fmt: skip


def predicted_or_missing(fit, row):
    """The prediction of a row, NaN where `predict` refuses it."""
    try:
        return float(np.asarray(fit.predict(row, unseen="nan"))[0])
    except fg.errors.DataError:
        return math.nan
