from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from r_cases import fit_of, frame_of, matrix, names_with, read_case

import fastglm as fg
from fastglm.errors import DataError, FastGLMWarning, ModelError
from fastglm.inference.intervals import prediction_intervals
from fastglm.inference.intervals.predictive_mixture import (
    Mixture,
    certain_quantiles,
    components_of,
)

COLUMNS = ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper"]


def numbers(values):
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("name", names_with("predict"))
def test_predictions_and_standard_errors_equal_r(name):
    fit, block = fit_of(name), read_case(name)["results"]["predict"]
    X = pd.DataFrame(matrix(block["X_new"]), columns=block["X_new"]["colnames"])
    offset = numbers(block["offset_new"]) if fit.has_offset else None
    prediction = fit.get_prediction(X, offset=offset)
    np.testing.assert_allclose(prediction.linear_predictor, numbers(block["link"]), rtol=1e-7)
    np.testing.assert_allclose(prediction.se_linear_predictor, numbers(block["link_se"]), rtol=1e-7)
    np.testing.assert_allclose(prediction.predicted_mean, numbers(block["response"]), rtol=1e-7)
    np.testing.assert_allclose(prediction.se_mean, numbers(block["response_se"]), rtol=1e-7)


@pytest.fixture
def data():
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(150), rng.normal(size=(150, 2))])
    return X, rng.poisson(np.exp(X @ [0.5, 0.3, -0.2])).astype(float)


def test_intervals_of_means_equal_statsmodels(data):
    X, y = data
    theirs = sm.GLM(y, X, sm.families.Poisson()).fit(tol=1e-13).get_prediction(X[:9])
    ours = fg.GLM(y, X, "poisson").fit(tol=1e-13).get_prediction(X[:9]).summary_frame(alpha=0.1)
    assert list(ours.columns) == COLUMNS
    expected = theirs.summary_frame(alpha=0.1)
    np.testing.assert_allclose(ours[COLUMNS[:4]], expected, rtol=1e-8)


def test_observation_intervals_of_a_linear_model_are_exact(data):
    X, y = data
    weights = np.random.default_rng(1).uniform(0.5, 2.0, y.size)
    theirs = sm.WLS(y, X, weights).fit().get_prediction(X[:9], weights=2.0)
    fit = fg.GLM(y, X, var_weights=weights).fit()
    ours = fit.get_prediction(X[:9], var_weights=np.full(9, 2.0)).summary_frame()
    np.testing.assert_allclose(ours, theirs.summary_frame(), rtol=1e-9)


def test_a_decreasing_link_keeps_intervals_the_right_way_round(data):
    X, y = data
    fit = fg.GLM(y + 1.0, np.abs(X), "gamma", link="inverse").fit()
    table = fit.get_prediction(np.abs(X[:20])).summary_frame()
    assert (table["mean_ci_lower"] < table["mean"]).all()
    assert (table["mean"] < table["mean_ci_upper"]).all()


@pytest.mark.parametrize("link", ["inverse", "1/mu^2", "logc", "log", "sqrt"])
def test_intervals_of_means_are_those_of_linear_predictors_mapped_back(link):
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(700), rng.uniform(size=(700, 2))])
    family = "binomial" if link == "logc" else "gamma"
    y = rng.uniform(0.05, 0.95, 700)
    fit = fg.GLM(y, X, family, link=link).fit()
    prediction = fit.get_prediction(X * [1.0, 6.0, -6.0])
    eta, error = prediction.linear_predictor, prediction.se_linear_predictor
    np.testing.assert_allclose(
        prediction.se_mean, np.abs(fit.family.link.inverse_deriv(eta)) * error, rtol=1e-13
    )
    reach = fit.critical_value(1e-6) * error
    ends = fit.family.link.inverse(np.stack([eta - reach, eta + reach]))
    decreasing = link in ("inverse", "1/mu^2", "logc")
    lower, upper = prediction.conf_int(1e-6).T
    one_branch = (eta - reach > 0.0) | (eta + reach < 0.0) | (link != "inverse")
    expected = ends[::-1] if decreasing else ends
    for end, other in zip((lower, upper), expected, strict=True):
        # Rounding of the linear predictor's end, which may nearly cancel.
        np.testing.assert_allclose(end[one_branch], other[one_branch], rtol=1e-12, atol=1e-14)
    assert np.isnan(upper if link == "1/mu^2" else lower).any() == (link in ("1/mu^2", "sqrt"))


@pytest.mark.parametrize("n", [7, 12, 40, 400])
def test_averaging_over_dispersions_gives_students_t(n):
    """What the quadrature does for other families, where the answer is known."""
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    fit = fg.GLM(X @ [1.0, 2.0] + rng.normal(size=n), X).fit()
    new = np.array([[1.0, 0.0], [1.0, 3.0]])
    prediction = fit.get_prediction(new)
    eta, error = prediction.linear_predictor, prediction.se_linear_predictor
    deviation = np.full(2, np.sqrt(fit.scale))
    mixture = Mixture(
        components_of(fit), fit.family.link.inverse, np.ones(1), eta, error, eta, error, deviation
    )
    for probability, exact in zip((0.025, 0.975), prediction.conf_int(obs=True).T, strict=True):
        np.testing.assert_allclose(mixture.quantile(probability), exact, rtol=3e-4)


CASES = [
    (fg.families.Poisson(), lambda mu, rng: rng.poisson(mu)),
    (
        fg.families.NegativeBinomial(alpha=0.5),
        lambda mu, rng: rng.negative_binomial(2, 2 / (2 + mu)),
    ),
    (fg.families.Gamma("log"), lambda mu, rng: rng.gamma(2.0, mu / 2.0)),
    (fg.families.InverseGaussian("log"), lambda mu, rng: rng.wald(mu, 4.0)),
    (fg.families.Gaussian("log"), lambda mu, rng: rng.normal(mu)),
    (fg.families.Tweedie("log", var_power=2.0), lambda mu, rng: rng.gamma(2.0, mu / 2.0)),
]


@pytest.mark.parametrize(("family", "draw"), CASES, ids=lambda case: type(case).__name__)
def test_observation_intervals_are_quantiles_of_simulated_observations(family, draw):
    """New observations at coefficients drawn from their normal approximation."""
    rng = np.random.default_rng(6)
    X = np.column_stack([np.ones(30), rng.normal(size=30)])
    y = draw(np.exp(X @ [2.0, 0.3]), rng).astype(float)
    fit = fg.GLM(y, X, family).fit(start_params=[2.0, 0.3])
    new = np.array([[1.0, 0.0], [1.0, 2.5]])
    table = fit.get_prediction(new).summary_frame(alpha=0.1)
    draws = rng.multivariate_normal(fit.params, fit.cov_params(), 200_000)
    ratio = np.ones(len(draws))
    if not family.dispersion_known:
        ratio = fit.df_resid / rng.chisquare(fit.df_resid, len(draws))
        draws = fit.params + np.sqrt(ratio)[:, None] * (draws - fit.params)
    distribution = family.distribution(fit.scale * ratio)
    means = np.exp(draws @ new.T)
    for row in range(2):
        for column, probability in (("obs_ci_lower", 0.05), ("obs_ci_upper", 0.95)):
            end = np.array(table[column])[row]
            share = distribution.tails(end, means[:, row], np.ones(len(draws)))[0].mean()
            if distribution.lattice is None:
                assert share == pytest.approx(probability, abs=2e-3)
            else:
                short = distribution.tails(end - 1.0, means[:, row], np.ones(len(draws)))[0].mean()
                assert short < probability + 2e-3
                assert share > probability - 2e-3


def test_observation_intervals_cover():
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(200):
        X = np.column_stack([np.ones(15), rng.normal(size=15)])
        y = rng.poisson(np.exp(X @ [2.0, 0.3])).astype(float)
        table = fg.GLM(y, X, "poisson").fit().get_prediction(X[:5]).summary_frame(alpha=0.2)
        new = rng.poisson(np.exp(X[:5] @ [2.0, 0.3]))
        inside.append((table["obs_ci_lower"] <= new) & (new <= table["obs_ci_upper"]))
    assert 0.8 < np.mean(inside) < 0.92


def test_proportions_stay_within_their_trials():
    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    successes = rng.binomial(20, 1 / (1 + np.exp(-x)))
    X = np.column_stack([np.ones(60), x])
    fit = fg.GLM(np.column_stack([successes, 20 - successes]), X, "binomial").fit()
    table = fit.get_prediction(X, var_weights=np.full(60, 20)).summary_frame()
    lower, upper = table["obs_ci_lower"] * 20, table["obs_ci_upper"] * 20
    np.testing.assert_allclose(lower, np.rint(lower), atol=1e-9)
    assert (lower >= 0).all()
    assert (upper <= 20).all()
    one = fit.get_prediction(X).summary_frame()
    assert set(one["obs_ci_lower"]) <= {0.0, 1.0}


def test_quasi_families_have_no_observation_intervals(data):
    X, y = data
    prediction = fg.GLM(y, X, "quasipoisson").fit().get_prediction(X)
    assert list(prediction.summary_frame().columns) == COLUMNS[:4]
    with pytest.raises(ModelError, match="mean and variance"):
        prediction.conf_int(obs=True)


def test_a_singular_covariance_still_gives_standard_errors(data):
    X, y = data
    fit = fg.GLM(y, X, "poisson").fit()
    groups = np.arange(y.size) % 2
    clustered = fit.with_covariance("cluster", groups=groups)
    error = np.asarray(clustered.get_prediction(X[:5]).se_linear_predictor)
    expected = np.einsum("ij,jk,ik->i", X[:5], clustered.covariance, X[:5])
    np.testing.assert_allclose(error**2, expected, rtol=1e-6)


def test_fitted_rows_are_the_default(data):
    X, y = data
    fit = fg.GLM(y, X, "poisson", offset=X[:, 1]).fit()
    np.testing.assert_allclose(fit.get_prediction().predicted_mean, fit.fittedvalues)
    with pytest.raises(DataError, match="offset"):
        fit.get_prediction(X)


def test_frames_give_labels_and_nan_rows():
    frame = frame_of("v_poi_log_phd")
    fit = fg.glm("articles ~ gender + kids + mentor", frame, "poisson")
    new = frame.head(4).copy()
    new.index = list("abcd")
    new.loc["b", "mentor"] = np.nan
    table = fit.get_prediction(new).summary_frame()
    assert list(table.index) == list("abcd")
    assert table.loc["b"].isna().all()
    assert table.drop("b").notna().all(axis=None)
    terms = fit.predict_terms(new.drop("b"))
    assert list(terms.columns) == ["gender", "kids", "mentor"]


@pytest.mark.parametrize("weights", [[0.0], [-1.0]])
def test_new_weights_are_positive(data, weights):
    X, y = data
    with pytest.raises(ModelError, match="positive"):
        fg.GLM(y, X).fit().get_prediction(X[:1], var_weights=weights)


def test_extreme_and_impossible_means_have_no_made_up_intervals(data):
    X, y = data
    counts = fg.GLM(y, X, "poisson").fit()
    new = np.array([[1.0, 100.0, 0.0], [1.0, 5000.0, 0.0]])
    table = counts.get_prediction(new).summary_frame()
    assert table["obs_ci_lower"][0] < table["mean"][0] < table["obs_ci_upper"][0]
    assert np.isinf(table["mean"][1])
    assert np.isnan(table["obs_ci_upper"][1])
    gamma = fg.GLM(y + 1.0, np.abs(X), "gamma", link="identity").fit()
    new = np.array([[-9.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    with pytest.warns(FastGLMWarning, match=r"outside the domain .* in 1 row \(0,"):
        below = gamma.get_prediction(new).summary_frame()
    assert below["mean"][0] < 0
    assert np.isnan(below["obs_ci_lower"][0])
    assert below["obs_ci_lower"][1] > 0


def test_fitted_rows_of_weight_zero_have_no_observation_interval(data):
    X, y = data
    weights = np.where(np.arange(150) < 3, 0.0, 2.0)
    fit = fg.GLM(y, X, "poisson", var_weights=weights).fit()
    table = fit.get_prediction().summary_frame()
    assert table["obs_ci_lower"].isna().sum() == 3
    assert table["mean"].notna().all()
    assert (fit.resid_anscombe[:3] == 0.0).all()
    assert np.isnan(fit.resid_quantile()[:3]).all()
    assert np.isfinite(fit.resid_quantile()[3:]).all()


def test_all_missing_rows_are_all_nan():
    frame = frame_of("v_poi_log_phd")
    fit = fg.glm("articles ~ mentor", frame, "poisson")
    new = frame.head(2).assign(mentor=np.nan)
    assert fit.get_prediction(new).summary_frame().isna().all(axis=None)


def test_without_degrees_of_freedom_observations_have_no_interval():
    X, y = np.vander([0.1, 0.4, 0.9], 3), np.array([1.0, 3.0, 2.0])
    frame = fg.GLM(y, X, "gamma", link="log").fit().get_prediction().summary_frame()
    np.testing.assert_allclose(frame["mean"], y, rtol=1e-6)
    assert frame[["obs_ci_lower", "obs_ci_upper"]].isna().all(axis=None)


@pytest.mark.parametrize("error", [0.01, 0.4, 3.0])
def test_two_valued_responses_have_the_quantiles_of_counts_of_one_trial(error):
    family = fg.families.Binomial()
    eta = np.append(np.linspace(-9.0, 9.0, 400), [np.nan, 40.0, -40.0])
    mean = family.link.inverse(eta)
    slope = mean * (1.0 - mean)
    numbers = np.ones(1), eta, np.full(eta.size, error), mean, slope * error, np.sqrt(slope)
    component = _component(family)
    counted = Mixture([component], family.link.inverse, *numbers)
    two_valued = Mixture([component], family.link.inverse, *numbers, family.domain.upper)
    for probability in (1e-9, 0.025, 0.3, 0.5, 0.975, 1.0 - 1e-9):
        expected = counted.quantile(probability)
        np.testing.assert_array_equal(two_valued.quantile(probability), expected)
    assert {0.0, 1.0} <= set(two_valued.quantile(0.975))


@pytest.mark.parametrize("link", ["logit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("error", [0.001, 0.05, 0.4])
def test_quantiles_that_no_mean_need_decide_are_those_of_the_average(link, error):
    family = fg.families.Binomial(link=link)
    tails = (0.025, 0.3, 0.975)
    ends = [float(family.link(1.0 - tail)) for tail in tails]
    # Close to each bound, where the average may be on its other side, and far away.
    near = [end + error * np.linspace(-12.0, 12.0, 301) for end in ends]
    eta = np.concatenate([*near, np.linspace(-3.0, 3.0, 301), [np.nan]])
    mean = family.link.inverse(eta)
    numbers = np.ones(1), eta, np.full(eta.size, error), mean, 0.2 * mean, np.sqrt(mean)
    mixture = Mixture([_component(family)], family.link.inverse, *numbers, 1.0)
    found = np.empty((3, eta.size))
    unclear = certain_quantiles(family, eta, numbers[2], tails, found)
    assert unclear[-1]
    assert 0.01 < unclear.mean() < 0.99
    for quantile, tail in zip(found, tails, strict=True):
        np.testing.assert_array_equal(quantile[~unclear], mixture.quantile(tail)[~unclear])


def test_rows_that_are_not_certain_are_averaged(monkeypatch):
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(60), 3.0 * rng.standard_normal((60, 2))])
    y = (X[:, 1] + 2.0 * rng.standard_normal(60) > 0.0).astype(float)
    fit = fg.GLM(y, X, "binomial").fit()
    quick = fit.get_prediction().conf_int(obs=True)
    monkeypatch.setattr(
        prediction_intervals,
        "certain_quantiles",
        lambda family, eta, *of: np.ones(eta.size, dtype=bool),
    )
    np.testing.assert_array_equal(quick, fit.get_prediction().conf_int(obs=True))
    assert {0.0, 1.0} == set(quick[:, 0]) == set(quick[:, 1])


def _component(family):
    fit = fg.GLM(np.arange(9) % 2, np.ones((9, 1)), family).fit()
    return components_of(fit)[0]


def test_tails_of_a_single_trial_are_those_of_any_number_of_trials():
    distribution = fg.families.Binomial().distribution(1.0)
    y, mu = np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), np.array([0.3, 1e-20, 0.7, 0.4, 0.2])
    # With a row of two trials beside them, the general way is taken.
    weights = np.append(np.ones(5), 2.0)
    for tail in (distribution.lower, distribution.upper):
        general = tail(np.append(y, 0.5), np.append(mu, 0.5), weights)[:5]
        np.testing.assert_allclose(tail(y, mu, np.ones(5)), general, rtol=1e-14)


def test_a_frame_of_predictions_may_be_changed(data):
    X, y = data
    prediction = fg.GLM(y, X, "poisson").fit().get_prediction(X[:5])
    frame = prediction.summary_frame()
    for column, own in (("mean", prediction.predicted_mean), ("mean_se", prediction.se_mean)):
        assert not np.shares_memory(frame[column].to_numpy(), own)
