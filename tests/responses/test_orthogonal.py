"""Columns that hardly differ, in models of several predictors, against columns far apart."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from response_cases import MODELS, frame, model

import fastglm as fg
from fastglm.responses import orthogonal


def data_with(apart: float, center: float = 0.0):
    data = frame()
    data["x"] += center
    data["v"] = np.random.default_rng(1).normal(size=len(data))
    data["near"] = data.x + apart * data.v
    return data


def in_given(names, apart: float) -> np.ndarray:
    """From coefficients of x and v to those of x and of `near`, x + apart v."""
    back = np.eye(len(names))
    for i, name in enumerate(names):
        if name.endswith("v"):
            back[i, i] = 1.0 / apart
            back[names.index(name[:-1] + "x"), i] = -1.0 / apart
    return back


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("apart", [1e-4, 1e-6])
def test_estimates_and_errors_keep_their_digits(name: str, apart: float) -> None:
    data = data_with(apart)
    far = model(name, data, "x + v + z", freq_weights="w").fit()
    near = model(name, data, "x + near + z", freq_weights="w").fit()
    assert near.converged
    back = in_given(list(far.names), apart)
    errors = np.sqrt(np.diag(back @ np.asarray(far.information_inverse) @ back.T))
    np.testing.assert_allclose(near.llf, far.llf, rtol=1e-11)
    expected = back @ np.asarray(far.estimates)
    np.testing.assert_allclose((near.estimates - expected) / errors, 0.0, atol=1e-7)
    found = np.sqrt(np.diag(near.information_inverse))
    np.testing.assert_allclose(found, errors, rtol=1e-8)
    robust = [np.asarray(fit.with_covariance("HC0").covariance) for fit in (near, far)]
    expected = np.diag(back @ robust[1] @ back.T)
    np.testing.assert_allclose(np.diag(robust[0]), expected, rtol=1e-8)
    np.testing.assert_allclose(near.predict(), far.predict(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["MNLogit", "OrderedModel", "NegativeBinomialP"])
def test_columns_far_from_zero_beside_combinations(name: str) -> None:
    # `sum` is a combination to the last bit but rounding: it stays without an estimate.
    apart = 1e-5
    data = data_with(apart, center=2000.0)
    data["near"], data["twice"] = np.round(data.near, 9), 2.0 * data.z
    data["v"] = (data.near - data.x) / apart
    far = model(name, data, "x + v + z").fit()
    with pytest.warns(fg.errors.RankWarning, match="twice"):
        near = model(name, data, "x + near + z + twice").fit()
    assert near.converged
    kept = ~np.isnan(near.estimates)
    assert [n for n, k in zip(near.names, kept, strict=True) if not k] == [
        n for n in near.names if n.endswith("twice")
    ]
    back = in_given(list(far.names), apart)
    errors = np.sqrt(np.diag(back @ np.asarray(far.information_inverse) @ back.T))
    expected = back @ np.asarray(far.estimates)
    np.testing.assert_allclose((near.estimates[kept] - expected) / errors, 0.0, atol=1e-5)
    found = np.sqrt(np.diag(near.information_inverse)[kept])
    np.testing.assert_allclose(found, errors, rtol=1e-6)


def test_a_start_is_led_to_the_other_coordinates() -> None:
    data = data_with(1e-6)
    there = model("MNLogit", data, "x + near + z")
    fit = there.fit()
    again = there.fit(start_params=fit.estimates)
    assert again.n_iter <= 2
    np.testing.assert_allclose(again.llf, fit.llf, rtol=1e-12)


def test_without_other_coordinates_the_fit_fails(monkeypatch) -> None:
    # Designs too large for these say that they have not converged.
    monkeypatch.setattr(orthogonal, "MOST_VALUES", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fg.errors.FastGLMWarning)
        fit = model("MNLogit", data_with(1e-7), "x + near + z").fit()
    assert not fit.converged


def test_columns_far_apart_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    columns = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    fit = fg.MNLogit(rng.integers(0, 3, 50), columns)
    design, nothing = fit.rows.designs[0], np.zeros(3, dtype=bool)
    assert orthogonal.orthogonal_design(design, None, nothing, 0) is None
