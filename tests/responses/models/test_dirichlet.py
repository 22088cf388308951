import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import fastglm as fg
from fastglm import expfam
from fastglm.errors import DataError


def sample(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    B = np.array([[0.5, 1.0, 0.2], [0.4, -0.3, 0.0]])
    return np.array([rng.dirichlet(np.exp(x @ B)) for x in X]), X


def log_likelihood(params, y, X):
    shapes = np.exp(X @ params.reshape(3, -1).T)
    return sum(stats.dirichlet.logpdf(row, shape) for row, shape in zip(y, shapes, strict=True))


def test_is_the_maximum_of_scipys_density():
    y, X = sample()
    fit = fg.DirichletModel(y, X).fit()
    assert fit.converged
    y = y / y.sum(axis=1, keepdims=True)
    assert fit.llf == pytest.approx(log_likelihood(fit.params, y, X), rel=1e-10)
    h = 1e-3 * np.diag(fit.bse)
    slope = [
        (log_likelihood(fit.params + e, y, X) - log_likelihood(fit.params - e, y, X)) / 2e-3
        for e in h
    ]
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    hessian = optimize.approx_fprime(
        fit.params,
        lambda b: optimize.approx_fprime(b, log_likelihood, 1e-5, y, X),
        1e-5,
    )
    np.testing.assert_allclose(np.linalg.inv(-hessian), fit.cov_params(), rtol=0.02, atol=1e-4)


def test_constant_shapes_are_the_maximum_likelihood_of_the_distribution():
    y, _ = sample()
    fit = fg.DirichletModel(y, np.ones((len(y), 1))).fit()
    direct = expfam.Dirichlet.fit(y)
    np.testing.assert_allclose(np.exp(fit.params), direct.natural_parameter, rtol=1e-7)


def test_two_shares_are_a_beta_distribution():
    rng = np.random.default_rng(1)
    share = rng.beta(2.0, 5.0, 300)
    fit = fg.DirichletModel(np.column_stack([share, 1 - share]), np.ones((300, 1))).fit()
    beta = fg.BetaModel(share, np.ones((300, 1))).fit()
    assert fit.llf == pytest.approx(beta.llf, rel=1e-10)
    np.testing.assert_allclose(fit.predict()[:, 0], beta.predict(), rtol=1e-7)
    np.testing.assert_allclose(
        fit.predict(which="precision"), beta.predict(which="precision"), rtol=1e-6
    )


def test_formula_labels_and_saving(tmp_path):
    y, X = sample(80)
    frame = pd.DataFrame({"a": y[:, 0], "b": y[:, 1], "c": y[:, 2], "x": X[:, 1]})
    fit = fg.DirichletModel.from_formula("cbind(a, b, c) ~ x", frame).fit()
    array = fg.DirichletModel(frame[["a", "b", "c"]], X).fit()
    np.testing.assert_allclose(fit.params, array.params, rtol=1e-9)
    assert array.names[0] == "a:const"
    np.testing.assert_allclose(fit.predict(frame).sum(axis=1), 1.0)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(frame), fit.predict(frame))
    assert str(again.summary()) == str(fit.summary())


def test_rows_that_do_not_add_up_are_named():
    y, X = sample(5)
    y[2] *= 1.1
    with pytest.raises(DataError, match=r"1 row \(2, counted from 0\)"):
        fg.DirichletModel(y, X)
