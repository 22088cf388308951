"""What several tests of inference are about."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def frame():
    """Counts of a Poisson model of two factors, a number and an exposure."""
    rng = np.random.default_rng(2)
    n = 400
    data = pd.DataFrame(
        {
            "x": rng.normal(1.0, 1.0, n),
            "group": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "zone": rng.integers(1, 4, n),
            "hours": rng.uniform(1, 3, n),
        }
    )
    eta = 0.3 * data.x + data.group.map({"a": 0.0, "b": 0.4, "c": -0.3}) + np.log(data.hours)
    data["y"] = rng.poisson(np.exp(eta))
    return data
