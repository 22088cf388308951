from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.compare import calibration_error
from fastglm.errors import ModelError


def test_compare_ranks_by_aic():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": rng.uniform(0, 2, 2000)})
    frame["y"] = rng.gamma(5.0, np.exp(0.5 + 0.8 * frame.x) / 5.0)
    table = fg.compare(
        frame,
        "y ~ x",
        families=["gaussian", "gamma", "inverse_gaussian"],
        links=["log", "identity"],
    )
    assert table.names[0] == "gamma, log"
    assert table["difference"][0] == 0.0
    assert (np.diff(table["aic"]) > 0).all()
    fit = fg.glm("y ~ x", frame, "gamma", link="log")
    assert table["aic"][0] == pytest.approx(fit.aic)
    assert table["calibration"][0] == pytest.approx(calibration_error(fit))
    group = pd.qcut(fit.fittedvalues, 10)
    means = (
        frame.y.groupby(group, observed=True).sum()
        - fit.fittedvalues.groupby(group, observed=True).sum()
    )
    assert table["calibration"][0] == pytest.approx(means.abs().sum() / frame.y.sum(), rel=1e-2)


def test_compare_names_the_reason_if_nothing_could_be_fitted():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [-1.0, 2.0, 3.0]})
    with pytest.raises(ModelError, match="could be fitted"):
        fg.compare(frame, "y ~ x", families=["gamma"])
