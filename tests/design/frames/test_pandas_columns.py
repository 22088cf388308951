"""Columns of pandas, read as narwhals reads them."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from fastglm.design.frames.categories import Categories
from fastglm.design.frames.frames import Frame, read_column
from fastglm.design.frames.pandas_columns import FEW, is_pandas_frame, read_pandas

TEXT = ["b", "a", None, "c", "b"]
COLUMNS = {
    "float64": pd.Series([1.5, np.nan]),
    "float32": pd.Series([1.5, 2.5], dtype="float32"),
    "float16": pd.Series([1.5, 2.5], dtype="float16"),
    "int8": pd.Series([1, -2], dtype="int8"),
    "bool": pd.Series([True, False]),
    "big endian": pd.Series(np.array([1.0, 2.0], dtype=">f8")),
    "str": pd.Series(TEXT, dtype="str"),
    "string": pd.Series(TEXT, dtype="string"),
    "long text": pd.Series(TEXT * FEW, dtype="str"),
    "no text": pd.Series([None, None], dtype="str"),
    "category": pd.Series(TEXT, dtype="category"),
    "ordered": pd.Series(pd.Categorical(TEXT, ["c", "b", "a"], ordered=True)),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "object": pd.Series([True, None], dtype=object),
}


def shown(column):
    if isinstance(column, Categories):
        return column.codes.tolist(), column.levels, column.declared, column.ordered
    return column.dtype.str, np.nan_to_num(column, nan=-9.0).tolist()


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_what_narwhals_makes_of_it(kind, monkeypatch):
    series = COLUMNS[kind]
    found = read_column(series, "x")
    monkeypatch.setattr("fastglm.design.frames.frames.read_pandas", lambda column, name: None)
    monkeypatch.setattr("fastglm.design.frames.pandas_columns.FEW", 0)
    assert shown(found) == shown(read_column(nw.from_native(series, series_only=True), "x"))


def test_numbers_are_read_where_they_lie():
    values = np.arange(6.0).reshape(2, 3).T
    frame = pd.DataFrame(values, columns=["a", "b"], copy=False)
    assert np.shares_memory(Frame(frame).column("b"), values)


def test_other_frames_and_columns_are_left_to_narwhals():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    of_two_levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    assert is_pandas_frame(pd.DataFrame({0: [1]}))
    assert not any(map(is_pandas_frame, [twice, of_two_levels, {"a": [1]}, np.ones(3), None]))
    assert read_pandas(np.ones(3), "x") is None
    assert read_pandas(pd.Series([1], dtype="Int64"), "x") is None
    assert Frame(pd.DataFrame({0: [1, 2]})).column("0").tolist() == [1, 2]
