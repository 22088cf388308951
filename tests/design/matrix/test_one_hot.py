import warnings

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import fastglm as fg
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.one_hot import coded_parts
from fastglm.design.matrix.parts import Indicators, Product, Sparse
from fastglm.errors import DataError
from fastglm.passes.row_table import build_row_table

RNG = np.random.default_rng(3)
N = 400


def one_hot(codes, n_levels, values=1.0):
    rows = np.arange(len(codes))
    entries = np.broadcast_to(np.asarray(values, dtype=float), rows.shape)
    return scipy.sparse.csr_array((entries, (rows, codes)), shape=(len(codes), n_levels))


def beside(*blocks):
    matrix = scipy.sparse.hstack(blocks).tocsr()
    matrix.sort_indices()
    return matrix


def encoded(drop_first=True, values=1.0):
    """A constant, two numbers and two categoricals, as encoders write them."""
    first = 1 if drop_first else 0
    return beside(
        scipy.sparse.csr_array(np.ones((N, 1))),
        scipy.sparse.csr_array(RNG.normal(size=(N, 2))),
        one_hot(np.r_[:12, RNG.integers(0, 12, N - 12)], 12, values)[:, first:],
        one_hot(np.r_[:7, RNG.integers(0, 7, N - 7)], 7)[:, 1:],
    )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_coded_parts_hold_the_matrix(data):
    widths = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    n_rows = data.draw(st.integers(1, 30))
    blocks = []
    for width in widths:
        share = data.draw(st.sampled_from([0.6, 1.0]))
        values = data.draw(st.sampled_from([1.0, 2.5]))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        kept = scipy.sparse.diags_array((rng.random(n_rows) < share).astype(float))
        block = (kept @ one_hot(rng.integers(0, width, n_rows), width, values)).tocsr()
        block.eliminate_zeros()
        blocks.append(block)
    matrix = beside(*blocks, scipy.sparse.csr_array((n_rows, 16)))
    design = design_from_array(matrix)
    np.testing.assert_array_equal(design.to_dense(), matrix.toarray())


@pytest.mark.parametrize("convert", ["tocsr", "tocsc", "tocoo"])
def test_encoded_categoricals_are_read_as_codes(convert):
    matrix = encoded()
    design = design_from_array(getattr(matrix, convert)())
    assert [type(part) for part in design.parts] == [Product] * 3 + [Indicators] * 2
    np.testing.assert_array_equal(design.to_dense(), matrix.toarray())
    assert design.names[0] == "const"


def test_text_like_entries_stay_sparse():
    matrix = scipy.sparse.random_array((N, 60), density=0.1, rng=RNG, format="csr")
    assert coded_parts(matrix) is None
    assert isinstance(design_from_array(matrix).parts[0], Sparse)


def test_columns_are_turned_to_rows_once():
    # The kernels read the rows that the search for categories has read.
    matrix = scipy.sparse.random_array((N, 60), density=0.1, rng=RNG, format="csc")
    part = design_from_array(matrix).parts[0]
    assert isinstance(part, Sparse)
    assert part.matrix.format == "csr"
    np.testing.assert_array_equal(part.to_dense(), matrix.toarray())
    read = build_row_table(design_from_array(part.matrix)).kept_alive
    arrays = [each for each in read if isinstance(each, np.ndarray)]
    assert any(np.shares_memory(part.matrix.data, each) for each in arrays)


def test_few_columns_and_repeated_entries_stay_sparse():
    assert coded_parts(one_hot(RNG.integers(0, 9, N), 9)) is None
    repeated = scipy.sparse.csr_array(
        (np.ones(2 * N), np.repeat(RNG.integers(0, 20, N), 2), np.arange(0, 2 * N + 1, 2)),
        shape=(N, 20),
    )
    assert coded_parts(repeated) is None


@pytest.mark.parametrize("drop_first", [True, False])
@pytest.mark.parametrize("values", [1.0, 0.5])
def test_fits_equal_those_of_the_dense_matrix(drop_first, values):
    matrix = encoded(drop_first, values)
    y = RNG.poisson(np.exp(0.1 * RNG.normal(size=N)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fg.errors.RankWarning)
        coded = fg.GLM(y, matrix, family="poisson").fit()
        dense = fg.GLM(y, matrix.toarray(), family="poisson").fit()
    assert coded.names == dense.names
    np.testing.assert_array_equal(np.isnan(coded.params), np.isnan(dense.params))
    np.testing.assert_allclose(coded.params, dense.params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(coded.bse, dense.bse, rtol=1e-9)
    np.testing.assert_allclose(coded.predict(matrix[:5]), dense.predict(matrix[:5].toarray()))
    np.testing.assert_allclose(coded.with_covariance("HC3").bse, dense.with_covariance("HC3").bse)


def test_a_value_that_is_not_finite_is_named():
    matrix = encoded()
    matrix.data[5] = np.nan
    assert coded_parts(matrix) is None
    with pytest.raises(DataError, match=r"not finite|NaN|missing"):
        fg.GLM(np.ones(N), matrix, family="poisson").fit()
