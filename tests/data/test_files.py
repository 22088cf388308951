import gzip
import warnings

import pyarrow as pa
import pytest

from fastglm.data.files import column_names, read_table
from fastglm.data.writing import write_table
from fastglm.errors import DataError, FastGLMWarning
from fastglm.sources.scan import scan

TABLE = pa.table({"n": [1, 2, 3], "x": [0.5, None, -1.25], "city": ["Ulm", None, "Köln"]})


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".pq", ".feather", ".arrow", ".PARQUET"])
def test_round_trip(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    write_table(TABLE, path)
    assert column_names(path) == ["n", "x", "city"]
    assert read_table(path).equals(TABLE)
    assert read_table(str(path), ["x"]).equals(TABLE.select(["x"]))


def test_compressed_and_separated_by_tabs(tmp_path):
    path = tmp_path / "table.tsv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("n\tx\tcity\n1\t0.5\tUlm\n2\tNA\t\n3\t-1.25\tKöln\n")
    assert column_names(path) == ["n", "x", "city"]
    assert read_table(path).equals(TABLE)


@pytest.mark.parametrize("action", [read_table, column_names])
def test_what_cannot_be_read(tmp_path, action):
    with pytest.raises(DataError, match=r"nowhere\.csv: No such file or directory\.$"):
        action(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="directory"):
        action(tmp_path)
    for ending in (".parquet", ".feather"):
        junk = tmp_path / f"junk{ending}"
        junk.write_text("no table")
        with pytest.raises(DataError, match=f"cannot read .*junk{ending}"):
            action(junk)
    unknown = tmp_path / "table.xlsx"
    unknown.touch()
    with pytest.raises(DataError, match=r"must end in one of \.csv"):
        action(unknown)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match=r"name it \.parquet, \.feather or \.csv"):
        write_table(TABLE, tmp_path / "table.xlsx")
    with pytest.raises(DataError, match="there is no folder"):
        write_table(TABLE, tmp_path / "nowhere" / "table.csv")


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'fastglm\[parquet\]'"):
        read_table(tmp_path / "table.csv")


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_first_line(tmp_path, separator, ending):
    lines = ['x|"y;y,y"|g', "1.5|2|a", "2.5|3|b"]
    text = "\n".join(lines).replace("|", separator) + "\n"
    path = written(tmp_path / f"data{ending}", text)
    assert column_names(path) == ["x", "y;y,y", "g"]
    assert read_table(path).to_pydict() == {"x": [1.5, 2.5], "y;y,y": [2, 3], "g": ["a", "b"]}


@pytest.mark.parametrize(("delimiter", "character"), [("|", "|"), ("tab", "\t"), ("space", " ")])
def test_a_delimiter_that_is_given(tmp_path, delimiter, character):
    path = written(tmp_path / "data.csv", f"x{character}a,b;c\n1{character}2\n")
    assert column_names(path, delimiter) == ["x", "a,b;c"]
    assert read_table(path, ["a,b;c"], delimiter).to_pydict() == {"a,b;c": [2]}
    with pytest.raises(DataError, match="delimiter must be one character"):
        read_table(path, delimiter="||")


def test_decimal_commas(tmp_path):
    path = written(tmp_path / "data.csv", 'x;y;g\n1,5;"-2,25";a,5\n2;1,125;b\n')
    assert read_table(path).to_pydict() == {"x": [1.5, 2.0], "y": [-2.25, 1.125], "g": ["a,5", "b"]}
    thousands = written(tmp_path / "thousands.csv", "x;y\n1,500;1\n2,000;2\n")
    assert read_table(thousands).to_pydict() == {"x": ["1,500", "2,000"], "y": [1, 2]}
    american = written(tmp_path / "american.csv", "x\ty\n1,5\t1\n")
    assert read_table(american).to_pydict() == {"x": ["1,5"], "y": [1]}


def test_a_point_is_a_missing_value(tmp_path):
    path = written(tmp_path / "data.csv", "x,g\n1.5,a\n.,.\n,b\nNA,c\n")
    table = read_table(path).to_pydict()
    assert table == {"x": [1.5, None, None, None], "g": ["a", None, "b", "c"]}


#: More than one block of those that pyarrow reads.
MANY = 200_000


@pytest.mark.parametrize(
    ("last", "kind"),
    [("2.5", pa.float64()), ("many", pa.string()), ("2020-01-01", pa.string()), ("", pa.int64())],
)
def test_the_type_of_a_column_is_that_of_all_its_rows(tmp_path, last, kind):
    path = written(tmp_path / "data.csv", "x,g\n" + "12345,a\n" * MANY + f"{last},b\n" * MANY)
    table = read_table(path)
    assert table.schema.types == [kind, pa.string()]
    assert table["x"][0].as_py() == ("12345" if kind == pa.string() else 12345)
    assert str(table["x"][MANY]) in (last, "None")
    assert [column.num_chunks for column in table.columns] == [1, 1]


def test_a_quoted_value_may_hold_the_end_of_a_line_in_any_block(tmp_path):
    path = written(tmp_path / "data.csv", "g,x\n" + '"one\n \n two",1\n' * MANY)
    table = read_table(path)
    assert table["x"].unique().to_pylist() == [1]
    assert table["g"].unique().to_pylist() == ["one\n \n two"]
    assert table.num_rows == MANY


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather"])
def test_a_name_of_two_columns_is_refused_where_it_is_used(tmp_path, ending):
    path = tmp_path / f"twice{ending}"
    twice = pa.table(
        [pa.array([1.0, 2.0, 4.0]), pa.array([1, 2, 3]), pa.array([9, 9, 9])], list("xyx")
    )
    if ending == ".csv":
        path.write_text("x,y,x\n1.0,1,9\n2.0,2,9\n4.0,3,9\n")
    else:
        write_table(twice, path)
    assert read_table(path, ["y"]).equals(twice.select(["y"]))
    with pytest.raises(DataError, match=f"{path.name} has 2 columns with the name 'x': rename"):
        read_table(path, ["y", "x"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*CSV is read once", category=FastGLMWarning)
        source = scan(path)
        assert next(iter(source.read(["y"]))).column("y").to_pylist() == [1, 2, 3]
        with pytest.raises(DataError, match=f"{path.name} has 2 columns with the name 'x': rename"):
            next(iter(source.read(["y", "x"])))
