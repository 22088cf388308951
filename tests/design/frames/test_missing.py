import numpy as np
import pytest
import scipy.sparse

from fastglm.design.frames.frames import Categories
from fastglm.design.frames.missing import (
    all_finite,
    missing_design_rows,
    missing_rows,
    raise_missing,
    require_finite,
    require_finite_design,
    rows_text,
)
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design, Indicators, Product
from fastglm.design.matrix.take import take_rows
from fastglm.errors import MissingValueError


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_missing_rows_are_the_nan_rows(dtype):
    values = np.array([1.0, np.nan, np.inf, 3.0], dtype=dtype)
    np.testing.assert_array_equal(missing_rows(values), [False, True, False, False])
    assert missing_rows(values[2:]) is None
    assert missing_rows(values[::3]) is None


def test_huge_numbers_and_infinities_are_not_missing():
    assert missing_rows(np.array([1e300, -1e300])) is None
    assert missing_rows(np.array([np.inf, -np.inf])) is None
    assert missing_rows(np.array([1, 2])) is None
    assert missing_rows(np.array([True])) is None


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_finite_values_may_have_a_sum_that_is_not(dtype):
    most = np.finfo(dtype).max
    assert all_finite(np.full(9, most, dtype=dtype))
    assert all_finite(np.array([most, most, -most, -most], dtype=dtype))
    for value in (np.nan, np.inf, -np.inf):
        assert not all_finite(np.array([1.0, value, 2.0], dtype=dtype))
        assert not all_finite(np.array([most, most, value], dtype=dtype))
    assert not all_finite(np.array([np.inf, -np.inf], dtype=dtype))
    assert all_finite(np.array([], dtype=dtype))


def test_missing_categories_have_negative_codes():
    codes = np.array([0, -1, 1], dtype=np.int8)
    np.testing.assert_array_equal(missing_rows(Categories(codes, ("a", "b"))), [0, 1, 0])
    assert missing_rows(Categories(np.array([255], dtype=np.uint8), ("a",) * 256)) is None


def test_require_finite_names_the_place():
    require_finite(np.array([1e300, -1e300]), "x")
    require_finite(np.array([1, 2]), "x")
    values = np.ones((9, 2))
    values[[1, 8], [0, 1]] = [np.inf, np.nan]
    with pytest.raises(MissingValueError, match=r"'x' is infinite .* 2 rows \(1, 8, counted"):
        require_finite(values, "x")
    require_finite(values, "x", ignore=np.isin(np.arange(9), [1, 8]))
    with pytest.raises(MissingValueError, match=r"1 row \(1, counted"):
        require_finite(values, "x", ignore=np.arange(9) == 8)


def test_raise_missing_is_silent_without_missing_values():
    raise_missing({})
    with pytest.raises(
        MissingValueError, match=r"'u' in 1 row \(2, .*'v' in 6 rows \(0, 1, 2, 3, 4, ..."
    ):
        raise_missing({"u": np.arange(6) == 2, "v": np.ones(6, dtype=bool)})


def test_rows_text_counts():
    assert rows_text(np.array([False, True])) == "1 row (1, counted from 0)"


def matrices():
    values = np.arange(12.0).reshape(4, 3) + 1
    values[1, 2] = np.nan
    values[3, 0] = np.inf
    return {
        "dense": values,
        "fortran": np.asfortranarray(values),
        "csr": scipy.sparse.csr_array(values),
        "csc": scipy.sparse.csc_array(values),
    }


@pytest.mark.parametrize("kind", ["dense", "fortran", "csr", "csc"])
def test_designs_of_arrays(kind):
    design = design_from_array(matrices()[kind])
    np.testing.assert_array_equal(missing_design_rows(design), [False, True, False, False])
    with pytest.raises(MissingValueError, match=r"'x1' is infinite .* 1 row \(3"):
        require_finite_design(design)
    finite = take_rows(design, np.array([True, False, True, False]))
    assert missing_design_rows(finite) is None
    require_finite_design(finite)


def test_the_model_column_is_named_behind_a_transform():
    design = Design(
        parts=(Indicators((np.array([0, 1, 1]),), (2,)), Product((np.array([0.0, 1.0, np.nan]),))),
        n_rows=3,
        names=("g[T.b]", "x"),
        column_map=(np.array([0, 1, 2]), np.array([1, 2]), np.array([1.0, 1.0])),
        constant=None,
        terms=(),
    )
    with pytest.raises(MissingValueError, match=r"'x' is infinite .* 1 row \(2"):
        require_finite_design(design)
