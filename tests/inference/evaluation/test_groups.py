from __future__ import annotations

import numpy as np

import fastglm as fg
from fastglm.inference.evaluation.discrimination import gini
from fastglm.inference.evaluation.groups import observed, quantile_groups


def test_groups_hold_equal_weight():
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=5000), rng.uniform(0.1, 3.0, 5000)
    group = quantile_groups(values, weight, 10)
    np.testing.assert_allclose(np.bincount(group, weight), weight.sum() / 10, rtol=0.01)
    assert all(values[group == g].max() <= values[group == g + 1].min() for g in range(9))
    ties = quantile_groups(np.repeat([1.0, 2.0], [90, 10]), np.ones(100), 10)
    assert set(ties) == {0, 1}


def test_fewer_rows_than_groups():
    group = quantile_groups(np.arange(6.0), np.ones(6), 40)
    assert group.tolist() == [0, 1, 2, 3, 4, 5]
    assert quantile_groups(np.array([2.0]), np.ones(1), 10).tolist() == [0]


def test_rates_of_alike_rows_are_equal_whatever_their_exposures():
    """Means over exposures differ in their last digit, and a Gini index by 0.3 % with them."""
    rng = np.random.default_rng(3)
    n = 2000
    data = {"g": rng.choice(list("abcd"), n), "e": rng.uniform(0.2, 1.0, n)}
    data["y"] = rng.poisson(data["e"] * 0.5)
    fit = fg.glm("y ~ g", data, "poisson", exposure="e")
    rates = observed(fit).mean
    assert np.unique(rates).size == 4
    exact = np.asarray(fit.predict(data, exposure=np.ones(n)))
    np.testing.assert_allclose(rates, exact, rtol=1e-12)
    y = data["y"] / data["e"]
    assert fit.evaluate().gini == gini(y, np.round(exact, 12), data["e"])
