from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError
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


@pytest.mark.parametrize("kind", ["text", "numbers", "array"])
def test_rows_whose_factor_is_missing_are_a_group_of_their_own(kind):
    """The code of a missing level is -1: it is not the last level, nor of the cell before."""
    n = 240
    frame = pd.DataFrame({"x": np.arange(n) / n, "y": np.arange(n) % 4})
    frame["h"] = frame.y.map({0: "u", 1: "v", 2: None, 3: "v"})
    if kind == "numbers":
        frame["h"] = (frame.index.to_numpy() % 60).astype(float)
        frame.loc[frame.y == 2, "h"] = np.nan
    frame["g"] = np.where(np.arange(n) % 3 == 0, "a", "b")
    evaluation = fg.glm("y ~ x", frame, "poisson").evaluate(frame)
    of_one = evaluation.groups(by=frame.h if kind == "array" else "h").summary_frame()
    assert of_one.index[-1] == "missing"
    assert of_one["weight"].iloc[-1] == n / 4
    assert of_one["actual"].iloc[-1] == 2.0
    assert of_one["weight"].sum() == n
    pairs = evaluation.groups(by=["g", frame.h if kind == "array" else "h"]).summary_frame()
    for level in "ab":
        rows = (frame.g == level) & (frame.y == 2)
        assert pairs.loc[f"{level} × missing", "weight"] == rows.sum()
        assert pairs.loc[f"{level} × missing", "actual"] == 2.0


def test_a_list_of_one_factor_is_that_factor():
    frame = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 4.0, 9.0], "g": list("abab")}
    evaluation = fg.glm("y ~ x", frame, "poisson").evaluate(frame)
    assert str(evaluation.groups(by=["g"])) == str(evaluation.groups(by="g"))
    with pytest.raises(DataError, match="a list of two of these"):
        evaluation.groups(by=["g", "x", "y"])
