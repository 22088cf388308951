"""Laplace's approximation of a generalized linear mixed model, with its exact gradient.

With the conditional modes u of the spherical effects, and weights w minus the second derivatives of
the rows' log-likelihoods in their linear predictors,

    F = -2 sum of log-likelihoods at u + |u|**2 + log det(I + Lambda' Z'WZ Lambda).

Modes are found by Newton's method; the derivative of the determinant needs the leverages of the
rows and the third derivatives of the log-likelihood. Tierney & Kadane (1986); Skaug & Fournier
(2006), "Automatic approximation of the marginal likelihood in non-Gaussian hierarchical models".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, cast

import numpy as np

from fastglm.families import derivative_templates as dv
from fastglm.families.derivatives import LikelihoodDerivatives
from fastglm.kernels.blocks.row_buffers import DEVIANCE, RESIDUAL
from fastglm.mixed import row_passes
from fastglm.mixed.algebra import Factor, Products, over_rows
from fastglm.mixed.blocks import Block
from fastglm.mixed.layout import Layout
from fastglm.mixed.level_pass import LevelSums
from fastglm.mixed.level_sums import sum_scores
from fastglm.mixed.modes import ModeSearch, Rows
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.scaling import FixedColumns

__all__ = ["LaplaceProblem", "LaplaceState"]

BUFFERS = (
    DEVIANCE, RESIDUAL, dv.OBSERVED, dv.OBSERVED_SLOPE, dv.EXPECTED, dv.EXPECTED_SLOPE,
    dv.PARAMETER_SCORE, dv.PARAMETER_RESIDUAL, dv.PARAMETER_OBSERVED, dv.PARAMETER_EXPECTED,
)  # fmt: skip


@dataclass(eq=False)
class LaplaceProblem:
    """Rows of a generalized mixed model.

    Attributes
    ----------
    layout : Layout
    fixed : FixedColumns
    derivatives : LikelihoodDerivatives
    y, prior : ndarray, shape (n,)
        In the order of levels.
    offset : ndarray, shape (n,)
        In the order of the data.
    observed : bool
        Whether the determinant is of observed, not expected weights.
    extra : {"none", "dispersion", "parameter"}
        What `Parameters.log_extra` is.
    normaliser : callable
        From log_extra to the sum of log-densities at a deviance of zero, and its derivative.
    n_threads : int
    """

    layout: Layout
    fixed: FixedColumns
    derivatives: LikelihoodDerivatives
    y: np.ndarray
    prior: np.ndarray
    offset: np.ndarray
    observed: bool
    extra: str
    normaliser: object
    n_threads: int
    #: Modes of the last evaluation, the start of the next.
    warm: tuple[np.ndarray, np.ndarray] | None = None
    #: H at these modes.
    warm_factor: Factor | None = None
    #: Arrays of rows that no state needs any more: allocation costs more than filling them.
    spare: list[np.ndarray] = field(default_factory=list)
    #: Of other rows of the model.
    layout_of: ClassVar[type[Layout]] = Layout

    @cached_property
    def has_offset(self) -> bool:
        """Whether any offset is not zero."""
        return bool(self.offset.any())

    def run(self, kernel, *arguments) -> None:  # type: ignore[no-untyped-def]
        """Run a kernel over all chunks of levels."""
        over_rows(kernel, self.layout, self.n_threads, *arguments)

    def fixed_eta(self, beta: np.ndarray) -> np.ndarray:
        """Fixed part of the linear predictors, (n,), offset included, in the order of the data."""
        eta = self.fixed.predict(beta)
        if self.has_offset:
            eta += self.offset
        return eta

    def score_of(self, residual: np.ndarray) -> np.ndarray:
        """X' residual, (p,), of numbers in the order of levels."""
        return self.fixed.score(self.as_given(residual, self.fixed.room(residual)))

    def in_order(self, values: np.ndarray) -> np.ndarray:
        """Numbers of rows, (n,), brought from the order of the data to that of levels."""
        return values[self.layout.order]

    def of_block(self, number: int) -> LaplaceProblem:
        """The same rows with the effects of one factor."""
        layout = Layout((self.layout.blocks[number],))
        y, prior = (self.as_given(values)[layout.order] for values in (self.y, self.prior))
        return replace(self, layout=layout, y=y, prior=prior, warm=None, warm_factor=None, spare=[])

    def column_table(self, state: LaplaceState, block: Block) -> np.ndarray:
        """Less the derivatives of the levels' scores in the coefficients, (q, k, p)."""
        weight = self.as_given(state.column_weight)
        values = np.stack([weight * column for column in block.columns.T])
        return self.fixed.by_level(values, block.codes, block.q)

    def as_given(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Values of rows, (..., n), from the order of levels to that of the data."""
        out = np.empty_like(values) if out is None else out
        planes, to = np.atleast_2d(values), np.atleast_2d(out)
        self.run(row_passes.as_given, self.layout.start, self.layout.place, planes, to)
        return out

    def effect_sums(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Z' residual, (q, k) and (R,)."""
        layout = self.layout
        own = np.empty((layout.q, layout.k))
        parts = np.zeros((layout.chunks.size - 1, layout.rest_size))
        self.run(
            sum_scores, layout.start, layout.z, layout.rest, layout.widths, layout.column,
            residual, own, parts,
        )  # fmt: skip
        return own, parts.sum(axis=0)

    def constants(self, log_extra: float) -> tuple[float, float]:
        """Family's parameter and dispersion."""
        family = self.derivatives.family
        value = math.exp(log_extra)
        return (
            value if self.extra == "parameter" else family.parameter,
            value if self.extra == "dispersion" else 1.0,
        )

    def at(self, parameters: Parameters, fixed_eta: np.ndarray | None = None) -> LaplaceState:
        """The criterion at these parameters."""
        eta = self.fixed_eta(parameters.beta) if fixed_eta is None else fixed_eta
        state = LaplaceState(self, parameters, eta)
        if math.isfinite(state.value):
            self.warm = state.spherical
            self.warm_factor = state.factor if self.layout.rest_size else None
        return state

    def respond(self, eta: np.ndarray, log_extra: float, whole: bool = True) -> Rows:
        """Deviances and derivatives of all rows; without `whole` what the modes need."""
        buffers: tuple[int, ...] = BUFFERS[:3]
        if whole:
            buffers = BUFFERS if self.derivatives.has_parameter else BUFFERS[:6]
        fits = [k for k, each in enumerate(self.spare) if len(each) == len(buffers)]
        values = self.spare.pop(fits[0]) if fits else np.empty((len(buffers), eta.size))
        inside = self._buffers(eta, log_extra, buffers, values)
        return Rows(inside, *values)

    def give_back(self, rows: Rows) -> None:
        """Release arrays that are not needed any more for reuse."""
        self.spare.append(rows.deviance.base)  # type: ignore[arg-type]

    def respond_bend(self, state: LaplaceState) -> np.ndarray:
        """Second derivatives of the observed weights in the linear predictors, (n,)."""
        eta = state._predictor(state.spherical)
        values = np.empty((1, eta.size))
        self._buffers(eta, state.parameters.log_extra, (dv.OBSERVED_BEND,), values)
        return values[0]

    def _buffers(
        self, eta: np.ndarray, log_extra: float, buffers: tuple[int, ...], values: np.ndarray
    ) -> bool:
        """Fill in buffers of the family's derivatives; whether all means are inside its domain."""
        layout, blocks = self.layout, self.derivatives
        outside = np.zeros(layout.chunks.size - 1, dtype=np.int64)
        self.run(
            row_passes.respond, layout.start, blocks.mean_rows.address,
            blocks.family_rows.address, blocks.parameters(*self.constants(log_extra)), self.y,
            self.prior, eta, np.array(buffers), values, outside,
        )  # fmt: skip
        return not outside.any()


class LaplaceState(ModeSearch):
    """Criterion, gradient and their parts at one point.

    Parameters
    ----------
    problem : LaplaceProblem
    parameters : Parameters
    given_eta : ndarray, shape (n,)
        Fixed part of the linear predictors, in the order of the data.
    """

    problem: LaplaceProblem
    #: Whether one pass finds criterion and derivatives of a single factor.
    by_level: ClassVar[bool] = True

    def __init__(self, problem: LaplaceProblem, parameters: Parameters, given_eta: np.ndarray):
        factors = problem.layout.factors(parameters.theta)
        super().__init__(problem, factors, given_eta, parameters.log_extra)
        self.parameters = parameters
        self.value = math.inf
        self.level_sums: LevelSums | None = None
        with np.errstate(all="ignore"):
            if self.by_level and len(self.layout.blocks) == 1:
                self.level_sums = self._sum_levels(False)
            if self.level_sums is not None:
                self.found, self.spherical = True, (self.level_sums.modes, np.zeros(0))
                self.value = self._finite(self.level_sums.value)
            else:
                self.found = self._find_modes()
                if self.found:
                    self.value = self._criterion()

    def _sum_levels(self, with_curvature: bool) -> LevelSums | None:
        """All sums of one pass over levels; None where the search for a mode fails."""
        problem, layout = self.problem, self.layout
        modes = np.zeros((layout.q, layout.k)) if problem.warm is None else problem.warm[0].copy()
        sums = LevelSums.empty(layout, modes, with_curvature)
        blocks = problem.derivatives
        sums.fill(
            layout, np.ascontiguousarray(self.factors[0]), self.given_eta, blocks.addresses,
            blocks.parameters(*problem.constants(self.log_extra)), problem.y, problem.prior,
            problem.observed, problem.extra != "none", problem.n_threads,
        )  # fmt: skip
        return sums if sums.found else None

    def _finite(self, value: float) -> float:
        """The criterion without its constant terms."""
        constant, _ = self.problem.normaliser(self.parameters.log_extra)  # type: ignore[operator]
        value -= 2.0 * constant
        return value if math.isfinite(value) else math.inf

    # -- the criterion

    @cached_property
    def determinant_weight(self) -> np.ndarray:
        """Weights of the determinant, (n,)."""
        if self.problem.observed:
            return self.rows.observed
        return cast("np.ndarray", self.rows.expected)

    @cached_property
    def factor(self) -> Factor:
        """H of the determinant."""
        n_threads = self.problem.n_threads
        if self.level_sums is not None:
            products = Products.of_levels(self.layout, self.level_sums.products, n_threads)
        else:
            products = Products(self.layout, self.determinant_weight, n_threads)
        return Factor(products, self.factors)

    @cached_property
    def observed_factor(self) -> Factor:
        """H of observed weights, which gives the derivatives of the modes."""
        if self.problem.observed or self.problem.derivatives.family.has_canonical_link:
            return self.factor
        products = Products(self.layout, self.rows.observed, self.problem.n_threads)
        return Factor(products, self.factors)

    def _criterion(self) -> float:
        value = float(self.rows.deviance.sum()) + self.penalty + self.factor.log_determinant
        return self._finite(value)

    # -- its gradient

    @cached_property
    def leverages(self) -> np.ndarray:
        """Quadratic forms a' H^-1 a of the rows, (n,)."""
        layout, target = self.layout, np.empty(self.layout.n_rows)
        self.problem.run(
            row_passes.find_leverages, layout.start, layout.z, layout.rest, layout.widths,
            layout.column, layout.local, layout.row_start, layout.cross_start, self.factors,
            *self._determinant_inverse(), target,
        )  # fmt: skip
        return target

    def _determinant_slope(self) -> np.ndarray:
        """Derivatives of the log determinant in the random parts of the rows, modes fixed, (n,)."""
        rows = self.rows
        slope = rows.observed_slope if self.problem.observed else rows.expected_slope
        return cast("np.ndarray", slope * self.leverages)

    # What quadrature replaces: derivatives of the determinant in Z'WZ, of the sum over nodes in
    # the modes, and the rows' scores.

    def _determinant_inverse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return (*self.factor.inverse, self.factor.remainder_inverse)

    def _extra_pull(self) -> np.ndarray | float:
        return 0.0

    def _score_residual(self) -> np.ndarray:
        return self.rows.residual

    def _score_sums(self) -> tuple[float, float]:
        """Deviance, and the log-likelihood's derivative in the log of the family's parameter."""
        score = self.rows.parameter_score
        return float(self.rows.deviance.sum()), 0.0 if score is None else float(score.sum())

    @cached_property
    def _pull(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """lambda, (q, k) and (R,), Lambda lambda in the rows, (n,), and c = w' v, (n,)."""
        problem, pulled = self.problem, self._determinant_slope()
        own, other = problem.effect_sums(pulled)
        right, below = self.factor.scale(own[:, :, None], other[:, None], transposed=True)
        right[:, :, 0] += self._extra_pull()
        first, rest = self.observed_factor.solve(right, below)
        pull = first[:, :, 0], rest[:, 0]
        return (*pull, self._with_effects(pull), pulled)

    @cached_property
    def working_residual(self) -> np.ndarray:
        """Derivative of the criterion in each row's linear predictor, (n,): rho."""
        if self.level_sums is not None:
            return self.level_sums.residual
        _, _, moved, pulled = self._pull
        return -2.0 * self._score_residual() + pulled - self.rows.observed * moved

    @cached_property
    def theta_gradient(self) -> np.ndarray:
        """Of the criterion, in theta."""
        problem, layout = self.problem, self.layout
        if self.level_sums is not None:
            return layout.chain(self.parameters.theta, self.level_sums.totals.sum(axis=0)[None])
        own_pull, other_pull, _, _ = self._pull
        total = 2.0 * self.factor.traces()
        for residual, effects in (
            (self.working_residual, self.spherical),
            (self.rows.residual, (own_pull, other_pull)),
        ):
            own, other = problem.effect_sums(residual)
            k = layout.k
            total[0, :k, :k] += own.T @ effects[0]
            for block in range(1, len(layout.blocks)):
                columns, k = layout.columns_of(block), int(layout.widths[block])
                total[block, :k, :k] += other[columns].T @ effects[1][columns]
        return layout.chain(self.parameters.theta, total)

    @property
    def fixed_residual(self) -> np.ndarray:
        """Derivatives of the criterion in the fixed part of each row's linear predictor, (n,)."""
        return self.working_residual

    @cached_property
    def beta_gradient(self) -> np.ndarray:
        """Of the criterion, in the coefficients of standardised columns."""
        return self.problem.score_of(self.fixed_residual)

    @property
    def column_weight(self) -> np.ndarray:
        """Negative derivatives of the rows' scores in their fixed part, (n,)."""
        return self.rows.observed

    @property
    def row_curvature(self) -> np.ndarray:
        """Weights, their derivatives, and w'' v - w' z' Lambda lambda, (n, 3), by level."""
        sums = self._sum_levels(True) if self.level_sums is not None else None
        if sums is not None:
            return sums.curvature
        rows = self.rows
        slope = cast("np.ndarray", rows.observed_slope)
        bend = self.problem.respond_bend(self) * self.leverages - slope * self._pull[2]
        return np.stack([rows.observed, slope, bend], axis=1)

    @cached_property
    def extra_gradient(self) -> float:
        """Of the criterion, in `Parameters.log_extra`."""
        problem, rows = self.problem, self.rows
        _, slope = problem.normaliser(self.parameters.log_extra)  # type: ignore[operator]
        if self.level_sums is not None:
            of_dispersion, of_parameter = self.level_sums.extras.sum(axis=0)
            own = of_dispersion if problem.extra == "dispersion" else of_parameter
            return float(own) - 2.0 * slope
        _, _, moved, _ = self._pull
        deviance, score = self._score_sums()
        if problem.extra == "dispersion":
            value = -deviance - float(self.leverages @ self.determinant_weight)
            return value - 2.0 * slope - float(moved @ rows.residual)
        weight = rows.parameter_observed if problem.observed else rows.parameter_expected
        value = -2.0 * score + float(self.leverages @ weight)
        return value - 2.0 * slope + float(moved @ rows.parameter_residual)
