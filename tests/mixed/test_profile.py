"""Profile intervals, covariances by level and influence of levels."""

import matplotlib as mpl
import numpy as np
import pytest
import scipy.optimize
from mixed_cases import case_frame, fit_case, numbers, read_case

import fastglm as fg
from fastglm.errors import ModelError

mpl.use("Agg")


@pytest.mark.parametrize("name", ["s_lmer_sleepstudy_inference", "s_lmer_sleepstudy_zcp"])
def test_profile_intervals_of_lme4(name):
    theirs = read_case(name)["results"]["ML"]["confint_profile_ML"]
    fit = fit_case(name, reml=True)
    ours = fit.profile()
    np.testing.assert_array_equal(fit.conf_int(method="profile"), ours.loc[list(fit.names)])
    order = {
        "s_lmer_sleepstudy_inference": [
            "sd(Intercept | Subject)", "cor(Intercept, Days | Subject)", "sd(Days | Subject)",
            "sigma", "Intercept", "Days",
        ],
        "s_lmer_sleepstudy_zcp": [
            "sd(Intercept | Subject)", "sd(Days | Subject)", "sigma", "Intercept", "Days",
        ],
    }[name]  # fmt: skip
    # lme4 interpolates its profiles: three to four digits.
    np.testing.assert_allclose(ours.loc[order], numbers(theirs), rtol=1e-3)


def test_limits_are_where_the_deviance_has_risen_by_the_critical_value():
    fit = fit_case("s_glmer_bacteria")
    limits = fit.profile(which=["late", "sd(Intercept | ID)"])
    search_rise = scipy.stats.chi2.ppf(0.95, 1)
    data = case_frame("s_glmer_bacteria")
    for end in limits.loc["late"]:
        held = fg.mixed("y01 ~ trt + (1 | ID)", data, "binomial", offset=end * data["late"])
        assert held.criterion - fit.criterion == pytest.approx(search_rise, abs=1e-3)


def test_a_standard_deviation_that_may_be_zero():
    limits = fit_case("s_lmer_dyestuff2_singular", reml=False).profile()
    assert limits.loc["sd(Intercept | Batch)", "lower"] == 0.0
    assert 0.5 < limits.loc["sd(Intercept | Batch)", "upper"] < 3.0
    with pytest.raises(ModelError, match="there is no parameter nothing"):
        fit_case("s_lmer_dyestuff2_singular", reml=False).profile(which=["nothing"])


def test_names_of_profiles():
    """Names in the place of alpha ended in an error of alpha alone, one name in its letters."""
    fit = fit_case("s_lmer_dyestuff2_singular", reml=False)
    one = fit.profile(which="sigma")
    assert list(one.index) == ["sigma"]
    np.testing.assert_array_equal(one, fit.profile(which=["sigma"]))
    for names in (["sigma"], ("sigma",)):
        with pytest.raises(ModelError, match=r"names are given as which=\['sigma'\]"):
            fit.profile(names)
    with pytest.raises(ModelError, match=r"names are given as which=\['sigma'\]"):
        fit.profile("sigma")
    for other in (3, [3], np.array(3)):
        with pytest.raises(ModelError, match="which must be names of parameters"):
            fit.profile(which=other)
    for alpha in (["nothing"], [0.05], np.array([0.05, 0.1]), None):
        with pytest.raises(ModelError, match="alpha must be between 0 and 1"):
            fit.profile(alpha)


def test_profile_of_a_dispersion():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(15), 10)
    mean = np.exp(0.5 + 0.5 * rng.normal(size=15)[g])
    family = fg.families.Gamma(link=fg.families.links.Log())
    fit = fg.mixed("y ~ 1 + (1 | g)", {"y": rng.gamma(4, mean / 4), "g": g}, family)
    limits = fit.profile()
    assert limits.loc["sigma", "lower"] < fit.sigma < limits.loc["sigma", "upper"]
    se = fit.varcorr["se"].to_numpy()[-1]
    assert limits.loc["sigma", "upper"] - fit.sigma == pytest.approx(1.96 * se, rel=0.3)


def test_covariance_by_clusters_is_the_sandwich():
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    data = case_frame("s_lmer_sleepstudy_inference")
    X = np.column_stack([np.ones(len(data)), data["Days"]])
    bread, meat = np.zeros((2, 2)), np.zeros((2, 2))
    for subject in data["Subject"].unique():
        rows = (data["Subject"] == subject).to_numpy()
        x = X[rows]
        V = x @ fit.groups[0].covariance @ x.T + fit.scale * np.eye(len(x))
        weighted = np.linalg.solve(V, x)
        bread += weighted.T @ x
        score = weighted.T @ (data["Reaction"].to_numpy()[rows] - x @ fit.params.to_numpy())
        meat += np.outer(score, score)
    expected = np.linalg.inv(bread) @ meat @ np.linalg.inv(bread)
    ours = fit.with_covariance("cluster").cov_params().to_numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    corrected = fit.with_covariance("cluster", use_correction=True).cov_params().to_numpy()
    np.testing.assert_allclose(corrected, expected * 18 / 17, rtol=1e-6)


def test_influence_is_that_of_leaving_a_level_out():
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    data = case_frame("s_lmer_sleepstudy_inference")
    found = fit.influence().summary_frame()
    for subject in ("308", "337"):
        rest = data[data["Subject"] != subject]
        X = np.column_stack([np.ones(len(rest)), rest["Days"]])
        bread, right = np.zeros((2, 2)), np.zeros(2)
        for other in rest["Subject"].unique():
            rows = (rest["Subject"] == other).to_numpy()
            x = X[rows]
            V = x @ fit.groups[0].covariance @ x.T + fit.scale * np.eye(len(x))
            bread += x.T @ np.linalg.solve(V, x)
            right += x.T @ np.linalg.solve(V, rest["Reaction"].to_numpy()[rows])
        np.testing.assert_allclose(
            found.loc[subject, ["Intercept", "Days"]].astype(float),
            np.linalg.solve(bread, right),
            rtol=1e-8,
        )
    assert (found["cooks_distance"] > 0).all()


def test_pictures_show_every_effect():
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    figure = fit.plot_ranef()
    assert [axis.get_title() for axis in figure.axes] == ["Intercept", "Days"]
    drawn = figure.axes[0].lines[0].get_xdata()
    np.testing.assert_allclose(drawn, np.sort(fit.groups[0].modes[:, 0]))
    quantiles = fit.plot_normality().axes[0].lines[0]
    np.testing.assert_allclose(quantiles.get_ydata(), np.sort(fit.groups[0].modes[:, 0]))
