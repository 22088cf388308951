"""Aliased columns, combinations of earlier ones: found on some rows, proved on all.

A QR factorisation of all rows finds every such column, but it takes as long as dozens of sweeps.
Here a combination that holds in some rows is evaluated in every row, in one pass: where its
residual is within the tolerance of the QR factorisation, the answer is the same. Columns that this
does not decide are left to `fastglm.solve.qr_refinement`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from time import perf_counter

import numpy as np

from fastglm.design.matrix.parts import Design, Indicators
from fastglm.design.matrix.select import select_columns
from fastglm.families import Gaussian
from fastglm.kernels.blocks.row_buffers import QUADRATIC_FORM
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering, find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.passes.triangle import triangle_of_array
from fastglm.solve.coded_aliases import coded_columns, coded_combinations
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run
from fastglm.solve.qr_refinement import (
    ALIASED_NORM,
    DOUBTFUL_PIVOT,
    combination_of_given,
    eliminate,
    solve_upper,
    standardized_rows,
    unit_columns,
)
from fastglm.solve.solution import Solution

__all__ = ["PROVING", "ProvenAliases", "is_suspicious", "restore_columns"]

#: The stage of a fit in its timings.
PROVING = "aliased columns"
#: Rows on which combinations are found: for each column, and in all at least.
ROWS_PER_COLUMN, LEAST_ROWS = 4, 1_024
#: Coefficients below this share of a column are left out of its combination; far below what the
#: residual may be.
NOTHING = 1e-14
#: Rows taken from each level where the sample is too small to contain all levels.
PLACES = 3
#: Pivots of a sample below this may be those of an aliased column; the prior keeps them from zero.
SUSPICIOUS_PIVOT = 1e-2
#: Largest pivot that the prior leaves of a level with few rows in the sample: about the prior
#: itself for each column in the combination, one of which may be an eliminated level.
MOST_PRIORS, SUSPICIOUS_LEVEL = 8.0, 0.1
#: Largest share of the rows that the search for aliased columns before a fit may read.
SHARE_OF_ROWS = 16


class ProvenAliases:
    """The columns of a run that are proved to be combinations of earlier ones.

    Parameters
    ----------
    run
        With its row table and scaling.
    n_threads
        From `usable_threads`.
    """

    def __init__(self, run: Run, n_threads: int):
        self._run, self._n_threads = run, n_threads
        #: Seconds that proofs have taken.
        self.seconds = 0.0

    @cached_property
    def combinations(self) -> dict[int, np.ndarray]:
        """Each aliased column, and (p,) coefficients of the earlier ones, all standardised.

        Empty where nothing is proved, which leaves other columns open.
        """
        begin = perf_counter()
        found = self._find()
        self.seconds += perf_counter() - begin
        return found

    def _find(self) -> dict[int, np.ndarray]:
        run = self._run
        candidates, sizes = _candidates(run)
        candidates = {j: c for j, c in candidates.items() if not _needs_later_constant(run, j, c)}
        if not candidates:
            return {}
        rests = np.column_stack(list(candidates.values()))
        rests[list(candidates), np.arange(rests.shape[1])] -= 1.0
        proved = self._prove(rests, ALIASED_NORM * sizes[list(candidates)])
        return {j: c for (j, c), is_sure in zip(candidates.items(), proved, strict=True) if is_sure}

    @cached_property
    def of_few_columns(self) -> dict[int, np.ndarray]:
        """Columns found aliased by their codes or among numeric ones, with (p,) given coefficients.

        There may be others.
        """
        begin = perf_counter()
        row_table = self._run.row_table
        found = coded_combinations(row_table) or self._among_numeric()
        self.seconds += perf_counter() - begin
        return found

    def _among_numeric(self) -> dict[int, np.ndarray]:
        """Numeric columns that are combinations of numeric ones, and a constant, alone."""
        row_table = self._run.row_table
        coded, constant = coded_columns(row_table), self._run.scaling.constant
        if constant >= 0:
            coded = coded[coded != row_table.design_column_of[constant]]
        numeric = np.setdiff1d(np.arange(row_table.n_columns), coded)
        if not coded.size or numeric.size < 2:
            return {}
        few = row_table.of_columns(numeric)
        run = Run(MemoryRows(few), find_scaling(few), Gaussian(), False)
        alone = ProvenAliases(run, self._n_threads)
        p = row_table.n_columns
        return {
            int(numeric[j]): _spread(combination, numeric, p, 0.0)
            for j, combination in alone.given.items()
        }

    @property
    def given(self) -> dict[int, np.ndarray]:
        """Each column found so far, and (p,) coefficients of the columns as they came."""
        if self.__dict__.get("of_few_columns"):
            return self.of_few_columns
        row_table, scaling = self._run.row_table, self._run.scaling
        return {
            j: combination_of_given(row_table, scaling, j, combination)
            for j, combination in self.combinations.items()
        }

    @property
    def others(self) -> np.ndarray:
        """Numbers of all columns but those found."""
        found = self.__dict__.get("of_few_columns") or self.combinations
        return np.setdiff1d(np.arange(self._run.row_table.n_columns), list(found))

    @property
    def found(self) -> bool:
        """Whether aliased columns have been found so far."""
        return bool(self.__dict__.get("of_few_columns") or self.__dict__.get("combinations"))

    def are_found_after(self, sample: Run) -> bool:
        """Whether there are aliased columns; searches where a sample's fit makes it likely."""
        if not is_suspicious(sample):
            return False
        if self.of_few_columns:
            return True
        n, p = self._run.row_table.n_rows, self._run.row_table.n_columns
        few = SHARE_OF_ROWS * max(ROWS_PER_COLUMN * p, LEAST_ROWS) <= n
        # Pivots of an elimination in another order are often small without aliased columns.
        return bool(few and sample.eliminated is None and self.combinations)

    def explain(self, run: Run) -> bool:
        """Whether these are exactly the columns that the factor of the run leaves out.

        Then that factor is as good as one of a design without them.
        """
        pivot = run.vectors[at.PIVOT]
        doubtful = pivot < DOUBTFUL_PIVOT
        if pivot[doubtful].any() or not doubtful.any():
            return False
        return set(np.flatnonzero(doubtful).tolist()) == set(self.combinations)

    def leave_out_of(self, run: Run) -> None:
        """Leave these columns out of a run that they explain; their coefficients go to others.

        The start may have given them coefficients.
        """
        coefficients = run.vectors[at.COEFFICIENTS]
        for j, combination in self.combinations.items():
            coefficients += coefficients[j] * combination
            coefficients[j] = 0.0
        run.kept = np.ones(coefficients.size, dtype=bool)
        run.kept[list(self.combinations)] = False

    def _prove(self, rests: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Whether the norm of each combination, (p, k), over all rows is within its limit, (k,)."""
        proved = np.zeros(allowed.size, dtype=bool)
        zero = allowed == 0.0
        for group in (np.flatnonzero(~zero), np.flatnonzero(zero)):
            if not group.size:
                continue
            # All combinations at once, in proportion to their limits: one pass decides most cases.
            unit = np.where(allowed[group] > 0.0, allowed[group], 1.0)
            bound = 0.0 if zero[group[0]] else 1.0
            if self._squares(rests[:, group] / unit) <= bound:
                proved[group] = True
            elif group.size > 1:
                for k, size in zip(group, unit, strict=True):
                    proved[k] = self._squares(rests[:, [k]] / size) <= bound
        return proved

    def _squares(self, rests: np.ndarray) -> float:
        """Sum of squares of combinations, (p, k), over the rows of any weight."""
        run = self._run
        centered, centering = run.scaling.to_centered(rests, run.row_table)
        involved = np.any(rests != 0.0, axis=1)
        constant = centering.constant
        if constant is not None:
            involved = involved | (np.arange(involved.size) == constant)
            constant = int(np.count_nonzero(involved[:constant]))
        moved = Centering(centering.center[involved], constant, centering.value)
        total = 0.0
        for design, weights in self._designs():
            # No response is needed, and the identity link costs nothing.
            (squares,) = evaluate_rows(
                build_row_table(select_columns(design, np.flatnonzero(involved))),
                Gaussian(),
                np.zeros(np.count_nonzero(involved)),
                (QUADRATIC_FORM,),
                factor=centered[involved].T,
                centering=moved,
                n_threads=self._n_threads,
            )
            total += float(squares.sum() if weights is None else squares[weights > 0.0].sum())
        return total

    def _designs(self) -> Iterator[tuple[Design, np.ndarray | None]]:
        """Columns and weights of all rows, piece by piece."""
        yield self._run.row_table.design, self._run.row_table.weights


def is_suspicious(sample: Run) -> bool:
    """Whether the last factor of a sample's fit may be that of aliased columns."""
    pivot, scale = sample.vectors[at.PIVOT], sample.vectors[at.COLUMN_SCALE]
    priors = MOST_PRIORS + sample.levels_met()
    by_prior = pivot < priors * sample.state[at.RIDGE] * np.square(scale)
    return bool(((pivot < SUSPICIOUS_PIVOT) | ((pivot < SUSPICIOUS_LEVEL) & by_prior)).any())


def _candidates(run: Run) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Columns that are combinations of earlier ones in some rows, and all columns' norms there."""
    rows = _some_rows(run.row_table)
    block = standardized_rows(run, rows)
    if rows.size < run.row_table.n_rows and not block.any(axis=0).all():
        rows = np.union1d(rows, _rows_of_levels(run.row_table))
        block = standardized_rows(run, rows)
    if run.row_table.weights is not None:
        block = block[run.row_table.weights[rows] > 0.0]
    p = block.shape[1]
    triangle, scale = unit_columns(triangle_of_array(block))
    factor, pivot = eliminate(triangle, keep_inside=True)
    kept, left = np.flatnonzero(pivot > 0.0), np.flatnonzero(pivot == 0.0)
    coefficients = np.zeros((p, left.size))
    coefficients[kept] = solve_upper(factor[np.ix_(kept, kept)].T, factor[np.ix_(left, kept)].T)
    coefficients[np.abs(coefficients) < NOTHING] = 0.0
    unscaled = np.divide(1.0, scale[left], out=np.zeros(left.size), where=scale[left] > 0.0)
    coefficients[kept] *= scale[kept, None] * unscaled
    # Later columns take part by rounding alone.
    coefficients[np.arange(p)[:, None] > left] = 0.0
    sizes = np.divide(1.0, scale, out=np.zeros(p), where=scale > 0.0)
    return dict(zip(left.tolist(), coefficients.T, strict=True)), sizes


def _some_rows(row_table: RowTable) -> np.ndarray:
    """Numbers of rows, in order, drawn with a fixed seed, so that no period of the data matters."""
    n, wanted = row_table.n_rows, max(ROWS_PER_COLUMN * row_table.n_columns, LEAST_ROWS)
    if n <= 2 * wanted:
        return np.arange(n)
    return np.unique(np.random.default_rng(0).integers(0, n, wanted))


def _rows_of_levels(row_table: RowTable) -> np.ndarray:
    """A few rows of each level of the indicators."""
    edges = np.linspace(0, row_table.n_rows, PLACES + 1).astype(np.intp)
    found = []
    for part in row_table.design.parts:
        if isinstance(part, Indicators):
            for first, last in pairwise(edges):
                rows = np.full(part.n_columns, -1)
                rows[part.combined_codes(slice(first, last))] = np.arange(first, last)
                found.append(rows[rows >= 0])
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def _needs_later_constant(run: Run, column: int, combination: np.ndarray) -> bool:
    """Whether a combination of shifted columns contains the constant, which comes later.

    Then the constant is aliased, and not this column.
    """
    constant = run.scaling.constant
    design_column = -1 if constant < 0 else int(run.row_table.design_column_of[constant])
    if design_column <= column or not run.scaling.shift.any():
        return False
    return bool(
        combination_of_given(run.row_table, run.scaling, column, combination)[design_column] != 0.0
    )


def restore_columns(solution: Solution, run: Run, aliases: ProvenAliases) -> Solution:
    """The solution of all columns of a run, from that of the columns that are not aliased."""
    p, kept = run.row_table.n_columns, aliases.others
    found = dict(aliases.given)
    for j, combination in solution.combinations.items():
        found[int(kept[j])] = _spread(combination, kept, p, 0.0)
    centering, constant = solution.centering, solution.constant
    moved = None if centering.constant is None else int(kept[centering.constant])
    own = run.scaling.constant
    intercept = -1 if own < 0 else int(run.row_table.design_column_of[own])
    if constant is not None:
        constant = int(kept[constant])
    elif intercept in found:
        constant = intercept
    return replace(
        solution,
        params=_spread(solution.params, kept, p, np.nan),
        information_inverse=_spread(np.asarray(solution.information_inverse), kept, p, np.nan),
        inverse_information_factor=_spread(
            np.asarray(solution.inverse_information_factor), kept, p, 0.0
        ),
        centering=Centering(_spread(centering.center, kept, p, 0.0), moved, centering.value),
        constant=constant,
        combinations=dict(sorted(found.items())),
        timings=solution.timings | {PROVING: aliases.seconds},
    )


def _spread(values: np.ndarray, kept: np.ndarray, p: int, fill: float) -> np.ndarray:
    """Values (k,) or (k, k) of the columns kept at their places among all p."""
    result = np.full((p,) * values.ndim, fill)
    result[np.ix_(*(kept,) * values.ndim)] = values
    return result
