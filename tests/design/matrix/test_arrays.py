import numpy as np
import pytest
import scipy.sparse
from statsmodels.base.data import _make_exog_names

from fastglm.design.matrix.arrays import array_names, column_terms, design_from_array
from fastglm.errors import DataError

RNG = np.random.default_rng(8)
X = np.column_stack([RNG.normal(size=(40, 2)), np.ones(40), RNG.integers(0, 2, 40)])


@pytest.mark.parametrize(
    "columns", [[0], [0, 1], [2, 0, 1], [0, 1, 2], [0, 2, 3], [2], [2, 0, 2], [3, 2]]
)
def test_names_are_those_of_statsmodels(columns):
    constant = columns.index(2) if 2 in columns else None
    assert list(array_names(len(columns), constant)) == _make_exog_names(X[:, columns])


def test_every_column_is_a_term():
    assert column_terms(("x1", "const")) == (("x1", slice(0, 1)), ("const", slice(1, 2)))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "uint64"])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed"])
def test_arrays_of_any_layout_are_not_copied(dtype, layout):
    whole = RNG.integers(0, 2, (20, 8)).astype(dtype)
    values = {
        "C": whole,
        "F": np.asfortranarray(whole),
        "strided": whole[::2, 1::3],
        "reversed": whole[::-1],
    }[layout]
    design = design_from_array(values)
    assert np.shares_memory(design.parts[0].values, values)
    assert design.parts[0].values.dtype == values.dtype
    assert design.column_map is None
    np.testing.assert_array_equal(design.to_dense(), values)


def test_one_dimension_is_one_column_and_lists_are_arrays():
    assert design_from_array(np.arange(3.0)).to_dense().tolist() == [[0], [1], [2]]
    assert design_from_array([[1, 2], [3, 5]]).to_dense().tolist() == [[1, 2], [3, 5]]


@pytest.mark.parametrize("layout", ["csr_array", "csc_array", "csr_matrix", "csc_matrix"])
def test_sparse_matrices_are_not_copied(layout):
    matrix = getattr(scipy.sparse, layout)(X)
    design = design_from_array(matrix)
    assert design.parts[0].matrix is matrix
    assert design.names == ("x1", "x2", "const", "x3")
    assert design.constant == 2
    np.testing.assert_array_equal(design.to_dense(), X)


@pytest.mark.parametrize("layout", ["csr_array", "csc_matrix"])
def test_constant_columns_of_sparse_matrices(layout):
    n = 500
    nearly = np.ones(n)
    nearly[333] = 2.0
    absent = np.ones(n)
    absent[333] = 0.0
    columns = [nearly, absent, np.zeros(n), np.arange(n), np.full(n, -7.0), np.ones(n)]
    make = getattr(scipy.sparse, layout)
    assert design_from_array(make(np.column_stack(columns))).constant == 4
    assert design_from_array(make(np.column_stack(columns[:4]))).constant is None


def test_other_sparse_formats_are_converted():
    design = design_from_array(scipy.sparse.coo_array(X))
    np.testing.assert_array_equal(design.to_dense(), X)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (5.0, r"shape \(\)"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.array([[1, "b"]], dtype=object), "dtype object"),
        (np.array([[1j]]), "dtype complex128"),
        ([[1, 2], [3]], "not a rectangular array"),
    ],
)
def test_arrays_that_cannot_be_used(bad, match):
    with pytest.raises(DataError, match=match):
        design_from_array(bad)
