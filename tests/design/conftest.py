import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="package")
def frame():
    """Every kind of column a formula meets; 80 rows, no missing values."""
    rng = np.random.default_rng(20240501)
    n = 80
    return pd.DataFrame(
        {
            "y": rng.poisson(2, n),
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 3, n),
            "k": rng.integers(1, 5, n),
            "flag": rng.random(n) > 0.5,
            "a": rng.choice(["u", "v", "w"], n),
            "b": pd.Categorical(rng.choice(["p", "q"], n), categories=["q", "p"]),
            "c": rng.choice(["one", "two", "three", "four"], n),
            "Petal.Length": rng.normal(size=n),
            "my col": rng.uniform(1, 2, n),
        }
    )
