import gc
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from limits import files_of_at_most

import fastglm as fg
from fastglm.errors import DataError, FastGLMWarning
from fastglm.sources.scan import scan

N = 150_000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    # Whole numbers, nulls and truths in the first megabyte, and then others.
    late = np.arange(N) > N - 50
    return pa.table(
        {
            "x": rng.normal(size=N),
            "whole": pa.array(np.where(late, 0.5, rng.integers(0, 9, N))),
            "empty": pa.array(np.where(late, 3, 0), mask=~late),
            "text": pa.array(np.where(late, "a1", "17")),
            "claims": rng.poisson(1.0, N),
        }
    )


def write(table, path, delimiter=","):
    pa.csv.write_csv(table, path, pa.csv.WriteOptions(delimiter=delimiter))


def read(source, columns):
    return pa.concat_tables(list(source.read(columns)))


def test_columns_have_the_types_of_all_their_rows(table, tmp_path):
    write(table.set_column(1, "whole", table.column("whole").cast(pa.string())), tmp_path / "a.csv")
    with pytest.warns(FastGLMWarning, match=r"a\.csv: CSV is read once, into a temporary Parquet"):
        source = scan(tmp_path / "a.csv")
    with pytest.warns(FastGLMWarning, match="column 'text' of .*row 149,951 .* has 'a1', which"):
        found = read(source, ["x", "whole", "empty", "text"])
    assert found.schema.field("whole").type == pa.float64()
    assert found.schema.field("empty").type == pa.int64()
    np.testing.assert_allclose(found.column("x").to_numpy(), table.column("x").to_numpy())
    assert found.column("whole")[N - 1].as_py() == 0.5
    assert found.column("empty").null_count == N - 49
    assert found.column("text")[0].as_py() == "17"


def test_fits_of_csv_and_of_its_table_are_alike(table, tmp_path):
    (tmp_path / "many").mkdir()
    write(table.slice(0, 50_000), tmp_path / "many" / "a.csv", ";")
    write(table.slice(50_000), tmp_path / "many" / "b.csv", ";")
    with pytest.warns(FastGLMWarning, match="and others: CSV is read once"):
        source = fg.scan(tmp_path / "many", delimiter=";")
    formula = "claims ~ x + whole + text"
    with pytest.warns(FastGLMWarning, match=r"column 'text' of .*b\.csv is text.* 48 more of its"):
        streamed = fg.glm(formula, source, family="poisson")
    whole = fg.glm(formula, fg.scan(table), family="poisson")
    assert streamed.estimates.tobytes() == whole.estimates.tobytes()
    folder = source._folder
    assert source.fingerprint()["files"] == [
        str(tmp_path / "many" / name) for name in ("a.csv", "b.csv")
    ]
    del source, streamed
    gc.collect()
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore::fastglm.FastGLMWarning")
def test_what_is_wrong_with_a_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*absent\.csv: No such file"):
        scan(tmp_path / "absent.csv")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match=r"cannot read .*bad\.csv into a temporary file: CSV parse"):
        scan(tmp_path / "bad.csv")
    (tmp_path / "head.csv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"^.*/head\.csv has no rows"):
        scan(tmp_path / "head.csv")


@pytest.mark.filterwarnings("ignore::fastglm.FastGLMWarning")
def test_no_room_for_the_temporary_file(table, tmp_path, monkeypatch):
    write(table, tmp_path / "a.csv")
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    with (
        files_of_at_most(10_000),
        pytest.raises(DataError, match=r"File too large\. Correct it"),
    ):
        scan(tmp_path / "a.csv")
    gc.collect()
    assert not list(room.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(room / "absent"))
    with pytest.raises(DataError, match=r"temporary folder for .*a\.csv: No such .* Set TMPDIR"):
        scan(tmp_path / "a.csv")


@pytest.mark.filterwarnings("ignore:.*CSV is read once")
def test_a_wrong_value_among_numbers_is_an_error_if_its_column_is_used(tmp_path):
    rng, path = np.random.default_rng(1), tmp_path / "a.csv"
    x = [str(value) for value in rng.integers(0, 9, 5_000)]
    x[1234], x[4000] = "oops", "1.5.2"
    lines = [f"{a},{b},{b}{a}" for a, b in zip(x, rng.poisson(1.0, 5_000), strict=True)]
    path.write_text("\n".join(["x,y,id", *lines]) + "\n")
    source = scan(path)
    fg.glm("y ~ 1", source)
    text = r"'x' of .*row 1,234 .* has 'oops', which is no number, and so are 1 more of its values"
    with pytest.warns(FastGLMWarning, match=text) as told:
        read(source, ["x", "y"])
    assert len(told) == 1
    read(source, ["x", "y"])
