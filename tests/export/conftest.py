from __future__ import annotations

import sqlite3

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

REGIONS = ["it's", 'a "quoted" one', "back\\slash", "plain"]
ROWS = 160


@pytest.fixture(scope="session")
def frame():
    rng = np.random.default_rng(5)
    x = rng.normal(size=ROWS)
    frame = pd.DataFrame(
        {
            "x": x,
            "z": rng.uniform(0.5, 3.0, ROWS),
            "age": rng.uniform(18.0, 80.0, ROWS),
            "month": rng.uniform(0.0, 12.0, ROWS),
            "years": rng.uniform(0.2, 2.0, ROWS),
            "o": rng.normal(scale=0.2, size=ROWS),
            "region": rng.choice(REGIONS, ROWS),
            "kind": rng.choice(["a", "b", "c"], ROWS),
            "smoker": rng.random(ROWS) < 0.4,
            "year": rng.integers(2019, 2023, ROWS),
            'odd "name" \'s': rng.normal(size=ROWS),
        }
    )
    level = 0.3 * x + 0.4 * frame.smoker + 0.2 * (frame.region == "it's")
    return frame.assign(
        n=rng.poisson(frame.years * np.exp(level)), y=np.exp(level) * rng.gamma(4.0, 0.25, ROWS)
    )


@pytest.fixture(scope="session")
def new(frame):
    """Rows of the fit and beyond, with unseen levels and missing values."""
    new = frame.drop(columns=["n", "y"]).iloc[:60].reset_index(drop=True)
    new.loc[0, "region"], new.loc[1, "kind"], new.loc[2, "year"] = "unseen", "unseen", 1999
    new.loc[3, "region"], new.loc[4, "x"], new.loc[5, "years"] = None, np.nan, np.nan
    new.loc[6, "o"], new.loc[7, "age"] = np.nan, np.nan
    return new


def in_duckdb(sql, table):
    """Rows of a statement that reads `policies`."""
    with duckdb.connect() as database:
        database.register("policies", pa.Table.from_pandas(table, preserve_index=False))
        return database.execute(sql).df()


def in_sqlite(sql, table):
    """Rows of a statement that reads `policies`."""
    values = table.astype(object).where(table.notna(), None)
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in table.columns)
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE policies ({names})")
    marks = ", ".join("?" * table.shape[1])
    database.executemany(f"INSERT INTO policies VALUES ({marks})", values.to_numpy().tolist())
    result = pd.read_sql_query(sql, database)
    database.close()
    return result


ENGINES = {"duckdb": in_duckdb, "sqlite": in_sqlite}


@pytest.fixture(params=sorted(ENGINES))
def score(request):
    """Predictions by an engine: ``score(fit, table, what="mean", column="prediction")``."""

    def score(fit, table, what="mean", column="prediction", **options):
        sql = fit.to_sql(request.param, "policies", what, **options)
        return ENGINES[request.param](sql, table)[column].to_numpy(dtype=float)

    return score
