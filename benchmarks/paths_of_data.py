"""Paths of data as they come: real tables, levels without events, busy machines, reports."""

from __future__ import annotations

import atexit
import functools
import signal
import subprocess
import sys
import tempfile
from pathlib import Path as FilePath

import numpy as np
import pandas as pd

import fastglm as fg
from benchmarks.path import OURS, YARDSTICK, Path, Run, by_arrays, by_formula, dense
from benchmarks.problems import find
from fastglm.cli.demo import FORMULA
from fastglm.data import load_flights

__all__ = ["PATHS_OF_DATA"]


@functools.cache
def _plain(n: int) -> Run:
    """The fit of dense columns that everything else is compared with."""
    X, y = dense(n)
    return by_arrays(y, X)


def _empty_levels(n: int) -> dict[str, Run]:
    """Counts of a tenth as many levels as rows, some of which have no event."""
    rng = np.random.default_rng(7)
    g, x = rng.integers(0, n // 10, n), rng.normal(size=n)
    y = rng.poisson(np.exp(0.2 * x - 1.0)) * (g % 8 > 0)
    frame = pd.DataFrame({"y": y, "g": pd.Categorical(g), "x": x})
    return {
        OURS: lambda: fg.glm("y ~ g + x", frame, "poisson"),
        YARDSTICK: _plain(100 * n),
    }


def _report(n: int, n_plain: int) -> dict[str, Run]:
    X, y = dense(n)
    columns = [f"x{k}" for k in range(1, X.shape[1])]
    frame = pd.DataFrame(X[:, 1:], columns=columns).assign(y=y)
    fit = fg.glm("y ~ " + " + ".join(columns), frame, "binomial")
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    place = str(FilePath(folder.name) / "report.html")
    return {OURS: lambda: fit.report(place), YARDSTICK: _plain(n_plain)}


def _flights(n: int) -> dict[str, Run]:
    flights = load_flights().dropna()
    frame = flights.iloc[:: max(1, len(flights) // n)].reset_index(drop=True)
    return {OURS: by_formula(FORMULA, frame), YARDSTICK: _plain(3 * n)}


def _tariff(n: int) -> dict[str, Run]:
    data = find(f"fremtpl2-{n}x53").build()

    def fit() -> object:
        return fg.glm(data.formula, data.table, "poisson", exposure=data.exposure)

    return {OURS: fit, YARDSTICK: _plain(max(1_000, n * 1_000_000 // 678_013))}


def _busy(n: int) -> dict[str, Run]:
    """The fit beside a process that is let run for as long as it takes, and without."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    other.send_signal(signal.SIGSTOP)
    atexit.register(other.kill)
    fit = _plain(n)

    def beside() -> None:
        other.send_signal(signal.SIGCONT)
        try:
            fit()
        finally:
            other.send_signal(signal.SIGSTOP)

    return {OURS: beside, YARDSTICK: fit}


def _wrong_link(n: int) -> dict[str, Run]:
    """Means far from 1 / sqrt(eta) for linear predictors of any sign; and with the log link."""
    X, _ = dense(n)
    rng = np.random.default_rng(8)
    y = rng.wald(np.exp(0.5 * X[:, 1:6].sum(axis=1)), 2.0)

    def fit(link: str) -> Run:
        family = fg.families.InverseGaussian(link=link)
        return lambda: fg.GLM(y, X, family=family).fit()

    return {OURS: fit("inverse_squared"), YARDSTICK: fit("log")}


_DENSE = "1e6 x 20 dense"
PATHS_OF_DATA = (
    Path("1,000 levels, some without an event, 1e4 counts", _DENSE, 2.1, 10_000, _empty_levels),
    Path("flights of the demo", _DENSE, 3.0, 336_776, _flights),
    Path("tariff of freMTPL2", _DENSE, 2.6, 678_013, _tariff),
    Path("report(), 1e6 rows", _DENSE, 106.0, 1_000_000, lambda n: _report(n, n)),
    Path("report(), 2e4 rows", _DENSE, 51.0, 20_000, lambda n: _report(n, 50 * n)),
    Path("one other busy process, 1e6 x 20", "without it", 1.3, 1_000_000, _busy),
    Path("inverse Gaussian, 1 / mu^2 for log data", "log link", 60.0, 1_000_000, _wrong_link),
)
