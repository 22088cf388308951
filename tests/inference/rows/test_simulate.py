from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n = 40
    frame = pd.DataFrame({"x": rng.normal(size=n), "w": rng.integers(1, 5, n).astype(float)})
    frame["y"] = rng.poisson(np.exp(0.4 + 0.3 * frame.x))
    frame["cost"] = rng.gamma(3.0, np.exp(0.3 * frame.x))
    frame["kind"] = rng.choice(list("abc"), n)
    frame["share"] = rng.beta(2.0, 3.0, n)
    return frame


CASES = {
    "poisson": ("y", None, lambda r: r.fittedvalues),
    "gaussian": ("cost", None, lambda r: np.full(40, r.scale)),
    "gamma": ("cost", "w", None),
}


@pytest.mark.parametrize("family", CASES)
def test_draws_have_the_means_and_variances_of_the_model(data, family):
    response, weights, variance = CASES[family]
    link = "log" if family == "gamma" else None
    res = fg.glm(f"{response} ~ x", data, family, var_weights=weights, link=link)
    drawn = res.simulate(4000, seed=3)
    assert drawn.shape == (40, 4000)
    mean = np.asarray(res.fittedvalues)
    of_row = np.asarray(variance(res)) if variance else None
    if of_row is None:
        of_row = res.response_dispersion * mean**2 / data.w.to_numpy()
    z = (drawn.mean(axis=1) - mean) / np.sqrt(of_row / 4000)
    # 40 standard normal numbers: a mean square of 1, give or take 0.7, and none beyond 4.
    assert np.abs(z).max() < 4.0
    assert 0.3 < np.mean(z**2) < 1.7
    np.testing.assert_allclose(drawn.var(axis=1).mean(), of_row.mean(), rtol=0.05)


def test_seeds_decide_and_draws_differ(data):
    res = fg.glm("y ~ x", data, "poisson")
    np.testing.assert_array_equal(res.simulate(3, seed=1), res.simulate(3, seed=1))
    first, second, _ = res.simulate(3, seed=1).T
    assert (first != second).any()
    assert (res.simulate(1, seed=2)[:, 0] != first).any()
    # More draws begin with the same ones.
    np.testing.assert_array_equal(res.simulate(5, seed=1)[:, :3], res.simulate(3, seed=1))


def test_trials_give_proportions(data):
    res = fg.glm("cbind(won, lost) ~ x", data.assign(won=data.y.clip(upper=3), lost=2), "binomial")
    drawn = res.simulate(50, seed=1)
    trials = np.asarray(data.y.clip(upper=3) + 2)[:, None]
    np.testing.assert_allclose(drawn * trials, np.round(drawn * trials), atol=1e-9)
    assert (drawn.max(), drawn.min()) == (1.0, 0.0)


def test_models_of_several_predictors(data):
    kinds = fg.MNLogit.from_formula("kind ~ x", data).fit()
    drawn = kinds.simulate(3000, seed=1)
    assert set(np.unique(drawn)) == {0, 1, 2}
    found = (drawn == 1).mean(axis=1)
    np.testing.assert_allclose(found, np.asarray(kinds.predict())[:, 1], atol=0.04)
    beta = fg.BetaModel.from_formula("share ~ x", data).fit()
    drawn = beta.simulate(2000, seed=1)
    assert stats.describe(drawn.ravel()).minmax[0] > 0.0
    np.testing.assert_allclose(drawn.mean(axis=1), beta.predict(), atol=0.02)
    shares = data.assign(a=data.share / 2, b=data.share / 2, c=1 - data.share)
    dirichlet = fg.DirichletModel.from_formula("cbind(a, b, c) ~ x", shares).fit()
    drawn = dirichlet.simulate(4, seed=1)
    assert drawn.shape == (40, 3, 4)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_numbers_of_draws(data, n):
    with pytest.raises(ModelError, match="n must be a whole number"):
        fg.glm("y ~ x", data, "poisson").simulate(n)


def test_rows_that_stand_for_several_are_refused(data):
    res = fg.glm("y ~ x", data, "poisson", freq_weights="w")
    with pytest.raises(ModelError, match="freq_weights"):
        res.simulate()
    quasi = fg.families.Quasi(variance="mu", link=fg.families.links.Log())
    with pytest.raises(ModelError, match="how responses are distributed"):
        fg.glm("y ~ x", data, quasi).simulate()


@pytest.mark.parametrize("seed", ["a", -1, np.random.default_rng(1)])
def test_what_is_no_seed(data, seed):
    for res in (
        fg.glm("y ~ x", data, "poisson"),
        fg.MixedGLM.from_formula("cost ~ x + (1 | kind)", data).fit(),
    ):
        with pytest.raises(ModelError, match="seed must be an integer"):
            res.simulate(2, seed=seed)
