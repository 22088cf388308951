from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import ConvergenceWarning, RankWarning
from fastglm.report.checks import Checks
from fastglm.report.findings import findings


def found_in(fit):
    return findings(fit, Checks(fit))


def titles(fit):
    return [finding.title for finding in found_in(fit)]


@pytest.fixture
def frame():
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"x": rng.normal(size=1500), "z": rng.normal(size=1500)})
    data["y"] = rng.poisson(np.exp(0.5 + 0.3 * data.x))
    return data


def test_a_right_model_has_none(frame):
    assert titles(fg.glm("y ~ x + z", frame, "poisson")) == []


def test_overdispersion_and_zeros(frame):
    wide = frame.assign(y=frame.y * np.random.default_rng(1).integers(0, 4, 1500))
    found = titles(fg.glm("y ~ x", wide, "poisson"))
    assert found[0] == "Overdispersion"
    assert "More zeros than expected" in found


def test_bent_terms_are_named(frame):
    bent = frame.assign(y=np.random.default_rng(1).poisson(np.exp(0.3 * frame.z**2)))
    found = {f.title: f.text for f in found_in(fg.glm("y ~ x + z", bent, "poisson"))}
    assert " for z." in found["Terms that bend"]


def test_collinear_columns_are_named(frame):
    noise = np.random.default_rng(1).normal(size=1500)
    close = frame.assign(w=frame.x + 0.01 * noise)
    found = {f.title: f.text for f in found_in(fg.glm("y ~ x + w", close, "poisson"))}
    assert "x, w" in found["Collinearity"]
    with pytest.warns(RankWarning):
        fit = fg.glm("y ~ x + w", frame.assign(w=2.0 * frame.x), "poisson")
    assert "Columns left out" in titles(fit)


def test_outliers_and_influential_rows_are_named(frame):
    moved = frame.copy()
    moved.loc[11, ["x", "y"]] = [4.0, 90]
    found = {f.title: f.text for f in found_in(fg.glm("y ~ x", moved, "poisson"))}
    assert found["Outliers"].startswith("Row 11 is ")
    assert found_in(fg.glm("y ~ x", moved, "poisson"))[0].title in (
        "Influential observations",
        "Overdispersion",
    )


def test_missing_rows_and_failure_to_converge(frame):
    gaps = frame.copy()
    gaps.loc[:99, "x"] = np.nan
    fit = fg.glm("y ~ x", gaps, "poisson", missing="drop")
    found = {f.title: f.text for f in found_in(fit)}
    assert "100 rows (6.7%)" in found["Rows left out"]
    with pytest.warns(ConvergenceWarning):
        short = fg.glm("y ~ x", frame, "poisson", max_iter=1)
    assert found_in(short)[0].title == "The fit did not converge"
    assert found_in(short)[0].serious
