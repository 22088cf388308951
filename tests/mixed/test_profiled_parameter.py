"""Tweedie responses between levels: powers that are given and estimated."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import fastglm as fg
from fastglm.errors import BoundaryWarning, StartError
from fastglm.mixed.laplace import LaplaceState
from fastglm.mixed.modes import ModeSearch


def claims(n=300, q=30, seed=3):
    """Sums of as many gamma variables as a Poisson variable says, by level."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(q), n // q), rng.normal(size=n)
    mean = np.exp(0.3 + 0.4 * x + 0.6 * rng.normal(size=q)[g])
    number = rng.poisson(np.sqrt(mean))
    size = [rng.gamma(1.0 * k, m**0.5) if k else 0.0 for k, m in zip(number, mean, strict=True)]
    return {"y": np.array(size), "x": x, "g": g}


DATA = claims()


@pytest.fixture(scope="module")
def estimated():
    return fg.mixed("y ~ x + (1 | g)", DATA, "tweedie")


def test_quadrature_is_the_integral_of_the_density():
    family = fg.families.Tweedie(var_power=1.4)
    fit = fg.mixed("y ~ x + (1 | g)", DATA, family, nagq=25)
    eta = fit.predict(DATA, level="population", which="linear")
    sd, total = fit.components[0].sd, 0.0
    for level in range(30):
        rows = DATA["g"] == level

        def density(u, rows=rows):
            mean = np.exp(eta[rows] + sd * u)
            ones = np.ones(mean.size)
            logs = family.loglike_obs(DATA["y"][rows], mean, ones, fit.scale)
            return np.exp(logs.sum() + 15.0) * scipy.stats.norm.pdf(u)

        value, _ = scipy.integrate.quad(density, -8, 8, epsabs=0.0, epsrel=1e-10, limit=200)
        total += -2.0 * (np.log(value) - 15.0)
    assert fit.criterion == pytest.approx(total, abs=1e-6)


def test_the_power_is_where_the_criterion_is_lowest(estimated):
    power = estimated.family.var_power
    assert 1.2 < power < 1.8
    assert estimated.converged
    steps = np.array([-0.01, 0.01])
    fits = [
        fg.mixed("y ~ x + (1 | g)", DATA, fg.families.Tweedie(var_power=power + s)) for s in steps
    ]
    rise = np.array([fit.criterion - estimated.criterion for fit in fits])
    assert (rise > 0.01).all()
    # The lowest point of the parabola through three points is the estimate.
    curvature = rise.sum() / 0.01**2
    assert abs((rise[1] - rise[0]) / 0.02 / curvature) < 2e-4
    # Coefficients have the variance that they have at a given power, and that of the power.
    given = fg.mixed("y ~ x + (1 | g)", DATA, fg.families.Tweedie(var_power=power))
    moved = (np.asarray(fits[1].params) - np.asarray(fits[0].params)) / 0.02
    variance = np.asarray(given.bse) ** 2 + moved**2 * 2.0 / curvature
    np.testing.assert_allclose(estimated.bse, np.sqrt(variance), rtol=2e-4)
    assert estimated.n_parameters == given.n_parameters + 1


def test_an_estimated_power_is_saved(estimated, tmp_path):
    estimated.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.family == estimated.family
    np.testing.assert_array_equal(again.predict(DATA), estimated.predict(DATA))


def test_counts_have_no_power_between():
    rng = np.random.default_rng(0)
    data = {"y": rng.poisson(2.0, 200) * 1.0, "g": np.arange(200) % 20}
    with pytest.warns(BoundaryWarning, match="end of the range of var_power"):
        fg.mixed("y ~ 1 + (1 | g)", data, "tweedie")


def test_modes_that_are_not_found_give_a_warning(monkeypatch):
    monkeypatch.setattr(ModeSearch, "_search_together", lambda self: False)
    monkeypatch.setattr(LaplaceState, "_sum_levels", lambda self, _: None)
    monkeypatch.setattr(ModeSearch, "_search_levels", lambda self: False)
    with pytest.raises(StartError, match="no modes of the random effects were found"):
        fg.mixed("y ~ x + (1 | g)", DATA, fg.families.Tweedie(var_power=1.5))
