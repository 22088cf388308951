"""Laplace's approximation where both counts and their zeros have random effects.

A row has two random parts, t_0 and t_1, and a matrix W of second derivatives in them. What knows of
one weight a row, sums over levels and leverages, takes three rows in its place: (z_0, 0), (0, z_1)
and (z_0, z_1), with weights w_00 - w_01, w_11 - w_01 and w_01, whose products add up to those of W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, cast

import numpy as np

from fastglm.mixed.blocks import Block
from fastglm.mixed.laplace import LaplaceState
from fastglm.mixed.layout import CHUNK_ROWS, Layout
from fastglm.mixed.modes import Rows
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.several.problem import SeveralProblem, SeveralState
from fastglm.mixed.several.row_pass import N_OF_MODES_OF_BOTH, respond_in_both

__all__ = ["TripledLayout", "TwoPartProblem", "has_two_parts"]

#: Rows that stand for one.
N_KINDS = 3


def has_two_parts(blocks: Sequence[Block]) -> bool:
    """Whether predictors beside the first have random effects."""
    return any((block.predictors > 0).any() for block in blocks)


def tripled(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of three rows in the place of each: all of the first kind, then the others."""
    found = []
    for block in blocks:
        own = block.predictors == 0
        kinds = [block.columns * own, block.columns * ~own, block.columns]
        codes = np.tile(block.codes, N_KINDS)
        found.append(replace(block, codes=codes, columns=np.vstack(kinds)))
    return found


class TripledLayout(Layout):
    """The random effects of three rows in the place of each."""

    def __init__(self, blocks: Sequence[Block]):
        super().__init__(tripled(blocks))

    @cached_property
    def kinds(self) -> np.ndarray:
        """Where the three rows of each are, (3, n)."""
        return self.place.reshape(N_KINDS, -1)


@dataclass(frozen=True, eq=False)
class TwoPartRows(Rows):
    """Three rows for each of the data's, and its derivatives in the K predictors.

    Attributes
    ----------
    scores : ndarray, shape (K, n)
        Of the log-likelihood; rows in the order of the data.
    weights : ndarray, shape (2, K, n)
        Of minus l_0 and l_1.
    bends : ndarray, shape (3, K, n)
        Of minus l_00, l_01 and l_11.
    """

    scores: np.ndarray = None  # type: ignore[assignment]
    weights: np.ndarray = None  # type: ignore[assignment]
    bends: np.ndarray = None  # type: ignore[assignment]


@dataclass(eq=False)
class TwoPartProblem(SeveralProblem):
    """Rows of a mixed model of counts and of their zeros, in the order of the data."""

    layout: TripledLayout
    layout_of: ClassVar[type[Layout]] = TripledLayout

    def in_order(self, values: np.ndarray) -> np.ndarray:
        """Numbers of rows as the problem has them: in the order of the data."""
        return values

    def as_given(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The same numbers."""
        return values

    def score_of(self, residual: np.ndarray) -> np.ndarray:
        """X' residual, (p,), of numbers in the order of the data, (K, n)."""
        return self.fixed.score(residual)

    def column_table(self, state: LaplaceState, block: Block) -> np.ndarray:
        """Less the derivatives of the levels' scores in the coefficients, (q, k, p)."""
        n = self.y.size
        both = block.columns[-n:].T
        values = np.stack([
            state.column_weight[predictor] * column
            for predictor, column in zip(block.predictors, both, strict=True)
        ])  # fmt: skip
        return self.fixed.by_level(values, block.codes[:n], block.q)

    def give_back(self, rows: Rows) -> None:
        """Nothing: the three rows are made of other numbers."""

    def _state(self, parameters: Parameters, eta: np.ndarray) -> LaplaceState:
        return TwoPartState(self, parameters, eta)

    def respond(self, eta: np.ndarray, log_extra: float, whole: bool = True) -> TwoPartRows:  # type: ignore[override]
        """Deviances and derivatives of all rows; without `whole` those needed for the modes."""
        k, n = eta.shape
        values = np.empty((N_OF_MODES_OF_BOTH * (1 + (k if whole else 0)), n))
        starts = np.append(np.arange(0, n, CHUNK_ROWS), n)
        outside = np.zeros(starts.size - 1, dtype=np.int64)
        respond_in_both(
            0, outside.size, starts, self.blocks, self.shape, self.y, self.prior, eta, values,
            outside,
        )  # fmt: skip
        deviance, score_0, score_1, w_00, w_01, w_11 = values[:N_OF_MODES_OF_BOTH]
        zero = np.zeros(n)
        # Where W is not positive definite, its positive diagonal is, in steps to the modes.
        rows = TwoPartRows(
            not outside.any(), self._tripled(deviance, zero, zero),
            self._tripled(score_0, score_1, zero), self._tripled(w_00 - w_01, w_11 - w_01, w_01),
            expected=self._tripled(np.maximum(w_00, 0.0), np.maximum(w_11, 0.0), zero),
        )  # fmt: skip
        if not whole:
            return rows
        parts = values[N_OF_MODES_OF_BOTH:].reshape(N_OF_MODES_OF_BOTH, k, n)
        return replace(rows, scores=parts[0], weights=parts[1:3], bends=parts[3:])

    def _tripled(self, *kinds: np.ndarray) -> np.ndarray:
        """Numbers of the three kinds in the order of the layout, (3 n,)."""
        return self.in_layout(np.concatenate(kinds))

    def in_layout(self, values: np.ndarray) -> np.ndarray:
        """Numbers of all kinds, one kind after the other, in the order of the layout."""
        return np.take(values, self.layout.order)


class TwoPartState(SeveralState):
    """Laplace's criterion at one point."""

    problem: TwoPartProblem

    @cached_property
    def fixed_eta(self) -> np.ndarray:
        """Fixed part of the linear predictors, (K, n), in the order of the data."""
        return self.given_eta

    def _predictor(self, u: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        eta = self.fixed_eta.copy()
        eta[:2] += self._with_effects(u)[self.problem.layout.kinds[:2]]
        return eta

    @cached_property
    def _determinant_slopes(self) -> np.ndarray:
        """Derivatives of the log determinant in the predictors, modes fixed, (K, n)."""
        rows = cast("TwoPartRows", self.rows)
        of_0, of_1, of_both = self.leverages[self.problem.layout.kinds]
        forms = np.stack([of_0, of_both - of_0 - of_1, of_1])
        return np.einsum("sn,skn->kn", forms, rows.bends)

    def _determinant_slope(self) -> np.ndarray:
        slopes = self._determinant_slopes
        return self.problem._tripled(slopes[0], slopes[1], np.zeros(slopes.shape[1]))

    @cached_property
    def predictor_residuals(self) -> np.ndarray:
        """Derivatives of the criterion in the predictors, (K, n)."""
        rows = cast("TwoPartRows", self.rows)
        moved = self._pull[2][self.problem.layout.kinds[:2]]
        found = -2.0 * rows.scores + self._determinant_slopes  # type: ignore[operator]
        return found - np.einsum("tn,tkn->kn", moved, rows.weights)

    @cached_property
    def working_residual(self) -> np.ndarray:
        """The derivatives in the two random parts, for rows of the layout."""
        found = self.predictor_residuals
        return self.problem._tripled(found[0], found[1], np.zeros(found.shape[1]))

    @property
    def column_weight(self) -> np.ndarray:
        """Minus the derivatives of l_0 and l_1 in the predictors, (2, K, n)."""
        return cast("TwoPartRows", self.rows).weights  # type: ignore[return-value]
