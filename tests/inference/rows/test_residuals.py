from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from r_cases import fit_of, names_with, read_case
from scipy import integrate, stats

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.inference.rows.residuals import RESIDUALS, anscombe_residuals


def assert_equals_r(ours, block, scale=None):
    """First values, and sums over all, as R has them; NaN in the same places."""
    ours = np.asarray(ours)
    head = np.array([np.nan if v in (None, "NaN") else float(v) for v in block["head"]])
    finite = ours[np.isfinite(ours)]
    assert ours.size == block["n"]
    assert ours.size - finite.size == block["n_nonfinite"]
    size = np.sqrt(block["sumsq"] / max(finite.size, 1))
    np.testing.assert_allclose(ours[: head.size], head, rtol=1e-7, atol=1e-7 * size)
    np.testing.assert_allclose(finite.sum(), block["sum"], rtol=1e-7, atol=1e-7 * size * ours.size)
    np.testing.assert_allclose(finite @ finite, block["sumsq"], rtol=1e-7)


def present(fit, values):
    """R leaves out rows of weight 0."""
    weights = fit.model.rows.prior_weights
    return np.asarray(values) if weights is None else np.asarray(values)[weights > 0]


@pytest.mark.parametrize("name", names_with("resid"))
def test_residuals_equal_r(name):
    fit, blocks = fit_of(name), read_case(name)["results"]["resid"]
    for kind in ("deviance", "pearson", "working", "response"):
        assert_equals_r(getattr(fit, f"resid_{kind}"), blocks[kind])


@pytest.mark.parametrize("name", names_with("influence"))
def test_standardized_and_studentized_residuals_equal_r(name):
    fit, blocks = fit_of(name), read_case(name)["results"]["influence"]
    assert_equals_r(present(fit, fit.rstandard()), blocks["rstandard_deviance"])
    assert_equals_r(present(fit, fit.rstandard("pearson")), blocks["rstandard_pearson"])
    assert_equals_r(present(fit, fit.rstudent()), blocks["rstudent"])


@pytest.fixture
def design():
    rng = np.random.default_rng(5)
    return np.column_stack([np.ones(200), rng.normal(size=(200, 2))])


FAMILIES = {
    "gaussian": (sm.families.Gaussian(), lambda mu, rng: rng.normal(mu)),
    "poisson": (sm.families.Poisson(), lambda mu, rng: rng.poisson(np.exp(mu))),
    "gamma": (sm.families.Gamma(sm.families.links.Log()), lambda mu, rng: rng.gamma(2, np.exp(mu))),
    "binomial": (sm.families.Binomial(), lambda mu, rng: rng.binomial(1, 1 / (1 + np.exp(-mu)))),
    "inverse_gaussian": (
        sm.families.InverseGaussian(sm.families.links.Log()),
        lambda mu, rng: rng.wald(np.exp(mu), 2.0),
    ),
}


def family_like(theirs):
    ours = getattr(fg.families, type(theirs).__name__)
    return ours(link=type(theirs.link).__name__)


@pytest.mark.parametrize("name", FAMILIES)
def test_anscombe_residuals_equal_statsmodels(name, design):
    family, draw = FAMILIES[name]
    y = draw(design @ [0.3, 0.4, -0.2], np.random.default_rng(1)).astype(float)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, y.size)
    theirs = sm.GLM(y, design, family, var_weights=weights).fit(tol=1e-13)
    if name == "binomial":
        weights, theirs = None, sm.GLM(y, design, family).fit(tol=1e-13)
    ours = fg.GLM(y, design, family_like(family), var_weights=weights).fit(tol=1e-13)
    np.testing.assert_allclose(ours.resid_anscombe, theirs.resid_anscombe, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "family",
    [
        fg.families.NegativeBinomial(alpha=0.7),
        fg.families.Tweedie(var_power=1.4),
        fg.families.Quasi("logit", variance="mu^2(1-mu)^2"),
    ],
)
def test_anscombe_residuals_are_the_integral(family, design):
    mu = 1 / (1 + np.exp(-design @ [0.3, 0.4, -0.2]))
    y = np.random.default_rng(1).beta(2 * mu, 2 * (1 - mu))
    fit = fg.GLM(y, design, family).fit()
    mean = fit.fittedvalues
    for row in range(5):
        area = integrate.quad(lambda u: family.variance(u) ** (-1 / 3), mean[row], y[row])[0]
        expected = area / family.variance(mean[row]) ** (1 / 6)
        assert anscombe_residuals(fit)[row] == pytest.approx(expected, rel=1e-6)


SIMULATED = {
    "gaussian": lambda mu, rng: rng.normal(mu),
    "poisson": lambda mu, rng: rng.poisson(mu),
    "gamma": lambda mu, rng: rng.gamma(0.5, mu / 0.5),
    "inverse_gaussian": lambda mu, rng: rng.wald(mu, 2.0),
}


@pytest.mark.parametrize("name", SIMULATED)
def test_quantile_residuals_of_the_true_model_are_normal(name):
    rng = np.random.default_rng(8)
    x = rng.normal(size=4000)
    y = SIMULATED[name](np.exp(0.5 + 0.3 * x), rng).astype(float)
    start = [0.5, 0.3]
    fit = fg.GLM(y, np.column_stack([np.ones(4000), x]), name, link="log").fit(start_params=start)
    assert stats.kstest(fit.resid_quantile(seed=3), "norm").pvalue > 0.01


@pytest.mark.parametrize(
    ("family", "draw"),
    [
        (
            fg.families.NegativeBinomial(alpha=0.5),
            lambda mu, rng: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
        ),
        (
            fg.families.Tweedie(var_power=1.5),
            # Dispersion 1: a Poisson number (2 sqrt(mu)) of gamma variables (shape 1).
            lambda mu, rng: (
                rng.gamma(np.maximum(c := rng.poisson(2 * np.sqrt(mu)), 1e-9))
                * (c > 0)
                * 0.5
                * np.sqrt(mu)
            ),
        ),
    ],
)
def test_quantile_residuals_of_compound_families_are_normal(family, draw):
    rng = np.random.default_rng(8)
    x = rng.normal(size=4000)
    y = draw(np.exp(0.5 + 0.3 * x), rng).astype(float)
    fit = fg.GLM(y, np.column_stack([np.ones(4000), x]), family).fit()
    assert stats.kstest(fit.resid_quantile(seed=3), "norm").pvalue > 0.01


def test_quantile_residuals_of_trials_are_normal_and_seeded():
    rng = np.random.default_rng(8)
    x = rng.normal(size=3000)
    trials = rng.integers(1, 9, 3000)
    successes = rng.binomial(trials, 1 / (1 + np.exp(-x)))
    both = np.column_stack([successes, trials - successes])
    fit = fg.GLM(both, np.column_stack([np.ones(3000), x]), "binomial").fit()
    residuals = fit.resid_quantile(seed=3)
    assert stats.kstest(residuals, "norm").pvalue > 0.01
    np.testing.assert_array_equal(residuals, fit.resid_quantile(seed=3))
    assert not np.array_equal(residuals, fit.resid_quantile(seed=4))


def test_quantile_residuals_stay_finite_in_the_upper_tail(design):
    y = np.zeros(200)
    y[0] = 60.0
    y[1:] = np.random.default_rng(2).poisson(1.0, 199)
    fit = fg.GLM(y, design[:, :1], "poisson").fit()
    expected = -stats.norm.ppf(stats.poisson.sf(59.5, fit.fittedvalues[0]))
    assert fit.resid_quantile()[0] == pytest.approx(expected, rel=0.05)


def test_quantile_residuals_need_a_distribution(design):
    y = np.random.default_rng(2).poisson(1.0, 200).astype(float)
    with pytest.raises(ModelError, match="mean and variance"):
        fg.GLM(y, design, "quasipoisson").fit().resid_quantile()


def test_a_loaded_result_has_no_residuals(design, tmp_path):
    fit = fg.GLM(design[:, 1], design[:, [0, 2]]).fit()
    fit.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    for kind in RESIDUALS:
        with pytest.raises(DataError, match="without the data"):
            getattr(loaded, f"resid_{kind}")


def test_kinds_are_named(design):
    fit = fg.GLM(design[:, 1], design[:, [0, 2]]).fit()
    with pytest.raises(ModelError, match="kind"):
        fit.rstandard("working")


def test_anscombe_residuals_of_single_precision_have_all_digits():
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = (rng.binomial(1000, 1.0 / (1.0 + np.exp(-X @ [0.2, 0.4]))) / 1000).astype(np.float32)
    trials = np.full(60, 1000.0)
    single = fg.GLM(y, X, "binomial", var_weights=trials).fit(tol=1e-12)
    double = fg.GLM(y.astype(float), X, "binomial", var_weights=trials).fit(tol=1e-12)
    np.testing.assert_allclose(single.resid_anscombe, double.resid_anscombe, rtol=1e-6, atol=1e-9)
