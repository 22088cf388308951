"""Estimates of functions of the coefficients, with their joint covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.inference.tables import align, format_number

__all__ = ["ADJUSTMENTS", "Estimates", "adjusted"]

ADJUSTMENTS = ("none", "bonferroni", "sidak", "holm", "tukey")


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
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
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    df: float
    heading: str = ""

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
        if not 0.0 < alpha < 1.0:
            raise ModelError(f"alpha must be between 0 and 1, not {alpha!r}")
        half = scipy.special.stdtrit(self.df, 1.0 - alpha / 2.0) * self.standard_error
        return np.column_stack([self.estimate - half, self.estimate + half])

    def summary_frame(self, alpha: float = 0.05) -> Any:
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

    def __str__(self) -> str:
        frame = self.summary_frame()
        rows = [["", *frame.columns]]
        for name, values in zip(frame.index, frame.to_numpy(), strict=True):
            rows.append([str(name), *(format_number(value) for value in values)])
        return "\n".join([*([self.heading] if self.heading else []), align(rows)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return str(self.summary_frame()._repr_html_())


def adjusted(
    pvalues: np.ndarray, statistic: np.ndarray, method: str, n_means: int, df: float
) -> np.ndarray:
    """P-values adjusted for their number, (m,).

    Parameters
    ----------
    pvalues, statistic
        (m,) unadjusted.
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
    m = pvalues.size
    if method == "none":
        return pvalues
    if method == "bonferroni":
        return np.minimum(m * pvalues, 1.0)
    if method == "sidak":
        return -np.expm1(m * np.log1p(-pvalues))
    if method == "holm":
        order = np.argsort(pvalues)
        steps = np.maximum.accumulate((m - np.arange(m)) * pvalues[order])
        result = np.empty(m)
        result[order] = np.minimum(steps, 1.0)
        return result
    return scipy.stats.studentized_range.sf(np.sqrt(2.0) * np.abs(statistic), n_means, df)
