"""R of weighted rows, against NumPy on what the design means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastglm as fg
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.passes.triangle import triangle_of_array, triangle_of_rows
from fastglm.solve.newton.run import Run
from fastglm.solve.qr_refinement import standardized_rows


def _model(kind: str, n: int) -> fg.GLM:
    generator = np.random.default_rng(4)
    X = np.column_stack([np.ones(n), generator.normal(50.0, 1.0, n), generator.normal(size=(n, 5))])
    y = generator.poisson(1.0, n)
    if kind == "sparse":
        return fg.GLM(y, scipy.sparse.csr_array(X * (generator.random((n, 7)) < 0.4)), "poisson")
    if kind == "formula":
        frame = {"y": y, "x": X[:, 1], "z": X[:, 2]}
        for name, k in (("a", 9), ("b", 4)):
            frame[name] = pd.Categorical(generator.integers(0, k, n))
        return fg.GLM.from_formula("y ~ x * a + C(b, Sum) + z", pd.DataFrame(frame), "poisson")
    return fg.GLM(y, X, "poisson")


@pytest.mark.parametrize("n", [5, 700, 40_000])
@pytest.mark.parametrize("kind", ["dense", "formula", "sparse"])
def test_triangle_has_the_gram_matrix_of_the_rows(kind: str, n: int) -> None:
    row_table = _model(kind, max(n, 40)).row_table
    n = row_table.n_rows
    scaling = find_scaling(row_table, shifted=True)
    root = np.random.default_rng(2).random(n)
    root[::7] = 0.0
    found = triangle_of_rows(row_table, scaling, root, 2)
    assert (np.tril(found, -1) == 0.0).all()
    run = Run(MemoryRows(row_table), scaling, fg.families.Poisson(), False)
    rows = standardized_rows(run, np.arange(n))
    rows *= root[:, None]
    norms = np.linalg.norm(rows, axis=0)
    unit = np.outer(norms, norms) + (norms == 0.0)
    np.testing.assert_allclose(found.T @ found / unit, rows.T @ rows / unit, atol=1e-13)
    np.testing.assert_array_equal(found, triangle_of_rows(row_table, scaling, root, 1))


def test_triangle_keeps_digits_that_products_lose() -> None:
    generator = np.random.default_rng(3)
    X = generator.normal(size=(3_000, 6))
    X[:, 4] = X[:, 1] - X[:, 2] + 1e-9 * X[:, 4]
    X[:, 5] = X[:, 0]
    mine = np.abs(np.diag(triangle_of_array(X)))
    np.testing.assert_allclose(mine[:5], np.abs(np.diag(np.linalg.qr(X, mode="r")))[:5], rtol=1e-6)
    assert mine[5] < 1e-13


def test_fewer_rows_than_columns() -> None:
    X = np.random.default_rng(3).normal(size=(4, 6))
    found = triangle_of_array(X)
    np.testing.assert_allclose(found.T @ found, X.T @ X, atol=1e-13)
    assert np.abs(found[4:]).max() < 1e-15


@pytest.mark.parametrize(("n_distinct", "p"), [(1, 40), (3, 80), (20, 400)])
def test_columns_after_as_many_as_distinct_rows_are_zero(n_distinct: int, p: int) -> None:
    """All that rounding leaves of them shrinks with every column, to squares below any number."""
    X = np.random.default_rng(3).normal(size=(n_distinct, p))[np.arange(120) % n_distinct]
    found = triangle_of_array(X)
    np.testing.assert_allclose(found.T @ found, X.T @ X, atol=1e-11)
    assert np.abs(found[n_distinct:]).max() < 1e-13


@pytest.mark.parametrize("many", ["columns", "rows that are alike"])
def test_chunks_of_few_distinct_rows_alias_no_column(many: str) -> None:
    generator = np.random.default_rng(3)
    n, p = (6 * 256 + 3, 300) if many == "columns" else (40_000, 25)
    X = generator.normal(size=(n if many == "columns" else 40, p))
    X[:, 0], X[:, 5] = 1.0, X[:, 6] + 1e-4 * X[:, 5]
    X = X[np.sort(np.arange(n) % len(X))]
    y = X[:, 1] + generator.normal(size=n)
    fit = fg.GLM(y, X).fit()
    orthogonal, triangle = np.linalg.qr(X)
    inverse = np.linalg.inv(triangle)
    error = np.linalg.norm(inverse, axis=1) * np.sqrt(fit.scale)
    assert np.abs((fit.params - inverse @ (orthogonal.T @ y)) / error).max() < 1e-7
    np.testing.assert_allclose(fit.bse, error, rtol=1e-7)
