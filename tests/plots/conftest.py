from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

import fastglm as fg

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture(scope="session")
def frame():
    rng = np.random.default_rng(3)
    n = 800
    data = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, n),
            "region": rng.choice(["north", "south", "west"], n),
            "hours": rng.uniform(0.5, 2.0, n),
        }
    )
    eta = -1.0 + 0.02 * data.age + data.region.map({"north": 0.0, "south": 0.4, "west": -0.3})
    data["claims"] = rng.poisson(np.exp(eta) * data.hours)
    data["won"] = (rng.random(n) < 1 / (1 + np.exp(-eta + 0.3))).astype(float)
    return data


@pytest.fixture(scope="session")
def counts(frame):
    return fg.glm("claims ~ age + region", frame, "poisson", exposure="hours")


@pytest.fixture(scope="session")
def wins(frame):
    return fg.glm("won ~ age + region", frame, "binomial")
