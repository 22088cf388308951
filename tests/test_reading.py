import gzip

import pyarrow as pa
import pytest

from fastglm.errors import DataError
from fastglm.reading import column_names, read_table, write_table

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
    with pytest.raises(DataError, match="No such file"):
        write_table(TABLE, tmp_path / "nowhere" / "table.csv")


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'fastglm\[parquet\]'"):
        read_table(tmp_path / "table.csv")
