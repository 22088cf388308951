"""Conditional modes of the random effects, by Newton's method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from fastglm.mixed import row_passes
from fastglm.mixed.algebra import Factor, Products, scale
from fastglm.mixed.level_modes import search_levels

__all__ = ["ModeSearch", "Rows"]

#: Largest decrement of the last step to the modes, relative to 1 + deviance: what is left after
#: the step is its square; with a factor of another point a share of it.
MODE_TOLERANCE, REUSED_TOLERANCE = 1e-13, 1e-19
MOST_MODE_STEPS = 200
#: A factored H of another point is used where decrements are below the first of these, and until
#: one is not below this share of the one before it.
FAR, SLOW = 1.0, 0.01
#: Columns of the remainder from which a factor costs more than a pass over the rows.
DEAR = 32


@dataclass(frozen=True, eq=False)
class Rows:
    """What the family says of the rows, (n,) each, and whether all means are inside its domain."""

    inside: bool
    deviance: np.ndarray
    residual: np.ndarray
    observed: np.ndarray
    observed_slope: np.ndarray | None = None
    expected: np.ndarray | None = None
    expected_slope: np.ndarray | None = None
    parameter_score: np.ndarray | None = None
    parameter_residual: np.ndarray | None = None
    parameter_observed: np.ndarray | None = None
    parameter_expected: np.ndarray | None = None


class ModeSearch:
    """Modes at given coefficients and Lambda.

    Parameters
    ----------
    problem : LaplaceProblem
    factors : ndarray, shape (b, K, K)
        Lambda of every block.
    given_eta : ndarray, shape (n,)
        Fixed part of the linear predictors, in the order of the data.
    log_extra : float
        Logarithm of the dispersion or of the family's parameter.

    Attributes
    ----------
    spherical : tuple of ndarray, (q, k) and (R,)
        The modes, once they are found.
    """

    spherical: tuple[np.ndarray, np.ndarray]

    def __init__(self, problem: Any, factors: np.ndarray, given_eta: np.ndarray, log_extra: float):
        self.problem, self.layout = problem, problem.layout
        self.factors, self.given_eta, self.log_extra = factors, given_eta, log_extra

    @cached_property
    def fixed_eta(self) -> np.ndarray:
        """Fixed part of the linear predictors, (n,), in the order of levels."""
        return np.take(self.given_eta, self.layout.order)

    @cached_property
    def penalty(self) -> float:
        """Sum of squares of the modes."""
        return float((self.spherical[0] ** 2).sum() + (self.spherical[1] ** 2).sum())

    @cached_property
    def rows(self) -> Rows:
        """What the family says of the rows at the modes."""
        rows: Rows = self.problem.respond(self._predictor(self.spherical), self.log_extra)
        return rows

    def _effects(self, u: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Effects Lambda u, (q, k) and (R,)."""
        own, other = scale(self.layout, self.factors, u[0][:, :, None], u[1][:, None], False)
        return own[:, :, 0], other[:, 0]

    def _with_effects(
        self, u: tuple[np.ndarray, np.ndarray], fixed: np.ndarray | None = None
    ) -> np.ndarray:
        """Random parts of the rows, (n,), in the order of levels, added to a fixed part or none."""
        layout, total = self.layout, np.empty(self.layout.n_rows)
        fixed = np.zeros(layout.n_rows) if fixed is None else fixed
        self.problem.run(
            row_passes.add_effects, layout.start, layout.z, layout.rest, layout.widths,
            layout.column, fixed, *self._effects(u), total,
        )  # fmt: skip
        return total

    def _predictor(self, u: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return self._with_effects(u, self.fixed_eta)

    def _by_component(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Sums over levels of the first block, (q,), and columns of the remainder, (R,)."""
        layout = self.layout
        size = layout.component_first.size - 1
        total = np.bincount(layout.component, own, minlength=size)
        if layout.rest_size:
            total += np.bincount(layout.column_component, other, minlength=size)
        return total

    def _penalised(self, u: tuple[np.ndarray, np.ndarray], rows: Rows) -> np.ndarray:
        """Penalised deviance of every component."""
        by_level = np.add.reduceat(rows.deviance, self.layout.start[:-1])
        total = self._by_component(by_level + (u[0] ** 2).sum(axis=1), u[1] ** 2)
        return np.where(np.isnan(total), np.inf, total)

    def _find_modes(self) -> bool:
        """The modes; whether they were found."""
        if len(self.layout.blocks) == 1 and self._search_levels():
            return True
        return self._search_together()

    def _search_levels(self) -> bool:
        """For one factor: level by level. False where a level is not concave or does not end."""
        problem, layout = self.problem, self.layout
        warm = problem.warm
        modes = np.zeros((layout.q, layout.k)) if warm is None else warm[0].copy()
        blocks, failed = problem.derivatives, np.zeros(layout.chunks.size - 1, dtype=np.int64)
        problem.run(
            search_levels, layout.start, layout.order, layout.z_planes,
            np.ascontiguousarray(self.factors[0]), self.given_eta, blocks.addresses,
            blocks.parameters(*problem.constants(self.log_extra)), problem.y, problem.prior,
            MODE_TOLERANCE, modes, failed,
        )  # fmt: skip
        if failed.any() or not np.isfinite(modes).all():
            return False
        self.spherical = modes, np.zeros(0)
        return bool(self.rows.inside)

    def _search_together(self) -> bool:
        """Newton's method, all components at once, each with steps halved as it needs."""
        problem, layout = self.problem, self.layout
        if problem.warm is None:
            u = np.zeros((layout.q, layout.k)), np.zeros(layout.rest_size)
        else:
            u = problem.warm
        rows = problem.respond(self._predictor(u), self.log_extra, False)
        now = self._penalised(u, rows)
        if not np.isfinite(now).all() and problem.warm is not None:
            u = np.zeros((layout.q, layout.k)), np.zeros(layout.rest_size)
            rows = problem.respond(self._predictor(u), self.log_extra, False)
            now = self._penalised(u, rows)
        # Where it is dear, a factor from nearby serves as long as its steps shorten quickly.
        reuses = layout.rest_size > DEAR
        factor, is_new, before = problem.warm_factor if reuses else None, False, math.inf
        for _ in range(MOST_MODE_STEPS):
            if factor is None or not reuses:
                factor, is_new = self._newton_factor(u, rows), True
            step, decrement = self._step(u, rows, factor)
            total = float(decrement.sum())
            if not is_new and not (total <= min(FAR, SLOW * before) and decrement.min() >= 0.0):
                factor = None
                continue
            if not math.isfinite(total) or not np.isfinite(now).all():
                return False
            enough = MODE_TOLERANCE if is_new else REUSED_TOLERANCE
            last = bool((decrement <= enough * (1.0 + np.abs(now))).all())
            u, rows, now = self._advance(u, rows, now, step, last)
            if last:
                self.spherical, self.rows = u, rows
                return bool(rows.inside)
            is_new, before = False, total
        return False

    def _newton_factor(self, u: tuple[np.ndarray, np.ndarray], rows: Rows) -> Factor:
        """H of observed weights; expected ones stand in where concavity fails."""
        factor = Factor(Products(self.layout, rows.observed, self.problem.n_threads), self.factors)
        if not math.isfinite(factor.log_determinant):
            whole = self.problem.respond(self._predictor(u), self.log_extra)
            expected = cast("np.ndarray", whole.expected)
            weight = np.where(rows.observed > 0.0, rows.observed, expected)
            factor = Factor(Products(self.layout, weight, self.problem.n_threads), self.factors)
        return factor

    def _step(
        self, u: tuple[np.ndarray, np.ndarray], rows: Rows, factor: Factor
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Newton step by a factored H, and its decrement by component."""
        own, other = self.problem.effect_sums(rows.residual)
        own, other = scale(self.layout, self.factors, own[:, :, None], other[:, None], True)
        own[:, :, 0] -= u[0]
        other[:, 0] -= u[1]
        first, rest = factor.solve(own, other)
        decrement = self._by_component((own * first).sum(axis=(1, 2)), (other * rest).sum(axis=1))
        return (first[:, :, 0], rest[:, 0]), decrement

    def _advance(
        self,
        u: tuple[np.ndarray, np.ndarray],
        rows: Rows,
        now: np.ndarray,
        step: tuple[np.ndarray, np.ndarray],
        whole: bool,
    ) -> tuple[tuple[np.ndarray, np.ndarray], Rows, np.ndarray]:
        """Take the step, halved for components whose penalised deviance would rise."""
        layout = self.layout
        length = np.ones(now.size)
        for _ in range(40):
            of_level = length[layout.component][:, None]
            of_column = length[layout.column_component]
            new = u[0] + of_level * step[0], u[1] + of_column * step[1]
            new_rows = self.problem.respond(self._predictor(new), self.log_extra, whole)
            then = self._penalised(new, new_rows)
            worse = ~(then <= now + 1e-12 * (1.0 + np.abs(now)))
            if not worse.any():
                self.problem.give_back(rows)
                return new, new_rows, then
            self.problem.give_back(new_rows)
            length[worse] *= 0.5
        rows = self.problem.respond(self._predictor(u), self.log_extra)
        return u, rows, now
