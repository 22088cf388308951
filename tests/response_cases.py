"""One small problem for each model of several linear predictors, from formulas and a frame."""

import numpy as np
import pandas as pd
from scipy import special

import fastglm as fg

N = 240
#: Name: response, options; both formulas of those with a second one hold `x`.
MODELS = {
    "MNLogit": ("level", {}),
    "OrderedModel": ("level", {"link": "cloglog"}),
    "BetaModel": ("share", {"precision": "~ x"}),
    "DirichletModel": ("cbind(share, rest)", {}),
    "NegativeBinomialP": ("counts", {"dispersion": "~ x", "power": 1.5}),
    "ZeroInflated": ("counts", {"zeros": "~ x", "family": "negative_binomial"}),
    "Hurdle": ("counts", {"zeros": "~ x"}),
}


def frame(n=N, seed=3):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    data = pd.DataFrame({"x": x, "z": z, "g": np.resize(list("abcab"), n)})
    data["w"], data["o"] = rng.integers(1, 4, n), rng.uniform(-0.2, 0.2, n)
    high = data.g.map({"a": 0.0, "b": 0.5, "c": -0.4}).to_numpy()
    counts = rng.poisson(np.exp(0.7 + 0.4 * x + high) * rng.gamma(2.0, 0.5, n))
    data["counts"] = np.where(rng.random(n) < special.expit(-1.0 + 0.6 * x), 0.0, counts)
    mean = special.expit(0.3 * x + high)
    data["share"] = rng.beta(6.0 * mean, 6.0 * (1.0 - mean))
    data["rest"] = 1.0 - data.share
    latent = np.outer(x, [0.0, 0.5, -0.5]) + np.outer(high, [0.0, 1.0, 0.5])
    data["level"] = (latent + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return data


def model(name, data, right="x * g + z", **more):
    response, options = MODELS[name]
    return getattr(fg, name).from_formula(f"{response} ~ {right}", data, **options, **more)
