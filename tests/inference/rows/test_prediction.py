import warnings

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import RankWarning


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(1e3, 1.0, 200), "g": rng.choice(list("abc"), 200)})
    return data.assign(
        z=2.0 * data["x"] - 5.0,
        h=np.where((data["g"] == "a") | (rng.random(200) < 0.5), "p", "q"),
        y=rng.poisson(2.0, 200),
    )


def fit_without_warning(formula, frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return fg.glm(formula, frame, family="poisson")


def test_new_rows_that_break_a_combination_of_the_fit(frame):
    fit = fit_without_warning("y ~ x + z", frame)
    assert fit.aliased
    fit.predict(frame)
    fit.get_prediction(frame.assign(x=frame["x"] + 7.0, z=frame["z"] + 14.0))
    new = frame.head(9).copy()
    new.loc[4, "z"] = 0.0
    for ask in (fit.predict, fit.get_prediction):
        with pytest.warns(RankWarning, match=r"In 1 row \(4, .* z = -5 Intercept \+ 2 x does not"):
            ask(new)
    new.loc[4, "x"] = np.nan
    assert np.isnan(fit.predict(new)[4])


def test_a_cell_that_was_empty_in_the_fit(frame):
    fit = fit_without_warning("y ~ g * h", frame)
    fit.predict(frame)
    with pytest.warns(RankWarning, match=r"In 1 row \(0, "):
        fit.predict({"g": np.array(["a", "b"]), "h": np.array(["q", "q"])})
