"""Fits of rows in files of unlike sizes and orders: the same bits, and the numbers in memory."""

import dask.dataframe as dd
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from streamed_cases import assert_alike, bits

import fastglm as fg
from fastglm.errors import DataError

N = 40_000
FORMULA, OPTIONS = "claims ~ x + g", {"family": "poisson", "exposure": "years"}
#: Rows of one piece after the other: one holds most, others few or none.
SIZES = (0, 3, 1, 31_000, 0, 1, 0, 8_192, 700, 2, 101)


@pytest.fixture(scope="module")
def table():
    """Sorted by time; coefficients change along it, and a level comes late."""
    rng = np.random.default_rng(0)
    t, x = np.arange(N) / N, rng.normal(size=N) + 2.0 * np.arange(N) / N
    g = np.where(t > 0.97, "arctic", np.where(rng.random(N) < t, "north", "south"))
    years = rng.uniform(0.2, 1.0, N)
    rate = np.exp(-1.0 + (0.8 - 1.2 * t) * x + 0.5 * (g == "north") * t)
    columns = {
        "x": x,
        "g": g,
        "years": years,
        "claims": rng.poisson(years * rate),
        "any": rng.random(N) < 1.0 / (1.0 + np.exp(2.0 - x + 2.0 * t)),
        "cost": rng.gamma(2.0, rate),
        "day": np.floor(365.0 * t),
    }
    return pa.table(columns)


def pieces(table):
    ends = np.cumsum(SIZES)
    found = [table.slice(end - size, size) for end, size in zip(ends, SIZES, strict=True)]
    assert sum(piece.num_rows for piece in found) == N
    return found


def row_groups(table, folder):
    path = folder / "groups.parquet"
    with pq.ParquetWriter(path, table.schema) as writer:
        for piece in pieces(table):
            writer.write_table(piece, row_group_size=max(piece.num_rows, 1))
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    assert max(sizes) == 31_000
    return path


def files(table, folder):
    (folder / "files").mkdir(exist_ok=True)
    for k, piece in enumerate(pieces(table)):
        pq.write_table(piece, folder / "files" / f"part-{k:02}.parquet", row_group_size=5_000)
    return folder / "files"


def record_batches(table, folder):
    path = folder / "batches.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        for piece in pieces(table):
            batches = piece.combine_chunks().to_batches()
            none = pa.RecordBatch.from_pylist([], schema=table.schema)
            writer.write_batch(batches[0] if batches else none)
    return path


def partitions(table, folder):
    sizes = ((0, 31_000), (31_000, 0), (31_000, 1), (31_001, N))
    frames = [table.slice(first, size).to_pandas() for first, size in sizes]
    return dd.concat([dd.from_pandas(frame, npartitions=1) for frame in frames])


SKEWED = {
    "row groups": row_groups,
    "files": files,
    "record batches": record_batches,
    "data set": lambda table, folder: pyarrow.dataset.dataset(files(table, folder)),
    "lazy": lambda table, folder: pl.scan_parquet(row_groups(table, folder)),
    "dask": partitions,
    "function": lambda table, folder: lambda: iter(pieces(table)),
}


@pytest.mark.parametrize("way", SKEWED)
def test_pieces_of_unlike_sizes_give_the_same_bits(way, table, tmp_path):
    wanted = bits(fg.glm(FORMULA, fg.scan(table), memory="4MB", n_threads=1, **OPTIONS))
    # A partition of Dask is computed anew for every window of it.
    for n_threads in (1,) if way == "dask" else (1, 2):
        source = SKEWED[way](table, tmp_path)
        streamed = fg.glm(FORMULA, source, memory="4MB", n_threads=n_threads, **OPTIONS)
        assert bits(streamed) == wanted


def test_a_file_without_any_complete_row(table, tmp_path):
    holes = np.zeros(N, dtype=bool)
    holes[3 + 1 : 3 + 1 + 31_000] = True
    gaps = table.set_column(0, "x", pa.array(table.column("x").to_numpy(), mask=holes))
    options = OPTIONS | {"missing": "drop"}
    streamed = fg.glm(FORMULA, files(gaps, tmp_path), memory="4MB", **options)
    assert streamed.n_dropped == 31_000
    assert_alike(streamed, fg.glm(FORMULA, gaps, **options))


DRIFTING = {
    "poisson": (FORMULA, OPTIONS),
    "binomial": ("any ~ x * g", {"family": "binomial"}),
    "gamma": ("cost ~ x + g + day", {"family": "gamma", "link": "log"}),
    "spline": ("claims ~ bs(day, df=5) + g", OPTIONS),
    "a level a day": ("claims ~ x + C(day)", OPTIONS),
    "gaussian": ("x ~ day + g", {"family": "gaussian"}),
}


@pytest.mark.parametrize("model", DRIFTING)
def test_rows_that_drift(model, table, tmp_path):
    formula, options = DRIFTING[model]
    path = row_groups(table, tmp_path)
    # A small sample, so that it is not all rows.
    memory = "40MB" if "C(" in formula else "2MB"
    assert_alike(fg.glm(formula, path, memory=memory, **options), fg.glm(formula, table, **options))


def test_a_delta_table_stays_at_its_version(table, tmp_path):
    deltalake = pytest.importorskip("deltalake")
    for piece in (table.slice(0, 30_000), table.slice(30_000)):
        deltalake.write_deltalake(tmp_path, piece, mode="append")
    opened = deltalake.DeltaTable(tmp_path)
    streamed = fg.glm(FORMULA, opened, memory="4MB", **OPTIONS)
    assert_alike(streamed, fg.glm(FORMULA, table, **OPTIONS))
    deltalake.write_deltalake(tmp_path, table.slice(0, 100), mode="append")
    assert bits(fg.glm(FORMULA, opened, memory="4MB", **OPTIONS)) == bits(streamed)
    newer = fg.scan(deltalake.DeltaTable(tmp_path))
    assert newer.fingerprint() != fg.scan(opened).fingerprint()
    assert fg.glm(FORMULA, newer, memory="4MB", **OPTIONS).nobs == N + 100


def test_a_delta_table_of_another_version_is_no_checkpoint_of_this_one(table, tmp_path):
    deltalake = pytest.importorskip("deltalake")
    place, target = tmp_path / "table", tmp_path / "fit.ckpt"
    deltalake.write_deltalake(place, table)

    def stop(n, deviance):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fg.glm(FORMULA, deltalake.DeltaTable(place), checkpoint=target, progress=stop, **OPTIONS)
    deltalake.write_deltalake(place, table, mode="overwrite")
    with pytest.raises(DataError, match="is of another fit, of another source: remove it"):
        fg.glm(FORMULA, deltalake.DeltaTable(place), checkpoint=target, **OPTIONS)
