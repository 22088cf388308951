"""Which linear combinations of the coefficients the rows of a fit determine.

Those in the row space of the design are the same whatever values aliased coefficients, which are
NaN, are given; of others nothing is known. Searle (1971), *Linear Models*, section 5.4; as R's
packages estimability and emmeans have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError, RankWarning, few_of, warn
from fastglm.fit.aliased import SAME_COMBINATION, aliased_text, null_space
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["LinearCombinations", "reason_not_estimable", "rows_apart"]


def rows_apart(fit: Fit, design: Design) -> np.ndarray:
    """Rows in which an aliased column is not the combination that it was in the fit, (n,) bool.

    Raises
    ------
    ModelError
        If the fit does not say which combination that was.
    """
    if not isinstance(fit.aliased, Mapping):
        raise ModelError(
            f"{', '.join(fit.aliased)} cannot be told from earlier columns: leave these out of the "
            "model, so that other rows have predictions."
        )
    apart = np.zeros(design.n_rows, dtype=bool)
    row_table = build_row_table(design)
    for direction, name in zip(null_space(fit.names, fit.aliased), fit.aliased, strict=True):
        column = np.zeros_like(direction)
        column[fit.names.index(name)] = 1.0
        values, difference = (
            evaluate_rows(row_table, fit.family, weights, (row_buffers.LINEAR_PREDICTOR,))[0]
            for weights in (column, direction)
        )
        size = max(np.abs(v).max(initial=0.0) for v in (values, values - difference))
        apart |= np.abs(difference) > SAME_COMBINATION * size
    return apart


def reason_not_estimable(fit: Fit, names: Sequence[str], estimable: np.ndarray) -> tuple[str, ...]:
    """Say why some of the quantities are NaN, and warn of it; nothing where all are estimable.

    Warns
    -----
    RankWarning
        Naming the quantities, and the columns that are aliased in the rows of the fit.
    """
    if estimable.all():
        return ()
    lost = few_of([n for n, is_known in zip(names, estimable, strict=True) if not is_known], "; ")
    text = (
        f"Not estimable, and NaN: {lost}. The rows of the fit do not tell of them, as in these "
        f"{aliased_text(fit.aliased)}."
    )
    warn(text, RankWarning)
    return (text,)


@dataclass(frozen=True, eq=False)
class LinearCombinations:
    """Linear combinations of the coefficients of a fit, and constants.

    Attributes
    ----------
    fit : Fit
    matrix : ndarray, shape (k, p)
    constant : ndarray, shape (k,)
    size : ndarray, shape (k, p)
        Sums of the sizes of what was added up to `matrix`, of which rounding is a small share.
    """

    fit: Fit
    matrix: np.ndarray
    constant: np.ndarray
    size: np.ndarray

    def combined(self, contrasts: np.ndarray) -> LinearCombinations:
        """Combinations of these, the rows of (m, k)."""
        return LinearCombinations(
            self.fit,
            contrasts @ self.matrix,
            contrasts @ self.constant,
            np.abs(contrasts) @ self.size,
        )

    @property
    def estimable(self) -> np.ndarray:
        """Whether each lies in the row space of the design of the fit, (k,) bool."""
        directions = null_space(self.fit.names, self.fit.aliased).T
        limit = SAME_COMBINATION * (self.size @ np.abs(directions))
        return (np.abs(self.matrix @ directions) <= limit).all(axis=1)

    def estimate(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, covariance and whether each is estimable, (k,), (k, k) and (k,); NaN if not."""
        # Any value of aliased coefficients gives the same; 0 takes the least arithmetic.
        values = self.matrix @ np.nan_to_num(self.fit.estimates) + self.constant
        covariance = self.fit.covariance_of_combinations(self.matrix)
        estimable = self.estimable
        values[~estimable] = np.nan
        covariance[~estimable] = np.nan
        covariance[:, ~estimable] = np.nan
        return values, covariance, estimable
