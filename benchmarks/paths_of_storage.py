"""Paths of few rows, and of rows that are held in other ways than an array of float64."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import scipy.sparse

import fastglm as fg
from benchmarks.path import OURS, YARDSTICK, Path, Run, by_arrays, by_formula, dense

__all__ = ["PATHS_OF_STORAGE"]


def _scoring(y: np.ndarray, X: np.ndarray, n_steps: int) -> Run:
    """So many steps of Fisher scoring of a logistic model, as a few lines of NumPy."""

    def run() -> np.ndarray:
        beta = np.zeros(X.shape[1])
        for _ in range(n_steps):
            mean = 1.0 / (1.0 + np.exp(-(X @ beta)))
            weight = mean * (1.0 - mean)
            beta = beta + np.linalg.solve((X.T * weight) @ X, X.T @ (y - mean))
        return np.linalg.inv((X.T * weight) @ X)

    return run


def _few_rows(n: int) -> dict[str, Run]:
    X, y = dense(n, 5)
    return {OURS: by_arrays(y, X), YARDSTICK: _scoring(y, X, 6)}


def _small_frame(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    X, y = dense(n, 3)
    g = np.arange(n) % 4
    frame = pd.DataFrame({"y": y, "x": X[:, 1], "z": X[:, 2], "g": np.array(list("abcd"))[g]})
    return frame, np.column_stack([X, *[g == k for k in (1, 2, 3)]])


def _small_formula(n: int) -> dict[str, Run]:
    frame, X = _small_frame(n)
    return {OURS: by_formula("y ~ x + z + g", frame), YARDSTICK: by_arrays(frame.y.to_numpy(), X)}


def _one_row(n: int) -> dict[str, Run]:
    frame, X = _small_frame(n)
    fit = fg.glm("y ~ x + z + g", frame, "binomial")
    plain = fg.GLM(frame.y.to_numpy(), X, family="binomial").fit()
    one, row = frame.iloc[:1], X[:1]
    return {OURS: lambda: fit.predict(one), YARDSTICK: lambda: plain.predict(row)}


def _stored(n: int, store: Callable[[np.ndarray], Any]) -> dict[str, Run]:
    X, y = dense(n)
    X = np.round(X * 16.0)
    X[:, 0] = 1.0
    return {OURS: by_arrays(y, store(X)), YARDSTICK: by_arrays(y, X)}


def _every_other(X: np.ndarray) -> np.ndarray:
    wide = np.zeros((X.shape[0], 2 * X.shape[1]))
    wide[:, ::2] = X
    return wide[:, ::2]


def _polars(X: np.ndarray) -> Any:
    import polars as pl

    return pl.DataFrame({f"x{k}": X[:, k] for k in range(X.shape[1])})


#: Ways to hold the same numbers.
STORAGE: dict[str, Callable[[np.ndarray], Any]] = {
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int8": lambda X: X.astype(np.int8),
    "every other column": _every_other,
    "Fortran order": np.asfortranarray,
    "a pandas frame": lambda X: pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])]),
    "a polars frame": _polars,
    "a dict of arrays": lambda X: {f"x{k}": X[:, k].copy() for k in range(X.shape[1])},
}


def _sparse(n: int, one_hot: bool) -> dict[str, Run]:
    """Sparse columns, three ones a row: words of a text, or levels of three categoricals."""
    X, y = dense(n)
    rng, p = np.random.default_rng(6), min(3_000, n // 40)
    third = p // 3
    if one_hot:
        index = rng.integers(0, third, (n, 3)) + third * np.arange(3)
    else:
        # By Zipf's law, but each word in twenty rows at least, so that no estimate is infinite.
        index = ((p + 1.0) ** rng.random((n, 3))).astype(np.int64) - 1
        index[: 20 * p, 0] = np.tile(np.arange(p), 20)
    ones = (np.ones(3 * n), index.reshape(-1), 3 * np.arange(n + 1))
    columns = scipy.sparse.csr_array(ones, shape=(n, p))
    columns.sum_duplicates()
    runs = {OURS: by_arrays(y, columns), YARDSTICK: by_arrays(y, X)}
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-6)
        runs["scikit-learn's lbfgs, no standard errors"] = lambda: model.fit(columns, y)
    return runs


def _command_line(n: int) -> dict[str, Run]:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    X, y = dense(n, 10)
    frame = pd.DataFrame(X[:, 1:].round(4), columns=[f"x{k}" for k in range(9)])
    rows = np.arange(n)
    frame = frame.assign(g=np.array(list("abcdefgh"))[rows % 8], h=rows % 20, y=y)
    path = f"{folder}/data.csv"
    frame.to_csv(path, index=False)
    formula = "y ~ " + " + ".join(frame.columns[:-1])
    command = [sys.executable, "-m", "fastglm", "fit", path, formula, "--family", "binomial"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def ours() -> None:
        subprocess.run(command, check=True, env=os.environ, **quiet)

    def read_and_fit() -> None:
        fg.glm(formula, pyarrow.csv.read_csv(path), "binomial")

    return {OURS: ours, YARDSTICK: read_and_fit}


PATHS_OF_STORAGE = (
    Path("a fit of 100 x 5", "six steps in NumPy", 1.0, 100, _few_rows),
    Path("1,000 rows by formula", "their arrays", 6.0, 1_000, _small_formula),
    Path("one row predicted", "of an array", 8.0, 1_000, _one_row),
    *[
        Path(
            f"1e6 x 20 as {kind}",
            "float64, rows after rows",
            1.3,
            1_000_000,
            partial(_stored, store=store),
        )
        for kind, store in STORAGE.items()
    ],
    Path(
        "text, CSR 1e5 x 3,000", "1e5 x 20 dense", 150.0, 100_000, partial(_sparse, one_hot=False)
    ),
    Path(
        "one-hot, CSR 1e5 x 3,000", "1e5 x 20 dense", 30.0, 100_000, partial(_sparse, one_hot=True)
    ),
    Path("CSV, 1e6 x 12, by the command line", "read and fitted", 2.0, 1_000_000, _command_line),
)
