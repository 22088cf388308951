"""Estimates of functions of the coefficients, with their joint covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.entry import entry_points
from fastglm.errors import require_level
from fastglm.inference.rendering import RenderedFrame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ADJUSTMENTS", "INTERVALS", "Estimates", "adjusted", "adjusted_critical_value"]

ADJUSTMENTS = ("none", "bonferroni", "sidak", "holm", "tukey")
#: The adjustment of intervals that goes with one of p-values, where that is another.
INTERVALS = {"holm": "bonferroni"}


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class Estimates(RenderedFrame):
    """Some quantities and the covariance of their estimates.

    Attributes
    ----------
    names : tuple of str
        Of the k quantities.
    estimate : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    df : float
        Of Student's t; infinite for the normal distribution.
    heading : str
    notes : tuple of str
        Notes beside the numbers, such as why some are NaN.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    df: float
    heading: str = ""
    notes: tuple[str, ...] = ()

    @property
    def standard_error(self) -> np.ndarray:
        """Standard errors, (k,)."""
        # Rounding may leave the variance of what hardly varies a little below zero.
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def statistic(self) -> np.ndarray:
        """Estimates over their standard errors, (k,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate / self.standard_error

    @property
    def pvalues(self) -> np.ndarray:
        """Two-sided p-values of the quantities being zero, (k,)."""
        return 2.0 * scipy.special.stdtr(self.df, -np.abs(self.statistic))

    def conf_int(self, alpha: float = 0.05) -> np.ndarray:
        """Intervals at level 1 - alpha, (k, 2).

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1.
        """
        require_level(alpha)
        half = self._critical_value(alpha) * self.standard_error
        return np.column_stack([self.estimate - half, self.estimate + half])

    def _critical_value(self, alpha: float) -> float:
        """Standard errors from an estimate to the ends of its interval."""
        return float(scipy.special.stdtrit(self.df, 1.0 - alpha / 2.0))

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Estimates, tests and intervals, a pandas DataFrame."""
        import pandas as pd

        limits = self.conf_int(alpha)
        letter = "z" if np.isinf(self.df) else "t"
        columns = {
            "estimate": self.estimate,
            "std err": self.standard_error,
            letter: self.statistic,
            f"P>|{letter}|": self.pvalues,
            "ci_lower": limits[:, 0],
            "ci_upper": limits[:, 1],
        }
        return pd.DataFrame(columns, index=list(self.names))

    def _heading(self) -> str:
        return self.heading

    def _notes(self) -> list[str]:
        return [*super()._notes(), *self.notes]


def adjusted(
    pvalues: np.ndarray, statistic: np.ndarray, method: str, n_means: int, df: float
) -> np.ndarray:
    """P-values adjusted for their number, (m,).

    Parameters
    ----------
    pvalues, statistic
        (m,) unadjusted; NaN where not estimable, which is none of their number.
    method
        One of `ADJUSTMENTS`; "tukey" is for all pairs of `n_means` means.
    n_means
        Means behind the comparisons.
    df
        Of Student's t.

    Notes
    -----
    Holm (1979), *Scandinavian Journal of Statistics* 6; Tukey's studentized range as in R's
    package emmeans.
    """
    m = int(np.count_nonzero(~np.isnan(pvalues)))
    if method == "none":
        return pvalues
    if method == "bonferroni":
        return np.minimum(m * pvalues, 1.0)
    if method == "sidak":
        return -np.expm1(m * np.log1p(-pvalues))
    if method == "holm":
        order = np.argsort(pvalues)[:m]
        steps = np.maximum.accumulate((m - np.arange(m)) * pvalues[order])
        result = np.full(pvalues.size, np.nan)
        result[order] = np.minimum(steps, 1.0)
        return result
    return scipy.stats.studentized_range.sf(np.sqrt(2.0) * np.abs(statistic), n_means, df)


def adjusted_critical_value(method: str, m: int, n_means: int, df: float, alpha: float) -> float:
    """Half the width, in standard errors, of m intervals that hold together at level 1 - alpha.

    Parameters
    ----------
    method
        One of `ADJUSTMENTS`, as for `adjusted`. Holm's p-values go with no two-sided intervals of
        finite length in general: by `INTERVALS` Bonferroni's stand beside them, as in
        emmeans.
    m
        Number of intervals.
    n_means
        Means behind the comparisons.
    df
        Of Student's t.
    alpha
        Probability that one or more of the intervals miss.
    """
    method = INTERVALS.get(method, method)
    if method == "tukey":
        quantile = scipy.stats.studentized_range.ppf(1.0 - alpha, n_means, df)
        return float(quantile / np.sqrt(2.0))
    tail = alpha / 2.0
    if method == "bonferroni":
        tail = alpha / (2.0 * max(m, 1))
    elif method == "sidak":
        tail = -0.5 * np.expm1(np.log1p(-alpha) / max(m, 1))
    return float(-scipy.special.stdtrit(df, tail))
