"""Fits at or near a variance of zero: the lowest criterion is found, inside or on the boundary."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import BoundaryWarning
from fastglm.mixed import boundary
from fastglm.mixed.parameters import Parameters

GRID = np.linspace(0.0, 0.6, 31)


def weak_effects(seed):
    """Thirty levels of ten rows that hardly differ."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(30), 10), rng.normal(size=300)
    b = 0.15 * rng.normal(size=30)[g]
    return {
        "g": g,
        "x": x,
        "gaussian": 1 + x + b + rng.normal(size=300),
        "poisson": rng.poisson(np.exp(0.3 + b)),
        "binomial": (rng.random(300) < 1 / (1 + np.exp(-1.5 * b))).astype(int),
    }


@pytest.mark.parametrize("seed", [4, 22, 27, 30, 31])
def test_weak_effects_end_at_the_lowest_criterion(seed):
    data = weak_effects(seed)
    fit = fg.mixed("gaussian ~ x + (1 | g)", data, reml=False)
    lowest = min(fit.estimate.state.problem.at(np.array([t])).value for t in GRID)
    assert fit.criterion <= lowest + 1e-9
    for family in ("poisson", "binomial"):
        fit = fg.mixed(f"{family} ~ x + (1 | g)", data, family)
        problem, beta = fit.estimate.problem, fit.estimate.beta
        lowest = min(problem.at(Parameters(beta, np.array([t]))).value for t in GRID)
        assert fit.criterion <= lowest + 1e-9
        assert fit.converged


def test_a_search_that_ends_at_zero_by_chance_goes_on(monkeypatch):
    # Without the guard a start on the boundary stays there: the gradient is zero.
    data = weak_effects(22)
    best = fg.mixed("gaussian ~ x + (1 | g)", data, reml=False)
    assert best.theta[0] > 0.05
    caught = fg.mixed("gaussian ~ x + (1 | g)", data, reml=False, start_theta=[1e-9])
    assert caught.criterion == pytest.approx(best.criterion, abs=1e-8)
    data = weak_effects(22)
    best = fg.mixed("binomial ~ x + (1 | g)", data, "binomial")
    caught = fg.mixed("binomial ~ x + (1 | g)", data, "binomial", start_theta=[1e-9])
    assert best.theta[0] > 0.05
    assert caught.criterion == pytest.approx(best.criterion, abs=1e-8)
    monkeypatch.setattr(boundary, "_inside", lambda *_: None)
    stuck = fg.mixed("gaussian ~ x + (1 | g)", weak_effects(22), reml=False, start_theta=[1e-9])
    assert stuck.theta[0] == 0.0


def test_counts_that_are_poisson_have_alpha_zero():
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(30), 10), rng.normal(size=300)
    data = {"y": rng.binomial(8, 0.2, size=300), "x": x, "g": g}
    poisson = fg.mixed("y ~ x + (1 | g)", data, "poisson")
    with pytest.warns(BoundaryWarning, match="alpha is 0"):
        fit = fg.mixed("y ~ x + (1 | g)", data, "negative_binomial")
    assert fit.family.alpha == 0.0
    assert fit.converged
    assert fit.criterion == pytest.approx(poisson.criterion, abs=1e-8)
    assert fit.n_parameters == poisson.n_parameters + 1
    np.testing.assert_allclose(fit.params, poisson.params, atol=1e-7)


def test_levels_of_equal_responses_give_a_warning():
    g = np.repeat(np.arange(30), 10)
    with pytest.warns(BoundaryWarning, match="standard deviation of Intercept between levels of g"):
        fg.mixed("y ~ 1 + (1 | g)", {"y": g % 2, "g": g}, "binomial")
