"""Many columns, few rows: one Gram matrix leads single precision, another is the result's."""

import numpy as np
import pytest
from logistic_optimum import check_optimum as check
from spies import answers_of

import fastglm as fg
from fastglm.solve.starting import subsample

ROWS, COLUMNS = 3_000, 24


@pytest.fixture(autouse=True)
def led(monkeypatch):
    """Whether each fit that tried has been led to its optimum."""
    monkeypatch.setattr(subsample, "LEAD_FROM_DENSE", COLUMNS)
    monkeypatch.setattr(subsample, "LEAD_FROM_VALUES", ROWS * COLUMNS)
    return answers_of(monkeypatch, subsample, "_start_from_one_gram")


def problem(seed=0, slope=0.3):
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((ROWS, COLUMNS))
    X[:, 0] = 1.0
    linear = slope * X[:, 1:9].sum(axis=1)
    return X, (generator.random(ROWS) < 1.0 / (1.0 + np.exp(-linear))).astype(float)


@pytest.mark.parametrize("slope", [0.05, 0.3, 1.0])
def test_a_gram_matrix_of_the_start_leads_to_the_optimum(led, slope):
    X, y = problem(slope=slope)
    fit = fg.GLM(y, X, "binomial").fit()
    assert led == [True]
    check(fit, y, X)


def test_a_fit_without_shortcuts_is_not_led(led):
    X, y = problem()
    fit = fg.GLM(y, X, "binomial").fit(exact=True)
    assert led == []
    check(fit, y, X)


def test_columns_that_are_alike_in_single_precision(led):
    X, y = problem()
    X[:, 12] = X[:, 11] + 1e-3 * X[:, 12]
    fit = fg.GLM(y, X, "binomial").fit()
    assert led == [False]
    check(fit, y, X)


def test_aliased_columns_are_found_by_the_fit_that_follows(led):
    X, y = problem()
    X[:, 12] = X[:, 11] - X[:, 10]
    with pytest.warns(fg.errors.RankWarning, match="x12 = -x10"):
        fit = fg.GLM(y, X, "binomial").fit()
    assert led[0] is False
    assert list(fit.aliased) == ["x12"]
    others = np.delete(np.arange(COLUMNS), 12)
    check(fg.GLM(y, X[:, others], "binomial").fit(), y, X[:, others])
    np.testing.assert_allclose(
        fit.params[others], fg.GLM(y, X[:, others], "binomial").fit().params, rtol=1e-7, atol=1e-9
    )


def test_values_that_single_precision_cannot_hold(led):
    X, y = problem()
    X[:, 5] *= 1e60
    fit = fg.GLM(y, X, "binomial").fit()
    X[:, 5] /= 1e60
    plain = fg.GLM(y, X, "binomial").fit()
    np.testing.assert_allclose(fit.bse[5] * 1e60, plain.bse[5], rtol=1e-7)
    check(plain, y, X)


def test_few_iterations_are_those_of_newton(led):
    X, y = problem()
    fit = fg.GLM(y, X, "binomial").fit(max_iter=12)
    assert led == []
    check(fit, y, X)


def test_a_start_that_does_not_get_there_is_given_up(led, monkeypatch):
    monkeypatch.setattr(subsample, "FLOAT32_SWEEPS", 2)
    X, y = problem(slope=1.0)
    fit = fg.GLM(y, X, "binomial").fit()
    assert led == [False]
    check(fit, y, X)


def test_threads_do_not_matter(led):
    X, y = problem()
    one, two = (fg.GLM(y, X, "binomial").fit(n_threads=n) for n in (1, 2))
    assert led == [True, True]
    np.testing.assert_array_equal(one.bse, two.bse)
    np.testing.assert_array_equal(one.params, two.params)


@pytest.mark.parametrize("family", ["poisson", fg.families.Binomial(link="probit")])
def test_other_families_and_links_agree_with_fits_without_shortcuts(led, family):
    X, y = problem(slope=0.2)
    model = fg.GLM(y, X, family)
    fit, exact = model.fit(), model.fit(exact=True)
    assert led == [True]
    np.testing.assert_allclose((fit.params - exact.params) / exact.bse, 0.0, atol=1e-7)
    np.testing.assert_allclose(fit.bse, exact.bse, rtol=1e-7)
    assert fit.deviance == pytest.approx(exact.deviance, rel=1e-12)
