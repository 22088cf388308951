"""Starts from a sample and in single precision: they cost no digits, and know when to give up."""

import numpy as np
import pytest
from spies import answers_of

import fastglm as fg
from fastglm.solve.starting import subsample as subsample

ROWS, COLUMNS = 120_000, 20


@pytest.fixture
def led(monkeypatch):
    """What leading in single precision returned, once for each fit that tried."""
    return answers_of(monkeypatch, subsample, "_start_in_float32")


def poisson(X, generator, slope=0.1):
    return generator.poisson(np.exp(slope * X[:, 1:4].sum(axis=1) - 0.5)).astype(float)


def design(generator, p=COLUMNS):
    X = generator.standard_normal((ROWS, p))
    X[:, 0] = 1.0
    return X


def newton(y, X, beta, weights=1.0):
    """Poisson estimates and standard errors in NumPy, from close by."""
    for _ in range(4):
        mean = np.exp(X @ beta)
        information = (X.T * (weights * mean)) @ X
        beta = beta + np.linalg.solve(information, X.T @ (weights * (y - mean)))
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


def check(fit, y, X, weights=1.0, scale=1.0):
    """Estimates and standard errors against NumPy's, of columns times `scale`."""
    beta, errors = newton(y, X * scale, np.asarray(fit.params) / scale, weights)
    assert fit.converged
    np.testing.assert_allclose((fit.params - beta * scale) / (errors * scale), 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, errors * scale, rtol=1e-7)


def test_many_dense_rows_go_first_in_single_precision(led):
    generator = np.random.default_rng(1)
    X = design(generator)
    y = poisson(X, generator)
    seen = []
    fit = fg.GLM(y, X, "poisson").fit(progress=lambda sweeps, deviance: seen.append(sweeps))
    assert led == [True]
    check(fit, y, X)
    # Sweeps in single precision count as sweeps.
    assert seen[-1] == fit.n_iter >= 3


@pytest.mark.parametrize("p", [20, 56])
def test_threads_do_not_matter(led, p):
    generator = np.random.default_rng(2)
    X = design(generator, p)
    y = poisson(X, generator)
    one, two = (fg.GLM(y, X, "poisson").fit(n_threads=n) for n in (1, 2))
    assert led == [True, True]
    np.testing.assert_array_equal(one.params, two.params)
    np.testing.assert_array_equal(one.bse, two.bse)


def test_columns_that_are_equal_in_single_precision(led):
    generator = np.random.default_rng(3)
    X = design(generator)
    X[:, 5] = X[:, 4] + 1e-3 * X[:, 5]
    y = poisson(X, generator)
    fit = fg.GLM(y, X, "poisson").fit()
    assert led == []
    beta, errors = newton(y, X, np.asarray(fit.params))
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-7)


def test_values_that_single_precision_cannot_hold(led):
    generator = np.random.default_rng(4)
    X = design(generator)
    y = poisson(X, generator)
    # Neither in a sample of the rows; the weights make up for the mean.
    X[77_777, 6] = 1e45
    weights = np.ones(ROWS)
    weights[77_777] = 0.0
    fit = fg.GLM(y, X, "poisson", var_weights=weights).fit()
    kept = weights > 0.0
    check(fit, y[kept], X[kept])


def test_weights_that_single_precision_cannot_hold(led):
    generator = np.random.default_rng(5)
    X = design(generator)
    y = poisson(X, generator)
    fit = fg.GLM(y, X, "poisson", var_weights=np.full(ROWS, 1e42)).fit()
    one = fg.GLM(y, X, "poisson").fit()
    assert led == [False, True]
    np.testing.assert_allclose(fit.params, one.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse, one.bse * 1e-21, rtol=1e-7)


def test_columns_of_all_sizes(led):
    generator = np.random.default_rng(6)
    X = design(generator)
    scale = 10.0 ** generator.integers(-60, 60, COLUMNS)
    y = poisson(X, generator)
    fit = fg.GLM(y, X * scale, "poisson").fit()
    assert led == [True]
    beta, errors = newton(y, X, np.asarray(fit.params) * scale)
    np.testing.assert_allclose((fit.params * scale - beta) / errors, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse * scale, errors, rtol=1e-7)


def test_a_large_offset_keeps_its_digits(led):
    generator = np.random.default_rng(7)
    X = design(generator)
    offset = generator.normal(300.0, 1.0, ROWS)
    y = poisson(X, generator) * np.exp(offset)
    fit = fg.GLM(y, X, "poisson", offset=offset).fit()
    weighted = fg.GLM(y / np.exp(offset), X, "poisson", var_weights=np.exp(offset - 300.0)).fit()
    np.testing.assert_allclose(fit.params, weighted.params, rtol=1e-8, atol=1e-9)


def test_a_linear_model_has_nothing_to_be_led_to(led):
    generator = np.random.default_rng(8)
    X = design(generator)
    y = X[:, 1] + generator.normal(size=ROWS)
    fit = fg.GLM(y, X, "gaussian").fit()
    assert led == []
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(fit.params, expected, rtol=1e-9, atol=1e-11)


def test_few_iterations_allowed_are_few(led):
    generator = np.random.default_rng(9)
    X = design(generator)
    y = poisson(X, generator)
    with pytest.warns(fg.errors.ConvergenceWarning):
        fit = fg.GLM(y, X, "poisson").fit(max_iter=1)
    assert fit.n_iter == 1
    assert not fit.converged
