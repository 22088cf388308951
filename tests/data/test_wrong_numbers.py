import pyarrow as pa
import pytest

from fastglm.data.files import read_table
from fastglm.data.wrong_numbers import wrong_numbers
from fastglm.errors import FastGLMWarning

NUMBERS = ["1", "-2.5", "+.5", "3.", "1e-3", " 7 ", None, "0012", "8", "9", "10", "11"]


def said(values, point="."):
    pieces = [pa.array(values[:5], pa.string()), pa.array(values[5:], pa.string())]
    return wrong_numbers("x", pieces, point, "a.csv")


@pytest.mark.parametrize("wrong", ["oops", "1,5", "-", "1e", "1 2", "."])
def test_one_wrong_value_is_named(wrong):
    found = said([*NUMBERS, wrong])
    assert (
        f"row 12 (counted from 0, without the heading) has {wrong!r}, which is no number." in found
    )


def test_decimal_commas_are_numbers_where_they_are_written():
    values = [f"{k},5" for k in range(20)]
    assert "has '1.5'" in said([*values, "1.5"], ",")
    assert said(values, ",") is None


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        ["north", "south"] * 20,
        # Levels, of which some are numbers.
        ["1", "2", "A3"] * 20,
        [*NUMBERS, "a", "b"],
        ["1", "2", "x"],
        [None, None],
    ],
)
def test_text_columns_give_no_error(values):
    assert said(values) is None


def test_files_in_memory_give_the_same_errors(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y;x\n" + "".join(f"{k};{k},5\n" for k in range(30)) + "3;?\n")
    with pytest.warns(FastGLMWarning, match=r"column 'x' of .*a\.csv is text.*row 30 .* has '\?'"):
        table = read_table(path)
    assert table.column("y").to_pylist()[-1] == 3


@pytest.mark.parametrize(
    "way", ["{},5", "1,{:03}.5", "$ {}", "{}%", "1 {:03}", "-{},25", "1.{:03},5"]
)
def test_numbers_written_in_another_way_are_named(way):
    values = [way.format(k) for k in range(20)]
    found = wrong_numbers("x", [pa.array(values)], ".", "a.csv")
    assert "column 'x' of a.csv is text" in found
    assert f"such as {values[0]!r}. Write those with '.' before decimals" in found


@pytest.mark.parametrize("way", ["2024-01-{:02}", "{}-20", "1.2.{}", "12:{:02}", "a{}", "{} km"])
def test_nothing_is_said_of_dates_ranges_and_units(way):
    values = [way.format(k) for k in range(20)]
    assert wrong_numbers("x", [pa.array(values)], ".", "a.csv") is None
