import numpy as np
import pytest
from scipy import optimize

import fastglm as fg
from fastglm.errors import BoundaryWarning
from fastglm.families import Tweedie
from fastglm.responses.tweedie_likelihood import Likelihood, interpolated


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
    assert fit.scale == pytest.approx(profile(y, X, weights, fit.var_power)[1], rel=1e-4)
    curvature = (below - 2 * at + above) / (0.1 * h) ** 2
    assert h == pytest.approx((-curvature) ** -0.5, rel=1e-2)
    assert fit.aic == pytest.approx(-2 * fit.llf + 2 * 4)


def test_finds_the_power_of_a_sample():
    y, X = claims(5000)
    fit = fg.GLM(y, X, family=Tweedie()).fit()
    assert abs(fit.var_power - 1.6) < 4 * fit.var_power_se
    assert fit.var_power_se < 0.02


def test_survives_saving(tmp_path):
    y, X = claims(200)
    fit = fg.GLM(y, X, family="tweedie").fit()
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert (again.var_power, again.var_power_se) == (fit.var_power, fit.var_power_se)
    assert "var_power = " in str(again.summary())


def test_a_sample_of_many_rows_goes_first():
    y, X = claims(12_000)
    fit = fg.GLM(y, X, family="tweedie").fit()
    assert fit.converged
    h = 0.1 * fit.var_power_se
    weights = np.ones(len(y))
    below, at, above = (profile(y, X, weights, fit.var_power + d)[0] for d in (-h, 0.0, h))
    assert fit.llf == pytest.approx(at, rel=1e-10)
    assert abs(0.05 * (below - above) / (below - 2 * at + above)) < 1e-3


def test_says_when_the_power_reaches_the_end_of_its_range():
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


def test_interpolation_falls_back_on_the_function():
    points = np.linspace(-3.0, 3.0, 400)
    calls = []

    def rough(x):
        calls.append(np.size(x))
        return np.abs(x - 0.123)

    np.testing.assert_array_equal(interpolated(rough, points), np.abs(points - 0.123))
    assert sum(calls) < 4 * 400
    np.testing.assert_allclose(interpolated(np.exp, points), np.exp(points), rtol=1e-11)
    np.testing.assert_allclose(interpolated(np.exp, np.zeros(50)), np.ones(50), rtol=1e-14)
