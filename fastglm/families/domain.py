"""Which responses a family can have: one pass over the response, details only when it fails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastglm.errors import DataError, MissingValueError
from fastglm.kernels.jit import entry

# How many offending rows an error names.
ROWS_NAMED = 5


@dataclass(frozen=True)
class ResponseSummary:
    """What one pass over a response tells.

    Attributes
    ----------
    minimum, maximum : float
        Over the finite values.
    n_not_finite : int
        Number of NaN and infinite values.
    binary : bool
        Whether every value is exactly 0 or 1.
    """

    minimum: float
    maximum: float
    n_not_finite: int
    binary: bool


@entry
def _summarize(y):
    minimum = math.inf
    maximum = -math.inf
    n_not_finite = 0
    n_not_binary = 0
    for i in range(y.shape[0]):
        value = y[i]
        finite = abs(value) < math.inf
        low = value if finite else math.inf
        high = value if finite else -math.inf
        minimum = low if low < minimum else minimum
        maximum = high if high > maximum else maximum
        n_not_finite += 0 if finite else 1
        n_not_binary += 0 if (value == 0.0) | (value == 1.0) else 1
    return minimum, maximum, n_not_finite, n_not_binary


def summarize(y: np.ndarray) -> ResponseSummary:
    """Summarize a response of shape (n,) and any numeric dtype, in one pass."""
    values = np.ascontiguousarray(y, dtype=np.float64)
    minimum, maximum, n_not_finite, n_not_binary = _summarize(values)
    return ResponseSummary(minimum, maximum, n_not_finite, n_not_binary == 0)


@dataclass(frozen=True)
class ResponseDomain:
    """An interval of responses.

    Attributes
    ----------
    lower, upper : float
        The ends; an infinite end is not included.
    includes_lower : bool
        Whether the lower end is included; a finite upper end always is.
    """

    lower: float = -math.inf
    upper: float = math.inf
    includes_lower: bool = True

    def __str__(self) -> str:
        if self.upper < math.inf:
            return f"between {self.lower:g} and {self.upper:g}"
        if self.lower > -math.inf:
            return f"{'at least' if self.includes_lower else 'greater than'} {self.lower:g}"
        return "finite"

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Which values, (n,) bool, are inside."""
        above = values >= self.lower if self.includes_lower else values > self.lower
        return above & (values <= self.upper) & np.isfinite(values)

    def check(self, y: np.ndarray, family: str, weights: np.ndarray | None) -> ResponseSummary:
        """Summarize `y`, or raise `DataError` naming the first rows outside the interval."""
        summary = summarize(y)
        ends = np.array([summary.minimum, summary.maximum])
        if summary.n_not_finite or not self.contains(ends).all():
            self._raise_if_present(np.asarray(y, dtype=np.float64), family, weights)
        return summary

    def _raise_if_present(self, y: np.ndarray, family: str, weights: np.ndarray | None) -> None:
        present = np.ones(y.shape, dtype=bool) if weights is None else np.asarray(weights) > 0
        missing = np.flatnonzero(present & ~np.isfinite(y))
        if missing.size:
            raise MissingValueError(
                f"the response has {missing.size} missing or infinite values, first in "
                f'{_named(missing, y)}; drop such rows with missing="drop"'
            )
        offending = np.flatnonzero(present & ~self.contains(y))
        if offending.size:
            raise DataError(
                f"family {family} needs a response {self}, but {offending.size} of {y.size} rows "
                f"are not: {_named(offending, y)}; correct them or choose another family"
            )


def _named(rows: np.ndarray, y: np.ndarray) -> str:
    named = ", ".join(f"row {row} ({y[row]:g})" for row in rows[:ROWS_NAMED])
    return named + (", ..." if rows.size > ROWS_NAMED else "")
