import warnings

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest


@pytest.fixture(scope="package")
def frame():
    """Every kind of column a formula meets; 80 rows, no missing values."""
    rng = np.random.default_rng(20240501)
    n = 80
    return pd.DataFrame(
        {
            "y": rng.poisson(2, n),
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 3, n),
            "k": rng.integers(1, 5, n),
            "flag": rng.random(n) > 0.5,
            "a": rng.choice(["u", "v", "w"], n),
            "b": pd.Categorical(rng.choice(["p", "q"], n), categories=["q", "p"]),
            "c": rng.choice(["one", "two", "three", "four"], n),
            "Petal.Length": rng.normal(size=n),
            "my col": rng.uniform(1, 2, n),
        }
    )


def to_polars(frame):
    """With an Enum for pandas categories: polars' Categorical has no order of levels."""
    enums = [
        pl.Series(name, frame[name].astype(object), dtype=pl.Enum(list(frame[name].cat.categories)))
        for name in frame.select_dtypes("category")
    ]
    return pl.from_pandas(frame).with_columns(enums)


def to_arrow(frame):
    """With ordered dictionaries for pandas categories: any other has no order of levels."""
    ordered = {name: frame[name].cat.as_ordered() for name in frame.select_dtypes("category")}
    return pa.Table.from_pandas(frame.assign(**ordered), preserve_index=False)


CONVERSIONS = {
    "pandas": lambda frame: frame,
    "polars": to_polars,
    "pyarrow": to_arrow,
    "pyarrow in chunks": lambda frame: pa.concat_tables(
        [to_arrow(frame[:30]), to_arrow(frame[30:])]
    ),
    "dictionary of arrays": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "dictionary of lists": lambda frame: {name: frame[name].tolist() for name in frame},
    "dictionary of series": lambda frame: dict(frame.items()),
    "pandas categories": lambda frame: frame.astype({"a": "category", "c": "category"}),
    "pandas objects": lambda frame: frame.astype({"a": object, "c": object}),
    "pandas nullable": lambda frame: frame.convert_dtypes(),
}


@pytest.fixture(params=CONVERSIONS)
def convert(request):
    """Turn a pandas frame into another kind of frame with the same columns."""
    return CONVERSIONS[request.param]


@pytest.fixture(scope="package")
def expected():
    """Formulaic's response and model matrix, both as data frames."""

    def matrices(formula, frame):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both = formulaic.model_matrix(formula, frame)
        return both.lhs, both.rhs

    return matrices
