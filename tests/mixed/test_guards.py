"""Guards of mixed models: each test fails where its guard is taken out."""

import numpy as np
import pytest
import scipy.stats
from mixed_cases import case_frame, fit_case, numbers, read_case

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.mixed import layout, modes, search
from fastglm.mixed.layout import Layout
from fastglm.mixed.parameters import Parameters


def test_more_effects_than_memory_are_refused_with_their_size(monkeypatch):
    monkeypatch.setattr(layout, "MOST_ENTRIES", 10)
    frame = case_frame("s_glmer_generated_nested3")
    with pytest.raises(ModelError, match=r"matrix of [\d,]+ numbers"):
        fg.mixed("pass ~ x + (1 | school) + (1 | class)", frame, "binomial")


def test_nested_factors_do_not_fill_in():
    frame = case_frame("s_glmer_generated_nested3")
    fit = fg.mixed("pass ~ x + (1 | school/class)", frame, "binomial")
    found: Layout = fit.estimate.layout
    # A component for every school, of one column each.
    assert found.n_entries == found.rest_size == 60


def test_rows_of_a_level_far_from_the_others_need_halved_steps(monkeypatch):
    # Counts in the millions beside zeros: a full Newton step would overflow.
    g = np.repeat(np.arange(6), 4)
    y = np.where(g == 0, 2e6, 1.0) + (np.arange(24) % 2)
    problem = fg.mixed("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson").estimate.problem
    # Level by level: the other search does not come to help.
    monkeypatch.setattr(modes.ModeSearch, "_search_together", lambda self: False)
    problem.warm = None
    state = problem.at(Parameters(np.zeros(1), np.ones(1)))
    assert np.isfinite(state.value)
    u = state.spherical[0][:, 0]
    sums = np.add.reduceat(y, np.arange(0, 24, 4))
    np.testing.assert_allclose(sums - 4 * np.exp(u), u, atol=1e-6)


def test_likelihoods_that_are_not_concave_are_fitted(monkeypatch):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(20), 8)
    mean = np.exp(0.7 + 0.3 * rng.normal(size=20)[g])
    family = fg.families.Gaussian(link=fg.families.links.Log())
    data = {"y": mean + 1.5 * rng.normal(size=160), "g": g}
    together = []
    search = modes.ModeSearch._search_together

    def watched(self):
        together.append(1)
        return search(self)

    monkeypatch.setattr(modes.ModeSearch, "_search_together", watched)
    fit = fg.mixed("y ~ 1 + (1 | g)", data, family)
    assert fit.gradient < 1e-5
    assert fit.converged
    monkeypatch.setattr(modes.ModeSearch, "_search_levels", lambda self: False)
    again = fg.mixed("y ~ 1 + (1 | g)", data, family)
    assert together
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-8)


def test_a_start_of_zero_does_not_stay_there():
    # Zero is stationary: the fit must not begin there by itself.
    assert search.START_SHARE > 0.1
    frame = case_frame("s_lmer_sleepstudy_zcp")
    fit = fg.mixed("Reaction ~ Days + (Days || Subject)", frame)
    assert (fit.theta > 0.1).all()


def test_levels_of_interactions_are_those_that_occur():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 500, 900), rng.integers(0, 500, 900)
    y = scipy.stats.norm.rvs(size=900, random_state=6)
    # A product of 500 x 500 levels, of which at most 900 occur; two rows of each make it legal.
    data = {"a": np.tile(a, 2), "b": np.tile(b, 2), "y": np.concatenate([y, y + 0.1])}
    fit = fg.mixed("y ~ 1 + (1 | a:b)", data)
    assert len(fit.groups[0].levels) == len({*zip(a, b, strict=True)})


def test_a_steep_trend_costs_no_digits():
    rng = np.random.default_rng(7)
    g, x = rng.integers(0, 10, 200), rng.normal(size=200)
    y = rng.normal(size=10)[g] + rng.normal(size=200)
    flat = fg.mixed("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})
    steep = fg.mixed("y ~ x + (1 | g)", {"y": y + 1e7 * x, "x": x, "g": g})
    np.testing.assert_allclose(steep.theta, flat.theta, rtol=1e-6)
    assert steep.sigma == pytest.approx(flat.sigma, rel=1e-7)


def test_standard_errors_by_expected_weights():
    # The closed Hessian is of observed weights: with expected ones differences take its place.
    answer = read_case("s_glmer_bacteria_probit")["results"]["nAGQ1"]
    fit = fit_case("s_glmer_bacteria_probit", laplace="expected")
    np.testing.assert_allclose(fit.bse, numbers(answer["se_hessian"])[-4:], rtol=1e-5)
