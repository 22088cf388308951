from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import statsmodels.api as sm
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError, RankWarning


@pytest.fixture
def linear():
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 3))])
    X[:, 3] = X[:, 1] + 0.1 * X[:, 3]
    return X @ [1.0, 0.5, 0.2, 0.1] + rng.normal(size=200), X


def logistic(link, n=4000):
    rng = np.random.default_rng(9)
    x = rng.normal(size=n)
    eta = -0.3 + 1.5 * x
    mu = 1 / (1 + np.exp(-eta)) if link == "logit" else 1 - np.exp(-np.exp(eta))
    return (rng.random(n) < mu).astype(float), np.column_stack([np.ones(n), x])


def test_link_tests_equal_fits_with_added_columns():
    y, X = logistic("cloglog")
    fit = fg.GLM(y, X, "binomial").fit()
    theirs = sm.GLM(y, X, sm.families.Binomial()).fit()
    eta = X @ theirs.params
    square = sm.GLM(y, np.column_stack([X, eta**2]), sm.families.Binomial()).fit()
    test = fit.link_test()
    assert test.statistic == pytest.approx(theirs.deviance - square.deviance, rel=1e-6)
    tails = np.column_stack([eta**2 * (eta >= 0) / 2, -(eta**2) * (eta < 0) / 2])
    both = sm.GLM(y, np.column_stack([X, tails]), sm.families.Binomial()).fit()
    stukel = fit.goodness_of_link()
    assert stukel.df == 2
    assert stukel.statistic == pytest.approx(theirs.deviance - both.deviance, rel=1e-6)
    assert test.pvalue < 0.01
    right = fg.GLM(y, X, "binomial", link="cloglog").fit()
    assert right.link_test().pvalue > 0.05
    assert right.goodness_of_link().pvalue > 0.05


def test_link_test_with_estimated_dispersion_is_f(linear):
    y, X = linear
    fit = fg.GLM(np.exp(y / 3), X).fit()
    theirs = sm.OLS(np.exp(y / 3), X).fit()
    larger = sm.OLS(np.exp(y / 3), np.column_stack([X, theirs.fittedvalues**2])).fit()
    statistic, pvalue, _ = larger.compare_f_test(theirs)
    assert fit.link_test().statistic == pytest.approx(statistic, rel=1e-8)
    assert fit.link_test().pvalue == pytest.approx(pvalue, rel=1e-6)


def test_two_values_of_the_predictor_do_not_test_the_link():
    y, X = logistic("logit", 200)
    X[:, 1] = X[:, 1] > 0
    with pytest.raises(ModelError, match="already"):
        fg.GLM(y, X, "binomial").fit().link_test()


def test_power_link_profile_finds_the_power_of_the_data():
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 1, 3000)
    mu = (1.0 + 1.5 * x) ** 2
    fit = fg.GLM(
        rng.gamma(20.0, mu / 20.0), np.column_stack([np.ones(3000), x]), "gamma", link="log"
    )
    profile = fit.fit().power_link_profile()
    low, high = profile.interval
    assert low < 0.5 < high
    assert low < profile.best < high
    at = fg.GLM(fit.rows.response, np.column_stack([np.ones(3000), x]), "gamma", link="sqrt").fit()
    assert profile.deviance[profile.powers == 0.5] == pytest.approx(at.deviance, rel=1e-9)
    best = fg.GLM(
        fit.rows.response,
        np.column_stack([np.ones(3000), x]),
        "gamma",
        link=fg.families.links.Power(high),
    ).fit()
    limit = profile.deviance.min() + stats.chi2.isf(0.05, 1) * best.scale
    assert best.deviance == pytest.approx(limit, rel=1e-3)


def test_powers_whose_links_a_family_cannot_have_are_refused():
    with pytest.raises(ModelError, match="family Binomial has none of these power links"):
        fg.GLM(*logistic("logit", 100), "binomial").fit().power_link_profile([-2.0, -1.0])


def test_lack_of_fit_finds_the_bent_variable():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["straight", "bent"])
    frame["g"] = rng.choice(list("ab"), 2000)
    eta = 0.3 * frame.straight + 0.3 * frame.bent**2
    frame["y"] = rng.poisson(np.exp(eta))
    table = fg.glm("y ~ straight + bent + g", frame, "poisson").lack_of_fit()
    assert table.names == ("straight", "bent")
    assert table["pvalue"][0] > 0.01
    assert table["pvalue"][1] < 1e-10
    with pytest.warns(RankWarning):
        enough = fg.glm("y ~ straight + cr(bent, df=4, constraints=None) + g", frame, "poisson")
    with pytest.raises(ModelError, match="already"):
        enough.lack_of_fit(["bent"])
    with pytest.warns(RankWarning):
        spline = fg.glm(
            "y ~ straight + bent + g + cr(straight, df=4, constraints=None)", frame, "poisson"
        )
    smaller = fg.glm("y ~ straight + bent + g", frame, "poisson")
    assert table["chi2"][0] == pytest.approx(smaller.deviance - spline.deviance, rel=1e-5)
    with pytest.raises(ModelError, match="not a numeric variable"):
        smaller.lack_of_fit(["g"])


@pytest.fixture
def curved():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"x": rng.integers(1, 60, 3000) / 4.0, "z": rng.normal(size=3000)})
    frame["y"] = rng.poisson(np.exp(np.sin(frame.x) - 0.2 * frame.z))
    return frame


@pytest.mark.parametrize(
    "own",
    ["bs(x, df=4)", "np.log(x)", "x + x:z", "x:z", "0 + x", "0 + np.log(x)", "C(x > 5)"],
)
def test_lack_of_fit_beside_functions_of_the_variable(own, curved):
    formula = f"y ~ {own} + z"
    fit = fg.glm(formula, curved, "poisson")
    table = fit.lack_of_fit(["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        larger = fg.glm(f"{formula} + cr(x, df=4, constraints=None)", curved, "poisson", tol=1e-12)
    assert table["df"][0] == larger.rank - fit.rank
    assert table["chi2"][0] == pytest.approx(fit.deviance - larger.deviance, rel=1e-8)


def test_lack_of_fit_leaves_nothing_to_find_aliased(curved, monkeypatch):
    fits = []
    fit = fg.glm("y ~ bs(x, df=4) + z", curved, "poisson")
    model_fit = fg.GLM.fit

    def remembered(self, **options):
        fits.append(model_fit(self, **options))
        return fits[-1]

    monkeypatch.setattr(fg.GLM, "fit", remembered)
    table = fit.lack_of_fit(["x"])
    assert not fits[0].aliased
    assert len(fits[0].names) == len(fit.names) + table["df"][0] == fits[0].rank


def test_lack_of_fit_reports_progress_after_each_variable():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    frame["two"] = rng.integers(0, 2, 200)
    frame["y"] = rng.poisson(2.0, 200)
    seen = []
    fit = fg.glm("y ~ a + two + b", frame, "poisson")
    table = fit.lack_of_fit(progress=lambda *where: seen.append(where))
    assert table.names == ("a", "b")
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_lack_of_fit_of_array_columns(linear):
    y, X = linear
    table = fg.GLM(y + X[:, 2] ** 2, X).fit().lack_of_fit()
    assert table.names == ("x1", "x2", "x3")
    assert table["pvalue"][1] < 1e-10


def test_zero_inflation_of_constant_poisson_counts_is_van_den_broeks():
    y = np.random.default_rng(3).poisson(1.3, 500).astype(float)
    y[:40] = 0.0
    test = fg.GLM(y, np.ones((500, 1)), "poisson").fit().zero_inflation_test()
    p0, n = np.exp(-y.mean()), 500
    n0 = (y == 0).sum()
    expected = (n0 - n * p0) ** 2 / (n * p0 * (1 - p0) - n * y.mean() * p0**2)
    assert test.statistic == pytest.approx(expected, rel=1e-9)
    assert test.pvalue == pytest.approx(stats.chi2.sf(expected, 1) / 2)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_zero_inflation_has_its_size(family):
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    X = np.column_stack([np.ones(400), x])
    mu = np.exp(0.4 + 0.3 * x)
    model = (
        fg.families.Poisson() if family == "poisson" else fg.families.NegativeBinomial(alpha=0.5)
    )
    pvalues = []
    for _ in range(300):
        y = rng.poisson(mu) if family == "poisson" else rng.negative_binomial(2, 2 / (2 + mu))
        pvalues.append(fg.GLM(y.astype(float), X, model).fit().zero_inflation_test().pvalue)
    assert 0.02 < np.mean(np.array(pvalues) < 0.05) < 0.09


def test_zero_inflation_is_for_counts():
    with pytest.raises(ModelError, match="Poisson"):
        fg.GLM(*logistic("logit", 100), "binomial").fit().zero_inflation_test()


@pytest.fixture
def counts():
    rng = np.random.default_rng(12)
    n = 150
    frame = pd.DataFrame({"x": rng.normal(size=n), "hours": rng.uniform(0.3, 4.0, n)})
    frame["y"] = rng.poisson(frame.hours * np.exp(0.4 + 0.5 * frame.x))
    return frame.assign(times=rng.integers(0, 4, n))


@pytest.mark.parametrize("test", ["link_test", "goodness_of_link"])
def test_link_tests_count_every_observation_as_often_as_it_was_seen(counts, test):
    seen = counts[counts.times > 0]
    repeated = seen.loc[seen.index.repeat(seen.times)]
    pairs = [({"freq_weights": "times"}, repeated), ({"var_weights": counts.times > 0}, seen)]
    for weights, expected in pairs:
        options = {"exposure": "hours"} | weights
        ours = getattr(fg.glm("y ~ x", counts, "poisson", **options), test)()
        theirs = getattr(fg.glm("y ~ x", expected, "poisson", exposure="hours"), test)()
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-6)


def test_tests_of_more_columns_use_the_dispersion_of_the_fit(counts):
    model = fg.GLM.from_formula("y ~ x", counts, "poisson", exposure="hours")
    quasi = fg.glm("y ~ x", counts, "quasipoisson", exposure="hours")
    one, two, estimated = model.fit(), model.fit(scale=2.0), model.fit(scale="X2")
    for ask in ("link_test", "goodness_of_link", "test_against_null"):
        first = getattr(one, ask)()
        second, ours, theirs = (getattr(fit, ask)() for fit in (two, estimated, quasi))
        assert second.statistic == pytest.approx(first.statistic / 2.0, rel=1e-6)
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-6)
        assert (ours.distribution, ours.df_denominator) == ("F", theirs.df_denominator)
    gaussian = fg.GLM.from_formula("y ~ x", counts)
    drop = gaussian.fit(scale=1.0).link_test().statistic
    assert gaussian.fit(scale=4.0).link_test().statistic == pytest.approx(drop / 4.0)
    assert gaussian.fit().link_test().distribution == "F"


def test_powers_whose_optimum_is_near_the_ends_of_the_domain_reach_it_without_warnings():
    rng = np.random.default_rng(28)
    X = np.column_stack([np.ones(6), rng.normal(size=(6, 2))])
    y = np.exp(rng.normal(size=6))
    profile = fg.GLM(y, X).fit().power_link_profile()
    assert np.isfinite(profile.best)
    for power, deviance in zip(profile.powers, profile.deviance, strict=True):
        if power > 0.5:
            found = scipy.optimize.minimize(
                lambda beta, power=power: np.sum(
                    (y - np.maximum(X @ beta, 0.0) ** (1 / power)) ** 2
                ),
                [2.0, 0.0, 0.0],
                constraints={"type": "ineq", "fun": lambda beta: X @ beta},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 1000},
            )
            assert deviance <= found.fun * (1.0 + 1e-9)


def test_power_links_of_probabilities_by_their_own_grid():
    rng = np.random.default_rng(4)
    x = rng.uniform(size=4000)
    # A probability whose square is linear.
    y = (rng.random(4000) < np.sqrt(0.05 + 0.8 * x)) * 1.0
    fit = fg.GLM(y, np.column_stack([np.ones(4000), x]), "binomial").fit()
    profile = fit.power_link_profile()
    # Binomial probabilities have no inverse links of their own names.
    assert set(np.linspace(-2.0, 2.0, 17)) - set(profile.powers) == {-2.0, -1.0}
    assert profile.best == pytest.approx(2.0, abs=0.5)
    for power, link in ((1.0, "identity"), (0.0, "log"), (0.5, "sqrt")):
        alone = fg.GLM(fit.model.endog, fit.model.exog, "binomial", link=link).fit()
        deviance = profile.deviance[list(profile.powers).index(power)]
        assert deviance == pytest.approx(alone.deviance, rel=1e-9)
    assert np.isfinite(profile.deviance[profile.powers >= 0.5]).all()
