from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg


@pytest.fixture
def frame():
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


FORMULA = "y ~ x * group + C(zone) + offset(log(hours))"


@pytest.mark.parametrize("method", ["none", "bonferroni", "sidak", "holm"])
def test_adjustments_equal_statsmodels(frame, method):
    from statsmodels.stats.multitest import multipletests

    means = fg.glm(FORMULA, frame, "poisson").emmeans("group")
    raw = means.contrasts(adjust="none").pvalues
    expected = raw if method == "none" else multipletests(raw, method=method)[1]
    np.testing.assert_allclose(means.contrasts(adjust=method).pvalues, expected, rtol=1e-9)
