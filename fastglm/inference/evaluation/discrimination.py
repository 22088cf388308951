"""How well fitted means separate rows: areas under curves, and their uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

__all__ = ["AreaUnderCurve", "area_of", "area_under_curve", "gini", "lorenz_curve", "roc_curve"]


class AreaUnderCurve(NamedTuple):
    """Area under a receiver operating characteristic.

    Attributes
    ----------
    area : float
        Probability that a success has a larger mean than a failure, ties counted half.
    standard_error : float
        NaN where there is one success or one failure.
    """

    area: float
    standard_error: float

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Interval at level 1 - alpha, inside 0 and 1."""
        half = float(scipy.special.ndtri(1.0 - alpha / 2.0)) * self.standard_error
        return max(self.area - half, 0.0), min(self.area + half, 1.0)


def _by_mean(
    response: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of successes and of failures at each distinct mean, from the smallest."""
    _, group = np.unique(mean, return_inverse=True)
    positive = np.bincount(group, weight * response)
    return positive, np.bincount(group, weight) - positive


def area_under_curve(response: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> AreaUnderCurve:
    """Area under the receiver operating characteristic, with its standard error.

    Parameters
    ----------
    response : ndarray, shape (n,)
        Share of successes.
    mean : ndarray, shape (n,)
    weight : ndarray, shape (n,)
        Numbers of trials.

    Notes
    -----
    DeLong, DeLong & Clarke-Pearson (1988), *Biometrics* 44, each trial an observation; ranks once,
    as Sun & Xu (2014), *IEEE Signal Processing Letters* 21.
    """
    positive, negative = _by_mean(response, mean, weight)
    n_positive, n_negative = positive.sum(), negative.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        below = (np.cumsum(negative) - 0.5 * negative) / n_negative
        above = (n_positive - np.cumsum(positive) + 0.5 * positive) / n_positive
        area = positive @ below / n_positive
        spread = positive @ (below - area) ** 2 / (n_positive - 1.0)
        other = negative @ (above - area) ** 2 / (n_negative - 1.0)
        error = np.sqrt(spread / n_positive + other / n_negative)
    return AreaUnderCurve(float(area), float(error) if min(n_positive, n_negative) > 1 else np.nan)


def roc_curve(
    response: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates as the threshold falls through all distinct means."""
    positive, negative = _by_mean(response, mean, weight)
    false = np.append(0.0, np.cumsum(negative[::-1]) / negative.sum())
    true = np.append(0.0, np.cumsum(positive[::-1]) / positive.sum())
    return false, true


def lorenz_curve(
    response: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the weight and of the responses, rows from the smallest mean to the largest.

    Rows of equal means are one step, so the order in which they come does not count.
    """
    _, group = np.unique(mean, return_inverse=True)
    total, amount = np.bincount(group, weight), np.bincount(group, weight * response)
    return (
        np.append(0.0, np.cumsum(total) / total.sum()),
        np.append(0.0, np.cumsum(amount) / amount.sum()),
    )


def gini(response: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> float:
    """Twice the area between the diagonal and the curve of `lorenz_curve`; 0 separates nothing.

    Frees, Meyers & Cummings (2011), *Journal of the American Statistical Association* 106, with the
    weight for the premium.
    """
    return 1.0 - 2.0 * area_of(*lorenz_curve(response, mean, weight))


def area_of(x: np.ndarray, y: np.ndarray) -> float:
    """Trapezoidal rule."""
    return float(np.diff(x) @ (y[1:] + y[:-1]) / 2.0)
