import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastglm.design.frames.frames import (
    Categories,
    Frame,
    categorize,
    is_frame,
    read_column,
    recode,
    unmasked,
)
from fastglm.errors import ColumnNotFoundError, DataError


def decoded(categories):
    return [categories.levels[code] if code >= 0 else None for code in categories.codes]


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint32", "int64", "bool"])
@pytest.mark.parametrize(
    "library",
    [pd.Series, pl.Series, lambda a: pa.chunked_array([pa.array(a)]), lambda a: a],
    ids=["pandas", "polars", "pyarrow", "numpy"],
)
def test_numbers_keep_their_dtype_and_memory(library, dtype):
    values = np.array([1, 0, 1, 1]).astype(dtype)
    series = library(values)
    column = read_column(series, "x")
    np.testing.assert_array_equal(column, values)
    assert column.dtype == values.dtype
    bit_packed = dtype == "bool" and library not in (pd.Series,) and series is not values
    if not bit_packed:
        assert np.shares_memory(column, read_column(series, "x"))


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype="Float32"),
        pd.Series([1, None, 3], dtype="int32[pyarrow]"),
        pl.Series([1, None, 3]),
        pl.Series([1.0, None, 3.0]),
        pa.chunked_array([[1, None], [3]]),
        pl.Series([decimal.Decimal(1), None, decimal.Decimal(3)]),
    ],
)
def test_missing_numbers_are_nan(series):
    np.testing.assert_array_equal(read_column(series, "x"), [1, np.nan, 3])


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([True, None, False], dtype=object),
        pd.Series([True, None, False], dtype="bool[pyarrow]"),
        pl.Series([True, None, False]),
        pa.chunked_array([[True, None, False]]),
    ],
)
def test_truth_values_stay_truth_values_where_some_are_missing(series):
    column = read_column(series, "x")
    assert column.are_truths
    np.testing.assert_array_equal(column.as_numbers(), [1, np.nan, 0])
    complete = column.take(np.array([True, False, True]))
    assert complete.dtype == bool
    np.testing.assert_array_equal(complete, [True, False])


TEXT = ["b", None, "a", "b", "é"]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(TEXT),
        pd.Series(TEXT, dtype=object),
        pd.Series(TEXT, dtype="string[python]"),
        pd.Series(TEXT, dtype=pd.ArrowDtype(pa.large_string())),
        pl.Series(TEXT),
        pl.Series(TEXT, dtype=pl.Categorical),
        pa.chunked_array([TEXT[:2], TEXT[2:]]),
        np.array(TEXT, dtype=object),
    ],
)
def test_strings_are_categories_in_sorted_order(series):
    column = read_column(series, "x")
    assert column.levels == ("a", "b", "é")
    assert decoded(column) == TEXT
    assert not column.declared
    assert column.codes.dtype.itemsize == 1


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.Categorical(["b", None, "a", "b"], categories=["c", "b", "a"])),
        pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["c", "b", "a"])),
        pa.chunked_array(
            [
                pa.DictionaryArray.from_arrays([1, None], ["c", "b", "a"], ordered=True),
                pa.DictionaryArray.from_arrays([2, 1], ["c", "b", "a"], ordered=True),
            ]
        ),
    ],
)
def test_declared_levels_keep_their_order_used_or_not(series):
    column = read_column(series, "x")
    assert column.levels == ("c", "b", "a")
    assert decoded(column) == ["b", None, "a", "b"]
    assert column.declared


def test_levels_are_plain_types():
    intervals = read_column(pd.Series(pd.cut([1.0, 5.0], [0, 2, 6])), "x")
    assert intervals.levels == ("(0, 2]", "(2, 6]")
    integers = categorize(np.array([3, 1, 3], dtype=np.int16), "x")
    assert integers.levels == (1, 3)
    assert all(type(level) is int for level in integers.levels)
    assert categorize(np.array([True, False]), "x").levels == (False, True)


def test_take_forgets_undeclared_levels_only():
    rows = np.array([True, False, True])
    text = read_column(pd.Series(["a", "b", "c"]), "x").take(rows)
    assert text.levels == ("a", "c")
    assert decoded(text) == ["a", "c"]
    declared = read_column(pd.Series(["a", "b", "c"], dtype="category"), "x").take(rows)
    assert declared.levels == ("a", "b", "c")
    assert decoded(declared) == ["a", "c"]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([None, None]),
        pd.Series([None, None], dtype="str"),
        pd.Series([None, None], dtype="category"),
        pd.Series([None, None], dtype=pd.ArrowDtype(pa.null())),
        pl.Series([None, None]),
        pl.Series([None, None], dtype=pl.String),
        pa.chunked_array([pa.nulls(2)]),
        np.array([None, None]),
    ],
)
def test_a_column_without_values_is_of_no_kind(series):
    np.testing.assert_array_equal(read_column(series, "x"), [np.nan, np.nan])


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(pd.arrays.SparseArray([0.0, 1.0, 0.0])),
        pd.Series(pd.arrays.SparseArray([False, True, False])),
        pd.Series(np.array([0, 1, 0], dtype=">f8")),
        pd.Series(np.array([0, 1, 0], dtype=">i2")),
        pd.Series(np.array([0, 1, 0], dtype=np.longdouble)),
        pd.Series(np.array([0, 1, 0], dtype=np.float16)),
        np.array([0, 1, 0], dtype=">f4"),
    ],
)
def test_numbers_however_they_are_stored(series):
    values = read_column(series, "x")
    np.testing.assert_array_equal(values, [0, 1, 0])
    assert values.dtype.isnative
    assert values.dtype.kind != "f" or values.dtype.itemsize in (4, 8)


def test_a_missing_entry_of_a_dictionary_is_a_missing_value():
    column = pa.chunked_array([pa.DictionaryArray.from_arrays([2, 1, 0, 2], ["v", None, "u"])])
    found = read_column(column, "x")
    assert found.levels == ("u", "v")
    assert decoded(found) == ["u", None, "v", "u"]


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=300).filter(any))
def test_categories_decode_to_what_went_in(values):
    for series in (pd.Series(values, dtype=object), pl.Series(values, dtype=pl.String)):
        column = read_column(series, "x")
        assert decoded(column) == values
        assert list(column.levels) == sorted({v for v in values if v is not None})


@pytest.mark.parametrize(("n_levels", "dtype"), [(1, "int8"), (128, "int8"), (129, "int16")])
def test_recode_uses_the_smallest_dtype(n_levels, dtype):
    codes = np.array([0, n_levels - 1, -1])
    mapped = recode(codes, np.arange(n_levels)[::-1], n_levels)
    assert mapped.dtype == dtype
    assert list(mapped) == [n_levels - 1, 0, -1]


@pytest.mark.parametrize(
    ("series", "match"),
    [
        (pd.Series([1, "a"], dtype=object), "'x' mixes values of type int, str"),
        (pd.Series(["2020-01-01"], dtype="datetime64[ns]"), "'x' holds Datetime"),
        (pl.Series([[1, 2]]), "'x' holds List"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")), r"'x' holds period\[M\] values"),
        (pd.Series(pd.interval_range(0, 2)), "'x' holds interval"),
        (np.array([1j]), "'x' holds complex128"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "'x' holds datetime64"),
        (np.zeros((2, 2)), r"'x' has shape \(2, 2\)"),
    ],
)
def test_columns_that_cannot_be_used(series, match):
    with pytest.raises(DataError, match=match):
        read_column(series, "x")


def test_half_and_extended_floats_become_float64():
    for dtype in (np.float16, np.longdouble):
        assert read_column(np.ones(3, dtype=dtype), "x").dtype == np.float64


def test_frame_lists_columns_when_no_name_is_close():
    with pytest.raises(ColumnNotFoundError, match="The columns are 'first', 'second'"):
        Frame({"first": [1], "second": [2]}).column("zzz")


@pytest.mark.parametrize(
    ("native", "match"),
    [
        ({"x": [1, 2], "y": [1]}, "differ in length: 'x' 2, 'y' 1"),
        ({}, "no rows"),
        (pd.DataFrame({"x": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "share a name"),
        (pa.table([[1], [2]], names=["x", "x"]), "share a name: 'x'"),
        (np.zeros((2, 2)), "is a ndarray"),
        ("text", "is a str"),
    ],
)
def test_frames_that_cannot_be_used(native, match):
    with pytest.raises(DataError, match=match):
        Frame(native)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int8", "uint64"])
def test_arrow_numbers_in_one_piece_are_read_where_they_lie(kind):
    column = pa.array(np.arange(5), kind)
    found = Frame(pa.table({"x": column})).column("x")
    np.testing.assert_array_equal(found, np.arange(5))
    assert found.dtype == ("float64" if kind == "float16" else kind)
    lies = column.buffers()[1].address
    assert (found.ctypes.data == lies) == (kind != "float16")


def test_numbered_columns_are_named_by_their_number():
    frame = Frame(pd.DataFrame([[1, 2], [3, 4]]))
    assert frame.names == ["0", "1"]
    np.testing.assert_array_equal(frame.column("1"), [2, 4])


def test_is_frame():
    assert is_frame(pd.DataFrame({"x": [1]}))
    assert is_frame({"x": [1]})
    assert not is_frame(np.zeros((2, 2)))
    assert isinstance(Frame({"x": ["a"]}).column("x"), Categories)


@pytest.mark.parametrize("library", [lambda v: pd.Series(v, dtype=object), np.array])
def test_objects_that_are_numbers_are_numbers(library):
    values = [decimal.Decimal("1.5"), 2, None, np.float64(0.25)]
    np.testing.assert_array_equal(
        read_column(library(np.array(values, dtype=object)), "x"), [1.5, 2.0, np.nan, 0.25]
    )
    whole = read_column(pd.Series([3, 1, 3], dtype=object), "x")
    assert whole.dtype == np.int64
    np.testing.assert_array_equal(whole, [3, 1, 3])


def test_objects_that_are_booleans_stay_levels():
    assert read_column(pd.Series([True, None, False], dtype=object), "x").levels == (False, True)


def test_what_is_masked_is_missing():
    numbers = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    np.testing.assert_array_equal(read_column(numbers, "x"), [1, np.nan, 3])
    words = np.ma.masked_array(["a", "b", "c"], mask=[False, True, False])
    assert decoded(read_column(words, "x")) == ["a", None, "c"]
    whole = np.ma.masked_array([1, 2, 3])
    assert np.shares_memory(unmasked(whole), whole)


def test_a_lazy_frame_is_to_be_collected():
    with pytest.raises(DataError, match=r"polars LazyFrame, .*: pass data.collect\(\)"):
        Frame(pl.LazyFrame({"x": [1]}))


def test_names_of_another_case_are_suggested():
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'Y'\\?"):
        Frame({"Y": [1.0], "yy": [2.0]}).column("y")


def test_lazy_frames_are_an_error_that_names_collect():
    class DataFrame:
        """As Dask's, which narwhals takes for lazy."""

        __module__ = "dask.dataframe"

        def compute(self):
            raise AssertionError

    with pytest.raises(DataError, match=r"dask DataFrame, .* pass data.compute\(\)"):
        Frame(DataFrame())
