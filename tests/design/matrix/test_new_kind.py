"""A new kind of column is one class: then designs that have it are fitted, taken and selected."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from fastglm.design.frames.missing import require_finite_design
from fastglm.design.matrix.dense_slices import sparse_columns, transposed_product
from fastglm.design.matrix.parts import Design, Ones
from fastglm.design.matrix.select import select_columns
from fastglm.design.matrix.stored_columns import StoredColumns
from fastglm.design.matrix.take import take_rows
from fastglm.errors import DataError
from fastglm.families import Poisson
from fastglm.passes.row_table import build_row_table
from fastglm.solve.fit import SolverOptions, solve


@dataclass(frozen=True, eq=False)
class Powers(StoredColumns):
    """The first and second power of a column."""

    values: np.ndarray

    @property
    def n_rows(self):
        return self.values.size

    @property
    def n_columns(self):
        return 2

    @property
    def stored_numbers(self):
        return (self.values,)

    def to_dense(self):
        return np.column_stack([self.values, self.values**2])

    def take(self, rows, n):
        return replace(self, values=self.values[rows])

    def transposed_product(self, values):
        return self.to_dense().T @ values

    def add_to(self, tables):
        tables.add_product((self.values,))
        tables.add_product((self.values, self.values))


N = 120
X = np.random.default_rng(4).normal(size=N)
DENSE = np.column_stack([np.ones(N), X, X**2])
TERMS = (("Intercept", slice(0, 1)), ("x", slice(1, 3)))


def design(x=X):
    return Design((Ones(N), Powers(x)), N, ("Intercept", "x", "x2"), None, 0, TERMS)


def test_it_is_fitted_as_its_columns_are():
    y = np.random.default_rng(5).poisson(np.exp(0.3 + 0.4 * X - 0.1 * X**2)).astype(float)
    found = solve(build_row_table(design(), y), Poisson(), SolverOptions()).params
    residual = y - np.exp(DENSE @ found)
    np.testing.assert_allclose(DENSE.T @ residual, 0.0, atol=1e-7)


def test_it_is_taken_selected_and_multiplied():
    rows = np.array([3, 3, 100])
    np.testing.assert_array_equal(take_rows(design(), rows).to_dense(), DENSE[rows])
    chosen = select_columns(design(), np.array([0, 2]))
    np.testing.assert_array_equal(chosen.to_dense(), DENSE[:, [0, 2]])
    np.testing.assert_array_equal(sparse_columns(design()).toarray(), DENSE)
    weights = np.linspace(0.0, 1.0, N)
    np.testing.assert_allclose(transposed_product(design(), weights), DENSE.T @ weights)


def test_it_is_refused_where_it_is_not_finite():
    wrong = X.copy()
    wrong[7] = np.inf
    with pytest.raises(DataError, match="'x'"):
        require_finite_design(design(wrong))
