import numpy as np
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import ConvergenceWarning, DataError, ModelError


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


def test_what_cannot_be_used_is_said():
    X = np.ones((4, 1))
    with pytest.raises(ModelError, match="power"):
        fg.NegativeBinomialP([0, 1, 2, 9], X, power=np.nan)
    with pytest.raises(DataError, match="counts"):
        fg.NegativeBinomialP([0.0, 1.0, 0.5, 2.0], X)
    with pytest.raises(DataError, match="every response is zero"):
        fg.NegativeBinomialP([0, 0, 0, 0], X)
    with pytest.warns(ConvergenceWarning):
        fg.NegativeBinomialP(np.tile([2, 3], 30), np.ones((60, 1))).fit()
