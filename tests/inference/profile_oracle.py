"""Profile likelihood intervals by plain Newton steps, for canonical links and a few columns."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special, stats

__all__ = ["interval"]


def deviance(family: str, eta: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """But for what does not depend on the mean."""
    cumulant = np.logaddexp(0.0, eta) if family == "binomial" else np.exp(eta)
    return 2.0 * float(np.sum(weights * (cumulant - y * eta)))


def infimum(
    family: str,
    X: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    offset: np.ndarray,
    start: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Of the deviance: each step towards infinity takes a factor 1/e off what is left."""
    beta, value = start, deviance(family, X @ start + offset, y, weights)
    for _ in range(60 if X.shape[1] else 0):
        eta = X @ beta + offset
        mean = special.expit(eta) if family == "binomial" else np.exp(eta)
        variance = mean * (1.0 - mean) if family == "binomial" else mean
        root = np.sqrt(weights * variance)[:, None] * X
        unit = np.maximum(np.linalg.norm(root, axis=0), 1e-150)
        score = X.T @ (weights * (y - mean)) / unit
        # Of the scaled Gram matrix, as weights shrink without end.
        step = np.linalg.pinv((root / unit).T @ (root / unit), 1e-13) @ score / unit
        for halving in range(40):
            moved = deviance(family, X @ (beta + 0.5**halving * step) + offset, y, weights)
            if moved < value:
                beta, value = beta + 0.5**halving * step, moved
                break
    return value, beta


def interval(
    family: str,
    X: np.ndarray,
    y: np.ndarray,
    column: int,
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    reach: float = 16.0,
) -> np.ndarray:
    """Ends of the set where the profile deviance is within the quantile of the infimum."""
    weights = np.ones(len(y)) if weights is None else weights
    offset = np.zeros(len(y)) if offset is None else offset
    others = np.delete(X, column, axis=1)
    bottom, _ = infimum(family, X, y, weights, offset, np.zeros(X.shape[1]))
    known = {0.0: np.zeros(others.shape[1])}

    def excess(value: float) -> float:
        # Far out the weights are nothing, and Newton steps from nowhere near lead nowhere.
        start = known[min(known, key=lambda at: abs(at - value))]
        held, known[value] = infimum(
            family, others, y, weights, offset + X[:, column] * value, start
        )
        return held - bottom - stats.chi2.ppf(0.95, 1)

    grid = np.linspace(-reach, reach, 33)
    outward = np.argsort(np.abs(grid), kind="stable")
    excesses = np.empty(grid.size)
    excesses[outward] = [excess(value) for value in grid[outward]]
    inside = np.flatnonzero(excesses < 0.0)
    if inside.size == 0:
        raise ValueError("no value of the grid is inside: give a finer one")
    low, high = -np.inf, np.inf
    if inside[0] > 0:
        low = optimize.brentq(excess, grid[inside[0] - 1], grid[inside[0]], xtol=1e-10)
    if inside[-1] < grid.size - 1:
        high = optimize.brentq(excess, grid[inside[-1]], grid[inside[-1] + 1], xtol=1e-10)
    return np.array([low, high])
