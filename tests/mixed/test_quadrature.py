"""Adaptive quadrature and nAGQ = 0 against lme4, and against plain numerical integration."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from mixed_cases import GENERALIZED, fit_case, numbers, read_case

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.mixed.search import Search

CASES = [(n, k) for n in GENERALIZED for k in ("nAGQ9", "nAGQ25") if k in read_case(n)["results"]]
FAST = [n for n in GENERALIZED if "nAGQ0" in read_case(n)["results"]]


def criterion_of(answer):
    return answer.get("m2ll_or_reml", answer.get("deviance_m2ll"))


def errors_of(answer, p):
    if "se_hessian" in answer:
        return numbers(answer["se_hessian"])[-p:]
    return np.sqrt(np.diag(numbers(answer["vcov_hessian"])))


@pytest.mark.parametrize(("name", "key"), CASES)
def test_quadrature_of_lme4(name, key):
    answer = read_case(name)["results"][key]
    fit = fit_case(name, nagq=int(key[4:]), laplace="expected")
    beta = numbers(answer["beta"])
    se = errors_of(answer, beta.size)
    np.testing.assert_allclose((fit.params.to_numpy() - beta) / se, 0, atol=1e-6)
    np.testing.assert_allclose(fit.theta, numbers(answer["theta"]), atol=1e-7)
    np.testing.assert_allclose(fit.bse, se, rtol=1e-5)
    assert fit.gradient < 1e-6
    if "bacteria" in name or "contraception" in name:
        # Where responses are 0 or 1 the saturated likelihood, which lme4 leaves out, is one.
        assert fit.criterion == pytest.approx(criterion_of(answer), abs=1e-7)


@pytest.mark.parametrize("name", FAST)
def test_fast_fits_of_lme4(name):
    answer = read_case(name)["results"]["nAGQ0"]
    fit = fit_case(name, nagq=0, laplace="expected")
    assert fit.criterion == pytest.approx(criterion_of(answer), abs=4e-5)
    beta, se = numbers(answer["beta"]), numbers(answer["se"])
    np.testing.assert_allclose((fit.params.to_numpy() - beta) / se, 0, atol=2e-5)
    np.testing.assert_allclose(fit.theta, numbers(answer["theta"]), atol=2e-5)


def integrated(fit, data, log_density):
    """-2 log-likelihood of one scalar effect a level, by general-purpose integration."""
    eta = fit.predict(data, level="population", which="linear")
    sd, total = np.sqrt(fit.groups[0].covariance[0, 0]), 0.0
    for level in np.unique(data["g"]):
        rows = data["g"] == level

        def at(u, rows=rows):
            return np.exp(np.sum(log_density(data["y"][rows], eta[rows] + sd * u)) + 20.0)

        value, _ = scipy.integrate.quad(
            lambda u, at=at: at(u) * scipy.stats.norm.pdf(u),
            -9,
            9,
            epsabs=0,
            epsrel=1e-11,
            limit=400,
        )
        total += np.log(value) - 20.0
    return -2.0 * total


def grouped(rng, mean):
    g = np.repeat(np.arange(12), 8)
    x = rng.normal(size=g.size)
    return {"g": g, "x": x, "mu": np.exp(mean + 0.4 * x + 0.5 * rng.normal(size=12)[g])}


@pytest.mark.parametrize("family", ["poisson", "gamma", "negative_binomial", "inverse_gaussian"])
def test_many_nodes_are_the_integral(family):
    data = grouped(np.random.default_rng(5), 0.7)
    mu, rng = data["mu"], np.random.default_rng(6)
    links = fg.families.links
    data["y"], given = {
        "poisson": lambda: (rng.poisson(mu).astype(float), fg.families.Poisson()),
        "gamma": lambda: (rng.gamma(4, mu / 4), fg.families.Gamma(link=links.Log())),
        "negative_binomial": lambda: (
            rng.negative_binomial(2, 2 / (2 + mu)).astype(float),
            fg.families.NegativeBinomial(),
        ),
        "inverse_gaussian": lambda: (
            rng.wald(mu, 8),
            fg.families.InverseGaussian(link=links.Log()),
        ),
    }[family]()
    fit = fg.mixed("y ~ x + (1 | g)", data, given, nagq=41)

    def log_density(y, eta):
        mean = np.exp(eta)
        if family == "poisson":
            return scipy.stats.poisson.logpmf(y, mean)
        if family == "gamma":
            return scipy.stats.gamma.logpdf(y, 1 / fit.scale, scale=mean * fit.scale)
        if family == "inverse_gaussian":
            return scipy.stats.invgauss.logpdf(y, mean * fit.scale, scale=1 / fit.scale)
        size = 1 / fit.family.parameter
        return scipy.stats.nbinom.logpmf(y, size, size / (size + mean))

    assert fit.criterion == pytest.approx(integrated(fit, data, log_density), abs=1e-6)
    laplace = fg.mixed("y ~ x + (1 | g)", data, given)
    assert laplace.criterion == pytest.approx(fit.criterion, abs=0.5)


@pytest.mark.parametrize(
    ("name", "nagq"), [("v_glmer_contraception_slope", 5), ("s_nb2_salamanders", 7)]
)
def test_gradient_of_quadrature(name, nagq):
    estimate = fit_case(name, nagq=nagq).estimate
    search = Search(estimate.problem, np.zeros(estimate.theta.size, bool))
    extra = search.extra(estimate.state.parameters.log_extra)
    x = np.concatenate([estimate.beta, estimate.theta, extra]) + 0.05
    gradient = search(x)[1]
    steps = np.eye(x.size) * 1e-5
    numeric = [(search(x + e)[0] - search(x - e)[0]) / 2e-5 for e in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-6 * np.abs(gradient).max())


def test_quadrature_refuses_several_factors():
    with pytest.raises(ModelError, match="one grouping factor"):
        fit_case("s_glmer_generated_nested3", nagq=5)
