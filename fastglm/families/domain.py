"""Which responses a family can have: one pass over the response, details only when it fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba.core.types import int64

from fastglm.errors import DataError, MissingValueError
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.compiler.decorators import entry, inline
from fastglm.kernels.compiler.intrinsics import from_bits, pointer
from fastglm.kernels.math.elementary import BITS_ONE

# Most offending rows that an error names.
ROWS_NAMED = 5
LARGEST_INTEGER = 2**63 - 1
BITS_INFINITY = 0x7FF0000000000000


class ResponseSummary(NamedTuple):
    """Summary of a response, from one pass.

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


@inline
def _value_of(key):
    """The float64 of a key."""
    return from_bits(key if key >= 0 else key ^ LARGEST_INTEGER)


@entry
def _summarize(address, n):
    """Extremes over the n finite float64 values, and the counts of the others, from their bits.

    As integers, since a loop that compares floats that may be NaN stays scalar. The key of a
    float64 is its bits, the lower 63 flipped where it is negative: keys are ordered as values are.
    """
    bits = pointer(address, int64)
    least = LARGEST_INTEGER
    greatest = -LARGEST_INTEGER
    n_not_finite = 0
    n_not_binary = 0
    for i in range(n):
        pattern = bits[i]
        key = pattern ^ ((pattern >> 63) & LARGEST_INTEGER)
        magnitude = pattern & LARGEST_INTEGER
        finite = magnitude < BITS_INFINITY
        least = min(least, key if finite else LARGEST_INTEGER)
        greatest = max(greatest, key if finite else -LARGEST_INTEGER)
        n_not_finite += 0 if finite else 1
        n_not_binary += 0 if (magnitude == 0) | (pattern == BITS_ONE) else 1
    if n_not_finite == n:
        return math.inf, -math.inf, n_not_finite, n_not_binary == 0
    return _value_of(least), _value_of(greatest), n_not_finite, n_not_binary == 0


def summarize(y: np.ndarray) -> ResponseSummary:
    """Summarize a response of shape (n,) and any numeric dtype, in one pass."""
    values = np.ascontiguousarray(y, dtype=np.float64)
    return ResponseSummary(*_summarize(address_of(values), values.size))


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

    @property
    def kind(self) -> str:
        """One of "proportion", between 0 and 1, "positive", from 0 up, and "real"."""
        if (self.lower, self.upper) == (0.0, 1.0):
            return "proportion"
        return "positive" if self.lower >= 0.0 else "real"

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Which values, (n,) bool, are inside."""
        above = values >= self.lower if self.includes_lower else values > self.lower
        return above & (values <= self.upper) & np.isfinite(values)

    def check(self, y: np.ndarray, family: str, weights: np.ndarray | None) -> ResponseSummary:
        """Summarize `y`, or raise `DataError` naming the first rows outside the interval."""
        summary = summarize(y)
        least = summary.minimum
        above = least >= self.lower if self.includes_lower else least > self.lower
        if summary.n_not_finite or not (above and summary.maximum <= self.upper):
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


REAL = ResponseDomain()
NONNEGATIVE = ResponseDomain(lower=0.0)
POSITIVE = ResponseDomain(lower=0.0, includes_lower=False)
PROPORTION = ResponseDomain(lower=0.0, upper=1.0)


def _named(rows: np.ndarray, y: np.ndarray) -> str:
    named = ", ".join(f"row {row} ({y[row]:g})" for row in rows[:ROWS_NAMED])
    return named + (", ..." if rows.size > ROWS_NAMED else "")
