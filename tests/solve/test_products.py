from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm.kernels import planes
from fastglm.solve.products import Standard, group_scores, information, score_products
from fastglm.solve.rows import evaluate_rows
from fastglm.solve.scaling import find_scaling


@pytest.fixture(scope="module", params=["arrays", "formula", "sparse", "no intercept"])
def fit(request):
    import pandas as pd
    import scipy.sparse

    rng = np.random.default_rng(1)
    n = 700
    X = np.column_stack([np.ones(n), rng.normal(1e3, 1.0, n), rng.normal(size=(n, 5))])
    y = rng.poisson(2.0, n)
    if request.param == "formula":
        frame = pd.DataFrame({"y": y, "x": X[:, 1], "z": X[:, 2], "a": rng.choice(list("uvw"), n)})
        return fg.glm("y ~ x * a + z", frame, "poisson")
    X = scipy.sparse.csr_array(X[:, 2:]) if request.param == "sparse" else X
    X = X[:, 2:] if request.param == "no intercept" else X
    return fg.GLM(y, X, "poisson").fit()


def standard_columns(fit):
    layout = fit.model.layout
    return Standard(find_scaling(layout, fit.has_intercept), layout)


def in_numpy(fit):
    """Standardised columns, weights and score residuals."""
    standard = standard_columns(fit)
    Z = fit.model.rows.design.to_dense() @ standard.back
    return Z, *fit.row_values(planes.WEIGHT, planes.RESIDUAL)


def test_information_and_score(fit):
    Z, weight, residual = in_numpy(fit)
    products = information(
        fit.model.layout, fit.family, fit.estimates, shifted=fit.has_intercept, n_threads=2
    )
    np.testing.assert_allclose(products.gram, (Z.T * weight) @ Z, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(products.score, Z.T @ residual, atol=1e-7)


def test_products_of_scores(fit):
    Z, _, residual = in_numpy(fit)
    p = len(fit.names)
    products = score_products(
        fit.model.layout,
        fit.family,
        fit.estimates,
        shifted=fit.has_intercept,
        power=0,
        leverage_factor=np.zeros((p, p)),
        centring=fit.centring,
        mean_leverage=1.0,
        frequencies=None,
        n_threads=2,
    )
    scores = Z * residual[:, None]
    np.testing.assert_allclose(products.gram, scores.T @ scores, rtol=1e-7, atol=1e-7)


def test_scores_of_groups(fit):
    Z, _, residual = in_numpy(fit)
    groups = np.arange(700) % 13
    products = group_scores(
        fit.model.layout, fit.family, fit.estimates, groups, 13,
        shifted=fit.has_intercept, n_threads=2,
    )  # fmt: skip
    sums = np.array([(Z * residual[:, None])[groups == g].sum(axis=0) for g in range(13)])
    np.testing.assert_allclose(products.gram, sums.T @ sums, rtol=1e-6, atol=1e-6)


def test_standardised_coefficients_and_back(fit):
    standard = standard_columns(fit)
    theta = standard.lift(fit.estimates[:, None])
    np.testing.assert_allclose(standard.to_params(theta.T)[0], fit.estimates, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 4, 6])
def test_quadratic_forms_of_any_number_of_rows(fit, k):
    X = fit.model.rows.design.to_dense()
    factor = np.random.default_rng(2).normal(size=(k, X.shape[1]))
    (form,) = evaluate_rows(
        fit.model.layout, fit.family, fit.estimates, (planes.QUADRATIC_FORM,), factor=factor
    )
    np.testing.assert_allclose(form, ((X @ factor.T) ** 2).sum(axis=1), rtol=1e-9)
