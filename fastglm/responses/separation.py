"""Separation in models with several predictors: which estimates are infinite, and in which rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import take_rows
from fastglm.errors import ModelError, Status
from fastglm.responses.designs import linear_predictor
from fastglm.solve.separation import (
    ROUNDING,
    SLOW_CONTRACTION,
    DesignRows,
    MovingRows,
    Separation,
    separate,
)
from fastglm.solve.several_predictors import PredictorSolution

__all__ = [
    "CHOICES",
    "CombinedRows",
    "Part",
    "looks_separated",
    "part_of_design",
    "require_choice",
    "separation_of",
]

#: Choices about separated rows: as `fastglm.GLM.fit`, without what needs one predictor.
CHOICES = ("warn", "raise", "check", "ignore")

#: Coefficients of a part of the model, how rows move along them, the sides to which their
#: likelihood rises, and which rows count.
Part = tuple[slice, MovingRows, np.ndarray, np.ndarray]


class CombinedRows(MovingRows):
    """Combinations of the K predictors of n rows, T of them, one after the other: T n rows.

    Parameters
    ----------
    design
        Columns of all predictors.
    maps
        For every predictor the (columns, m) matrix of its coefficients.
    combinations : ndarray, shape (T, K, n)
        What of each predictor there is in each combination.
    n_threads
        From `usable_threads`.
    """

    def __init__(
        self, design: Design, maps: Sequence[Any], combinations: np.ndarray, n_threads: int
    ):
        self.design, self.maps, self.combinations = design, maps, combinations
        self.n_threads = n_threads
        self.n_rows = combinations.shape[0] * combinations.shape[2]
        self.n_columns = maps[0].shape[1]

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        combination, number = np.divmod(rows, self.combinations.shape[2])
        columns = take_rows(self.design, number).to_dense()
        share = self.combinations[combination, :, number]
        return np.asarray(
            sum((columns * share[:, k, None]) @ each for k, each in enumerate(self.maps))
        )

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        etas = [linear_predictor(self.design, m @ direction, self.n_threads) for m in self.maps]
        return np.einsum("tkn,kn->tn", self.combinations, np.stack(etas)).ravel()

    def squares(self, directions: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        total = np.zeros(self.n_rows)
        for direction in directions.T:
            total += self.moved(direction) ** 2
        return total


def part_of_design(
    coefficients: slice, design: Design, side: np.ndarray, counts: np.ndarray, n_threads: int
) -> Part:
    """The part of a model whose coefficients are those of one design."""
    return coefficients, DesignRows(design, n_threads), side.astype(np.int8), counts


def separation_of(
    parts: Iterable[Part], n_params: int, n_rows: int, prior_weights: np.ndarray | None
) -> Separation:
    """Separation in any part of a model: the direction is (m,), the rows are (n,)."""
    direction, separated = np.zeros(n_params), np.zeros(n_rows, dtype=bool)
    for coefficients, moving, side, counts in parts:
        present = counts
        if prior_weights is not None:
            present = counts & np.tile(prior_weights > 0.0, counts.size // n_rows)
        found = separate(moving, side, present.astype(np.float64))
        direction[coefficients] += found.direction
        separated |= found.rows.reshape(-1, n_rows).any(axis=0)
    return Separation(direction, separated)


def looks_separated(solution: PredictorSolution) -> bool:
    """Whether a fit has a symptom of separation: its last steps gained but a constant factor."""
    if solution.status != Status.CONVERGED or np.isnan(solution.contraction):
        return True
    bound = 2.0 * abs(solution.log_likelihood) / solution.unit + 0.1
    return solution.contraction > SLOW_CONTRACTION and solution.half_decrement > ROUNDING * bound


def require_choice(separation: str) -> None:
    """Refuse what a fit of several predictors cannot do about separation."""
    if separation in ("drop", "firth"):
        raise ModelError(
            f"separation={separation!r} is for models of one predictor: use one of {CHOICES}."
        )
    checked_choice("separation", separation, CHOICES)
