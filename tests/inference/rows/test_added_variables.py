"""What a column adds, against statsmodels and against regressions written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import ModelError, RankWarning
from fastglm.inference.rows.added_variables import (
    added_variable,
    ceres_residuals,
    column_named,
    values_of_column,
)

FORMULA = "y ~ g + x1 + x2 + x3"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    n = 200
    frame = pd.DataFrame({"x1": rng.normal(size=n), "g": rng.choice(list("abc"), n)})
    frame["x2"] = frame.x1**2 + rng.normal(0.0, 0.3, n)
    frame["x3"], frame["w"] = rng.normal(50.0, 1.0, n), rng.uniform(0.5, 2.0, n)
    return frame.assign(y=rng.poisson(np.exp(0.3 + 0.2 * frame.x1 + 0.1 * frame.x2)))


def theirs(data, family):
    sm = pytest.importorskip("statsmodels.api")
    smf = pytest.importorskip("statsmodels.formula.api")
    of = {"poisson": sm.families.Poisson(), "gaussian": sm.families.Gaussian()}[family]
    read = smf.glm(FORMULA, data)
    return sm.GLM(read.endog, read.exog, family=of).fit(tol=1e-13)


@pytest.mark.parametrize("kind", ["pearson", "deviance"])
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_added_variables_are_those_of_statsmodels(data, family, kind):
    other = theirs(data, family)
    from statsmodels.graphics.regressionplots import added_variable_resids

    res = fg.glm(FORMULA, data, family)
    for number in (1, 3, 5):
        x, y, weight = added_variable(res, number, kind)
        # Of the model without the column: of log and identity links, their means and 1.
        without = np.delete(res.model.exog, number, axis=1)
        means = type(other.model)(res.model.endog, without, other.model.family).fit().fittedvalues
        np.testing.assert_allclose(weight, means if family == "poisson" else 1.0, rtol=1e-6)
        y_theirs, x_theirs = added_variable_resids(other, number, resid_type=f"resid_{kind}")[:2]
        np.testing.assert_allclose(x, x_theirs, atol=1e-9)
        np.testing.assert_allclose(y, np.asarray(y_theirs), atol=1e-9)


def test_weights_count_in_what_is_left_of_a_column(data):
    """By a weighted regression on the other columns."""
    res = fg.glm(FORMULA, data, "poisson", var_weights="w")
    X, weight = res.model.exog, np.sqrt(np.asarray(res.fittedvalues) * data.w.to_numpy())
    for k in (2, 4):
        rest = np.delete(X, k, axis=1)
        found = np.linalg.lstsq(rest * weight[:, None], X[:, k] * weight, rcond=None)[0]
        np.testing.assert_allclose(added_variable(res, k)[0], X[:, k] - rest @ found, atol=1e-9)


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_ceres_residuals_are_those_of_statsmodels(data, family):
    other = theirs(data, family)
    from statsmodels.graphics.regressionplots import ceres_resids

    res = fg.glm(FORMULA, data, family)
    means = np.column_stack([data.x1**2, np.sin(data.x1)])
    expected = ceres_resids(other, 3, cond_means=means)
    np.testing.assert_allclose(ceres_residuals(res, 3, means), expected, atol=1e-9)


def test_ceres_residuals_show_a_shape_that_partial_residuals_hide():
    """Cook (1993): the other column is a bent function of this one, whose effect is bent."""
    rng = np.random.default_rng(7)
    x = rng.uniform(-2.0, 2.0, 400)
    other = x**2 + rng.normal(0.0, 0.2, 400)
    data = pd.DataFrame({"x": x, "other": other})
    data["y"] = x**2 + other + rng.normal(0.0, 0.1, 400)
    res = fg.glm("y ~ x + other", data)
    shape = x**2 - np.mean(x**2)

    def slope(values):
        return float(shape @ (values - values.mean()) / (shape @ shape))

    partial = np.asarray(res.resid_partial()["x"])
    assert slope(partial) < 0.2
    assert 0.85 < slope(ceres_residuals(res, 1)) < 1.15


def test_indicators_have_means_at_both_values(data):
    """With the mean at either value of a column, all of its effect is in the residuals."""
    res = fg.glm("y ~ x1 + g", data)
    values, column = ceres_residuals(res, 2), values_of_column(res, 2)
    found = values[column == 1.0].mean() - values[column == 0.0].mean()
    rest = np.column_stack([np.ones(len(data)), data.x1, data.g == "c", column]).astype(float)
    # The column's own mean at 0 and 1 is the column again, and so the model is the whole one.
    expected = np.linalg.lstsq(rest, data.y, rcond=None)[0][-1]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_columns_are_found_by_name_or_number(data):
    res = fg.glm("y ~ x1 + x2", data)
    assert [column_named(res, name) for name in ("x2", 1, -1)] == [2, 1, 2]
    for wrong in ("x9", 3, None, True):
        with pytest.raises(ModelError, match="Intercept, x1, x2"):
            column_named(res, wrong)
    with pytest.warns(RankWarning):
        twice = fg.glm("y ~ x1 + I(2*x1)", data)
    with pytest.raises(ModelError, match="combination of other columns"):
        column_named(twice, 2)
    with pytest.raises(ModelError, match="one value"):
        ceres_residuals(res, 0)
