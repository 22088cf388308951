import numpy as np
import pytest
from scipy import optimize

import fastglm as fg
from fastglm.errors import BoundaryWarning, ModelError
from fastglm.families import Tweedie
from fastglm.fit.free_parameters.problem import Problem
from fastglm.fit.free_parameters.tweedie_likelihood import Likelihood


def claims(n, power=1.6, dispersion=1.5, seed=1):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    mu = np.exp(X @ [0.3, 0.4])
    rate = mu ** (2 - power) / dispersion / (2 - power)
    scale = dispersion * (power - 1) * mu ** (power - 1)
    number = rng.poisson(rate)
    shape = np.maximum(number, 1) * (2 - power) / (power - 1)
    return np.where(number > 0, rng.gamma(shape) * scale, 0.0), X


def profile(y, X, weights, power):
    """Maximum over dispersion of the likelihood at a power, with its dispersion."""
    fit = fg.GLM(y, X, family=Tweedie(var_power=power), var_weights=weights).fit()

    def objective(log_scale):
        values = fit.family.loglike_obs(y, fit.fittedvalues, weights, np.exp(log_scale))
        return -np.sum(values)

    best = optimize.minimize_scalar(objective, bracket=(-1, 1), tol=1e-10)
    return -best.fun, np.exp(best.x)


def test_maximises_the_profile_likelihood():
    y, X = claims(500)
    weights = np.linspace(0.5, 1.5, len(y))
    fit = fg.GLM(y, X, family="tweedie", var_weights=weights).fit()
    assert fit.converged
    h = fit.var_power_se
    below, at, above = (
        profile(y, X, weights, fit.var_power + step)[0] for step in (-0.1 * h, 0.0, 0.1 * h)
    )
    # The vertex of the parabola through three points of the profile.
    vertex = 0.05 * (below - above) / (below - 2 * at + above)
    assert abs(vertex) < 1e-3
    assert fit.llf == pytest.approx(at, rel=1e-10)
    dispersion = profile(y, X, weights, fit.var_power)[1]
    assert fit.response_dispersion == pytest.approx(dispersion, rel=1e-4)
    assert fit.scale == pytest.approx(fit.pearson_chi2 / fit.df_resid, rel=1e-12)
    curvature = (below - 2 * at + above) / (0.1 * h) ** 2
    assert h == pytest.approx((-curvature) ** -0.5, rel=1e-2)
    assert fit.aic == pytest.approx(-2 * fit.llf + 2 * 4)


def test_finds_the_power_of_a_sample():
    y, X = claims(5000)
    fit = fg.GLM(y, X, family=Tweedie()).fit()
    assert abs(fit.var_power - 1.6) < 4 * fit.var_power_se
    assert fit.var_power_se < 0.02


def test_standard_errors_are_those_of_the_power_given():
    # Lognormal claims: the likelihood's own dispersion is far from the variance of the residuals.
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(4000), rng.integers(0, 2, 4000)])
    y = np.array([rng.lognormal(6.0, 2.2, k).sum() for k in rng.poisson(0.1, 4000)])
    estimated = fg.GLM(y, X, family="tweedie").fit()
    given = fg.GLM(y, X, family=Tweedie(var_power=estimated.var_power)).fit()
    np.testing.assert_allclose(estimated.bse, given.bse, rtol=1e-6)
    np.testing.assert_allclose(estimated.conf_int(), given.conf_int(), rtol=1e-6)
    assert estimated.scale == pytest.approx(given.scale, rel=1e-6)
    assert estimated.scale > 2.0 * estimated.response_dispersion


def test_the_family_of_a_fit_has_its_likelihood():
    y, X = claims(300)
    estimated = fg.GLM(y, X, family="tweedie").fit()
    again = fg.GLM(y, X, family=estimated.family).fit()
    assert again.llf == pytest.approx(estimated.llf, rel=1e-10)
    assert again.aic == pytest.approx(estimated.aic, rel=1e-10)
    residuals = estimated.resid_quantile(seed=1)
    np.testing.assert_allclose(again.resid_quantile(seed=1), residuals, atol=1e-6)
    assert 0.9 < np.std(residuals) < 1.1
    apart = Tweedie(var_power=estimated.var_power, dispersion=2.0 * estimated.response_dispersion)
    assert fg.GLM(y, X, family=apart).fit().llf < estimated.llf - 1.0


@pytest.mark.parametrize(("name", "power"), [("gaussian", 0.0), ("gamma", 2.0)])
def test_special_powers_have_the_likelihood_of_their_families(name, power):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    y = rng.gamma(0.5, 2.0 * np.exp(X @ [1.0, 0.3, -0.2]))
    times = rng.integers(0, 3, 300)
    options = {"freq_weights": times}
    fit = fg.GLM(y, X, family=name, link="log", **options).fit()
    tweedie = fg.GLM(y, X, family=Tweedie(var_power=power), **options).fit()
    for quantity in ("llf", "aic", "bic", "llnull"):
        assert getattr(tweedie, quantity) == pytest.approx(getattr(fit, quantity), rel=1e-9)


def test_the_inverse_gaussian_is_power_three():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    y = rng.wald(np.exp(X @ [1.0, 0.3, -0.2]), 1.0)
    fit = fg.GLM(y, X, family="inverse_gaussian", link="log").fit()
    tweedie = fg.GLM(y, X, family=Tweedie(var_power=3.0)).fit()
    assert tweedie.aic == pytest.approx(fit.aic, rel=1e-9)


def test_the_likelihood_of_a_given_power_is_that_of_r():
    # logLiktweedie of R's package tweedie.
    fit = fg.GLM([0.0, 0.0, 1.0, 2.0, 3.0], np.ones((5, 1)), family=Tweedie(var_power=1.5)).fit()
    assert fit.llf == pytest.approx(-8.35485, abs=5e-6)


def test_the_likelihood_does_not_depend_on_the_unit_of_the_weights():
    y, X = claims(300)
    weights = np.linspace(0.5, 1.5, 300)
    one, ten = (
        fg.GLM(y, X, family=Tweedie(var_power=1.5), var_weights=k * weights).fit()
        for k in (1.0, 10.0)
    )
    assert ten.llf == pytest.approx(one.llf, rel=1e-10)


def test_a_dispersion_is_positive():
    with pytest.raises(ModelError, match="dispersion must be positive"):
        Tweedie(var_power=1.5, dispersion=0.0)


def test_survives_saving(tmp_path):
    y, X = claims(200)
    fit = fg.GLM(y, X, family="tweedie").fit()
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.family == fit.family
    assert again.response_dispersion == fit.response_dispersion
    assert (again.var_power, again.var_power_se) == (fit.var_power, fit.var_power_se)
    assert "var_power = " in str(again.summary())


def test_a_sample_of_many_rows_goes_first():
    y, X = claims(12_000)
    fit = fg.GLM(y, X, family="tweedie").fit()
    assert fit.converged
    # Coefficients that are only on the way are not refined for standard errors.
    assert fit.n_sweeps <= 5
    h = 0.1 * fit.var_power_se
    weights = np.ones(len(y))
    below, at, above = (profile(y, X, weights, fit.var_power + d)[0] for d in (-h, 0.0, h))
    assert fit.llf == pytest.approx(at, rel=1e-10)
    assert abs(0.05 * (below - above) / (below - 2 * at + above)) < 1e-3


def test_a_power_at_the_end_of_its_range_gives_a_warning():
    rng = np.random.default_rng(2)
    X = np.ones((300, 1))
    with pytest.warns(BoundaryWarning, match=r"end of the range of powers, 1\.01"):
        fit = fg.GLM(rng.poisson(3.0, 300), X, family="tweedie").fit()
    assert np.isnan(fit.var_power_se)
    assert fit.var_power == pytest.approx(1.01, abs=1e-3)


@pytest.mark.parametrize("power", [1.02, 1.3, 1.5, 1.9, 1.99, 2.5, 3.0, 6.0])
@pytest.mark.parametrize("scale", [0.05, 1.0, 30.0])
def test_the_likelihood_equals_the_sum_of_the_rows_own(power, scale):
    rng = np.random.default_rng(4)
    n = 3000
    y = rng.gamma(0.7, 2.0, n) * 10.0 ** rng.uniform(-2, 2, n)
    if power < 2.0:
        y[rng.random(n) < 0.3] = 0.0
    mean, weights = rng.uniform(0.5, 5.0, n), rng.uniform(0.5, 3.0, n)
    times = rng.integers(0, 3, n)
    model = fg.GLM(y, np.ones((n, 1)), "tweedie", var_weights=weights, freq_weights=times)
    likelihood = Likelihood(model.rows)
    likelihood.look_at(mean)
    family = Tweedie(var_power=power)
    expected = family.loglike(y, mean, weights, times, scale)
    assert likelihood(family, scale) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("power", [1.05, 1.5, 1.95, 2.4, 6.0])
@pytest.mark.parametrize("n", [40, 3000])
def test_derivatives_equal_differences_of_the_likelihood(power, n):
    rng = np.random.default_rng(5)
    y, mean = rng.gamma(0.9, 2.0, n) + 0.05, rng.uniform(0.5, 5.0, n)
    if power < 2.0:
        y[::4] = 0.0
    weights = rng.uniform(0.5, 3.0, n)
    likelihood = Likelihood(fg.GLM(y, np.ones((n, 1)), "tweedie", var_weights=weights).rows)
    likelihood.look_at(mean)

    def value(at, log_dispersion):
        return likelihood(Tweedie(var_power=at), np.exp(log_dispersion))

    found = likelihood.derivatives(lambda at: Tweedie(var_power=at), power, 0.7, 1e-3)
    h, s = 1e-3, np.log(0.7)
    assert found.value == pytest.approx(value(power, s), rel=1e-13)
    gradient = [
        (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
        for f in (lambda d: value(power + d, s), lambda d: value(power, s + d))
    ]
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-6, atol=1e-7 * n)
    mixed = [value(power + a * h, s + b * h) * a * b for a in (-1, 1) for b in (-1, 1)]
    hessian = [
        (value(power + h, s) + value(power - h, s) - 2 * value(power, s)) / h**2,
        (value(power, s + h) + value(power, s - h) - 2 * value(power, s)) / h**2,
        sum(mixed) / (4 * h * h),
    ]
    ours = [found.hessian[0, 0], found.hessian[1, 1], found.hessian[0, 1]]
    np.testing.assert_allclose(ours, hessian, rtol=1e-3, atol=1e-4 * n)


def test_a_group_of_zeros_is_named_and_the_others_have_their_estimates():
    # Its means go to zero, where a residual over the variance would be 0/0.
    y, X = claims(200)
    group = np.arange(200) % 4 == 0
    y = np.where(group, 0.0, y)
    design = np.column_stack([X, group])
    with pytest.warns(fg.errors.SeparationWarning, match=r"x2 \(-infinity\)"):
        fit = fg.GLM(y, design, family="tweedie").fit()
    rest = fg.GLM(y[~group], X[~group], family=Tweedie(var_power=fit.var_power)).fit()
    np.testing.assert_allclose(fit.params[:2], rest.params, rtol=1e-6)


def test_the_estimate_of_many_rows_does_not_come_from_the_sample(monkeypatch):
    y, X = claims(30_000)
    weights = np.linspace(0.5, 1.5, len(y))
    fit = fg.GLM(y, X, family="tweedie", var_weights=weights).fit()
    monkeypatch.setattr(Problem, "sample", lambda self: None)
    alone = fg.GLM(y, X, family="tweedie", var_weights=weights).fit()
    assert fit.var_power == pytest.approx(alone.var_power, abs=1e-4 * alone.var_power_se)
    assert fit.var_power_se == pytest.approx(alone.var_power_se, rel=1e-5)
    np.testing.assert_allclose(fit.params, alone.params, rtol=1e-7, atol=1e-8)


def test_a_group_of_zeros_among_many_rows_is_named():
    y, X = claims(12_000)
    group = np.arange(12_000) % 40 == 0
    with pytest.warns(fg.errors.SeparationWarning, match=r"x2 \(-infinity\)"):
        fg.GLM(np.where(group, 0.0, y), np.column_stack([X, group]), family="tweedie").fit()
