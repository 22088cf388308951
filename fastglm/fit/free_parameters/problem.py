"""Families with a parameter that is estimated together with the coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastglm.errors import Status
from fastglm.families import Family
from fastglm.fit.free_parameters.counts import weights_by_count
from fastglm.kernels.blocks.row_buffers import MEAN
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.source import MemoryRows, RowSource
from fastglm.rows.model_rows import ModelRows
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.newton.state import Purpose
from fastglm.solve.solution import Solution

__all__ = ["Estimator", "FreeParameterEstimate", "Problem"]

#: Rows of a sample that is fitted first where there are at least twice as many.
SAMPLE_ROWS = 4000
SAMPLE_ROWS_PER_COLUMN = 100
SAMPLE_SHARE = 32
SAMPLE_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class FreeParameterEstimate:
    """A fit together with its family's parameter.

    Attributes
    ----------
    family : Family
        With the estimate in place.
    solution : Solution
        Coefficients at that family.
    standard_error : float
        Of the parameter, from the observed information; NaN on the boundary.
    scale : float or None
        Dispersion; None for Pearson's.
    """

    family: Family
    solution: Solution
    standard_error: float
    scale: float | None


class Problem:
    """Rows and a family whose parameter is free, with the work counted.

    Parameters
    ----------
    row_table
        Of the rows, with their prior weights.
    rows
        Response, weights and offset.
    family
        With a free parameter.
    options
        Of every fit at a given value of the parameter.
    """

    def __init__(
        self, row_table: RowTable, rows: ModelRows, family: Family, options: SolverOptions
    ):
        self.row_table = row_table
        self.source: RowSource = MemoryRows(row_table)
        self.rows = rows
        self.family = family
        self.options = options
        self.n_iter = 0
        self.n_sweeps = 0
        self.contraction: float | None = None

    def solve(
        self,
        family: Family,
        start: np.ndarray | None,
        tol: float | None = None,
        start_decrement: float = math.inf,
    ) -> Solution:
        """Coefficients at a value of the parameter, from (p,) `start` if it is given.

        With `tol` only as good as that; else to the tolerance of the options, and refined.
        """
        loose = self.options._replace(
            tol=tol or self.options.tol, purpose=Purpose.SUBSAMPLE if tol else Purpose.RESULT
        )
        if start is not None:
            start = np.where(np.isnan(start), 0.0, start)
        solution = self._solved(family, loose, start, start_decrement)
        # Later fits begin where they end: only the first one's contraction can show separation.
        self.contraction = solution.contraction if self.contraction is None else self.contraction
        self.n_iter += solution.n_iter
        self.n_sweeps += solution.n_sweeps
        return solution

    def _solved(
        self, family: Family, options: SolverOptions, start: Any, start_decrement: float
    ) -> Solution:
        return solve(
            self.row_table,
            family,
            options,
            binary=self.rows.summary.binary,
            start_params=start,
            safe_mean=lambda: self.rows.mean_response,
            start_decrement=start_decrement,
        )

    @property
    def vectors(self) -> ModelRows:
        """Responses and weights of all rows."""
        return self.rows

    def weights_by_count(self) -> np.ndarray:
        """See `fastglm.fit.free_parameters.counts.weights_by_count`."""
        return weights_by_count(self.rows.response, self.rows.prior_weights)

    def sample(self) -> Problem | None:
        """The same of evenly spaced rows where there are many; None where there are not.

        A maximum of it is close to that of all rows, and costs a fraction of a pass over them.
        """
        rows, p = self.rows, self.row_table.n_columns
        wanted = max(SAMPLE_ROWS, SAMPLE_ROWS_PER_COLUMN * p, rows.n_rows // SAMPLE_SHARE)
        if 2 * wanted > rows.n_rows:
            return None
        keep = np.zeros(rows.n_rows, dtype=bool)
        keep[:: rows.n_rows // wanted] = True
        few = rows.take(keep)
        row_table = build_row_table(few.design, few.response, few.prior_weights, few.offset)
        options = self.options._replace(tol=SAMPLE_TOLERANCE, progress=None)
        return Problem(row_table, few, self.family, options)

    def means(self, family: Family, params: np.ndarray) -> np.ndarray:
        """Fitted means, (n,)."""
        return evaluate_rows(
            self.row_table, family, params, (MEAN,), n_threads=self.options.n_threads
        )[0]

    def finish(self, solution: Solution, converged: bool) -> Solution:
        """The last solution, with the work of all of them."""
        failed = solution.status == Status.CONVERGED and not converged
        status = Status.MAX_ITERATIONS if failed else solution.status
        contraction = solution.contraction if self.contraction is None else self.contraction
        return replace(
            solution,
            status=status,
            n_iter=self.n_iter,
            n_sweeps=self.n_sweeps,
            contraction=contraction,
        )


#: From a problem and (p,) coefficients to start from to the estimate.
Estimator = Callable[[Problem, "np.ndarray | None"], FreeParameterEstimate]
