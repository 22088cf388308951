from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(1)
    X = np.column_stack(
        [np.ones(300), rng.normal(2, 1, 300), rng.integers(0, 2, 300), rng.poisson(3, 300)]
    )
    return (rng.random(300) < 1 / (1 + np.exp(-X @ [-1, 0.5, 0.6, -0.1]))).astype(float), X


METHODS = ["dydx", "eyex", "dyex", "eydx"]
STEPS = [{"dummy": True}, {"dummy": True, "count": True}]
#: What statsmodels defines: no steps at medians or of elasticities, and no elasticities at zero.
CASES = [
    *((at, method, {}) for at in ("overall", "mean") for method in METHODS),
    *((at, method, {}) for at in ("median", "zero") for method in ("dydx", "eydx")),
    *((at, method, s) for at in ("overall", "mean") for method in ("dydx", "eydx") for s in STEPS),
]


@pytest.mark.parametrize(("at", "method", "steps"), CASES)
def test_marginal_effects_equal_statsmodels(arrays, at, method, steps):
    y, X = arrays
    theirs = sm.Logit(y, X).fit(disp=False, tol=1e-13).get_margeff(at=at, method=method, **steps)
    ours = fg.GLM(y, X, "binomial").fit(tol=1e-13).get_margeff(at=at, method=method, **steps)
    np.testing.assert_allclose(ours.margeff, theirs.margeff, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.margeff_se, theirs.margeff_se, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(ours.conf_int(), theirs.conf_int(), rtol=1e-5, atol=1e-8)


def test_marginal_effects_at_a_point_and_with_frequencies(arrays):
    y, X = arrays
    times = np.random.default_rng(0).integers(1, 4, y.size)
    counted = fg.GLM(y, X, "binomial", freq_weights=times).fit(tol=1e-13)
    repeated = fg.GLM(y.repeat(times), X.repeat(times, 0), "binomial").fit(tol=1e-13)
    for at in ("overall", "mean", "median"):
        a, b = counted.get_margeff(at=at), repeated.get_margeff(at=at)
        np.testing.assert_allclose(a.margeff, b.margeff, rtol=1e-9)
        np.testing.assert_allclose(a.margeff_se, b.margeff_se, rtol=1e-9)
    fixed = counted.get_margeff(at="mean", atexog={1: 0.5, "x3": 2.0})
    assert fixed.margeff[0] / fixed.margeff[1] == pytest.approx(
        counted.params[1] / counted.params[2]
    )
    with pytest.raises(DataError, match="atexog"):
        counted.get_margeff(atexog={"nothing": 1.0})
    with pytest.raises(DataError, match="atexog"):
        counted.get_margeff(atexog={9: 1.0})
    with pytest.raises(ModelError, match="at must"):
        counted.get_margeff(at="nowhere")
    with pytest.raises(ModelError, match="method must"):
        counted.get_margeff(method="slope")


def test_rows_that_were_never_seen_may_have_no_mean_where_columns_move():
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(60), rng.integers(0, 2, 60), rng.uniform(0.0, 3.0, 60)])
    y = rng.poisson((X @ [2.0, -0.8, 0.5]) ** 2).astype(float)
    times = rng.integers(1, 3, 60)
    X[0], times[0] = (1.0, 0.0, -3.9), 0
    family = fg.families.Poisson(fg.families.links.Sqrt())
    ours = fg.GLM(y, X, family, freq_weights=times).fit().get_margeff(dummy=True)
    theirs = fg.GLM(y[1:], X[1:], family, freq_weights=times[1:]).fit().get_margeff(dummy=True)
    np.testing.assert_allclose(ours.margeff, theirs.margeff, rtol=1e-8)
    np.testing.assert_allclose(ours.margeff_se, theirs.margeff_se, rtol=1e-8)
