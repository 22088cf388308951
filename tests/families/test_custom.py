import json
import math

import numpy as np
import pytest
from scipy import integrate

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.families import CustomFamily, CustomLink, Quasi, QuasiPoisson, links
from fastglm.families.registry import CUSTOM_FAMILIES

POSITIVE = (0.0, math.inf)


def poisson_deviance(y, mu):
    return 2.0 * (y * math.log(y / mu) - (y - mu)) if y > 0.0 else 2.0 * mu


def poisson_log_density(y, mu, weight, dispersion):
    return weight * (y * math.log(mu) - mu - math.lgamma(y + 1.0))


def counts(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return rng.poisson(np.exp(X @ [0.5, 0.4])).astype(float), X


def test_equals_the_built_in_family():
    y, X = counts()
    family = CustomFamily(
        "my counts",
        lambda mu: mu,
        poisson_deviance,
        poisson_log_density,
        link="log",
        domain=POSITIVE,
        dispersion_known=True,
    )
    fit, built_in = (fg.GLM(y, X, family=f).fit(tol=1e-13) for f in (family, "poisson"))
    np.testing.assert_allclose(fit.params, built_in.params, rtol=1e-10)
    np.testing.assert_allclose(fit.bse, built_in.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.resid_deviance, built_in.resid_deviance, rtol=1e-8, atol=1e-8)
    for name in ("deviance", "null_deviance", "pearson_chi2", "llf", "aic", "scale"):
        assert getattr(fit, name) == pytest.approx(getattr(built_in, name), rel=1e-9)


def test_a_link_equals_the_built_in_one():
    y, X = counts()
    log = CustomLink("my log", math.log, lambda eta: 1.0 * math.exp(eta), math.exp)
    fit = fg.GLM(y, X, family=fg.families.Poisson(link=log)).fit()
    np.testing.assert_allclose(fit.params, fg.GLM(y, X, family="poisson").fit().params, rtol=1e-9)
    eta = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(log.inverse_deriv2(eta), np.exp(eta), rtol=1e-8)
    np.testing.assert_allclose(log(log.inverse(eta)), eta, rtol=1e-12)


def test_functions_inside_functions_are_compiled_too():
    def power(mu):
        halved = lambda x: 0.5 * x  # noqa: E731
        return sum([halved(mu) for _ in range(2)])

    y, X = counts()
    identity = CustomLink("my sum", power, lambda eta: eta, lambda eta: 1.0)
    fit = fg.GLM(y, X, family=fg.families.Gaussian(link=identity)).fit()
    np.testing.assert_allclose(fit.params, fg.GLM(y, X).fit().params, rtol=1e-12)


def test_a_link_defined_on_half_of_the_line():
    root = CustomLink(
        "my root", lambda mu: mu**0.5, lambda eta: eta**2, lambda eta: 2.0 * eta, domain=POSITIVE
    )
    np.testing.assert_allclose(root.inverse([0.5, 2.0]), [0.25, 4.0])
    assert np.isnan(root.inverse(-1.0))


@pytest.mark.parametrize(
    ("variance", "domain", "responses", "means"),
    [
        (lambda mu: 1.0, (-math.inf, math.inf), [-2.0, 0.0, 3.0], [-1.0, 0.5]),
        (lambda mu: mu, POSITIVE, [0.0, 1e-3, 2.0, 50.0], [1e-2, 1.0, 40.0]),
        (lambda mu: mu**1.5, POSITIVE, [0.0, 1e-3, 2.0, 50.0], [1e-2, 1.0, 40.0]),
        (lambda mu: mu + 0.3 * mu**2, POSITIVE, [0.0, 0.5, 900.0], [0.2, 3.0]),
        (lambda mu: mu * (1.0 - mu), (0.0, 1.0), [0.0, 0.2, 0.999, 1.0], [1e-3, 0.4, 0.98]),
        (lambda mu: (mu - 1.0) * (5.0 - mu), (1.0, 5.0), [1.0, 2.0, 5.0], [1.1, 4.0]),
    ],
)
def test_the_deviance_of_a_variance_is_its_integral(variance, domain, responses, means):
    family = Quasi(variance=variance, domain=domain)
    for y in responses:
        for mu in means:
            expected, _ = integrate.quad(
                lambda t, y=y: 2.0 * (y - t) / variance(t), mu, y, epsabs=1e-13, epsrel=1e-12
            )
            assert family.unit_deviance(y, mu) == pytest.approx(expected, rel=1e-8)


def test_quasi_with_a_variance_of_the_user_equals_the_named_one():
    y, X = counts()
    own = fg.GLM(y, X, family=Quasi("log", lambda mu: mu, domain=POSITIVE)).fit(tol=1e-13)
    named = fg.GLM(y, X, family=QuasiPoisson()).fit(tol=1e-13)
    np.testing.assert_allclose(own.params, named.params, rtol=1e-10)
    assert own.scale == pytest.approx(named.scale, rel=1e-9)
    assert own.deviance == pytest.approx(named.deviance, rel=1e-9)
    assert np.isnan(own.llf)
    assert own.use_t


@pytest.mark.parametrize(
    ("functions", "match"),
    [
        ({"variance": lambda mu: -mu}, r"variance\(7\.22\) is -7\.22, not positive"),
        ({"variance": lambda mu: math.log(mu - 1.0)}, r"variance\(0\.02\) raises ValueError"),
        ({"variance": lambda mu: mu**2, "unit_deviance": poisson_deviance}, "disagree"),
        ({"unit_deviance": lambda y, mu: (y - mu) ** 2 + 1.0}, "not 0"),
        ({"unit_deviance": lambda y, mu: -((y - mu) ** 2)}, "not positive"),
        ({"log_density": lambda y, mu, weight: 0.0}, r"log_density\(.*raises TypeError"),
        ({"starting_mean": lambda y, weight: -y}, "starting_mean leaves the domain"),
        ({"variance": lambda mu: float(json.dumps(mu))}, "variance cannot be compiled"),
        ({"domain": (1.0, 1.0)}, "domain must be a pair"),
    ],
)
def test_an_error_names_the_wrong_function(functions, match):
    given = {"variance": lambda mu: mu, "domain": POSITIVE} | functions
    with pytest.raises(ModelError, match=match):
        CustomFamily("wrong", **given)


@pytest.mark.parametrize(
    ("functions", "match"),
    [
        ((math.log, math.exp, lambda eta: 2.0 * math.exp(eta)), "inverse_deriv.* not the deriv"),
        ((lambda mu: mu, math.exp, math.exp), "forward does not undo inverse"),
        ((math.log, lambda eta: 1.0 / 0.0, math.exp), "inverse.* raises ZeroDivisionError"),
        ((math.log, math.exp, math.sqrt), r"inverse_deriv\(-2\.7\) raises ValueError"),
    ],
)
def test_an_error_names_the_wrong_function_of_a_link(functions, match):
    with pytest.raises(ModelError, match=match):
        CustomLink("wrong", *functions)


def test_responses_outside_the_domain_are_refused():
    with pytest.raises(DataError, match="at least 0"):
        fg.GLM([-1.0, 2.0], np.ones((2, 1)), family=Quasi("log", lambda mu: mu, domain=POSITIVE))


def test_a_saved_fit_finds_family_and_link_by_name(tmp_path):
    y, X = counts(50)
    family = Quasi("log", lambda mu: mu**1.2, domain=POSITIVE)
    fit = fg.GLM(y, X, family=family).fit()
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.family == family
    np.testing.assert_array_equal(again.predict(X), fit.predict(X))
    text = (tmp_path / "fit.json").read_text().replace("quasi <lambda>", "unheard of")
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ModelError, match=r"CustomFamily\('unheard of', \.\.\.\) as before the fit"):
        fg.load(tmp_path / "other.json", check=False)
    text = text.replace("unheard of", "quasi unheard of")
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ModelError, match=r"the same fastglm.families.Quasi\(variance=\.\.\.\)"):
        fg.load(tmp_path / "other.json", check=False)


def test_an_error_of_a_saved_fit_names_the_link_to_define(tmp_path):
    y, X = counts(50)
    link = CustomLink("log again", math.log, math.exp, math.exp, domain=POSITIVE)
    fit = fg.GLM(y + 1.0, X, family="gamma", link=link).fit()
    fit.save(tmp_path / "fit.json")
    text = (tmp_path / "fit.json").read_text().replace("log again", "unheard of")
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ModelError, match=r"CustomLink\('unheard of', \.\.\.\) as before the fit"):
        fg.load(tmp_path / "other.json", check=False)


@pytest.mark.parametrize("name", ["log", "Log", "InversePower", "1/mu^2"])
def test_names_of_built_in_links_are_taken(name):
    with pytest.raises(ModelError, match="already"):
        CustomLink(name, math.log, math.exp, math.exp)
    assert fg.families.resolve_link("log") == links.Log()


@pytest.mark.parametrize("name", [*fg.families.FAMILIES, "Gaussian", "inverse gaussian", "normal"])
def test_names_of_built_in_families_are_taken(name):
    with pytest.raises(ModelError, match="already"):
        CustomFamily(name, lambda mu: 1.0)
    assert name not in CUSTOM_FAMILIES


def test_what_a_family_does_does_not_hang_on_its_name(monkeypatch):
    """Even a family that has come by a built-in one's name, or by a part of it, is itself."""
    x = np.linspace(1.0, 2.0, 50)
    y = np.random.default_rng(1).gamma(3.0, (1.0 + 2.0 * x) / 3.0)
    X = np.column_stack([np.ones(50), x])
    monkeypatch.setattr("fastglm.families.custom.refuse_taken_name", lambda *given: None)
    gamma = fg.GLM(y, X, family=fg.families.Gamma(link="identity")).fit(tol=1e-12)
    for name in ("gaussian", "mine", "poisson", "nonbinomial"):
        family = CustomFamily(name, lambda mu: mu * mu, link="identity", domain=POSITIVE)
        fit = fg.GLM(y, X, family=family).fit(tol=1e-12)
        np.testing.assert_allclose(fit.params, gamma.params, rtol=1e-9)
        np.testing.assert_allclose(fit.bse, gamma.bse, rtol=1e-6)
        with pytest.raises(ModelError, match="distributed"):
            fit.resid_quantile()
        with pytest.raises(ModelError, match="distribut"):
            fit.bootstrap(10, kind="parametric")
        with pytest.raises(ModelError, match="Hosmer-Lemeshow"):
            fit.hosmer_lemeshow()
        with pytest.raises(ModelError, match="operating characteristic"):
            fg.plots.roc(fit)
        with pytest.raises(DataError, match="two columns"):
            fg.GLM(np.column_stack([y, y]), X, family=family)
        np.testing.assert_allclose(fit.resid_anscombe, gamma.resid_anscombe, rtol=1e-7)
        frame = fit.get_prediction(X).summary_frame()
        assert "obs_ci_lower" not in frame
        CUSTOM_FAMILIES.pop(name)
