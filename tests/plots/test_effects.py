from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError


def test_effect_of_a_number_is_the_marginal_mean_with_its_band(counts, frame):
    ax = plots.effect(counts, "age")
    x, y = ax.lines[0].get_data()
    assert x[0] == pytest.approx(frame.age.quantile(0.005))
    table = counts.emmeans("age", at={"age": x}).summary_frame()
    np.testing.assert_allclose(y, table["response"])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(table["response_lower"].min())


def test_effect_of_a_factor_shows_its_levels(counts):
    ax = plots.effect(counts, "region")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["north", "south", "west"]
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), counts.emmeans("region").summary_frame()["response"]
    )


def test_partial_residuals_of_a_term(counts):
    ax = plots.partial_residuals(counts, "age")
    fitted = next(line for line in ax.lines if line.get_label() == "fitted").get_xydata()
    slope = np.polyfit(*fitted.T, 1)[0]
    assert slope == pytest.approx(counts.params["age"])
    for term, message in (("region", "one numeric"), ("size", "no term")):
        with pytest.raises(ModelError, match=message):
            plots.partial_residuals(counts, term)


def test_partial_residuals_of_a_column(frame):
    X = np.column_stack([np.ones(800), frame.age])
    ax = plots.partial_residuals(fg.GLM(frame.hours.to_numpy(), X).fit(), "x1")
    assert ax.get_xlabel() == "x1"
