from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from fastglm.design.matrix.parts import Dense, Design, Indicators, Ones, Product, Sparse


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint16", "int64", "bool"])
def test_dense_is_its_values(dtype, rng):
    values = rng.integers(0, 2, (7, 6)).astype(dtype)[:, ::2]
    part = Dense(values)
    assert (part.n_rows, part.n_columns) == (7, 3)
    np.testing.assert_array_equal(part.to_dense(), values)
    assert part.to_dense().dtype == np.float64


def test_product_is_the_product_in_float64():
    large = np.full(3, 200, dtype=np.uint8)
    part = Product((large, large, np.array([True, False, True])))
    np.testing.assert_array_equal(part.to_dense(), [[40000.0], [0.0], [40000.0]])


def test_coded_has_one_column_per_combination_last_fastest():
    first = np.array([0, 1, 1, 0], dtype=np.int8)
    second = np.array([2, 0, 1, 2], dtype=np.uint8)
    part = Indicators((first, second), (2, 3), (np.array([1.0, 2.0, 3.0, 4.0]),))
    wanted = np.zeros((4, 6))
    wanted[[0, 1, 2, 3], [2, 3, 4, 2]] = [1, 2, 3, 4]
    np.testing.assert_array_equal(part.to_dense(), wanted)


def test_coded_codes_do_not_overflow_their_dtype():
    codes = np.array([99, 0], dtype=np.int8)
    part = Indicators((codes, codes), (100, 100))
    assert list(np.argmax(part.to_dense(), axis=1)) == [9999, 0]


@pytest.mark.parametrize("layout", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_is_its_matrix(layout, rng):
    matrix = rng.normal(size=(5, 3)) * (rng.random((5, 3)) > 0.5)
    np.testing.assert_array_equal(Sparse(layout(matrix)).to_dense(), matrix)


def every_kind(rng):
    n = 9
    return Design(
        parts=(
            Ones(n),
            Dense(rng.normal(size=(n, 2))),
            Product((rng.normal(size=n), rng.integers(0, 5, n))),
            Indicators((rng.integers(0, 3, n),), (3,), (rng.normal(size=n),)),
            Sparse(scipy.sparse.csr_array(np.eye(n)[:, :2])),
        ),
        n_rows=n,
        names=tuple("abcdefghi"),
        column_map=None,
        constant=0,
        terms=(),
    )


def test_design_puts_parts_side_by_side(rng):
    design = every_kind(rng)
    wanted = np.hstack([part.to_dense() for part in design.parts])
    np.testing.assert_array_equal(design.to_dense(), wanted)
    assert design.n_stored_columns == design.n_columns == 9


def test_transform_makes_model_columns_of_sweep_columns(rng):
    values = rng.normal(size=(4, 3))
    matrix = scipy.sparse.csc_array(np.array([[1.0, 0], [2, 3], [0, -1]]))
    design = Design(
        parts=(Dense(values),),
        n_rows=4,
        names=("u", "v"),
        column_map=(matrix.indptr, matrix.indices, matrix.data),
        constant=None,
        terms=(),
    )
    np.testing.assert_allclose(design.to_dense(), values @ matrix.toarray(), rtol=1e-15)


def test_transform_of_all_kinds_of_parts_is_their_product(rng):
    design = every_kind(rng)
    matrix = scipy.sparse.csc_array(rng.normal(size=(9, 5)) * (rng.random((9, 5)) < 0.6))
    mapped = replace(
        design, names=tuple("uvwxy"), column_map=(matrix.indptr, matrix.indices, matrix.data)
    )
    np.testing.assert_allclose(
        mapped.to_dense(), design.to_dense() @ matrix.toarray(), rtol=1e-13, atol=1e-14
    )
