from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.inference.rows.term_contributions import term_contributions


@pytest.fixture
def design():
    rng = np.random.default_rng(5)
    return np.column_stack([np.ones(200), rng.normal(size=(200, 2))])


def test_partial_residuals_are_working_residuals_and_centred_terms(design):
    y = np.random.default_rng(2).poisson(np.exp(design @ [0.1, 0.3, 0.2])).astype(float)
    fit = fg.GLM(y, design, "poisson", offset=design[:, 1]).fit()
    centered = (design - design.mean(axis=0))[:, 1:] * fit.params[1:]
    np.testing.assert_allclose(fit.predict_terms(), centered, atol=1e-12)
    np.testing.assert_allclose(
        fit.resid_partial(), fit.resid_working[:, None] + centered, atol=1e-9
    )


def test_contributions_and_constant_make_the_linear_predictor(design):
    y = np.random.default_rng(2).poisson(np.exp(design @ [0.1, 0.3, 0.2])).astype(float)
    for X in (design, design[:, 1:] + 1.0):
        fit = fg.GLM(y, X, "poisson").fit()
        terms = term_contributions(fit)
        np.testing.assert_allclose(terms.values.sum(axis=1) + terms.constant, fit.linear_predictor)
    new = term_contributions(fit, design[:5, 1:])
    np.testing.assert_allclose(new.values, design[:5, 1:] * fit.params)


def test_terms_of_a_formula_hold_all_their_columns():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=90), "g": rng.choice(list("abc"), 90)})
    frame["y"] = rng.poisson(1.0, 90)
    fit = fg.glm("y ~ x + g", frame, "poisson")
    terms = fit.predict_terms()
    assert list(terms.columns) == ["x", "g"]
    effect = frame.g.map({"a": 0.0, "b": fit.params["g[T.b]"], "c": fit.params["g[T.c]"]})
    np.testing.assert_allclose(terms["g"], effect - effect.mean(), atol=1e-12)
    assert fit.resid_partial().shape == (90, 2)


def test_terms_of_counted_rows_are_those_of_repeated_rows(design):
    y = np.random.default_rng(2).poisson(np.exp(design @ [0.1, 0.3, 0.2])).astype(float)
    times = np.random.default_rng(3).integers(0, 4, 200)
    counted = fg.GLM(y, design, "poisson", freq_weights=times).fit(tol=1e-12)
    repeated = fg.GLM(y.repeat(times), design.repeat(times, 0), "poisson").fit(tol=1e-12)
    np.testing.assert_allclose(
        counted.predict_terms().repeat(times, 0), repeated.predict_terms(), atol=1e-9
    )
