"""How many digits of standard errors collinear columns leave, in models of several predictors."""

from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg

N = 4000


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    a, e = rng.normal(size=(2, N))
    eta = np.column_stack([np.zeros(N), 0.3 * a, -0.2 * a])
    return np.argmax(eta + rng.gumbel(size=eta.shape), axis=1), a, e


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-5])
def test_the_error_of_standard_errors_is_bounded(data, distance):
    y, a, e = data
    levels, ones = np.array(["a", "b", "c"])[y], np.ones(N)
    near = fg.MNLogit(levels, np.column_stack([ones, a, a + distance * e])).fit()
    far = fg.MNLogit(levels, np.column_stack([ones, a, e])).fit()
    back = np.kron(np.eye(2), np.linalg.inv([[1, 0, 0], [0, 1, 1], [0, 0, distance]]))
    exact = np.sqrt(np.diag(back @ np.asarray(far.cov_params()) @ back.T))
    error = np.abs(np.sqrt(np.diag(near.cov_params())) / exact - 1.0).max()
    assert far.numerical_error < 1e-14
    # Nearly collinear columns are made orthonormal, whose error the condition number bounds.
    assert error < near.numerical_error < max(100.0 * error, 1e-14 / distance)
    assert ("nearly collinear" in str(near.summary())) == (near.numerical_error > 1e-6)


def test_it_is_saved(data, tmp_path):
    y, a, e = data
    fit = fg.OrderedModel(y, np.column_stack([a, a + 1e-3 * e])).fit()
    assert 1e-12 < fit.numerical_error < 1e-8
    fit.save(tmp_path / "model.json")
    assert fg.load(tmp_path / "model.json").numerical_error == fit.numerical_error
