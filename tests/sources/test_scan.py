import pickle

import dask.dataframe as dd
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import fastglm as fg
from fastglm.errors import DataError
from fastglm.sources.scan import is_source, scan
from fastglm.sources.streams import whole_columns

N = 5_000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": rng.normal(size=N),
            "g": pa.array(rng.choice(["a", "b", "c"], N)),
            "k": pa.array(rng.integers(0, 9, N), mask=rng.random(N) < 0.1),
        }
    )


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    pq.write_table(table, folder / "one.parquet", row_group_size=701)
    (folder / "many").mkdir()
    for k, first in enumerate(range(0, N, 2_000)):
        pq.write_table(table.slice(first, 2_000), folder / "many" / f"part-{k}.parquet")
    feather.write_feather(table, folder / "one.arrow", chunksize=999)
    feather.write_feather(table, folder / "packed.feather", compression="zstd", chunksize=999)
    return folder


WAYS = {
    "parquet": lambda folder, table: folder / "one.parquet",
    "text": lambda folder, table: str(folder / "one.parquet"),
    "glob": lambda folder, table: str(folder / "many" / "*.parquet"),
    "folder": lambda folder, table: folder / "many",
    "list": lambda folder, table: sorted((folder / "many").iterdir()),
    "arrow": lambda folder, table: folder / "one.arrow",
    "feather": lambda folder, table: folder / "packed.feather",
    "table": lambda folder, table: table,
    "batch": lambda folder, table: table.combine_chunks().to_batches()[0],
    "pandas": lambda folder, table: table.to_pandas(),
    "polars": lambda folder, table: pl.from_arrow(table),
    "lazy": lambda folder, table: pl.scan_parquet(folder / "one.parquet"),
    "duckdb": lambda folder, table: duckdb.connect().sql(
        f"select * from '{folder / 'one.parquet'}'"
    ),
    "data set": lambda folder, table: pa.dataset.dataset(folder / "many"),
    "dask": lambda folder, table: dd.from_pandas(table.to_pandas(), npartitions=7),
    "batches": lambda folder, table: lambda: iter(table.to_batches(max_chunksize=77)),
    "frames": lambda folder, table: lambda: [table.to_pandas()[:100], table.to_pandas()[100:]],
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_read_by_position(way, folder, table):
    source = scan(WAYS[way](folder, table))
    assert set(source.names) == {"x", "g", "k"}
    for first, last in ((0, None), (0, 1), (1_234, 3_001), (699, 702), (4_999, 5_000)):
        pieces = list(source.read(["g", "x"], first, last))
        x = np.concatenate([piece.column("x").to_numpy() for piece in pieces])
        g = [v for piece in pieces for v in piece.column("g").to_pylist()]
        wanted = table.slice(first, None if last is None else last - first)
        assert (x == wanted.column("x").to_numpy()).all()
        assert g == wanted.column("g").to_pylist()
        assert all(piece.column_names == ["g", "x"] for piece in pieces)
    assert source.n_rows == N
    assert scan(source) is source


def test_what_a_path_or_an_engine_gives_is_a_source_and_a_frame_is_not(folder, table):
    for way, make in WAYS.items():
        frames = ("table", "batch", "pandas", "polars", "list")
        assert is_source(make(folder, table)) == (way not in frames), way


def test_a_source_detects_whether_its_rows_are_the_same(folder, table, tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    before = scan(path).fingerprint()
    assert before == scan(path).fingerprint()
    assert pickle.loads(pickle.dumps(before)) == before
    pq.write_table(table.slice(0, N - 1), path)
    assert scan(path).fingerprint() != before


def one_shot(table):
    return table.to_reader()


def same_again(table):
    reader = table.to_reader()
    return lambda: reader


def failing(table):
    yield table
    raise OSError("the connection is lost\nand more")


BAD = {
    "a function that fails": (lambda f, t: lambda: 1 / 0, "cannot read <lambda>: ZeroDivisionErr"),
    "a function of arguments": (lambda f, t: lambda x: [t], "missing 1 required positional"),
    "a lazy frame of no file": (
        lambda f, t: pl.scan_parquet(f / "absent.parquet"),
        "cannot read the LazyFrame: FileNotFoundError: .* Correct what it reads",
    ),
    "no such file": (lambda f, t: f / "absent.parquet", "absent.parquet: No such file"),
    "no files of a glob": (lambda f, t: str(f / "*.pqt"), "there are no files"),
    "unknown ending": (lambda f, t: __file__, "must all be of one kind, and end in one of"),
    "a reader": (lambda f, t: t.to_reader(), "can be read only once"),
    "a generator": (lambda f, t: (b for b in t.to_batches()), "can be read only once"),
    "the same reader": (lambda f, t: same_again(t), "gives the same stream again"),
    "no batches": (lambda f, t: lambda: [], "has no rows"),
    "no stream": (lambda f, t: lambda: 1, "gives a int; let it give record batches"),
    "no tables": (lambda f, t: lambda: [1, 2], "gives a int"),
    "a number": (lambda f, t: 1, "cannot stream a int"),
    "an empty list": (lambda f, t: [], "no files in an empty list"),
    "an empty table": (lambda f, t: t.slice(0, 0), "has no rows"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read(kind, folder, table):
    make, match = BAD[kind]
    with pytest.raises(DataError, match=match):
        scan(make(folder, table))


def test_columns_that_differ_between_files_are_refused_when_they_are_used(table, tmp_path):
    pq.write_table(table, tmp_path / "a.parquet")
    truths = pa.array(np.arange(len(table)) % 2 == 0)
    pq.write_table(table.set_column(0, "x", truths), tmp_path / "b.parquet")
    source = scan(tmp_path)
    with pytest.raises(DataError, match=r"column 'x' is double in .*a.parquet and bool in"):
        list(source.read(["k", "x"]))
    with pytest.raises(DataError, match=r"column 'x' is double in .*write the files with"):
        fg.glm("k ~ x", source)
    assert sum(len(some) for some in source.read(["k"])) == 2 * len(table)
    # Rows that fit into memory are brought there without it.
    both = pa.concat_tables(2 * [table])
    streamed, whole = (fg.glm("k ~ g", data, missing="drop") for data in (tmp_path, both))
    np.testing.assert_allclose(streamed.resid_response, whole.resid_response, atol=1e-9)
    pq.write_table(table.drop_columns(["k"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"column 'k' is int64 .* and missing in"):
        fg.glm("x ~ k", tmp_path)
    assert fg.glm("x ~ g", tmp_path).nobs == 2 * len(table)
    # So is a column that the first file has not.
    (tmp_path / "b.parquet").rename(tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"column 'k' is missing in .*0.parquet and int64 in"):
        fg.glm("x ~ k", tmp_path)
    assert fg.glm("x ~ g", tmp_path).nobs == 2 * len(table)


def test_a_broken_row_group_is_named(table, tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=1_000, compression="zstd")
    place = pq.ParquetFile(path).metadata.row_group(3).column(0)
    start = place.dictionary_page_offset or place.data_page_offset
    broken = bytearray(path.read_bytes())
    broken[start : start + place.total_compressed_size] = bytes(place.total_compressed_size)
    path.write_bytes(broken)
    source = scan(path)
    with pytest.raises(DataError, match=r"cannot read row group 3 of .*rows.parquet"):
        list(source.read(["x"]))
    # A file that was written meanwhile is not called broken.
    pq.write_table(table.slice(0, 2_500), path, row_group_size=500)
    with pytest.raises(DataError, match=r"rows.parquet has changed during the fit: start again"):
        list(source.read(["x"]))


@pytest.mark.parametrize(
    ("write", "ending"), [(pq.write_table, "parquet"), (feather.write_feather, "arrow")]
)
def test_numbers_of_files_take_a_type_that_has_them_all(write, ending, table, tmp_path):
    n = len(table)
    kinds = {
        "a": ("int32", "int8", "null"),
        "b": ("int64", "float32", "float64"),
        "c": ("int8",) * 3,
    }
    small = np.arange(n) % 100
    rows = {"k": small, "x": small[::-1], "z": small**2 % 89}
    for name, some in kinds.items():
        values = zip(rows.items(), some, strict=True)
        columns = {
            key: pa.nulls(n) if kind == "null" else pa.array(column, kind)
            for (key, column), kind in values
        }
        order = list(columns) if name == "a" else list(columns)[::-1]
        write(pa.table(columns).select(order), tmp_path / f"{name}.{ending}")
    source = scan([tmp_path / f"{name}.{ending}" for name in kinds])
    found = pa.concat_tables(list(source.read(["x", "k", "z"])))
    assert [str(kind) for kind in found.schema.types] == ["double", "int64", "double"]
    np.testing.assert_array_equal(found["k"], np.tile(small, 3))
    np.testing.assert_array_equal(found["x"], np.tile(small[::-1], 3))
    assert found["z"].null_count == n
    # The order of the columns differs, too.
    assert pa.concat_tables(list(source.read(["k"]))).equals(found.select(["k"]))
    streamed = fg.glm("k ~ x + z", source, missing="drop")
    whole = fg.glm("k ~ x + z", fg.scan(found), missing="drop")
    assert streamed.estimates.tobytes() == whole.estimates.tobytes()


def test_numbers_that_a_common_type_has_not_are_refused(table, tmp_path):
    large = table.set_column(0, "x", pa.array(2**53 + 1 + np.arange(len(table))))
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(large, tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"cannot read row group 0 of .*b.parquet: Integer value"):
        fg.glm("k ~ x", tmp_path)


def test_a_stream_that_ends_early_the_second_time_is_refused(table):
    # Two streams are opened to see whether they are two.
    lengths = iter([None, None, None, 3_000])
    source = scan(lambda: iter(table.slice(0, next(lengths)).to_batches(max_chunksize=500)))
    list(source.read(["x"]))
    with pytest.raises(DataError, match="gave 5000 rows the first time and 3000 now"):
        list(source.read(["x"]))


def test_every_batch_must_have_the_columns(table):
    source = scan(lambda: [table, table.drop_columns(["x"])])
    with pytest.raises(DataError, match=r"a batch of .* lacks the column 'x'"):
        list(source.read(["x"]))


def test_a_failure_in_the_middle_of_a_stream_names_its_cause(table, tmp_path):
    with pytest.raises(DataError, match=r"OSError: the connection is lost\. Correct what"):
        list(scan(lambda: failing(table)).read(["x"]))
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=1_000)
    sources = scan(pl.scan_parquet(path)), scan(pa.dataset.dataset(path))
    column = pq.ParquetFile(path).metadata.row_group(3).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    broken = bytearray(path.read_bytes())
    broken[start : start + 200] = b"\xff" * 200
    path.write_bytes(broken)
    for source in sources:
        with pytest.raises(DataError, match=f"cannot read {source.label}: "):
            list(source.read(["x", "g"]))


def test_an_interruption_stays_one(table):
    def interrupted():
        yield table
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(scan(interrupted).read(["x"]))


@pytest.mark.parametrize("make", [lambda t: t, pl.from_arrow, lambda t: t.to_pandas()])
def test_a_function_may_give_one_table(make, table):
    source = scan(lambda: make(table))
    found = pa.concat_tables(list(source.read(["g", "x"])))
    assert found.column("x").to_pylist() == table.column("x").to_pylist()


@pytest.mark.parametrize("engine", ["callable", "dask"])
def test_batches_must_have_the_same_types(engine, table):
    other = table.set_column(0, "x", table.column("x").cast(pa.string()))
    if engine == "dask":
        frames = [table.to_pandas(), other.to_pandas()]
        source = scan(dd.from_map(lambda k: frames[k], [0, 1], meta=frames[0][:0]))
    else:
        source = scan(lambda: [table, other])
    with pytest.raises(DataError, match=r"column 'x' of .* is double in some batches and .*string"):
        list(source.read(["x"]))


def test_batches_of_one_kind_are_one_type(table):
    frame = table.to_pandas()
    many = [f"level {k % 300}" for k in range(N)]
    few = pa.table({"g": frame["g"].astype("category")})
    batches = [few, pa.table({"g": frame.assign(g=many)["g"].astype("category")})]
    found = pa.concat_tables(list(scan(lambda: batches).read(["g"])))
    assert found.column("g").to_pylist() == [*frame["g"], *many]
    texts = [table.select(["g"]), table.select(["g"]).cast(pa.schema([("g", pa.large_string())]))]
    found = pa.concat_tables(list(scan(lambda: texts).read(["g"])))
    assert found.column("g").to_pylist() == [*frame["g"], *frame["g"]]
    # A batch of nulls alone has no type of its own.
    nulls = pa.table({"g": pa.nulls(3)})
    for order in ([few, nulls, few], [nulls, few]):
        source = scan(lambda order=order: order)
        found = pa.concat_tables(list(source.read(["g"])), promote_options="default")
        assert found.column("g").null_count == 3


@pytest.mark.parametrize("first", [0, 1, 2])
def test_files_may_lay_out_their_strings_differently(table, first, tmp_path):
    plain = table.select(["g", "x"])
    place = plain.schema.get_field_index("g")
    layouts = [
        plain,
        plain.set_column(place, "g", plain.column("g").cast(pa.large_string())),
        plain.set_column(place, "g", plain.column("g").dictionary_encode()),
    ]
    layouts = layouts[first:] + layouts[:first]
    for k, some in enumerate(layouts):
        pq.write_table(some, tmp_path / f"part {k}.v1.parquet")
    for source in (scan(tmp_path), scan(lambda: layouts)):
        found = pa.concat_tables(list(source.read(["g", "x"])))
        assert found.column("g").to_pylist() == 3 * table.column("g").to_pylist()
        assert found.column("x").to_pylist() == 3 * table.column("x").to_pylist()


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_folders_give_columns(table, write, tmp_path):
    ending = "parquet" if write is pq.write_table else "arrow"
    for k, (year, region) in enumerate([(2023, "north"), (2023, "the south"), (2024, "north")]):
        folder = tmp_path / f"year={year}" / f"region={region}"
        folder.mkdir(parents=True)
        write(table.slice(1_000 * k, 1_000), folder / f"part.{ending}")
    source = scan(tmp_path)
    assert source.names == ("x", "g", "k", "year", "region")
    whole = pa.concat_tables(source.read(["region", "x", "year"]))
    assert whole.column_names == ["region", "x", "year"]
    assert whole["x"].to_pylist() == table["x"].to_pylist()[:3_000]
    assert whole["year"].to_pylist() == [2023] * 2_000 + [2024] * 1_000
    regions = ["north"] * 1_000 + ["the south"] * 1_000 + ["north"] * 1_000
    assert whole["region"].to_pylist() == regions
    alone = pa.concat_tables(source.read(["year"], 1_999, 2_001))
    assert alone.column_names == ["year"]
    assert alone["year"].to_pylist() == [2023, 2024]


def test_columns_of_files_go_before_those_of_folders(table, tmp_path):
    (tmp_path / "g=z").mkdir()
    pq.write_table(table, tmp_path / "g=z" / "part.parquet")
    source = scan(tmp_path)
    assert source.names == ("x", "g", "k")
    assert pa.concat_tables(source.read(["g"]))["g"].to_pylist() == table["g"].to_pylist()


def test_a_fit_has_the_columns_of_folders(table, tmp_path):
    frames = []
    for year in (2023, 2024):
        part = table.slice(2_000 * (year - 2023), 2_000)
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(part, tmp_path / f"year={year}" / "part.parquet")
        frames.append(part.append_column("year", pa.array([year] * 2_000)))
    formula = "x ~ C(year) + g"
    streamed, there = fg.glm(formula, tmp_path), fg.glm(formula, pa.concat_tables(frames))
    assert streamed.names == there.names
    np.testing.assert_allclose(streamed.params, there.params, rtol=1e-10)


def test_ordered_categories_and_strings_are_not_mixed(table, tmp_path):
    codes = table.column("g").combine_chunks().dictionary_encode()
    ordered = pa.DictionaryArray.from_arrays(codes.indices, codes.dictionary, ordered=True)
    pq.write_table(table.select(["g"]), tmp_path / "a.parquet")
    pq.write_table(pa.table({"g": ordered}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"column 'g' is .*string in .* and dictionary"):
        list(scan(tmp_path).read(["g"]))


#: Columns of 50 whole numbers, or of what they stand for.
TYPES = {
    "int8": lambda x: pa.array(x.astype("i1")),
    "int32": lambda x: pa.array(x.astype("i4")),
    "uint64": lambda x: pa.array(x.astype("u8")),
    "float32": lambda x: pa.array(x.astype("f4")),
    "decimal": lambda x: pa.array(x.astype("i4")).cast(pa.decimal128(12, 2)),
    "truth": lambda x: pa.array(x > 20),
    "truth with gaps": lambda x: pa.array(x > 20, mask=x == 3),
    "int with gaps": lambda x: pa.array(x.astype("i4"), mask=x == 3),
    "large string": lambda x: pa.array([f"g{k % 3}" for k in x], pa.large_string()),
    "string view": lambda x: pa.array([f"g{k % 3}" for k in x], pa.string_view()),
    "dictionary": lambda x: pa.array([f"g{k % 3}" for k in x]).dictionary_encode(),
    "string with gaps": lambda x: pa.array([None if k == 3 else f"g{k % 3}" for k in x]),
    "timestamp": lambda x: pa.array(x * 10**9, pa.timestamp("us")),
    "zoned": lambda x: pa.array(x * 10**9, pa.timestamp("us", "UTC")),
    "date": lambda x: pa.array(x.astype("i4")).cast(pa.date32()),
    "duration": lambda x: pa.array(x, pa.duration("s")),
    "binary": lambda x: pa.array([b"g%d" % (k % 3) for k in x]),
    "list": lambda x: pa.array([[k] for k in x]),
    "nulls": lambda x: pa.nulls(x.size),
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_of_column_is_taken_as_from_memory_or_refused_in_its_sentence(kind, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, 1_500)
    table = pa.table({"x": TYPES[kind](x), "y": rng.poisson(np.exp(0.01 * x))})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=400)

    def fitted(data):
        try:
            return fg.glm("y ~ x", data, "poisson", missing="drop"), ""
        except DataError as error:
            return None, str(error)

    (streamed, refusal), (whole, wanted) = fitted(path), fitted(table)
    if whole is None:
        assert wanted.partition(" is complete")[0] in refusal or wanted.startswith("No row")
        assert "Column 'x' holds" in refusal or "No row of" in refusal
        assert "convert it to numbers or to strings" in refusal or "Leave out" in refusal
        return
    assert streamed.names == whole.names
    assert streamed.nobs == whole.nobs
    np.testing.assert_allclose(streamed.params, whole.params, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-7)


@pytest.mark.parametrize("kind", ["numbers", "nulls", "text"])
def test_whole_columns_are_those_of_all_pieces(kind):
    values = {"numbers": np.arange(10.0), "nulls": [1, None] * 5, "text": list("ababababab")}
    whole = pa.table({"x": values[kind], "k": np.arange(10, dtype=np.int16)})
    pieces = [whole.slice(0, 3), whole.slice(3, 3), whole.slice(6)]
    found = whole_columns(pieces)
    assert pieces == []
    if kind == "numbers":
        assert {name: column.dtype for name, column in found.items()} == {"x": "f8", "k": "i2"}
        found = pa.table(found)
    assert found.equals(whole)


def test_the_pieces_of_whole_columns_are_given_back():
    before = pa.total_allocated_bytes()
    pieces = [pa.table({"x": pa.array(np.arange(1e5)).filter(np.ones(100_000, bool))})]
    pieces *= 2
    assert pa.total_allocated_bytes() > before
    found = whole_columns(pieces)
    assert found["x"].size == 200_000
    assert pa.total_allocated_bytes() <= before
