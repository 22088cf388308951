from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import ConvergenceWarning
from fastglm.inference.hypothesis_tests.refits import intercept_column, refit_columns, term_factors


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=200), np.ones(200), rng.normal(size=(200, 2))])
    return fg.GLM(rng.poisson(2.0, 200), X, "poisson", offset=0.1 * X[:, 2]).fit()


def test_refits_of_some_columns(fit):
    rows = fit.model.rows
    model = refit_columns(fit, [3, 1])
    other = fg.GLM(rows.response, rows.design.to_dense()[:, [1, 3]], "poisson", rows.offset).fit()
    np.testing.assert_allclose(model.params[[1, 3]], other.params, rtol=1e-8)
    np.testing.assert_allclose(model.deviance, other.deviance, rtol=1e-12)
    np.testing.assert_array_equal(model.params[[0, 2]], 0.0)
    assert model.rank == 2


def test_the_intercept_is_found_wherever_it_is(fit):
    assert intercept_column(fit) == 1
    rng = np.random.default_rng(4)
    without = fg.GLM(rng.poisson(2.0, 50), rng.normal(size=(50, 2)), "poisson").fit()
    assert intercept_column(without) is None


def test_models_that_do_not_converge_are_named():
    # Without an intercept no coefficients keep every root of a mean positive.
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(100), rng.normal(size=(100, 2))])
    fit = fg.GLM(rng.poisson(2.0, 100), X, "poisson", link="sqrt").fit()
    with pytest.warns(ConvergenceWarning, match="The model of x1, x2: "):
        refit_columns(fit, [1, 2])


def test_factors_of_terms(fit):
    from dataclasses import replace

    named = replace(fit, formula="y ~ ...")
    names = ["a", "a:b", "C(a, levels=['x:y']):b", "bs(x, df=4):I(a:b)", "1"]
    factors = term_factors(named, names)
    assert factors[0] < factors[1]
    assert factors[2] == {"C(a, levels=['x:y'])", "b"}
    assert factors[3] == {"bs(x, df=4)", "I(a:b)"}
    assert factors[4] == frozenset()
    assert term_factors(fit, ["a", "a:b"]) == [{"a"}, {"a:b"}]
