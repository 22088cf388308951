"""What a user's family says of the distribution of responses, against built-in ones and SciPy."""

import math

import numpy as np
import pytest
from scipy import special, stats

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.families import CustomFamily

POSITIVE = (0.0, math.inf)


def gamma_cdf(y, mu, weight, dispersion):
    return special.gammainc(weight / dispersion, weight / dispersion * y / mu)


def gamma_quantile(p, mu, weight, dispersion):
    return mu * dispersion / weight * special.gammaincinv(weight / dispersion, p)


def gamma_draw(generator, mu, weight, dispersion):
    return generator.gamma(weight / dispersion, mu * dispersion / weight)


def gamma_log_density(y, mu, weight, dispersion):
    shape = weight / dispersion
    return shape * math.log(shape * y / mu) - shape * y / mu - math.lgamma(shape) - math.log(y)


def gamma_family(name, **others):
    given = {"log_density": gamma_log_density, "cdf": gamma_cdf} | others
    return CustomFamily(name, lambda mu: mu * mu, link="log", domain=POSITIVE, **given)


def beta_family(**others):
    """Shares: beta of variance dispersion * mu (1 - mu)."""

    def cdf(y, mu, weight, dispersion):
        size = weight / dispersion - 1.0
        return special.betainc(mu * size, (1.0 - mu) * size, y)

    return CustomFamily(
        "beta shares",
        lambda mu: mu * (1.0 - mu),
        link="logit",
        domain=(0.0, 1.0),
        cdf=cdf,
        **others,
    )


def count_family(**others):
    def cdf(y, mu, weight, dispersion):
        return special.pdtr(y, mu)

    def log_density(y, mu, weight, dispersion):
        return weight * (y * math.log(mu) - mu - math.lgamma(y + 1.0))

    return CustomFamily(
        "own counts",
        lambda mu: mu,
        log_density=log_density,
        link="log",
        domain=POSITIVE,
        dispersion_known=True,
        cdf=cdf,
        discrete=True,
        **others,
    )


def data(n=120, seed=2):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return rng, X, np.exp(X @ [0.5, 0.4])


@pytest.mark.parametrize("given", [{}, {"quantile": gamma_quantile}], ids=["cdf", "quantile"])
def test_a_gamma_family_equals_the_built_in_one(given):
    rng, X, mean = data()
    y = rng.gamma(2.0, mean / 2.0)
    weights = rng.integers(1, 4, y.size)
    own = fg.GLM(y, X, family=gamma_family("own gamma", **given), var_weights=weights).fit(
        tol=1e-12
    )
    built_in = fg.GLM(y, X, family="gamma", link="log", var_weights=weights).fit(tol=1e-12)
    np.testing.assert_allclose(own.resid_quantile(), built_in.resid_quantile(), atol=1e-7)
    theirs = built_in.get_prediction(X, var_weights=weights).summary_frame()
    mine = own.get_prediction(X, var_weights=weights).summary_frame()
    np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_shares_stay_between_0_and_1():
    rng, X, _ = data()
    mean = special.expit(X @ [1.0, 0.8])
    y = rng.beta(4.0 * mean, 4.0 * (1.0 - mean))
    fit = fg.GLM(y, X, family=beta_family()).fit(tol=1e-12)
    size = 1.0 / fit.scale - 1.0
    fitted = np.asarray(fit.fittedvalues)
    expected = stats.beta(fitted * size, (1.0 - fitted) * size)
    np.testing.assert_allclose(fit.resid_quantile(), stats.norm.ppf(expected.cdf(y)), atol=1e-8)
    frame = fit.get_prediction().summary_frame()
    assert frame["obs_ci_lower"].between(0.0, 1.0).all()
    assert frame["obs_ci_upper"].between(0.0, 1.0).all()
    # Wider than those of the estimates taken for truths, by the uncertainty of 120 rows.
    assert (frame["obs_ci_lower"] < expected.ppf(0.03)).all()
    assert (frame["obs_ci_upper"] > expected.ppf(0.97)).all()
    assert (frame["obs_ci_upper"] < expected.ppf(0.995)).all()


def test_counts_equal_the_poisson_family():
    rng, X, mean = data()
    y = rng.poisson(mean).astype(float)
    own, built_in = (fg.GLM(y, X, family=f).fit(tol=1e-12) for f in (count_family(), "poisson"))
    np.testing.assert_allclose(own.resid_quantile(4), built_in.resid_quantile(4), atol=1e-7)
    theirs = built_in.get_prediction().summary_frame()
    np.testing.assert_allclose(own.get_prediction().summary_frame(), theirs, rtol=1e-6)
    assert own.zero_inflation_test().statistic == pytest.approx(
        built_in.zero_inflation_test().statistic, rel=1e-7
    )


@pytest.mark.parametrize(
    "family",
    [
        gamma_family("drawn gamma"),
        gamma_family("drawn gamma by draw", draw=gamma_draw),
        gamma_family("drawn gamma alone", cdf=None, draw=gamma_draw),
    ],
    ids=["by cdf", "by draw", "draw alone"],
)
def test_draws_have_the_distribution(family):
    rng = np.random.default_rng(1)
    drawn = family.draw(np.full(4000, 3.0), np.full(4000, 2.0), 0.8, rng)
    assert stats.kstest(drawn, stats.gamma(2.5, scale=3.0 / 2.5).cdf).pvalue > 1e-3


def test_the_parametric_bootstrap_draws_from_it():
    rng, X, mean = data()
    y = rng.gamma(2.0, mean / 2.0)
    fit = fg.GLM(y, X, family=gamma_family("bootstrapped gamma", draw=gamma_draw)).fit()
    replicates = fit.bootstrap(300, seed=1, kind="parametric")
    np.testing.assert_allclose(replicates.bse, fit.bse, rtol=0.2)


def test_a_probability_of_zero_itself():
    power, unit = 1.5, fg.families.Tweedie(var_power=1.5)

    def cdf(y, mu, weight, dispersion):
        return unit.distribution(dispersion).lower(y, mu, weight)

    family = CustomFamily("claims", lambda mu: mu**power, link="log", domain=POSITIVE, cdf=cdf)
    rng, X, mean = data()
    jumps = rng.poisson(np.sqrt(mean))
    y = rng.gamma(np.maximum(jumps, 1e-9), np.sqrt(mean)) * (jumps > 0)
    own = fg.GLM(y, X, family=family).fit(tol=1e-12)
    built_in = fg.GLM(y, X, family=unit).fit(tol=1e-12)
    np.testing.assert_allclose(own.resid_quantile(4), built_in.resid_quantile(4), atol=1e-6)
    assert (own.get_prediction().summary_frame()["obs_ci_lower"] == 0.0).any()


def test_without_a_distribution_an_error_names_the_argument():
    _, X, mean = data()
    family = CustomFamily("no law", lambda mu: mu * mu, link="log", domain=POSITIVE)
    fit = fg.GLM(mean, X, family=family).fit()
    with pytest.raises(ModelError, match=r"give it cdf\(y, mu, weight, dispersion\)"):
        fit.resid_quantile()
    with pytest.raises(ModelError, match=r"give it cdf\("):
        fit.get_prediction().conf_int(obs=True)
    with pytest.raises(ModelError, match=r"give it draw\(generator, mu, weight, dispersion\)"):
        fit.bootstrap(10, kind="parametric")


def test_the_report_shows_quantile_residuals(tmp_path):
    rng, X, mean = data()
    y = rng.gamma(2.0, mean / 2.0)
    fit = fg.GLM(y, X, family=gamma_family("reported gamma")).fit()
    axes = fg.plots.residuals(fit)
    assert "quantile residual" in axes.get_ylabel()
    fit.report(tmp_path / "report.html")
    assert "CustomFamily" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("functions", "match"),
    [
        ({"cdf": lambda y, mu, w, d: 1.0 - gamma_cdf(y, mu, w, d)}, "must rise between 0 and 1"),
        ({"cdf": lambda y, mu, w, d: gamma_cdf(y, 1.3 * mu, w, d)}, "has mean"),
        ({"cdf": lambda y, mu, w, d: gamma_cdf(y, mu, w, 2.0 * d)}, r"variance .*, not dispersion"),
        ({"cdf": lambda y, mu, w, d: y[:1]}, "array of the shape"),
        ({"cdf": lambda y, mu, w, d: math.exp(y)}, "cdf raises TypeError"),
        ({"cdf": lambda y, mu, w, d: y * math.nan}, "not finite"),
        ({"quantile": lambda p, mu, w, d: gamma_quantile(p**1.001, mu, w, d)}, "does not undo cdf"),
        ({"cdf": None, "quantile": gamma_quantile}, "quantile needs cdf"),
        ({"draw": lambda g, mu, w, d: -mu}, "draw gives responses that are not at least 0"),
        ({"draw": lambda g, mu, w, d: 1.0}, "draw must give an array"),
        ({"log_density": lambda y, mu, w, d: -y / mu}, "cdf and log_density disagree"),
    ],
)
def test_an_error_names_the_wrong_function(functions, match):
    with pytest.raises(ModelError, match=match):
        gamma_family("wrong", **functions)


def test_a_probability_of_another_end_is_refused():
    def at_one(y, mu, weight, dispersion):
        return 0.8 * y

    with pytest.raises(ModelError, match="just below 1"):
        CustomFamily("ones", lambda mu: mu * (1.0 - mu), domain=(0.0, 1.0), cdf=at_one)
