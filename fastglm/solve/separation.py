"""Separation: whether estimates are infinite, decided by linear programming.

The likelihood has no maximum if along some direction of the coefficients it falls in no row and
rises in some row without end. Only rows whose response lies on the boundary of its domain can gain
without end, each on one side only; the linear predictor of every other row must not change. These
are linear inequalities in the direction.
Albert & Anderson (1984); Konis (2007), "Linear programming algorithms for detecting separated
data"; Correia, Guimaraes & Zylkin (2019), "Verifying the existence of maximum likelihood estimates
for generalized linear models".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.errors import Status, few_of
from fastglm.families import Family, ResponseSummary
from fastglm.families.open_ends import open_ends, sides
from fastglm.kernels.blocks.row_buffers import (
    PRIOR_WEIGHT,
    WEIGHT,
)
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.solve.aliases import PROVING
from fastglm.solve.deviance_units import FLOOR_OF_DEVIANCE, unit_of_weights
from fastglm.solve.moving_rows import DesignRows, MovingRows
from fastglm.solve.newton.constants import MAX_WEIGHT_CHANGE
from fastglm.solve.separating_direction import ZERO, null_space, separating_direction
from fastglm.solve.solution import Solution

__all__ = [
    "DesignRows",
    "MovingRows",
    "Separation",
    "find_separation",
    "infinite_text",
    "limiting_deviance",
    "looks_separated",
    "separate",
]

#: Contraction of steps from which a fit may have no maximum. Without one it is constant, 1/e for
#: most links and its square where responses may lie beyond the mean's range; else it goes to zero.
SLOW_CONTRACTION = 0.2
SLOW_CONTRACTION_BEYOND = 0.1
#: A decrement below this share of the deviance is rounding, which does not contract either.
ROUNDING = 1e-22
#: A weight below this share of the largest may go to zero.
SHRUNK = 1e-6
#: Rows of each kind in the first linear program; it has all rows where there are no more.
FIRST_ROWS = 700
#: Rows that a round adds to the linear program.
MORE_ROWS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class Separation:
    """The rows that regressors separate, and a direction that does so, if any.

    Attributes
    ----------
    direction : ndarray, shape (p,)
        The likelihood rises along it without end; all zero where the maximum exists. An estimate
        is plus or minus infinity by the sign of its entry.
    rows : ndarray of bool, shape (n,)
        The separated rows: those whose fitted mean reaches the boundary of its domain. The other
        rows have a maximum, which gives the finite estimates.
    """

    direction: np.ndarray
    rows: np.ndarray

    def __repr__(self) -> str:
        n = int((self.direction != 0.0).sum())
        return f"<Separation: {self.n_rows} rows are separated, {n} estimates are infinite>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    @property
    def exists(self) -> bool:
        """Whether any row is separated."""
        return bool(self.rows.any())

    @property
    def n_rows(self) -> int:
        """Number of separated rows."""
        return int(self.rows.sum())


def _is_slow(solution: Solution, family: Family, row_table: RowTable) -> bool:
    """Whether the last step gained no more than a constant factor, and more than rounding."""
    bounded = math.isfinite(family.domain.lower)
    if solution.contraction <= (SLOW_CONTRACTION if bounded else SLOW_CONTRACTION_BEYOND):
        return False
    floor = FLOOR_OF_DEVIANCE * unit_of_weights(row_table.weights)
    return solution.decrement > ROUNDING * (abs(solution.deviance) + floor)


def looks_separated(
    solution: Solution,
    family: Family,
    summary: ResponseSummary,
    row_table: RowTable,
    n_threads: int = 1,
) -> bool:
    """Whether a fit shows a symptom of separation, so that a search is needed.

    Without a maximum the fit stops early, or its last steps contracted by a constant factor, or
    the weights of a column were still changing, or have shrunk until columns look collinear. This
    costs a pass over the rows where columns look collinear, or are aliased for a reason that may
    be their weights, and nothing else.
    """
    stopped = solution.status != Status.CONVERGED
    slow = _is_slow(solution, family, row_table)
    unproved = len(solution.combinations) > 0 and PROVING not in solution.timings
    alike = "orthogonal factor" in solution.timings or unproved
    weights_not_converged = solution.weight_change > MAX_WEIGHT_CHANGE
    if not (stopped or slow or weights_not_converged or alike) or not _has_open_rows(
        family, summary
    ):
        return False
    if stopped or slow or weights_not_converged:
        return True
    weight, prior = evaluate_rows(
        row_table, family, solution.params, (WEIGHT, PRIOR_WEIGHT), n_threads=n_threads
    )
    present = weight[prior > 0.0]
    return bool(present.min() < SHRUNK * present.max())


def _has_open_rows(family: Family, summary: ResponseSummary) -> bool:
    ends = open_ends(family)
    return any(
        summary.minimum <= end if is_lower else summary.maximum >= end for _, end, is_lower in ends
    )


def find_separation(
    design: Design,
    family: Family,
    response: np.ndarray,
    prior_weights: np.ndarray | None = None,
    n_threads: int = 1,
) -> Separation:
    """Find every separated row, and a direction that separates them.

    Parameters
    ----------
    design
        Of n rows and p columns.
    family
        With its link.
    response
        (n,) responses inside the family's domain.
    prior_weights
        (n,), or None for ones; rows of weight 0 do not count.
    n_threads
        From `usable_threads`.

    Raises
    ------
    FastGLMError
        If the linear program cannot be solved.

    Notes
    -----
    The result is exact but for rounding: a linear program in the direction, over some of the rows
    at first. Rows that its solution violates, or that its rows do not determine, are added until
    there are none, so that few rows decide however many there are.
    """
    return separate(DesignRows(design, n_threads), sides(family, response), prior_weights)


def separate(
    rows: MovingRows, side: np.ndarray, prior_weights: np.ndarray | None = None
) -> Separation:
    """Find every separated row, and a direction that separates them.

    Parameters
    ----------
    rows
        n of them, and p coefficients.
    side : ndarray of int8, shape (n,)
        The sign of the changes along which the likelihood of a row rises; 0 where any change lowers
        it.
    prior_weights
        (n,), or None for ones; rows of weight 0 do not count.
    """
    search = _Search(rows, side)
    if prior_weights is not None:
        search.counts &= prior_weights > 0
    direction = np.zeros(rows.n_columns)
    predictor = np.zeros(rows.n_rows)
    separated = np.zeros(rows.n_rows, dtype=bool)
    while True:
        found = search.separate()
        if found is None:
            return Separation(direction, separated)
        further, moved = found
        # Small enough that no row separated so far loses more than half of what it had.
        side = search.side[separated]
        loss = -side * moved[separated]
        room = np.divide(
            side * predictor[separated], loss, out=np.ones_like(loss), where=loss > 0.0
        )
        step = min(1.0, 0.5 * room.min(initial=2.0))
        direction += step * further
        predictor += step * moved
        now = search.counts & (search.side * moved > search.tolerance)
        separated |= now
        # A larger multiple of the direction outweighs what these rows lose by later ones.
        search.counts &= ~now


def limiting_deviance(
    family: Family,
    response: np.ndarray,
    prior_weights: np.ndarray | None,
    separated: np.ndarray,
) -> float:
    """Deviance of the separated rows, (n,) bool, with their means at the end of the range.

    Zero, unless responses are beyond that end, as gaussian ones may be.
    """
    total = 0.0
    for _, end, is_lower in open_ends(family):
        beyond = separated & (response < end if is_lower else response > end)
        if beyond.any():
            weights = 1.0 if prior_weights is None else prior_weights[beyond]
            total += float(np.sum(weights * family.unit_deviance(response[beyond], end)))
    return total


class _Search:
    """Search for one direction at a time, over the rows that are not separated yet.

    Attributes
    ----------
    side : ndarray of int8, shape (n,)
        See `sides`.
    counts : ndarray of bool, shape (n,)
        Rows of positive weight that are not separated yet.
    tolerance : float
        Changes of linear predictor up to this are rounding, for the direction found last.
    """

    def __init__(self, rows: MovingRows, side: np.ndarray):
        self.rows = rows
        self.side = side
        self.counts = np.ones(rows.n_rows, dtype=bool)
        self.tolerance = ZERO

    def separate(self) -> tuple[np.ndarray, np.ndarray] | None:
        """A direction that separates rows, (p,), and its linear predictor, (n,), or None."""
        if not (self.side[self.counts] != 0).any():
            return None
        direction = self.rows.direction_of_levels(self.side, self.counts)
        if direction is not None:
            self.tolerance = ZERO
            return direction, self.rows.moved(direction)
        rows = self.rows.without_levels(self.side, self.counts)
        working = self._first_rows(rows)
        while True:
            matrix = rows.matrix(working)
            scale = np.sqrt(np.mean(matrix * matrix, axis=0))
            scale[scale == 0.0] = 1.0
            matrix /= scale
            direction = separating_direction(matrix, self.side[working])
            if direction is None:
                more = self._unseen(rows, null_space(matrix) / scale[:, None], working)
                if more.size == 0:
                    return None
            else:
                self.tolerance = ZERO * max(1.0, float(np.abs(direction).max()))
                predictor = rows.moved(direction / scale)
                more = self._violated(predictor, working)
                if more.size == 0:
                    return rows.of_all(direction / scale), predictor
            working = np.union1d(working, more)

    def _first_rows(self, rows: MovingRows) -> np.ndarray:
        wanted = max(FIRST_ROWS, 4 * rows.n_columns)
        kinds = [np.flatnonzero(self.counts & (self.side == kind)) for kind in (-1, 0, 1)]
        return np.sort(np.concatenate([_spread(kind, wanted) for kind in kinds]))

    def _unseen(self, rows: MovingRows, directions: np.ndarray, working: np.ndarray) -> np.ndarray:
        """Rows that directions, columns of (p, d), change and that are not among `working`."""
        if directions.shape[1] == 0:
            return np.empty(0, dtype=np.intp)
        squares = rows.squares(directions)
        squares[~self.counts] = 0.0
        squares[working] = 0.0
        return _spread(np.flatnonzero(squares > ZERO * ZERO), MORE_ROWS)

    def _violated(self, predictor: np.ndarray, working: np.ndarray) -> np.ndarray:
        """Rows whose likelihood falls most by a change of linear predictor."""
        loss = np.where(self.side == 0, np.abs(predictor), -self.side * predictor)
        loss[~self.counts] = 0.0
        loss[working] = 0.0
        bad = np.flatnonzero(loss > self.tolerance)
        if bad.size <= MORE_ROWS:
            return bad
        return bad[np.argpartition(-loss[bad], MORE_ROWS)[:MORE_ROWS]]


def _spread(rows: np.ndarray, wanted: int) -> np.ndarray:
    """`wanted` of the rows, evenly spaced, or all of them."""
    if rows.size <= wanted:
        return rows
    return rows[np.linspace(0, rows.size - 1, wanted).astype(np.intp)]


def infinite_text(infinite: Mapping[str, int], n_rows: int) -> str:
    """Text that names infinite estimates with their signs, and the number of separated rows."""
    named = [f"{name} ({'+' if sign > 0 else '-'}infinity)" for name, sign in infinite.items()]
    rows = "1 row is" if n_rows == 1 else f"{n_rows} rows are"
    return f"{rows} separated from the others by {few_of(named)}: these estimates are infinite."
