import numpy as np
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import BoundaryWarning, DataError, ModelError


def sample(power, n=800, alpha=0.8, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    mean = np.exp(X @ [1.0, 0.4])
    size = mean ** (2 - power) / alpha
    return rng.negative_binomial(size, size / (size + mean)), X


@pytest.mark.parametrize("power", [1, 2])
def test_equals_statsmodels(power):
    y, X = sample(power)
    fit = fg.NegativeBinomialP(y, X, power=power).fit()
    assert fit.converged
    start = [*fit.params[:2], np.exp(fit.params[2])]
    peer = sm.NegativeBinomialP(y, X, p=power).fit(start_params=start, method="newton", disp=0)
    np.testing.assert_allclose(fit.params[:2], peer.params[:2], rtol=1e-6)
    np.testing.assert_allclose(np.exp(fit.params[2]), peer.params[2], rtol=1e-6)
    np.testing.assert_allclose(fit.bse[:2], peer.bse[:2], rtol=1e-4)
    np.testing.assert_allclose(fit.bse[2] * np.exp(fit.params[2]), peer.bse[2], rtol=1e-4)
    assert fit.llf == pytest.approx(peer.llf, rel=1e-10)


def test_power_2_is_the_family_with_alpha_estimated():
    y, X = sample(2)
    offset = np.linspace(0, 1, len(y))
    fit = fg.NegativeBinomialP(y, X, power=2, offset=offset).fit()
    glm = fg.GLM(y, X, family="negative_binomial", offset=offset).fit()
    np.testing.assert_allclose(fit.params[:2], glm.params, rtol=1e-6)
    assert np.exp(fit.params[2]) == pytest.approx(glm.alpha, rel=1e-6)
    assert fit.llf == pytest.approx(glm.llf, rel=1e-11)


def test_alpha_may_depend_on_columns(tmp_path):
    y, X = sample(1.5)
    Z = np.column_stack([np.ones(len(y)), X[:, 1] > 0])
    fit = fg.NegativeBinomialP(y, X, dispersion=Z, power=1.5).fit()
    # Two groups that share the mean's coefficients: alpha by group.
    assert fit.names == ("const", "x1", "log(alpha)-const", "log(alpha)-x1")
    alpha = fit.predict(X, "alpha", dispersion=Z)
    np.testing.assert_allclose(np.unique(alpha.round(9)).size, 2)
    mean = fit.predict(X, dispersion=Z)
    np.testing.assert_allclose(
        fit.predict(X, "variance", dispersion=Z), mean + alpha * mean**1.5, rtol=1e-12
    )
    nested = fg.NegativeBinomialP(y, X, power=1.5).fit()
    assert nested.llf <= fit.llf
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(X, dispersion=Z), mean)


def test_what_cannot_be_used_is_an_error():
    X = np.ones((4, 1))
    with pytest.raises(ModelError, match="power"):
        fg.NegativeBinomialP([0, 1, 2, 9], X, power=np.nan)
    with pytest.raises(DataError, match="counts"):
        fg.NegativeBinomialP([0.0, 1.0, 0.5, 2.0], X)
    with pytest.raises(DataError, match="every response is zero"):
        fg.NegativeBinomialP([0, 0, 0, 0], X)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_counts_that_vary_less_than_poisson_counts(power, tmp_path):
    y, x = np.tile([2, 3, 3, 4], 20), np.linspace(-1, 1, 80)
    X = np.column_stack([np.ones(80), x])
    with pytest.warns(BoundaryWarning, match="alpha is 0"):
        fit = fg.NegativeBinomialP(y, X, power=power).fit()
    poisson = fg.GLM(y, X, family="poisson").fit()
    assert fit.converged
    assert fit.params[2] == -np.inf
    np.testing.assert_allclose(fit.params[:2], poisson.params, rtol=1e-10)
    np.testing.assert_allclose(fit.bse[:2], poisson.bse, rtol=1e-10)
    assert fit.llf == pytest.approx(poisson.llf, rel=1e-12)
    np.testing.assert_allclose(fit.predict(X, "variance"), fit.predict(X), rtol=1e-12)
    np.testing.assert_allclose(fit.resid_quantile(), fit.resid_quantile())
    fit.save(tmp_path / "fit.json")
    assert fg.load(tmp_path / "fit.json").params[2] == -np.inf
    assert "alpha" in str(fit.summary())
    # The rows' scores are those of an alpha of 1e-9, with half the digits.
    white = poisson.with_covariance("HC0").covariance
    np.testing.assert_allclose(fit.with_covariance("HC0").covariance[:2, :2], white, rtol=1e-6)


def test_a_small_alpha_is_no_boundary():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(200_000), rng.normal(size=200_000)])
    mean = np.exp(X @ [2.0, 0.3])
    y = rng.poisson(mean * rng.gamma(1 / 0.01, 0.01, 200_000))
    fit = fg.NegativeBinomialP(y, X, power=2).fit()
    assert fit.converged
    assert np.exp(fit.params[2]) == pytest.approx(0.01, rel=0.2)
