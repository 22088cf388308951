"""Predictions, new responses and saved fits of mixed models of several linear predictors."""

import numpy as np
import pytest
from mixed_several_cases import CASES, draw_frame
from scipy.special import expit

import fastglm as fg
from fastglm.errors import UnseenLevelError


def fitted(case, **options):
    frame = draw_frame(case)
    return frame, fg.mixed("y ~ x + (1 | g)", frame, **CASES[case], **options)


def mean_by_hand(fit, frame, random):
    params = fit.params
    eta = params["Intercept"] + params["x"] * frame["x"].to_numpy() + random
    inflation = expit(params["zero-Intercept"] + params.get("zero-w", 0.0) * frame["w"].to_numpy())
    return (1.0 - inflation) * np.exp(eta)


def test_predictions_by_hand():
    frame, fit = fitted("zip")
    effect = fit.ranef()["g"]["Intercept"].loc[frame["g"]].to_numpy()
    np.testing.assert_allclose(fit.predict(), mean_by_hand(fit, frame, effect))
    np.testing.assert_allclose(fit.predict(level="population"), mean_by_hand(fit, frame, 0.0))
    # Of log-normal means the average is known.
    shift = 0.5 * fit.theta[0] ** 2
    np.testing.assert_allclose(fit.predict(level="marginal"), mean_by_hand(fit, frame, shift))
    linear = fit.params["Intercept"] + fit.params["x"] * frame["x"] + effect
    np.testing.assert_allclose(fit.predict(which="linear"), linear)
    np.testing.assert_allclose(fit.resid_response, frame["y"] - fit.predict())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("level", ["conditional", "population", "marginal"])
def test_new_rows_and_saved_fits(case, level, tmp_path):
    frame, fit = fitted(case)
    new = frame.drop(columns="y").sample(40, random_state=1)
    which = ["mean", *fit.population.predictions]
    fit.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    for each in which:
        here = fit.predict(new, level, each)
        np.testing.assert_array_equal(here, loaded.predict(new, level, each))
        of_fit = fit.predict(level=level, which=each)
        np.testing.assert_array_equal(here, of_fit.loc[new.index])
    assert str(loaded.summary()) == str(fit.summary())
    assert loaded.family == fit.family
    assert repr(loaded) == repr(fit)


def test_probabilities_of_categories():
    frame, fit = fitted("ordinal")
    for level in ("conditional", "population", "marginal"):
        probability = fit.predict(level=level, which="prob")
        assert list(probability.columns) == [0, 1, 2, 3]
        np.testing.assert_allclose(probability.sum(axis=1), 1.0)
        best = probability.to_numpy().argmax(axis=1)
        np.testing.assert_array_equal(fit.predict(level=level, which="class"), best)
    # Effects are added to x'b, so that the higher one is, the higher the category.
    effect = fit.ranef()["g"]["Intercept"].loc[frame["g"]].to_numpy()
    cuts = fit.population.thresholds.to_numpy()
    below = expit(cuts[0] - fit.params["x"] * frame["x"] - effect)
    np.testing.assert_allclose(fit.predict(which="prob")[0], below)
    assert np.corrcoef(frame.groupby("g")["y"].mean(), fit.ranef()["g"]["Intercept"])[0, 1] > 0.9


def test_unseen_levels_and_missing_values():
    frame, fit = fitted("ordinal")
    new = frame.head(3).astype({"x": float, "g": float})
    new.loc[0, "g"], new.loc[1, "x"] = 99.0, np.nan
    with pytest.raises(UnseenLevelError, match="row 0"):
        fit.predict(new)
    zero = fit.predict(new, which="prob", new_levels="zero")
    population = fit.predict(new, level="population", which="prob")
    np.testing.assert_allclose(zero.loc[0], population.loc[0])
    assert np.isnan(zero.loc[1]).all()
    assert not np.isnan(zero.loc[2]).any()
    unknown = fit.predict(new, new_levels="nan")
    assert np.isnan(unknown.loc[:1]).all(axis=None)
    assert not np.isnan(unknown.loc[2]).any()


@pytest.mark.parametrize("case", CASES)
def test_draws_have_the_moments_of_the_model(case):
    frame, fit = fitted(case)
    drawn = fit.simulate(400, seed=1, use_u=True)
    assert drawn.shape == (len(frame), 400)
    np.testing.assert_array_equal(drawn[:, :2], fit.simulate(2, seed=1, use_u=True))
    if case.startswith("ordinal"):
        found = (drawn == 2).mean(axis=1)
        expected, variance = fit.predict(which="prob")[2], 0.25
    else:
        found, expected = drawn.mean(axis=1), fit.predict()
        variance = drawn.var(axis=1)
    z = (found - expected) / np.sqrt(variance / 400 + 1e-12)
    assert abs(z.mean()) < 0.3
    assert 0.5 < z.std() < 1.3
    # With effects of their own, levels differ from draw to draw.
    free = fit.simulate(300, seed=2)
    of_levels = np.array([free[(frame["g"] == g).to_numpy()].mean(axis=0).var() for g in range(5)])
    fixed = np.array([drawn[(frame["g"] == g).to_numpy()].mean(axis=0).var() for g in range(5)])
    assert (of_levels > 2.0 * fixed).all()


@pytest.mark.parametrize("case", ["beta", "ordinal", "zip"])
def test_rows_with_missing_values_are_dropped(case):
    frame = draw_frame(case)
    holes = frame.astype({"g": float})
    column = "w" if case == "zip" else "x"
    holes.loc[3, column], holes.loc[5, "g"] = np.nan, np.nan
    with pytest.raises(fg.errors.MissingValueError):
        fg.mixed("y ~ x + (1 | g)", holes, **CASES[case])
    fit = fg.mixed("y ~ x + (1 | g)", holes, missing="drop", **CASES[case])
    whole = fg.mixed("y ~ x + (1 | g)", frame.drop(index=[3, 5]), **CASES[case])
    assert fit.n_dropped == 2
    assert fit.criterion == pytest.approx(whole.criterion, abs=1e-9)


def test_averages_at_random_effects_of_zero():
    frame, fit = fitted("zip")

    def average(params):
        mean = np.exp(params[0] + params[1] * frame["x"])
        return float((mean * expit(-(params[2] + params[3] * frame["w"]))).mean())

    params = fit.params.to_numpy()
    steps = 1e-5 * np.eye(4)
    slope = [(average(params + s) - average(params - s)) / 2e-5 for s in steps]
    found = fit.avg_predictions()
    assert found.estimate[0] == pytest.approx(average(params), rel=1e-10)
    error = np.sqrt(slope @ fit.covariance @ np.array(slope))
    assert found.standard_error[0] == pytest.approx(error, rel=1e-6)
    assert fit.avg_comparisons("x").estimate.size == 1


def test_bootstrap_refits():
    _frame, fit = fitted("beta")
    found = fit.bootstrap(12, seed=1, n_threads=1)
    assert found.replicates.shape == (12, fit.params.size + 1)
    assert np.isfinite(found.replicates).all()
    ratio = found.bse / np.append(fit.bse, fit.varcorr["se"])
    assert (ratio > 0.4).all()
    assert (ratio < 2.2).all()


def test_summary_names_what_there_is():
    _, fit = fitted("zinb")
    text = str(fit.summary())
    for words in ("ZeroInflated", "zero-Intercept", "log(alpha)", "alpha =", "g  ", "Laplace"):
        assert words in text
    _, fit = fitted("ordinal")
    text = str(fit.summary())
    assert "0|1" in text
    assert "0 < 1 < 2 < 3" in text
    assert "OrderedModel" in text


def test_coefficients_of_levels_and_terms():
    frame, fit = fitted("zip")
    assert list(fit.coef()["g"].columns) == ["Intercept", "x"]
    table = fit.drop1()
    smaller = fg.mixed("y ~ 1 + (1 | g)", frame, **CASES["zip"])
    assert table["LRT"][-1] == pytest.approx(smaller.criterion - fit.criterion)
    ratio = fit.anova(smaller)
    assert np.nanmax(ratio["Chisq"]) == pytest.approx(smaller.criterion - fit.criterion)


def test_influence_is_that_of_fits_without_a_level():
    frame = draw_frame("zip", q=4, n=200)
    fit = fg.mixed("y ~ x + (1 | g)", frame, **CASES["zip"])
    found = fit.influence()
    without = fg.mixed("y ~ x + (1 | g)", frame[frame["g"] != 2], **CASES["zip"])
    np.testing.assert_allclose(found.params[2], without.params, atol=1e-6)
