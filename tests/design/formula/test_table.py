import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.frames import Frame
from fastglm.errors import ColumnNotFoundError, DataError, MissingValueError, ModelError

FRAME = Frame(pd.DataFrame({"x": [1.0, np.nan, 3.0], "g": ["u", "v", None], "t": [1, 2, 3]}))
USED = [Expression.parse("x"), Expression.parse("log(x)"), Expression.column("g")]


def test_only_the_columns_in_use_are_read():
    table = read_table(FRAME, USED, {"exposure": "t", "offset": None})
    assert list(table.columns) == ["x", "g"]
    assert list(table.extra) == ["exposure"]
    assert table.n_rows == 3


def test_complete_drops_rows_that_lack_any_value():
    table, rows, counts = read_table(FRAME, USED, {"exposure": "t"}).complete("drop")
    np.testing.assert_array_equal(rows, [True, False, False])
    assert counts == {"x": 1, "g": 1}
    assert table.n_rows == 1
    np.testing.assert_array_equal(table.columns["x"], [1.0])
    assert table.columns["g"].levels == ("u",)
    np.testing.assert_array_equal(table.extra_numbers()["exposure"], [1])


def test_complete_leaves_a_complete_table_alone():
    table = read_table(FRAME, [Expression.column("t")], None)
    assert table.complete("drop") == (table, None, {})
    assert table.complete("raise") == (table, None, {})


def test_what_cannot_be_used():
    table = read_table(FRAME, USED, None)
    with pytest.raises(MissingValueError, match=r"'x' in 1 row \(1.*'g' in 1 row \(2"):
        table.complete("raise")
    with pytest.raises(ModelError, match="missing must be one of"):
        table.complete("ignore")
    with pytest.raises(DataError, match="weights has 2 values, but the data has 3 rows"):
        read_table(FRAME, USED, {"weights": [1, 2]})
    with pytest.raises(DataError, match="weights must be numeric"):
        read_table(FRAME, USED, {"weights": "g"}).extra_numbers()
    with pytest.raises(MissingValueError, match="'weights' is infinite"):
        read_table(FRAME, USED, {"weights": [1, np.inf, 2]}).extra_numbers()


def test_a_column_of_an_argument_that_is_not_there():
    with pytest.raises(ColumnNotFoundError, match=r"no column 'years'.* of exposure=: add it, or"):
        read_table(Frame({"x": [1.0]}), (), {"exposure": "years"})


def test_only_columns_that_are_finite_are_known_to_be():
    columns = {
        "whole": np.arange(3),
        "finite": np.array([1.0, 2.0, 3.0]),
        "infinite": np.array([1.0, np.inf, 3.0]),
        "missing": np.array([1.0, np.nan, 3.0]),
    }
    table = Table(columns, {}, 3)
    assert not any(map(table.is_finite, columns.values()))
    assert list(table.missing()) == ["missing"]
    known = {name: table.is_finite(column) for name, column in columns.items()}
    assert known == {"whole": True, "finite": True, "infinite": False, "missing": False}
    assert table.with_nan().is_finite(columns["finite"])
    assert not table.is_finite(columns["finite"] + 1.0)
    assert not table.take(np.array([True, False, True])).is_finite(columns["infinite"][::2])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("right", ["x", "x + z", "I(2 * x)", "poly(x, 2)", "z + log(x)"])
def test_infinite_values_are_named_when_fitted_and_predicted(value, right):
    frame = pd.DataFrame({"x": np.arange(1.0, 9.0), "z": np.arange(8) % 3 * 1.0})
    frame["y"] = np.arange(8) % 2 * 1.0
    fit = fg.glm(f"y ~ {right}", frame, "gaussian")
    wrong = frame.assign(x=np.where(np.arange(8) == 5, value, frame.x))
    for call in (lambda: fg.glm(f"y ~ {right}", wrong, "gaussian"), lambda: fit.predict(wrong)):
        with pytest.raises(fg.errors.DataError, match=r"(x|log)"):
            call()
