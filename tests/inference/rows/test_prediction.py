import warnings

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import FastGLMWarning, RankWarning


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


@pytest.mark.parametrize(
    ("family", "link", "bad", "text"),
    [
        ("poisson", "identity", -4.0, "Poisson, at least 0"),
        ("gamma", "inverse", 9.0, "Gamma, greater than 0"),
        ("binomial", "identity", 9.0, "Binomial, between 0 and 1"),
    ],
)
def test_means_that_the_family_cannot_have_are_named(family, link, bad, text, tmp_path):
    x = np.linspace(0.0, 1.0, 40)
    y = {"poisson": 1 + np.arange(40) // 10, "gamma": 2.0 / (3.0 - 2.0 * x)}.get(
        family, (np.arange(40) % 4 > 0).astype(float) * (x > 0.1)
    )
    fit = fg.GLM.from_formula("y ~ x", {"x": x, "y": y}, family, link=link).fit()
    fit.predict()
    new = pd.DataFrame({"x": [0.5, bad, np.nan]})
    linear = fit.predict(new, which="linear")
    mean = np.asarray(linear) if link == "identity" else 1.0 / np.asarray(linear)
    for ask in (fit.predict, lambda new: fit.get_prediction(new).predicted_mean):
        with pytest.warns(FastGLMWarning, match=text + r", in 1 row \(1, counted from 0\)"):
            np.testing.assert_allclose(ask(new), mean, rtol=1e-12)
    with pytest.warns(FastGLMWarning, match="in 1 row of .*: its .* link has no bound there"):
        fit.predict_to(tmp_path / "means.csv", new)
    fit.predict_to(tmp_path / "linear.csv", new, which="link")
