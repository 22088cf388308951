"""The supremum of a likelihood that may be reached at infinity only, and how it is approached.

Where regressors separate responses, the means of the separated rows go to the end of their range
while the other rows have a maximum of their own: together these give the supremum, and show which
estimates are finite. Albert & Anderson (1984), *Biometrika* 71.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.separation import (
    Separation,
    find_separation,
    limiting_deviance,
    looks_separated,
)
from fastglm.solve.solution import Solution

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.rows.model_rows import ModelRows

__all__ = ["Supremum", "find_supremum"]

#: A direction that no row determines moves a coefficient by more than this share of its largest.
MOVES = 1e-7


@dataclass(frozen=True, eq=False)
class Supremum:
    """What the likelihood of a fit rises to.

    Attributes
    ----------
    fit : Fit
    design : Design
        The columns that are not aliased, all of them where the likelihood has a maximum.
    columns : ndarray of int
        Their numbers in the fit.
    deviance : float
        Its infimum.
    separation : Separation or None
        What keeps the likelihood from a maximum; None where it has one.
    rest : Solution or None
        The fit of the rows that are not separated; None where there are none, or no separation.
    """

    fit: Fit
    design: Design
    columns: np.ndarray
    deviance: float
    separation: Separation | None = None
    rest: Solution | None = None

    @property
    def rows(self) -> ModelRows:
        """The rows of the fit."""
        return self.fit._model_with_data("a profile likelihood").rows

    def separated_by_others(self, place: int) -> np.ndarray:
        """Rows that are separated whatever the coefficient of one column of `design` is, (n,)."""
        if self.separation is None:
            return np.zeros(self.rows.n_rows, dtype=bool)
        if self.separation.direction[place] == 0.0:
            return self.separation.rows
        others = np.delete(np.arange(self.columns.size), place)
        if others.size == 0:
            return np.zeros(self.rows.n_rows, dtype=bool)
        fit = self.fit
        return find_separation(
            select_columns(self.design, others),
            fit.family,
            self.rows.response,
            self.rows.prior_weights,
            fit.n_threads,
        ).rows

    def is_told(self, place: int) -> bool:
        """Whether the rows that are not separated determine the coefficient of a column."""
        return self.rest is not None and not self._moves[place]

    @cached_property
    def _moves(self) -> np.ndarray:
        """Coefficients, (k,) bool, that can change without a change in any row of the rest."""
        moves = np.zeros(self.columns.size, dtype=bool)
        if self.rest is not None:
            for aliased, parts in self.rest.combinations.items():
                moves |= np.abs(parts) > MOVES * np.abs(parts).max(initial=0.0)
                moves[aliased] = True
        return moves

    def weights(self, kept: np.ndarray) -> np.ndarray | None:
        """Prior weights, 0 in rows that are not kept, (n,)."""
        given = self.rows.prior_weights
        if kept.all():
            return given
        return np.where(kept, np.ones(kept.size) if given is None else given, 0.0)

    def limiting_deviance(self, separated: np.ndarray) -> float:
        """Deviance of rows whose means are at the end of their range."""
        rows = self.rows
        return limiting_deviance(self.fit.family, rows.response, rows.prior_weights, separated)


def find_supremum(fit: Fit) -> Supremum:
    """Whether the likelihood of a fit has a maximum, and its supremum if not.

    Raises
    ------
    DataError
        If the result was loaded without its data.
    """
    model = fit._model_with_data("a profile likelihood")
    rows = model.rows
    every = Supremum(fit, rows.design, np.arange(len(fit.names)), fit.deviance)
    if not _looks_separated(fit, model.row_table):
        return every
    columns = np.flatnonzero(~np.isnan(fit.estimates))
    design = (
        rows.design if columns.size == every.columns.size else select_columns(rows.design, columns)
    )
    found = find_separation(design, fit.family, rows.response, rows.prior_weights, fit.n_threads)
    if not found.exists:
        return every
    supremum = Supremum(fit, design, columns, every.deviance, found)
    deviance, weights = supremum.limiting_deviance(found.rows), supremum.weights(~found.rows)
    if weights is None or not (weights > 0.0).any():
        return Supremum(fit, design, columns, deviance, found)
    rest = _solve(fit, build_row_table(design, rows.response, weights, rows.offset))
    return Supremum(fit, design, columns, deviance + rest.deviance, found, rest)


def _looks_separated(fit: Fit, row_table: RowTable) -> bool:
    """Separation of the rows, whether or not the fit of the results looked for it."""
    if fit.infinite:
        return True
    solution = _solve(fit, row_table)
    summary = fit._model_with_data("a profile likelihood").rows.summary
    return looks_separated(solution, fit.family, summary, row_table, fit.n_threads)


def _solve(fit: Fit, row_table: RowTable) -> Solution:
    rows = fit._model_with_data("a profile likelihood").rows
    return solve(
        row_table,
        fit.family,
        SolverOptions(tol=1e-10, max_iter=200, n_threads=fit.n_threads),
        binary=rows.summary.binary,
        safe_mean=lambda: rows.mean_response,
    )
