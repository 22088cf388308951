import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv, feather, ipc

from fastglm.data.files import read_table
from fastglm.data.standard_input import from_standard_input
from fastglm.errors import DataError

TABLE = pa.table({"x": [1.0, 2.5, None], "g": ["a", "b", "a"]})


def as_stream(table, file):
    with ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def as_gzip(table, file):
    with gzip.open(file, "wb") as packed:
        csv.write_csv(table, packed)


WAYS = {
    "csv": csv.write_csv,
    "gzip": as_gzip,
    "parquet": pq.write_table,
    "arrow": feather.write_feather,
    "stream": as_stream,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_format_is_recognized_by_its_first_bytes(way):
    file = io.BytesIO()
    WAYS[way](TABLE, file)
    with from_standard_input("-", io.BytesIO(file.getvalue())) as path:
        assert read_table(path).equals(TABLE)
    assert not path.exists()
    assert not path.parent.exists()


def test_other_paths_stay(tmp_path):
    with from_standard_input(tmp_path / "a.csv", io.BytesIO()) as path:
        assert path == tmp_path / "a.csv"


def test_batches_with_levels_of_their_own():
    file = io.BytesIO()
    parts = [pa.table({"g": pa.array(g).dictionary_encode()}) for g in (["a", "b"], ["c", "a"])]
    with ipc.new_stream(file, parts[0].schema) as writer:
        for part in parts:
            writer.write_table(part)
    with from_standard_input("-", io.BytesIO(file.getvalue())) as path:
        assert read_table(path).column("g").cast("string").to_pylist() == ["a", "b", "c", "a"]


def test_what_cannot_be_read():
    with (
        pytest.raises(DataError, match="standard input is empty"),
        from_standard_input("-", io.BytesIO()),
    ):
        pass
    terminal = io.BytesIO(b"x\n")
    terminal.isatty = lambda: True
    with pytest.raises(DataError, match="is a terminal: pipe"), from_standard_input("-", terminal):
        pass
    broken = io.BytesIO(b"\xff\xff\xff\xff\x08\x00\x00\x00 no stream")
    with pytest.raises(DataError, match="as an Arrow stream"), from_standard_input("-", broken):
        pass
