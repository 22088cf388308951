"""Coefficients that give every row a mean inside the family's domain, by linear programming.

Where a link lets linear predictors leave the domain, a fit has to start inside. A linear program
decides whether there is anything inside, and where it is farthest from the ends.
"""

from __future__ import annotations

import numpy as np
import scipy

from fastglm.design.matrix.parts import Design
from fastglm.families import Family

__all__ = ["InsideDomain", "NoProgramError"]

#: Values of a design that a program is made of at most.
MOST_VALUES = 2_000_000
#: In units of the predictors' distance from the ends: less is outside, to the program's tolerance.
LEAST_MARGIN = 1e-7


class NoProgramError(Exception):
    """Nothing is known of the coefficients inside."""


class InsideDomain:
    """The coefficients of a design by which no row has a mean outside the domain.

    Parameters
    ----------
    design
        Of the columns whose coefficients are sought, p.
    family
        With its link.
    weights
        (n,) prior weights; rows of weight 0 may be anywhere.
    offset
        (n,) of the linear predictor.

    Raises
    ------
    NoProgramError
        If the predictors inside are no interval, or there are too many rows.
    """

    def __init__(
        self, design: Design, family: Family, weights: np.ndarray | None, offset: np.ndarray
    ):
        if family.predictor_range is None or design.n_rows * design.n_columns > MOST_VALUES:
            raise NoProgramError
        present = slice(None) if weights is None else weights > 0.0
        rows, offset = design.to_dense()[present], offset[present]
        size = np.abs(rows).max(axis=0, initial=0.0)
        self._size = np.where(size > 0.0, size, 1.0)
        both = zip((-1.0, 1.0), family.predictor_range, strict=True)
        sides = [(sign, end) for sign, end in both if np.isfinite(end)]
        self._rows = np.vstack([sign * rows / self._size for sign, _ in sides])
        room = np.concatenate([sign * (end - offset) for sign, end in sides])
        self._unit = float(np.abs(room).max()) or 1.0
        self._room = room / self._unit

    def start(self) -> np.ndarray | None:
        """Those by which the row nearest to an end is far from it, (p,); None if none are inside.

        Raises
        ------
        NoProgramError
            If the program was not solved.
        """
        margin = np.ones((len(self._rows), 1))
        goal = np.append(np.zeros(self._size.size), -1.0)
        found = self._solve(goal, np.hstack([self._rows, margin]), 1.0)
        return None if found[-1] <= LEAST_MARGIN else self._given(found[:-1])

    def _given(self, found: np.ndarray) -> np.ndarray:
        return found * self._unit / self._size

    def _solve(self, goal: np.ndarray, rows: np.ndarray, last: float | None) -> np.ndarray:
        bounds = [(None, None)] * (goal.size - 1) + [(None, last)]
        program = scipy.optimize.linprog(goal, rows, self._room, bounds=bounds, method="highs")
        if program.status != 0:
            raise NoProgramError
        return np.asarray(program.x)
