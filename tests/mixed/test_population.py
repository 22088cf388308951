"""Marginal means, effects and tests of fixed terms, at random effects of zero."""

import itertools

import numpy as np
import pytest
import scipy.stats
from mixed_cases import case_frame, fit_case

import fastglm as fg
from fastglm.errors import ModelError, RankWarning


def test_marginal_means_are_those_of_a_grid():
    # cake: recipe * temp. Numeric variables have their mean.
    fit = fit_case("s_lmer_cake")
    temp = case_frame("s_lmer_cake")["temp"].mean()
    rows = np.array([
        [1, 0, 0, temp, 0, 0],
        [1, 1, 0, temp, temp, 0],
        [1, 0, 1, temp, 0, temp],
    ])  # fmt: skip
    order = [0, 1, 2, 3, 4, 5]
    assert [name.split("[")[0] for name in fit.names] == [
        "Intercept", "recipe", "recipe", "temp", "recipe", "recipe",
    ]  # fmt: skip
    means = fit.emmeans("recipe")
    np.testing.assert_allclose(means.estimate, rows[:, order] @ fit.params.to_numpy(), rtol=1e-10)
    covariance = rows @ fit.cov_params().to_numpy() @ rows.T
    np.testing.assert_allclose(means.standard_error, np.sqrt(np.diag(covariance)), rtol=1e-7)
    contrasts = means.contrasts(adjust="none")
    difference = rows[0] - rows[1]
    expected = np.sqrt(difference @ fit.cov_params().to_numpy() @ difference)
    assert contrasts.standard_error[0] == pytest.approx(expected, rel=1e-7)


def test_average_effects_are_those_of_the_population_mean():
    fit, frame = fit_case("s_glmer_bacteria"), case_frame("s_glmer_bacteria")
    found = fit.avg_predictions("trt")
    expected = [
        fit.predict(frame.assign(trt=level), level="population").mean()
        for level in frame["trt"].cat.categories
    ]
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-10)
    comparisons = fit.avg_comparisons("trt")
    np.testing.assert_allclose(comparisons.estimate, np.array(expected[1:]) - expected[0])
    # Standard errors by differences in the coefficients.
    slopes, x = [], fit.model.rows.design.to_dense()
    for k in range(len(fit.names)):
        step = 1e-6 * (np.arange(len(fit.names)) == k)
        ends = (1 / (1 + np.exp(-(x @ (fit.estimates + s * step)))) for s in (1, -1))
        up, down = (end.mean() for end in ends)
        slopes.append((up - down) / 2e-6)
    error = np.sqrt(np.array(slopes) @ fit.covariance @ slopes)
    assert fit.avg_predictions().standard_error[0] == pytest.approx(error, rel=1e-6)
    margins = fit.get_margeff()
    assert list(margins.names) == list(fit.names[1:])


@pytest.mark.parametrize("case", ["s_lmer_cake", "s_glmer_bacteria"])
def test_terms_dropped_are_models_without_them(case):
    fit, frame = fit_case(case), case_frame(case)
    dropped, term = {
        "s_lmer_cake": ("angle ~ recipe + temp + (1 | recipe:replicate)", "recipe:temp"),
        "s_glmer_bacteria": ("y01 ~ late + (1 | ID)", "trt"),
    }[case]
    options = {"reml": False} if case == "s_lmer_cake" else {"family": "binomial"}
    whole, without = (fg.mixed(f, frame, **options) for f in (fit.formula, dropped))
    table = fit.drop1()
    names = list(table.names)
    row = names.index(term)
    statistic = without.criterion - whole.criterion
    df = len(whole.names) - len(without.names)
    assert table.columns["Df"][row] == df
    assert table.columns["LRT"][row] == pytest.approx(statistic, abs=1e-7)
    assert table.columns["Pr(>Chi)"][row] == pytest.approx(scipy.stats.chi2.sf(statistic, df))
    assert table.columns["AIC"][0] == pytest.approx(whole.aic)
    assert table.columns["AIC"][row] == pytest.approx(without.aic)
    types = {type: fit.term_tests(type=type) for type in (1, 2, 3)}
    for type in (2, 3):
        at = list(types[type].names).index(term)
        assert types[type].columns["LR Chisq"][at] == pytest.approx(statistic, abs=1e-7)
    for one, other in itertools.pairwise(types[1].columns["Resid. Dev"]):
        assert one >= other - 1e-9


def test_aliased_columns_are_left_out_first():
    rng = np.random.default_rng(0)
    g, x = np.arange(120) % 12, rng.normal(size=120)
    data = {"y": x + rng.normal(size=120), "x": x, "z": 2 * x, "g": g}
    with pytest.warns(RankWarning, match="z"):
        fit = fg.mixed("y ~ x + z + (1 | g)", data)
    assert list(fit.aliased) == ["z"]
    for ask in (fit.avg_predictions, fit.get_margeff, lambda: fit.emmeans("x")):
        with pytest.raises(ModelError, match="z cannot be told from earlier columns"):
            ask()


def test_a_model_of_one_term_has_nothing_to_drop_to():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.arange(60) % 6}
    fit = fg.mixed("y ~ 0 + x + (1 | g)", data)
    with pytest.raises(ModelError, match="no fixed column"):
        fit.drop1()


def test_likelihoods_that_do_not_compare_are_refused():
    rng = np.random.default_rng(0)
    g, x = np.arange(200) % 20, rng.normal(size=200)
    data = {"x": x, "g": g, "y": rng.poisson(1.0, 200), "other": rng.poisson(1.0, 200)}
    laplace = fg.mixed("y ~ x + (1 | g)", data, "poisson")
    with pytest.raises(ModelError, match="approximated differently"):
        laplace.anova(fg.mixed("y ~ 1 + (1 | g)", data, "poisson", nagq=9))
    with pytest.raises(ModelError, match="different responses"):
        laplace.anova(fg.mixed("other ~ 1 + (1 | g)", data, "poisson"))
    smaller = fg.mixed("y ~ 1 + (1 | g)", data, "poisson")
    table = laplace.anova(smaller)
    statistic = smaller.criterion - laplace.criterion
    assert table.columns["Chisq"][1] == pytest.approx(statistic, abs=1e-9)
