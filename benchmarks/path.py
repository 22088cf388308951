"""What all paths of `benchmarks.paths` have in common, and problems that most of them are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import fastglm as fg

Run = Callable[[], Any]
#: The runs that every path has; all others are peers.
OURS, YARDSTICK = "fastglm", "yardstick"


@dataclass(frozen=True)
class Path:
    """One path.

    Attributes
    ----------
    title : str
    yardstick : str
        What that is.
    asked : float
        Most time, in yardsticks.
    n : int
        Rows.
    prepare : callable
        ``prepare(n)`` gives what to run, by program: `OURS`, `YARDSTICK` and peers.
    """

    title: str
    yardstick: str
    asked: float
    n: int
    prepare: Callable[[int], dict[str, Run]]


def dense(n: int, p: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """A logistic problem with a constant column."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, p))
    X[:, 0] = 1.0
    eta = 0.3 * X[:, 1 : min(p, 6)].sum(axis=1)
    return X, (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


def by_arrays(y: np.ndarray, X: np.ndarray) -> Run:
    return lambda: fg.GLM(y, X, family="binomial").fit()


def by_formula(formula: str, frame: pd.DataFrame) -> Run:
    return lambda: fg.glm(formula, frame, "binomial")
