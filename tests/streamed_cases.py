"""Rows of every kind, ways to read them, and models of them, for tests of streamed fits."""

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

N = 60_001


def make_table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    x, year = rng.normal(size=n), 2000.0 + rng.integers(0, 20, n)
    g, h = rng.choice(["north", "east", "south", "west"], n), rng.integers(0, 5, n)
    years = rng.uniform(0.2, 1.0, n)
    rate = np.exp(-0.5 + 0.3 * x + 0.02 * (year - 2010) + 0.3 * (g == "east") - 0.1 * h)
    claims = rng.poisson(years * rate)
    trials = rng.integers(1, 6, n)
    wins = rng.binomial(trials, 1 / (1 + np.exp(-0.3 * x)))
    columns = {
        "x": x,
        "year": year,
        "g": g,
        "h": h,
        "flag": rng.random(n) < 0.3,
        "years": years,
        "claims": claims,
        "any": np.where(claims > 0, "yes", "no"),
        "cost": rng.gamma(2.0, np.exp(0.1 * x) / 2.0),
        "size": 1.0 + 2.0 * x + rng.normal(size=n),
        "wins": wins,
        "losses": trials - wins,
        "w": rng.uniform(0.5, 2.0, n),
        "times": rng.integers(0, 4, n),
    }
    return pa.table(columns)


def make_gaps():
    """As `make_table`, with missing values of every kind, and rows from 30,000 on without any x."""
    table, rng = make_table(), np.random.default_rng(1)
    for name in ("x", "g", "h", "flag", "claims", "years"):
        mask = rng.random(N) < 0.02
        if name == "x":
            mask[30_000:40_000] = True
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, name, pa.array(table.column(name).to_pylist(), table.field(name).type, mask=mask)
        )
    return table


def write_folder(table, folder):
    """The rows of a table in files of many kinds."""
    for rows in (5_000, 8_192, 20_000, 1_000_000):
        pq.write_table(table, folder / f"{rows}.parquet", row_group_size=rows)
    (folder / "many").mkdir()
    for k, first in enumerate(range(0, N, 17_000)):
        pq.write_table(table.slice(first, 17_000), folder / "many" / f"part-{k}.parquet")
    feather.write_feather(table, folder / "rows.arrow", chunksize=9_999)
    return folder


SOURCES = {
    "5,000": lambda folder, table: folder / "5000.parquet",
    "8,192": lambda folder, table: folder / "8192.parquet",
    "20,000": lambda folder, table: str(folder / "20000.parquet"),
    "one row group": lambda folder, table: folder / "1000000.parquet",
    "files": lambda folder, table: folder / "many",
    "glob": lambda folder, table: str(folder / "many" / "*.parquet"),
    "arrow": lambda folder, table: folder / "rows.arrow",
    "memory": lambda folder, table: fg.scan(table),
    "pandas": lambda folder, table: fg.scan(table.to_pandas()),
    "lazy": lambda folder, table: pl.scan_parquet(folder / "8192.parquet"),
    "duckdb": lambda folder, table: duckdb.connect().sql(
        f"select * from '{folder / '1000000.parquet'}'"
    ),
    "dask": lambda folder, table: dd.from_pandas(table.to_pandas(), npartitions=5),
    "data set": lambda folder, table: pyarrow.dataset.dataset(folder / "many"),
    "batches": lambda folder, table: lambda: iter(table.to_batches(max_chunksize=4_321)),
}
FORMULA = "claims ~ x + year + g + C(h) + flag + x:g"


MODELS = {
    "poisson": (FORMULA, {"family": "poisson", "exposure": "years"}),
    "offset": ("claims ~ x + g + offset(log(years))", {"family": "poisson"}),
    "given offset": ("claims ~ x", {"family": "poisson", "offset": "w"}),
    "no intercept": ("claims ~ x + g - 1", {"family": "poisson"}),
    "weights": ("claims ~ x * g", {"family": "poisson", "var_weights": "w"}),
    "frequencies": (
        "claims ~ x + flag",
        {"family": "poisson", "freq_weights": "times", "var_weights": "w"},
    ),
    "one weight": ("size ~ x", {"var_weights": 2.0}),
    "levels": ("any ~ x + g", {"family": "binomial"}),
    "truths": ("flag ~ x", {"family": "binomial"}),
    "counts": ("cbind(wins, losses) ~ x + g", {"family": "binomial"}),
    "probit": ("any ~ x + C(h)", {"family": "binomial", "link": "probit"}),
    "gaussian": ("size ~ x + year + g", {"family": "gaussian"}),
    "gamma": ("cost ~ x + g", {"family": "gamma", "link": "log"}),
    "inverse": ("cost ~ flag", {"family": "gamma"}),
    "negative binomial": ("claims ~ x", {"family": fg.families.NegativeBinomial(alpha=0.5)}),
    "quasi": ("claims ~ x", {"family": "quasipoisson"}),
    "tweedie": ("cost ~ x", {"family": fg.families.Tweedie(var_power=1.5)}),
    "spline": ("size ~ bs(year, df=4) + x", {}),
    "splines": ("size ~ bs(x, df=6, degree=2) + bs(log(cost), df=5, include_intercept=True)", {}),
    "straight": ("size ~ bs(x, degree=1):flag + bs(year, knots=[2005, 2010])", {}),
    "nested": ("size ~ bs(center(x), df=4)", {}),
    "natural": ("claims ~ cr(x, df=4)", {"family": "poisson"}),
    "polynomial": ("size ~ poly(x, 3) + scale(year)", {}),
    "contrast": ("size ~ C(g, contr.sum) + C(h, contr.treatment(2)):x", {}),
    "expression": ("log(cost) ~ I(x**2) + exp(x / 9) + I(year > 2010)", {}),
    "constant": ("claims ~ 1", {"family": "poisson"}),
}


def bits(results):
    numbers = [results.params, results.bse, results.cov_params(), results.deviance]
    numbers += [results.pearson_chi2, results.llf, results.null_deviance, results.nobs]
    return [np.asarray(value, dtype=np.float64).tobytes() for value in numbers]


def assert_alike(streamed, whole):
    assert streamed.names == whole.names
    assert streamed.terms == whole.terms
    bse = np.asarray(whole.bse)
    np.testing.assert_allclose((streamed.params - np.asarray(whole.params)) / bse, 0, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, bse, rtol=1e-7)
    np.testing.assert_allclose(streamed.cov_params(), whole.cov_params(), rtol=1e-6, atol=1e-12)
    for name in ("deviance", "pearson_chi2", "scale", "llf", "null_deviance", "llnull", "aic"):
        wanted = getattr(whole, name)
        assert getattr(streamed, name) == pytest.approx(wanted, rel=1e-7, nan_ok=True), name
    for name in ("nobs", "sum_weights"):
        assert getattr(streamed, name) == pytest.approx(getattr(whole, name), rel=1e-12), name
    for name in (
        "df_resid", "df_model", "df_null", "n_dropped", "missing", "rank", "has_intercept", "use_t",
        "response_name", "response_levels", "has_offset", "has_exposure", "column_names", "weights",
        "formula", "status",
    ):  # fmt: skip
        assert getattr(streamed, name) == getattr(whole, name), name
    assert streamed.fitted_formula.to_dict() == whole.fitted_formula.to_dict()
