"""Laplace's approximation, and quadrature, for rows with several linear predictors.

The random part t of a row adds d_k t to its predictor k: to one predictor, or to the thresholds on
both sides of an ordered category together. Random effects are treated as in
`fastglm.mixed.laplace`, with derivatives in t; the gradient in the coefficients needs the
derivatives of each row's l, l_t and l_tt in every predictor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np

from fastglm.mixed.adaptive import AdaptiveProblem, AdaptiveState
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.layout import Layout
from fastglm.mixed.modes import Rows
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.several.columns import PredictorColumns
from fastglm.mixed.several.responses import MixedResponse
from fastglm.mixed.several.row_pass import N_OF_MODES, respond_along

__all__ = ["SeveralProblem", "problem_of"]


@dataclass(frozen=True, eq=False)
class PredictorRows(Rows):
    """Deviances and derivatives of the rows in t, (n,), and in their predictors, (K, n)."""

    predictor_score: np.ndarray | None = None
    predictor_residual: np.ndarray | None = None
    predictor_bend: np.ndarray | None = None


@dataclass(eq=False)
class SeveralProblem(LaplaceProblem):
    """Rows of a mixed model of several linear predictors.

    Attributes
    ----------
    blocks : ndarray of int, shape (2,)
        Addresses of the row blocks of the log-likelihood and of its third derivatives.
    shape : ndarray
        Parameters of the response.
    direction : ndarray, shape (K,)
        Factors d_k of the random part in each predictor.
    """

    blocks: np.ndarray = None  # type: ignore[assignment]
    shape: np.ndarray = None  # type: ignore[assignment]
    direction: np.ndarray = None  # type: ignore[assignment]

    def fixed_eta(self, beta: np.ndarray) -> np.ndarray:
        """Fixed part of the linear predictors, (K, n), in the order of the data."""
        return self.fixed.predict(beta)

    def constants(self, log_extra: float) -> tuple[float, float]:
        """No parameter beside the coefficients, and no dispersion."""
        return 0.0, 1.0

    def at(self, parameters: Parameters, fixed_eta: np.ndarray | None = None) -> LaplaceState:
        """The criterion at these parameters."""
        eta = self.fixed_eta(parameters.beta) if fixed_eta is None else fixed_eta
        state = self._state(parameters, eta)
        if np.isfinite(state.value):
            self.warm = state.spherical
            self.warm_factor = state.factor if self.layout.rest_size else None
        return state

    def _state(self, parameters: Parameters, eta: np.ndarray) -> LaplaceState:
        return SeveralState(self, parameters, eta)

    def respond(self, eta: np.ndarray, log_extra: float, whole: bool = True) -> PredictorRows:
        """Deviances and derivatives of all rows; without `whole` those needed for the modes."""
        layout, k = self.layout, self.direction.size
        size = N_OF_MODES + (1 + 3 * k if whole else 0)
        fits = [m for m, each in enumerate(self.spare) if len(each) == size]
        values = self.spare.pop(fits[0]) if fits else np.empty((size, layout.n_rows))
        outside = np.zeros(layout.chunks.size - 1, dtype=np.int64)
        self.run(
            respond_along, layout.start, self.blocks, self.shape, self.direction, self.y,
            self.prior, eta, values, outside,
        )  # fmt: skip
        inside = not outside.any()
        if not whole:
            return PredictorRows(inside, *values)
        deviance, residual, observed, slope, *_ = values
        # Negative observed weights are set to 0 in steps to the modes.
        positive = np.maximum(observed, 0.0)
        first = N_OF_MODES + 1
        parts = (values[first + m * k : first + (m + 1) * k] for m in range(3))
        return PredictorRows(
            inside, deviance, residual, observed, slope, positive,
            **dict(zip(("predictor_score", "predictor_residual", "predictor_bend"), parts,
                       strict=True)),
        )  # fmt: skip


class _Several(LaplaceState):
    """Methods of a state that differ if the fixed part consists of several predictors."""

    problem: SeveralProblem
    by_level: ClassVar[bool] = False

    @cached_property
    def fixed_eta(self) -> np.ndarray:
        """Fixed part of the linear predictors, (K, n), in the order of levels."""
        return np.take(self.given_eta, self.layout.order, axis=1)

    def _predictor(self, u: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return self.fixed_eta + self.problem.direction[:, None] * self._with_effects(u)

    def _find_modes(self) -> bool:
        return self._search_together()

    def _predictor_score(self) -> np.ndarray:
        """Scores of the rows in their predictors, (K, n), which quadrature averages."""
        return cast("PredictorRows", self.rows).predictor_score  # type: ignore[return-value]

    @cached_property
    def predictor_residuals(self) -> np.ndarray:
        """Derivatives of the criterion in the predictors, (K, n), rows sorted by level."""
        rows = cast("PredictorRows", self.rows)
        _, _, moved, _ = self._pull
        found = -2.0 * self._predictor_score()
        found += self.leverages * rows.predictor_bend
        found += moved * rows.predictor_residual
        return found

    @property
    def fixed_residual(self) -> np.ndarray:
        """The same derivatives: their products with the predictors' columns are the gradient."""
        return self.predictor_residuals

    @property
    def column_weight(self) -> np.ndarray:
        """Minus the derivatives of l_t in the predictors, (K, n)."""
        return -cast("PredictorRows", self.rows).predictor_residual  # type: ignore[operator]


class SeveralState(_Several):
    """Laplace's criterion at one point."""


class QuadratureProblem(SeveralProblem, AdaptiveProblem):  # type: ignore[misc]
    """The same rows, their likelihood found by quadrature."""

    def _state(self, parameters: Parameters, eta: np.ndarray) -> LaplaceState:
        return QuadratureState(self, parameters, eta)  # type: ignore[arg-type]


class QuadratureState(_Several, AdaptiveState):
    """The criterion by quadrature at one point."""

    problem: QuadratureProblem  # type: ignore[assignment]

    @cached_property
    def _node_scores(self) -> np.ndarray:
        terms, sums = self._log_shares
        shares = np.exp(terms - sums)
        level = np.repeat(np.arange(self.layout.q), np.diff(self.layout.start))
        total = np.zeros_like(self.fixed_eta)
        for m in range(len(shares)):
            eta = self._predictor((self._node(m), np.empty(0)))
            rows = self.problem.respond(eta, 0.0)
            total += shares[m][level] * rows.predictor_score
        return total

    def _predictor_score(self) -> np.ndarray:
        return self._node_scores


def problem_of(
    model: Any,
    response: MixedResponse,
    layout: Layout,
    nagq: int,
    n_threads: int,
    kind: type[SeveralProblem] = SeveralProblem,
) -> SeveralProblem:
    """The rows of a model of `fastglm.responses` with the random effects of a layout."""
    rows = model.rows
    prior = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    shape = np.array(model._shape(), dtype=np.float64)
    blocks = np.array([model._respond().address, response.third_rows(model).address])
    problem = kind(
        layout=layout, fixed=PredictorColumns.of(model, n_threads),  # type: ignore[arg-type]
        derivatives=None,  # type: ignore[arg-type]
        y=rows.response.astype(np.float64), prior=prior.astype(np.float64),
        offset=np.zeros(0), observed=True, extra="none", normaliser=_nothing, n_threads=n_threads,
        blocks=blocks, shape=shape, direction=response.direction(model),
    )  # fmt: skip
    problem.y, problem.prior = problem.in_order(problem.y), problem.in_order(problem.prior)
    return problem if nagq == 1 else QuadratureProblem.of(problem, nagq)  # type: ignore[return-value]


def _nothing(log_extra: float) -> tuple[float, float]:
    """No constant: the log-likelihoods of the rows are complete."""
    return 0.0, 0.0
