"""Rows that the command line reads a few at a time, or from standard input."""

import io
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from cli_cases import MODEL

import fastglm as fg
from fastglm.cli import cluster
from fastglm.data.writing import write_table


def test_files_of_a_folder_are_fitted_and_predicted_a_few_rows_at_a_time(folder, run, frame):
    Path("many").mkdir()
    table = pa.Table.from_pandas(frame)
    write_table(table.slice(0, 20), "many/a.parquet")
    write_table(table.slice(20), "many/b.parquet")
    formula = "claims ~ x + region"
    asked = ("-f", "poisson", "--memory", "50MB", "--checkpoint", "fit.ckpt", "-o", "m.json")
    for data in ("many", "many/*.parquet", "data.parquet"):
        code, _, err = run("fit", data, formula, *asked)
        assert code == 0, err
        assert not Path("fit.ckpt").exists()
        assert f"{len(frame)} rows" in err
        code, _, _ = run("predict", "m.json", data, "-o", "scored", "--keep", "x", "--interval")
        assert code == 0
        scored = pyarrow.parquet.read_table("scored")
        assert scored.column_names == ["x", "prediction", "lower", "upper"]
        fit = fg.glm(formula, frame, "poisson")
        np.testing.assert_allclose(scored["prediction"], fit.predict(frame), rtol=1e-6)
        shutil.rmtree("scored")


def test_a_fit_is_resumed_from_a_checkpoint_that_is_there(folder, run):
    code, _, err = run("fit", "data.parquet", "claims ~ x", "--resume", "--checkpoint", "fit.ckpt")
    assert (code, err) == (2, "error: --resume needs a checkpoint, but there is no fit.ckpt.\n")
    Path("fit.ckpt").write_text("nothing")
    code, _, err = run("fit", "data.parquet", "claims ~ x", "--resume", "--checkpoint", "fit.ckpt")
    assert code == 2
    assert err.startswith("error: fit.ckpt is no checkpoint")


@pytest.fixture(scope="module")
def scheduler():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_rows_are_fitted_and_predicted_by_a_cluster(folder, run, frame, scheduler):
    table = pa.concat_tables([pa.Table.from_pandas(frame)] * 120)
    pyarrow.parquet.write_table(table, "long.parquet", row_group_size=9_000)
    for name, options in (("a.json", ()), ("b.json", ("--dask", scheduler))):
        code, _, _ = run("fit", "long.parquet", *MODEL, "--memory", "1GB", "-o", name, *options)
        assert code == 0
    here, there = (fg.load(name) for name in ("a.json", "b.json"))
    assert np.asarray(there.params).tobytes() == np.asarray(here.params).tobytes()
    for data in ("long.parquet", "data.csv"):
        asked = ("predict", "a.json", data, "--keep", "x", "--interval")
        _, wanted, _ = run(*asked)
        code, found, err = run(*asked, "--dask", scheduler)
        assert code == 0, err
        assert found == wanted
    assert len(found.splitlines()) == len(frame) + 1


def test_a_fit_by_processes_here(folder, run):
    pytest.importorskip("distributed")
    asked = ("fit", "data.parquet", *MODEL)
    _, wanted, _ = run(*asked, "--memory", "1GB")
    code, out, _ = run(*asked, "--dask", "local", "--threads", "1")
    assert (code, out) == (0, wanted)


def test_a_cluster_that_is_not_there(folder, run, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        code, out, err = run("fit", "data.parquet", *MODEL, "--dask", address)
        assert (code, out) == (2, "")
        assert f"no Dask scheduler answers at {address} (" in err
        assert "--dask local" in err
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run("fit", "data.parquet", *MODEL, "--dask", "local")
    assert code == 2
    assert "need distributed; pip install 'fastglm[dask]'" in err


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_standard_input(ending, folder, run, monkeypatch):
    def piped(*arguments):
        text = io.TextIOWrapper(io.BytesIO((folder / f"data.{ending}").read_bytes()))
        monkeypatch.setattr(sys, "stdin", text)
        return run(*arguments)

    _, wanted, _ = run("fit", f"data.{ending}", *MODEL, "-o", "model.json")
    code, out, err = piped("fit", "-", *MODEL)
    assert (code, out) == (0, wanted)
    assert err.startswith("300 rows, ")
    _, streamed, _ = piped("fit", "-", *MODEL, "--memory", "100MB")
    assert streamed.splitlines()[-4] == wanted.splitlines()[-4]
    _, wanted, _ = run("predict", "model.json", f"data.{ending}")
    code, out, _ = piped("predict", "model.json", "-")
    assert (code, out) == (0, wanted)


def test_standard_input_that_is_empty(folder, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    code, out, err = run("fit", "-", *MODEL)
    assert (code, out) == (2, "")
    assert err.startswith("error: standard input is empty: ")


def test_rows_alike_are_fitted_as_one(folder, run):
    options = ("claims ~ region", "--family", "poisson")
    _, wanted, _ = run("fit", "data.parquet", *options)
    code, out, err = run("fit", "data.parquet", *options, "--compress")
    assert code == 0
    assert [line for line in out.splitlines() if "region" in line] == [
        line for line in wanted.splitlines() if "region" in line
    ]
    assert re.match(r"300 rows, \d\d distinct, 1 sweeps: ", err)
    _, _, err = run("fit", "data.parquet", *options, "--no-compress", "--memory", "1GB")
    assert "distinct" not in err


def test_a_line_for_each_pass(folder, run):
    code, _, err = run("fit", "data.parquet", *MODEL, "--memory", "1GB", "--progress")
    assert code == 0
    assert err.startswith("pass 1: 300 of 300 rows, ")
    assert err.splitlines()[-1].startswith("300 rows, ")
