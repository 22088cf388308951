"""What a new user gets wrong, and what is said about it."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, FormulaError, ModelError, RankWarning, SeparationWarning
from fastglm.mixed import optimum
from fastglm.mixed.effects import VarianceComponent


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    n = 300
    g, x = np.repeat(np.arange(30), 10), rng.normal(size=n)
    y = 1 + x + rng.normal(size=30)[g] + rng.normal(size=n)
    named = np.array([f"s{i}" for i in g], dtype=object)
    return pd.DataFrame({"y": y, "x": x, "g": g, "named": named, "two": 2.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nagq": 2.5}, "nagq must be a whole number from 0 to 100, not 2.5"),
        ({"nagq": "a"}, "nagq must be a whole number"),
        ({"nagq": -1}, "nagq must be a whole number"),
        ({"nagq": 101}, "nagq must be a whole number"),
        ({"nagq": True}, "nagq must be a whole number"),
        ({"max_iter": "a"}, "max_iter must be a whole number of at least 1"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
        ({"start_theta": "abc"}, "start_theta must be 1 finite numbers"),
        ({"start_theta": [1.0, 2.0]}, "start_theta must be 1 finite numbers"),
    ],
)
def test_options_of_the_wrong_kind(frame, options, message):
    with pytest.raises((ModelError, DataError), match=message):
        fg.mixed("y ~ x + (1 | g)", frame, **options)


def test_slopes_that_do_not_vary_are_refused(frame):
    with pytest.raises(DataError, match="'two' in a random term of 'g' is a combination of Inter"):
        fg.mixed("y ~ x + (two | g)", frame)
    # Alone it is an intercept on another scale.
    scaled = fg.mixed("y ~ x + (0 + two | g)", frame)
    assert scaled.criterion == pytest.approx(fg.mixed("y ~ x + (1 | g)", frame).criterion, abs=1e-8)


def test_what_is_missing_is_counted_by_column(frame):
    frame["named"] = frame["named"].where(frame.index != 5)
    frame["z"] = frame["x"].where(frame.index > 1)
    fit = fg.mixed("y ~ x + (z | named)", frame, missing="drop")
    assert fit.missing == {"named": 1, "z": 2}
    assert fit.n_dropped == 3
    assert "3 rows left out for missing values (named 1, z 2)" in str(fit.summary())
    exog = frame[["two", "z"]]
    fit = fg.MixedGLM(frame["y"], exog, groups=frame["named"], missing="drop").fit()
    assert fit.missing == {"named": 1, "X": 2}


def test_rows_without_a_level_are_predicted_as_missing(frame):
    fit = fg.mixed("y ~ x + (1 | g)", frame)
    new = frame.iloc[:3].assign(g=[np.nan, 1, 2])
    predicted = fit.predict(new)
    assert np.isnan(predicted.iloc[0])
    expected = fit.predict(frame.iloc[:3].assign(g=[0, 1, 2]))
    np.testing.assert_array_equal(predicted.iloc[1:], expected.iloc[1:])
    arrays = fg.MixedGLM(frame["y"].values, frame[["two", "x"]].values, groups=frame["g"].values)
    predicted = arrays.fit().predict(frame[["two", "x"]].values[:3], groups=[np.nan, 1, 2])
    assert np.isnan(predicted[0])
    assert np.isfinite(predicted[1:]).all()


def test_separated_responses_have_infinite_estimates(frame):
    rng = np.random.default_rng(2)
    frame["z"] = 0.0
    frame["passed"] = rng.integers(0, 2, 300)
    frame.loc[frame.index[frame["passed"] == 1][:3], "z"] = 1.0
    with pytest.warns(SeparationWarning, match=r"3 rows are separated .* z \(\+infinity\)"):
        fit = fg.mixed("passed ~ x + z + (1 | g)", frame, "binomial")
    assert fit.infinite == {"z": 1}
    assert fit.n_separated == 3
    assert "infinite estimates: z (+inf)" in str(fit.summary())
    # The others are those without the separated rows.
    rest = fg.mixed("passed ~ x + (1 | g)", frame[frame["z"] == 0.0], "binomial")
    np.testing.assert_allclose(fit.params[["Intercept", "x"]], rest.params, atol=1e-6)


def test_infinite_estimates_survive_saving(frame, tmp_path):
    frame["passed"] = (frame["x"] > 0).astype(int)
    with pytest.warns(SeparationWarning):
        fit = fg.mixed("passed ~ x + (1 | g)", frame, "binomial")
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.infinite == {"x": 1}
    assert again.n_separated == 300


def test_responses_without_residuals_are_refused(frame):
    with pytest.raises(DataError, match="the response is 1 in every row"):
        fg.mixed("y ~ x + (1 | g)", frame.assign(y=1.0))
    with pytest.raises(DataError, match="fit the response exactly"):
        fg.mixed("y ~ x + (1 | g)", frame.assign(y=frame["x"] + frame["g"]))


def test_text_in_columns_of_effects_is_refused(frame):
    X = frame[["two", "x"]]
    with pytest.raises(DataError, match="Z must hold numbers"):
        fg.MixedGLM(frame["y"], X, groups=frame["g"], Z=frame["named"])
    with pytest.raises(DataError, match="'named' of Z must hold numbers"):
        fg.MixedGLM(frame["y"], X, groups=frame["g"], Z=frame[["x", "named"]])


def test_a_random_term_without_random_effects_model_is_pointed_to_it(frame):
    with pytest.raises(FormulaError, match=r"are for fastglm\.mixed"):
        fg.glm("y ~ x + (1 | g)", frame)


def test_scripts_of_statsmodels_choose_optimisers(frame):
    model = fg.MixedLM.from_formula("y ~ x", frame, groups="g")
    fit = model.fit(method=["lbfgs"], maxiter=100, full_output=True, disp=False)
    assert fit.criterion == fg.mixed("y ~ x + (1 | g)", frame).criterion
    assert model.fit(reml=False, method="powell").method == "ML"
    with pytest.raises(ModelError, match="start_params is not read"):
        model.fit(start_params=[1.0, 2.0])


def test_a_fit_that_stops_early_names_what_still_moves(frame, monkeypatch):
    monkeypatch.setattr(optimum, "MOST_POLISHING", 1)
    rng = np.random.default_rng(3)
    frame["count"] = rng.poisson(np.exp(0.3 + 1.5 * frame["x"]))
    with pytest.warns(
        fg.errors.ConvergenceWarning, match=r"(coefficient of|parameter) .* still mov"
    ):
        fit = fg.mixed("count ~ x + (x | g)", frame, "poisson", max_iter=1)
    assert not fit.converged
    message = r"the covariance parameter g\.Intercept still moves"
    with pytest.warns(fg.errors.ConvergenceWarning, match=message):
        fg.mixed("y ~ x + (1 | g)", frame, max_iter=1)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_variances_of_the_same_levels_have_no_standard_errors(frame, family):
    if family == "poisson":
        frame["y"] = np.random.default_rng(2).poisson(np.exp(0.4 * frame["y"]))
    one = fg.mixed("y ~ x + (1 | g)", frame, family=family)
    text = "only of sums of these variances.*: Intercept of g; Intercept of named"
    with pytest.warns(RankWarning, match=text):
        two = fg.mixed("y ~ x + (1 | g) + (1 | named)", frame, family=family)
    first, second = two.components[:2]
    assert first.variance + second.variance == pytest.approx(one.components[0].variance, rel=1e-4)
    assert np.isnan([first.se, second.se, *two.theta_se]).all()
    assert text.replace(".*", ", which have no standard error") in str(two.summary())
    np.testing.assert_allclose(two.bse, one.bse, rtol=1e-4)
    for same, other in zip(two.components[2:], one.components[1:], strict=True):
        assert same.se == pytest.approx(other.se, rel=1e-4)


def test_a_slope_far_from_zero_keeps_its_standard_error(frame):
    frame["year"] = 2000.0 + frame["x"]
    near = fg.mixed("y ~ x + (x | g)", frame)
    far = fg.mixed("y ~ year + (year | g)", frame)
    assert far.components[1].se == pytest.approx(near.components[1].se, rel=1e-2)


def test_limits_of_a_standard_deviation_of_which_little_is_known():
    component = VarianceComponent("g", "Intercept", "", 0.01, 0.1, 500.0)
    assert component.limits() == (0.0, np.inf)


def test_one_coefficient_is_one(frame):
    assert repr(fg.mixed("y ~ 1 + (1 | g)", frame)).startswith("<MixedResults: 1 coefficient, g")
    assert ", 1 coefficient, 300 observations" in repr(fg.glm("y ~ 1", frame))
