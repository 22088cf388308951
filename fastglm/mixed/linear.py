"""The linear mixed model: (restricted) likelihood profiled over beta and sigma, by level tables.

Bates et al. (2015), section 3; the gradient is that of the profiled criterion, by the envelope
theorem. No rows are read after the tables of one pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastglm.mixed.algebra import Columns, Factor, Products, Schur, over_chunks
from fastglm.mixed.layout import Layout
from fastglm.mixed.linear_levels import add_gradient, eliminate_effects, profile_columns
from fastglm.mixed.optimum import Minimum, minimise

__all__ = ["LinearProblem", "LinearState"]


class LinearProblem:
    """A linear mixed model's tables, and its criterion at given theta.

    Parameters
    ----------
    layout : Layout
    products : Products
        Of the prior weights.
    columns : Columns
        Of the standardised columns and the response.
    nobs : float
        Number of observations, frequencies counted.
    log_weights : float
        Sum of the logarithms of the prior weights.
    log_scale : float
        log det X' V^-1 X of the columns as given, less that of standardised ones.
    reml : bool
    """

    def __init__(
        self,
        layout: Layout,
        products: Products,
        columns: Columns,
        nobs: float,
        log_weights: float,
        log_scale: float,
        reml: bool,
    ):
        self.layout, self.products, self.columns = layout, products, columns
        self.nobs, self.reml = nobs, reml
        self.p = columns.own.shape[2] - 1
        #: Constant part of the criterion.
        self.constant = (log_scale if reml else 0.0) - log_weights
        #: Divisor of the residual sum of squares.
        self.df = nobs - (self.p if reml else 0)

    def at(self, theta: np.ndarray) -> LinearState:
        """The criterion at theta, with its parts."""
        return LinearState(self, theta)

    def criterion(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """-2 (restricted) log-likelihood and its gradient in theta."""
        with np.errstate(all="ignore"):
            try:
                if len(self.layout.blocks) == 1:
                    return self._by_level(theta)
                state = self.at(theta)
                return state.value, state.gradient
            except np.linalg.LinAlgError:
                return math.inf, np.zeros_like(theta)

    def _by_level(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Criterion and gradient for a single factor, in two passes over the levels."""
        layout = self.layout
        own, columns = self.products.own, self.columns.own
        k, size, n_chunks = layout.k, self.p + 1, layout.chunks.size - 1
        factor = np.ascontiguousarray(layout.factors(theta)[0])
        roots, effects = np.empty_like(own), np.empty_like(columns)
        parts, logs = np.zeros((n_chunks, size, size)), np.empty(n_chunks)
        threads = self.products.n_threads
        over_chunks(
            eliminate_effects, layout, threads, own, columns, factor, roots, effects, parts, logs
        )
        weights, found = np.empty((size, size)), np.empty(1)
        profile_columns(
            self.columns.gram, parts, logs, self.df, self.reml, self.constant, weights, found
        )
        value = float(found[0])
        if not math.isfinite(value):
            return math.inf, np.zeros_like(theta)
        totals = np.zeros((n_chunks, k, k))
        over_chunks(
            add_gradient, layout, threads, own, columns, factor, roots, effects, weights, totals
        )
        total = totals if n_chunks == 1 else totals.sum(axis=0)[None]
        return value, layout.chain(theta, 2.0 * total)

    def value_of(self, log_determinant: float, residual_sum: float, root: np.ndarray) -> float:
        """The criterion from log det H, residual sum of squares, and the root of X'V^-1 X."""
        if not residual_sum > 0.0:
            return math.inf
        value = log_determinant + self.constant
        value += self.df * (1.0 + math.log(2.0 * math.pi * residual_sum / self.df))
        if self.reml:
            value += 2.0 * float(np.log(np.diag(root)).sum())
        return value

    def fit(self, start: np.ndarray) -> Minimum:
        """The minimum over theta."""
        return minimise(self.criterion, start)


@dataclass(eq=False)
class LinearState:
    """The profiled criterion at one theta.

    Attributes
    ----------
    problem : LinearProblem
    theta : ndarray, shape (m,)
    """

    problem: LinearProblem
    theta: np.ndarray

    def __post_init__(self) -> None:
        """Eliminate the effects, then solve for beta."""
        problem, p = self.problem, self.problem.p
        self.factors = problem.layout.factors(self.theta)
        self.factor = Factor(problem.products, self.factors)
        found = Schur.of(self.factor, problem.columns)
        #: Spherical effects of each column of [X y].
        self.effects, schur = found.effects, found.matrix
        self.information = schur[:p, :p]
        #: Cholesky factor of X' V^-1 X sigma**2.
        self.root = np.linalg.cholesky(self.information) if p else np.empty((0, 0))
        half = np.linalg.solve(self.root, schur[:p, p]) if p else np.empty(0)
        self.beta = np.linalg.solve(self.root.T, half) if p else np.empty(0)
        self.residual_sum = float(schur[p, p] - half @ half)
        self.df = problem.df
        self.sigma2 = self.residual_sum / self.df
        self.value = problem.value_of(self.factor.log_determinant, self.residual_sum, self.root)

    def deviance_at(self, sigma: float) -> float:
        """The criterion at this theta and any sigma, profiled over beta alone."""
        value = self.value - self.df * (1.0 + math.log(self.sigma2))
        return value + self.df * math.log(sigma * sigma) + self.residual_sum / (sigma * sigma)

    @cached_property
    def information_inverse(self) -> np.ndarray:
        """Inverse of `information`, (p, p): times sigma**2 the covariance of beta."""
        inverse = np.linalg.inv(self.root) if self.problem.p else np.empty((0, 0))
        return inverse.T @ inverse

    @cached_property
    def contrast(self) -> np.ndarray:
        """Weights of the columns of [X y] whose combination is the residual of beta, (p + 1,)."""
        return np.append(-self.beta, 1.0)

    @cached_property
    def spherical(self) -> tuple[np.ndarray, np.ndarray]:
        """Conditional means of u, (q, k) and (R,)."""
        return self.effects[0] @ self.contrast, self.effects[1] @ self.contrast

    @cached_property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """Conditional means of b = Lambda u, (q, k) and (R,)."""
        own, other = self.factor.scale(self.spherical[0][:, :, None], self.spherical[1][:, None])
        return own[:, :, 0], other[:, 0]

    @cached_property
    def column_residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """Z'W times the residual of each column after random effects, (q, k, p + 1), (R, p + 1)."""
        columns = self.problem.columns
        taken = self.factor.scale(*self.effects)
        return self.problem.products.residuals(columns.own, columns.other, *taken)

    @cached_property
    def gradient(self) -> np.ndarray:
        """Of the criterion, in theta."""
        layout, p = self.problem.layout, self.problem.p
        weights = np.outer(self.contrast, self.contrast) / self.sigma2
        if self.problem.reml:
            weights[:p, :p] += self.information_inverse
        total = self.factor.traces() - products_by_block(
            layout, self.column_residuals, self.effects, weights
        )
        return layout.chain(self.theta, 2.0 * total)


def products_by_block(
    layout: Layout,
    left: tuple[np.ndarray, np.ndarray],
    right: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
) -> np.ndarray:
    """Sums over levels of left W right', for each block: (b, K, K)."""
    widest = int(layout.widths.max())
    total = np.zeros((len(layout.blocks), widest, widest))
    k = layout.k
    total[0, :k, :k] = np.tensordot(left[0] @ weights, right[0], ([0, 2], [0, 2]))
    for block in range(1, len(layout.blocks)):
        columns, k = layout.columns_of(block), int(layout.widths[block])
        total[block, :k, :k] = np.tensordot(
            left[1][columns] @ weights, right[1][columns], ([0, 2], [0, 2])
        )
    return total
