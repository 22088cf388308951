"""Models of several linear predictors: the unit of weights does not show."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import SeparationWarning

N = 200


def _rows():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(N), rng.normal(size=(N, 2))])
    mean = np.exp(X @ [0.3, 0.5, -0.3])
    share = mean / (1.0 + mean)
    return X, {
        "category": np.where(rng.random(N) < share, rng.integers(0, 3, N), 0),
        "share": rng.beta(8.0 * share, 8.0 * (1.0 - share)),
        "shares": rng.dirichlet([2.0, 3.0, 4.0], N),
        "count": rng.poisson(mean * rng.gamma(2.0, 0.5, N)) * (rng.random(N) > 0.2),
    }


MODELS = {
    "MNLogit": lambda X, y, **given: fg.MNLogit(y["category"], X, **given),
    "OrderedModel": lambda X, y, **given: fg.OrderedModel(y["category"], X[:, 1:], **given),
    "BetaModel": lambda X, y, **given: fg.BetaModel(y["share"], X, **given),
    "DirichletModel": lambda X, y, **given: fg.DirichletModel(y["shares"], X, **given),
    "NegativeBinomialP": lambda X, y, **given: fg.NegativeBinomialP(y["count"], X, **given),
    "ZeroInflated": lambda X, y, **given: fg.ZeroInflated(y["count"], X, **given),
    "Hurdle": lambda X, y, **given: fg.Hurdle(y["count"], X, **given),
}


@pytest.mark.parametrize("unit", [1e-20, 1e-100, 1e100])
@pytest.mark.parametrize("name", MODELS)
def test_results_do_not_depend_on_the_unit_of_weights(name, unit):
    X, y = _rows()
    fit = MODELS[name](X, y).fit(tol=1e-12)
    other = MODELS[name](X, y, var_weights=np.full(N, unit)).fit()
    assert other.converged
    errors = np.asarray(fit.bse, dtype=float)
    np.testing.assert_allclose(np.asarray(other.bse) * np.sqrt(unit), errors, rtol=1e-7)
    off = np.abs(np.asarray(other.params) - np.asarray(fit.params)) / errors
    assert np.nanmax(off) < 1e-7
    np.testing.assert_allclose(other.llf / unit, fit.llf, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-50, 1e100])
def test_separation_is_found_whatever_the_unit_of_weights(unit):
    x = np.linspace(-1.0, 1.0, 60)
    y = np.where(x < -0.3, 0, np.where(x < 0.4, 1, 2))
    X = np.column_stack([np.ones(60), x])
    with pytest.warns(SeparationWarning):
        fg.MNLogit(y, X, var_weights=np.full(60, unit)).fit()
