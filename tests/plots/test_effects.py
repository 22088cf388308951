from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mixed_several_cases import draw_frame
from scipy.special import expit

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError, RankWarning


def test_effect_of_a_number_is_the_marginal_mean_with_its_band(counts, frame):
    ax = plots.effect(counts, "age")
    x, y = ax.lines[0].get_data()
    assert x[0] == pytest.approx(frame.age.quantile(0.005))
    table = counts.emmeans("age", at={"age": x}).summary_frame()
    # The offset of marginal means is at its mean; the picture is of a unit of exposure.
    hours = np.exp(np.log(frame.hours).mean())
    np.testing.assert_allclose(y, table["response"] / hours)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(table["response_lower"].min() / hours)
    new = frame.assign(age=x[7]).drop_duplicates("region")
    means = np.log(counts.predict(new, exposure=np.ones(3)))
    assert y[7] == pytest.approx(np.exp(means.mean()))
    assert ax.get_ylabel() == "claims per hours"


def test_effect_of_a_factor_shows_its_levels_by_mean_over_counts(counts, frame):
    ax = plots.effect(counts, "region")
    table = counts.emmeans("region").summary_frame()["response"].sort_values()
    hours = np.exp(np.log(frame.hours).mean())
    np.testing.assert_allclose(ax.lines[0].get_ydata(), table / hours)
    (strip,) = ax.child_axes
    labels = [label.get_text() for label in strip.get_xticklabels()]
    assert [f"region={label}" for label in labels] == list(table.index)
    heights = [bar.get_height() for bar in strip.patches]
    assert heights == [(frame.region == label).sum() for label in labels]


def test_levels_in_order_stay_in_order(frame):
    ordered = frame.assign(region=pd.Categorical(frame.region, ["west", "south", "north"], True))
    ax = plots.effect(fg.glm("claims ~ region", ordered, "poisson"), "region")
    labels = [label.get_text() for label in ax.child_axes[0].get_xticklabels()]
    assert labels == ["west", "south", "north"]
    assert ax.get_ylabel() == "mean of claims"


def test_partial_residuals_of_a_term(counts):
    ax = plots.partial_residuals(counts, "age")
    fitted = next(line for line in ax.lines if line.get_label() == "fitted").get_xydata()
    slope = np.polyfit(*fitted.T, 1)[0]
    assert slope == pytest.approx(counts.params["age"])
    with pytest.raises(ModelError, match="no term 'size'"):
        plots.partial_residuals(counts, "size")


def test_partial_residuals_are_weighted_means(counts, frame):
    ax = plots.partial_residuals(counts, "region")
    values = counts.resid_partial()["region"]
    weight = counts.fittedvalues
    expected = (values * weight).groupby(frame.region).sum() / weight.groupby(frame.region).sum()
    drawn = ax.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, expected)
    # A factor's own means have no residual left.
    (fitted,) = [line.get_ydata() for line in ax.lines if line.get_label() == "fitted"]
    np.testing.assert_allclose(fitted, expected, atol=1e-6)


def test_a_variable_names_its_term(frame):
    fit = fg.glm("claims ~ bs(age, df=4) + region", frame, "poisson")
    assert "bs(age, df=4)" in plots.partial_residuals(fit, "age").get_title()


def test_partial_residuals_of_a_column(frame):
    X = np.column_stack([np.ones(800), frame.age])
    ax = plots.partial_residuals(fg.GLM(frame.hours.to_numpy(), X).fit(), "x1")
    assert ax.get_xlabel() == "x1"


def test_effect_of_a_mixed_model_of_several_predictors_is_that_of_its_population():
    data = draw_frame("beta")
    fit = fg.mixed("y ~ x + (1 | g)", data, family="beta")
    line = plots.effect(fit, "x").lines[0]
    at = {"x": line.get_xdata()}
    expected = fit.emmeans("x", at).estimate
    np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
    a, b = fit.params.iloc[:2]
    np.testing.assert_allclose(line.get_ydata(), expit(a + b * at["x"]), rtol=1e-12)


def test_effect_of_a_mixed_model_with_aliased_columns_is_refused(frame):
    data = frame.assign(level=np.arange(len(frame)) % 9, twice=2.0 * frame["age"])
    with pytest.warns(RankWarning, match="combinations of earlier ones.*: twice"):
        fit = fg.mixed("claims ~ age + twice + (1 | level)", data)
    with pytest.raises(ModelError, match="twice cannot be told from earlier columns"):
        plots.effect(fit, "age")
