"""Sums over rows with given weights and residuals, against NumPy on the columns written out."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.matrix.arrays import design_from_array
from fastglm.passes.given_rows import GivenRows

N = 1_300


def designs():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "x": 1e4 + rng.normal(size=N),
        "z": rng.normal(size=N).astype(np.float32),
        "f": pd.Categorical(rng.choice(list("abcd"), N)),
        "h": pd.Categorical(rng.choice(list("uv"), N)),
    })  # fmt: skip
    built = {
        name: FittedFormula.fit(formula, frame, "raise", {})[1].design
        for name, formula in {
            "dense": "~ x + z",
            "coded": "~ x + f * z",
            "crossed": "~ 0 + f:h + z",
            "spline": "~ bs(z, df=5) + f",
        }.items()
    }
    sparse = scipy.sparse.random(N, 12, density=0.1, format="csr", random_state=1)
    return built | {"sparse": design_from_array(sparse), "array": design_from_array(frame[["x"]])}


DESIGNS = designs()


@pytest.mark.parametrize("name", DESIGNS)
def test_products_scores_predictions_and_groups(name):
    rng = np.random.default_rng(2)
    design = DESIGNS[name]
    rows = GivenRows(design, name not in ("crossed", "sparse", "array"), 1)
    x = design.to_dense() @ rows.standard.from_standardized
    weight, residual = rng.random(N), rng.normal(size=N)
    beta = rng.normal(size=x.shape[1])
    np.testing.assert_allclose(rows.predict(beta), x @ beta, atol=1e-8)
    np.testing.assert_allclose(rows.score(residual), x.T @ residual, atol=1e-8)
    gram, score = rows.products(weight, residual)
    np.testing.assert_allclose(gram, x.T @ (weight[:, None] * x), atol=1e-7, rtol=1e-9)
    np.testing.assert_allclose(score, x.T @ residual, atol=1e-8)
    for n_groups in (3, 700):
        groups = rng.integers(0, n_groups, N)
        values = rng.normal(size=(2, N))
        expected = np.zeros((n_groups, 2, x.shape[1]))
        for k in range(2):
            np.add.at(expected[:, k], groups, values[k][:, None] * x)
        np.testing.assert_allclose(rows.by_group(values, groups, n_groups), expected, atol=1e-8)


def test_constant_columns_are_one():
    rows = GivenRows(DESIGNS["coded"], True, 1)
    assert rows.constant == 0
    assert (DESIGNS["coded"].to_dense() @ rows.standard.from_standardized)[:, 0] == pytest.approx(
        1.0
    )
    assert GivenRows(DESIGNS["array"], False, 1).constant is None
