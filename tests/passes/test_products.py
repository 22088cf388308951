from __future__ import annotations

import numpy as np
import pytest
from spies import answers_of

import fastglm as fg
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.products import group_scores, information
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.passes.standardized import StandardizedColumns
from fastglm.solve import score_products as products_module
from fastglm.solve.score_products import score_products


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
    row_table = fit.model.row_table
    return StandardizedColumns(find_scaling(row_table, fit.has_intercept), row_table)


def in_numpy(fit):
    """Standardised columns, weights and score residuals."""
    standard = standard_columns(fit)
    Z = fit.model.rows.design.to_dense() @ standard.from_standardized
    return Z, *fit.row_values(row_buffers.WEIGHT, row_buffers.RESIDUAL)


def test_information_and_score(fit):
    Z, weight, residual = in_numpy(fit)
    products = information(
        fit.model.row_table, fit.family, fit.estimates, shifted=fit.has_intercept, n_threads=2
    )
    np.testing.assert_allclose(products.gram, (Z.T * weight) @ Z, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(products.score, Z.T @ residual, atol=1e-7)


def test_products_of_scores(fit):
    Z, _, residual = in_numpy(fit)
    p = len(fit.names)
    products = score_products(
        MemoryRows(fit.model.row_table),
        fit.family,
        fit.estimates,
        shifted=fit.has_intercept,
        power=0,
        leverage_factor=np.zeros((p, p)),
        centering=fit.centering,
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
        fit.model.row_table, fit.family, fit.estimates, groups, 13,
        shifted=fit.has_intercept, n_threads=2,
    )  # fmt: skip
    sums = np.array([(Z * residual[:, None])[groups == g].sum(axis=0) for g in range(13)])
    np.testing.assert_allclose(products.gram, sums.T @ sums, rtol=1e-6, atol=1e-6)


def test_standardised_coefficients_and_back(fit):
    standard = standard_columns(fit)
    coefficients = standard.to_standardized(fit.estimates[:, None])
    np.testing.assert_allclose(standard.to_params(coefficients.T)[0], fit.estimates, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 4, 6])
def test_quadratic_forms_of_any_number_of_rows(fit, k):
    X = fit.model.rows.design.to_dense()
    factor = np.random.default_rng(2).normal(size=(k, X.shape[1]))
    (form,) = evaluate_rows(
        fit.model.row_table, fit.family, fit.estimates, (row_buffers.QUADRATIC_FORM,), factor=factor
    )
    np.testing.assert_allclose(form, ((X @ factor.T) ** 2).sum(axis=1), rtol=1e-9)


MANY, COLUMNS = 120_000, 18


def many_rows(generator):
    """A design of many rows: among its columns few values, a long tail, one far from zero."""
    X = generator.standard_normal((MANY, COLUMNS))
    X[:, 0] = 1.0
    X[:, 4] = generator.choice([0.1, 0.7], MANY)
    X[:, 5] = np.exp(X[:, 5])
    X[:, 6] += 1e4
    return X


@pytest.fixture
def totals(monkeypatch):
    """What sums in single precision were given, None where they were given up."""
    return answers_of(monkeypatch, products_module, "_sum_in_float32")


@pytest.mark.parametrize("power", [0, 1, 2, -1])
@pytest.mark.parametrize("weighted", [False, True])
def test_many_rows_are_added_up_in_single_precision(totals, power, weighted):
    generator = np.random.default_rng(3)
    X = many_rows(generator)
    y = generator.poisson(np.exp(0.2 * X[:, 1] - 0.3 * X[:, 5] + 0.5)).astype(float)
    times = generator.integers(1, 4, MANY) if weighted else np.ones(MANY)
    fit = fg.GLM(y, X, "poisson", freq_weights=times if weighted else None).fit()
    robust = fit.with_covariance({0: "HC0", 1: "HC2", 2: "HC3", -1: "HC4"}[power])
    assert len(totals) == 1
    assert totals[0] is not None
    Z = X.copy()
    Z[:, 6] -= 1e4
    mean = np.exp(X @ fit.params)
    bread = np.linalg.inv((Z.T * (times * mean)) @ Z)
    leverage = mean * np.einsum("ij,jk,ik->i", Z, bread, Z)
    exponent = np.minimum(4.0, leverage * times.sum() / COLUMNS) if power == -1 else power
    squares = times * (y - mean) ** 2 / (1.0 - leverage) ** exponent
    covariance = bread @ ((Z.T * squares) @ Z) @ bread
    slopes = np.arange(1, COLUMNS)
    # Variances of the fit, which count twice, and the sums between them may be off by 3e-8 each.
    np.testing.assert_allclose(robust.bse[slopes], np.sqrt(np.diag(covariance))[slopes], rtol=5e-8)


def test_a_response_that_single_precision_rounds_off(totals):
    generator = np.random.default_rng(4)
    X = many_rows(generator)
    y = 1e8 + X[:, 1] + generator.normal(size=MANY)
    far = fg.GLM(y, X, "gaussian").fit(cov_type="HC3")
    near = fg.GLM(y - 1e8, X, "gaussian").fit(cov_type="HC3")
    assert totals[0] is None
    assert totals[1] is not None
    slopes = np.arange(1, COLUMNS)
    np.testing.assert_allclose(far.bse[slopes], near.bse[slopes], rtol=3e-7)


def test_rows_of_full_leverage_among_many(totals):
    generator = np.random.default_rng(5)
    X = many_rows(generator)
    X[:, 3] = 0.0
    X[777, 3] = 1.0
    y = generator.poisson(2.0, MANY).astype(float)
    y[777] = 3.0
    fit = fg.GLM(y, X, "poisson").fit()
    with pytest.raises(fg.errors.DataError, match="1 rows have leverage 1"):
        fit.with_covariance("HC3")
    assert totals == [None]
