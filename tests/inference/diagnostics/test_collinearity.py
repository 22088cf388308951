from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from r_cases import fit_of
from statsmodels.stats.outliers_influence import variance_inflation_factor

import fastglm as fg
from fastglm.errors import ModelError


@pytest.fixture
def linear():
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 3))])
    X[:, 3] = X[:, 1] + 0.1 * X[:, 3]
    return X @ [1.0, 0.5, 0.2, 0.1] + rng.normal(size=200), X


def test_variance_inflation_equals_statsmodels(linear):
    y, X = linear
    table = fg.GLM(y, X).fit().vif()
    expected = [variance_inflation_factor(X, k) for k in (1, 2, 3)]
    np.testing.assert_allclose(table["GVIF"], expected, rtol=1e-9)


def test_generalised_variance_inflation_is_of_whole_terms():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=300), "g": rng.choice(list("abc"), 300)})
    frame["y"] = frame.x + rng.normal(size=300)
    table = fg.glm("y ~ x + g", frame).vif()
    assert table.names == ("x", "g")
    np.testing.assert_array_equal(table["df"], [1, 2])
    # With two terms both have the same factor, and that of one column is 1 / (1 - R squared).
    dummies = sm.add_constant(pd.get_dummies(frame.g, drop_first=True).astype(float))
    expected = 1.0 / (1.0 - sm.OLS(frame.x, dummies).fit().rsquared)
    np.testing.assert_allclose(table["GVIF"], [expected, expected], rtol=1e-9)
    np.testing.assert_allclose(table["GVIF^(1/(2df))"], [expected**0.5, expected**0.25], rtol=1e-9)
    with pytest.raises(ModelError, match="two or more"):
        fg.glm("y ~ x", frame).vif()


def test_condition_indices_are_those_of_the_singular_values(linear):
    y, X = linear
    fit = fg.GLM(np.abs(np.round(y)), X, "poisson").fit()
    ours = fit.collinearity()
    weighted = X * np.sqrt(fit.fittedvalues)[:, None]
    unit = weighted / np.linalg.norm(weighted, axis=0)
    _, singular, right = np.linalg.svd(unit, full_matrices=False)
    np.testing.assert_allclose(ours.condition_index, singular[0] / singular, rtol=1e-8)
    parts = (right / singular[:, None]) ** 2
    np.testing.assert_allclose(ours.variance_proportions, parts / parts.sum(axis=0), rtol=1e-7)
    np.testing.assert_allclose(ours.variance_proportions.sum(axis=0), 1.0)
    assert (ours.variance_proportions[-1, [1, 3]] > 0.9).all()


def test_aliased_columns_are_left_out():
    fit = fit_of("v_poi_log_quine_aliased")
    assert fit.aliased
    assert np.isfinite(fit.vif()["GVIF"]).all()
    assert len(fit.collinearity().names) == fit.rank
