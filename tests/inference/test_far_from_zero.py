"""Leverages, robust covariances and errors of predictions keep their digits far from zero.

The same model of columns that are not far from zero, in extended precision, is the reference: a
column less a constant changes the intercept alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg

families, links = fg.families, fg.families.links
N = 60


def far_columns(distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Intercept, and columns far from zero, and the same near zero, exactly."""
    rng = np.random.default_rng(1)
    # Multiples of 1/64, so that adding the distance does not round.
    near = np.round(rng.normal(size=(N, 2)) * 64.0) / 64.0
    return np.column_stack([np.ones(N), near + np.array([distance, -distance])]), near


class Reference:
    """Weighted least squares with centred columns in extended precision, at given row weights."""

    def __init__(self, near: np.ndarray, weight: np.ndarray, residual: np.ndarray):
        columns = np.column_stack([np.ones(N), near]).astype(np.longdouble)
        self.columns, self.weight = columns, weight.astype(np.longdouble)
        gram = columns.T @ (columns * self.weight[:, None])
        # Refined twice: NumPy inverts in double precision only.
        inverse = np.linalg.inv(gram.astype(np.float64)).astype(np.longdouble)
        for _ in range(2):
            inverse = inverse @ (2.0 * np.eye(3, dtype=np.longdouble) - gram @ inverse)
        self.inverse = inverse
        self.form = np.einsum("ij,jk,ik->i", columns, inverse, columns)
        self.leverage = self.weight * self.form
        self.scores = columns * residual.astype(np.longdouble)[:, None]

    def robust(self, power: int) -> np.ndarray:
        scores = self.scores / ((1.0 - self.leverage) ** (power / 2.0))[:, None]
        return self.inverse @ (scores.T @ scores) @ self.inverse


def fit_and_reference(distance: float, family: str) -> tuple[fg.Results, Reference, np.ndarray]:
    x, near = far_columns(distance)
    eta = 0.5 + near @ [0.3, -0.2]
    rng = np.random.default_rng(2)
    y = {"gaussian": eta + rng.normal(size=N), "poisson": rng.poisson(np.exp(eta))}[family]
    fit = fg.GLM(y, x, family=family).fit()
    # Weights and residuals of the model near zero, which no distance touches.
    reference = fg.GLM(y, np.column_stack([np.ones(N), near]), family=family).fit()
    weight = {"gaussian": np.ones(N), "poisson": np.asarray(reference.fittedvalues)}[family]
    return fit, Reference(near, weight, np.asarray(reference.resid_response)), x


DISTANCES = [1e5, 1e6, 1e7, 1e8]
# What the coefficients themselves lose: a linear predictor is a small difference of large products,
# and weights follow it. Weights that are constant lose nothing.
LOST = {"gaussian": 0.0, "poisson": 1e-16}


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_leverages(family: str, distance: float) -> None:
    fit, reference, _ = fit_and_reference(distance, family)
    rtol = 1e-12 + 100.0 * LOST[family] * distance
    leverage = np.asarray(fit.get_influence().hat_matrix_diag)
    np.testing.assert_allclose(leverage, reference.leverage.astype(float), rtol=rtol)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_errors_of_predictions(family: str, distance: float) -> None:
    fit, reference, x = fit_and_reference(distance, family)
    rtol = 1e-12 + 100.0 * LOST[family] * distance
    expected = np.sqrt(fit.scale * reference.form.astype(float))
    prediction = fit.get_prediction(x)
    np.testing.assert_allclose(prediction.se_linear_predictor, expected, rtol=rtol)
    sparse = pytest.importorskip("scipy.sparse")
    np.testing.assert_allclose(
        fit.get_prediction(sparse.csc_array(x)).se_linear_predictor, expected, rtol=1e-15 * distance
    )


@pytest.mark.parametrize(("cov_type", "power"), [("HC0", 0), ("HC2", 1), ("HC3", 2)])
@pytest.mark.parametrize("distance", DISTANCES)
def test_robust_covariances(cov_type: str, power: int, distance: float) -> None:
    fit, reference, x = fit_and_reference(distance, "gaussian")
    robust = fit.with_covariance(cov_type)
    expected = reference.robust(power).astype(float)
    # Residuals are differences of a response and a mean that has lost what coefficients lose.
    rtol = 1e-12 + 1e-14 * distance
    np.testing.assert_allclose(robust.covariance[1:, 1:], expected[1:, 1:], rtol=rtol)
    columns = reference.columns.astype(float)
    errors = np.sqrt(np.einsum("ij,jk,ik->i", columns, expected, columns))
    np.testing.assert_allclose(robust.get_prediction(x).se_linear_predictor, errors, rtol=rtol)


@pytest.mark.parametrize("distance", DISTANCES)
def test_standard_error_of_the_intercept(distance: float) -> None:
    fit, reference, _ = fit_and_reference(distance, "gaussian")
    move = np.array([1.0, -distance, distance]).astype(np.longdouble)
    expected = np.sqrt(fit.scale * float(move @ reference.inverse @ move))
    np.testing.assert_allclose(fit.bse[0], expected, rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_errors_of_averages(distance: float) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": np.round(rng.normal(size=N) * 64.0) / 64.0})
    frame["g"] = np.where(rng.uniform(size=N) < 0.4, "a", "b")
    frame["y"] = rng.poisson(np.exp(0.5 + 0.3 * frame["x"]))
    near, far = (
        fg.glm("y ~ x + g", frame.assign(x=frame["x"] + move), family="poisson")
        for move in (0.0, distance)
    )
    rtol = 1e-12 + 1e-14 * distance
    for ask in (
        lambda fit: fit.avg_predictions(by="g").standard_error,
        lambda fit: fit.emmeans("g").standard_error,
        lambda fit: fit.get_margeff().margeff_se,
    ):
        np.testing.assert_allclose(ask(far), ask(near), rtol=rtol)
