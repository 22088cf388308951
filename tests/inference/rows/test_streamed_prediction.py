import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from limits import files_of_at_most
from pyarrow import feather

import fastglm as fg
from fastglm.data import writing
from fastglm.errors import ColumnNotFoundError, DataError, ModelError, UnseenLevelError

N = 30_000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    years = rng.uniform(0.5, 1.0, N)
    claims = rng.poisson(years * np.exp(0.2 * x + (g == "b")))
    return pa.table({"id": np.arange(N), "x": x, "g": g, "years": years, "claims": claims})


@pytest.fixture(scope="module")
def fit(table):
    return fg.glm("claims ~ x + g", table, family="poisson", exposure="years")


@pytest.fixture
def new(table, tmp_path):
    pq.write_table(table, tmp_path / "new.parquet", row_group_size=3_333)
    return tmp_path / "new.parquet"


READERS = {
    "p.parquet": pq.read_table,
    "p.feather": feather.read_table,
    "p.arrow": feather.read_table,
    "p.csv": pa.csv.read_csv,
    "folder": pq.read_table,
}


@pytest.mark.parametrize("name", READERS)
def test_predictions_are_those_of_predict(name, fit, table, new, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "FILE_ROWS", 10_000)
    monkeypatch.setattr("fastglm.inference.rows.streamed_prediction.PIECE_ROWS", 8_192)
    assert fit.predict_to(tmp_path / name, new, keep=["id", "g"]) == N
    found = READERS[name](tmp_path / name)
    assert found.column_names == ["id", "g", "prediction"]
    assert found.column("id").to_pylist() == list(range(N))
    wanted = fit.predict(table)
    np.testing.assert_allclose(found.column("prediction").to_numpy(), wanted, rtol=1e-15)
    assert not list(tmp_path.glob("*.partial"))
    if name == "folder":
        assert len(list((tmp_path / name).iterdir())) > 1


def test_intervals_and_linear_predictors(fit, table, new, tmp_path):
    fit.predict_to(tmp_path / "p.parquet", new, interval=True, alpha=0.1)
    found = pq.read_table(tmp_path / "p.parquet")
    limits = fit.get_prediction(table).conf_int(0.1).to_pandas().to_numpy()
    np.testing.assert_allclose(found.column("lower").to_numpy(), limits[:, 0], rtol=1e-14)
    np.testing.assert_allclose(found.column("upper").to_numpy(), limits[:, 1], rtol=1e-14)
    fit.predict_to(tmp_path / "p.parquet", new, which="linear", exposure=1.0)
    found = pq.read_table(tmp_path / "p.parquet").column("prediction").to_numpy()
    np.testing.assert_allclose(found, fit.predict(table, "linear", exposure=1.0), rtol=1e-14)


def test_rows_that_cannot_be_predicted(fit, table, tmp_path):
    strange = table.slice(0, 3).set_column(2, "g", pa.array(["a", "z", None]))
    with pytest.raises(UnseenLevelError, match="'z'"):
        fit.predict_to(tmp_path / "p.parquet", fg.scan(strange))
    assert list(tmp_path.iterdir()) == []
    fit.predict_to(tmp_path / "p.parquet", fg.scan(strange), unseen="nan")
    found = pq.read_table(tmp_path / "p.parquet").column("prediction")
    assert found.null_count == 2
    assert found[0].as_py() == fit.predict(table.slice(0, 1))[0]


def test_nothing_is_half_written(fit, table, tmp_path):
    # The second piece has a level that the fit does not know.
    last = table.column("g").to_pylist()
    last[-1] = "z"
    bad = fg.scan(table.set_column(2, "g", pa.array(last)))
    (tmp_path / "p.parquet").write_text("before")
    for name in ("p.parquet", "folder"):
        with pytest.raises(UnseenLevelError, match="from row 24,576 on"):
            fit.predict_to(tmp_path / name, bad)
    assert (tmp_path / "p.parquet").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_bad_arguments(fit, table, new, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for path, options, error, match in (
        ("p.parquet", {"keep": "absent"}, ColumnNotFoundError, "no column 'absent'"),
        ("p.parquet", {"interval": True, "which": "linear"}, ModelError, "interval=True is of"),
        ("p.parquet", {"exposure": np.ones(N)}, ModelError, "exposure must be the name"),
        ("full", {}, DataError, "it is there already"),
        ("absent/p.parquet", {}, DataError, "there is no folder"),
        ("p.parquet", {"keep": ["id", "x", "id"]}, DataError, "keep has the column 'id' 2 times"),
        ("p.parquet", {"interval": 0.9}, ModelError, "True or False, not 0.9: its level is 1 - a"),
    ):
        with pytest.raises(error, match=match):
            fit.predict_to(tmp_path / path, new, **options)
    arrays = fg.GLM(table.column("claims").to_numpy(), np.ones((N, 1)), "poisson").fit()
    with pytest.raises(DataError, match="needs a fit of a formula"):
        arrays.predict_to(tmp_path / "p.parquet", new)
    with pytest.raises(DataError, match="read the file first, or use predict_to"):
        fit.predict(str(new))
    renamed = fg.scan(table.rename_columns(["prediction", *table.column_names[1:]]))
    with pytest.raises(DataError, match="'prediction' cannot be kept"):
        fit.predict_to(tmp_path / "p.parquet", renamed, keep="prediction")


@pytest.mark.parametrize("name", READERS)
def test_a_full_disk_leaves_what_was_there(name, fit, new, tmp_path):
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / name
    if name != "folder":
        target.write_text("before")
    for n_bytes in (3, 20_000):
        with files_of_at_most(n_bytes), pytest.raises(DataError, match=r"cannot write .*too large"):
            fit.predict_to(target, new, keep=["id", "x"], interval=True)
        assert [path.name for path in target.parent.iterdir()] == [name] * (name != "folder")
        assert name == "folder" or target.read_text() == "before"


@pytest.mark.parametrize("name", READERS)
def test_an_interruption_leaves_what_was_there(name, fit, table, tmp_path):
    def batches():
        yield table.slice(0, 20_000)
        if stop:
            raise KeyboardInterrupt
        yield table.slice(20_000)

    stop = False
    source = fg.scan(batches)
    stop = True
    with pytest.raises(KeyboardInterrupt):
        fit.predict_to(tmp_path / name, source)
    assert list(tmp_path.iterdir()) == []


def test_the_rows_that_are_predicted_are_not_written_over(fit, new):
    before = new.read_bytes()
    with pytest.raises(DataError, match="whose rows are predicted: choose another name"):
        fit.predict_to(str(new), new)
    assert new.read_bytes() == before
