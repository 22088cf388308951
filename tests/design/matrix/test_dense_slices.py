from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.matrix import dense_slices as slices
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.dense_slices import dense_slices, sparse_columns, transposed_product
from fastglm.design.matrix.parts import Design, Ones, Piecewise


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=50),
            "k": rng.integers(0, 9, 50),
            "g": rng.choice(list("abc"), 50),
            "h": rng.choice(list("uv"), 50),
            "y": rng.normal(size=50),
        }
    )


@pytest.mark.parametrize(
    "formula", ["y ~ x + k", "y ~ g * h + x:g", "y ~ 0 + g + x:k", "y ~ bs(x, df=5) + C(k, Sum)"]
)
def test_transposed_product_is_that_of_the_dense_matrix(frame, formula):
    design = FittedFormula.fit(formula, frame)[1].design
    v = np.random.default_rng(1).normal(size=50)
    np.testing.assert_allclose(transposed_product(design, v), design.to_dense().T @ v, atol=1e-12)


@pytest.mark.parametrize("formula", ["y ~ x + k", "y ~ g * h + x:g", "y ~ 0 + g + x:k"])
def test_sparse_columns_are_the_dense_matrix(frame, formula):
    design = FittedFormula.fit(formula, frame)[1].design
    np.testing.assert_array_equal(sparse_columns(design).toarray(), design.to_dense())


def test_transposed_product_of_pieces(monkeypatch):
    rng = np.random.default_rng(2)
    basis = Piecewise(rng.normal(size=50), np.array([-9.0, 0.0, 9.0]), rng.normal(size=(3, 2, 6)))
    design = Design((Ones(50), basis), 50, tuple("1abc"), None, 0, ())
    monkeypatch.setattr(slices, "SLICE_VALUES", 40)
    v = rng.normal(size=50)
    np.testing.assert_allclose(transposed_product(design, v), design.to_dense().T @ v, rtol=1e-11)


@pytest.mark.parametrize(
    "make", [np.asarray, np.float32, np.asfortranarray, scipy.sparse.csr_array]
)
def test_transposed_product_of_arrays(make):
    X = make(np.random.default_rng(0).normal(size=(40, 3)))
    v = np.random.default_rng(1).normal(size=40)
    dense = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    np.testing.assert_allclose(transposed_product(design_from_array(X), v), dense.T @ v, rtol=1e-9)


def test_slices_make_up_the_matrix(frame, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_VALUES", 20)
    design = FittedFormula.fit("y ~ x + g", frame)[1].design
    parts = list(dense_slices(design))
    assert len(parts) == 10
    np.testing.assert_array_equal(np.concatenate([X for _, X in parts]), design.to_dense())
    assert parts[-1][0] == slice(45, 50)
