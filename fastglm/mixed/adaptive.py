"""Adaptive Gauss-Hermite quadrature for one grouping factor with one or two effects.

Nodes are placed around the conditional mode of every level and scaled by the Cholesky factor of H;
one node is Laplace's approximation. The gradient is exact: with kappa in place of H^-1 it has the
form of Laplace's. Pinheiro & Bates (1995), "Approximations to the log-likelihood function in the
nonlinear mixed-effects model".
"""

from __future__ import annotations

import itertools
from dataclasses import fields
from functools import cached_property
from typing import cast

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.intervals.predictive_mixture import normal_quadrature
from fastglm.mixed.laplace import LaplaceProblem, LaplaceState
from fastglm.mixed.parameters import Parameters

__all__ = ["MOST_NODES", "AdaptiveProblem", "AdaptiveState"]

#: Of an effect, checked by `MixedGLM.fit`.
MOST_NODES = 100
MOST_EFFECTS = 2


class AdaptiveProblem(LaplaceProblem):
    """A problem whose likelihood is found by quadrature; see `with_nodes`."""

    nodes: np.ndarray
    log_weights: np.ndarray

    @classmethod
    def of(cls, problem: LaplaceProblem, nagq: int) -> AdaptiveProblem:
        """The same rows, by `nagq` nodes for each effect of a level.

        Raises
        ------
        ModelError
            If there are several factors or more effects of a level than can be met.
        """
        layout = problem.layout
        if len(layout.blocks) > 1 or layout.k > MOST_EFFECTS:
            raise ModelError(
                f"nagq={nagq} needs one grouping factor with at most {MOST_EFFECTS} effects: "
                "use nagq=1, Laplace's approximation."
            )
        found = cls(**{each.name: getattr(problem, each.name) for each in fields(problem)})
        nodes, weights = normal_quadrature(nagq)
        found.nodes = np.array(list(itertools.product(nodes, repeat=layout.k)))
        grid = itertools.product(np.log(weights), repeat=layout.k)
        found.log_weights = np.array([sum(each) for each in grid])
        found.log_weights += 0.5 * (found.nodes**2).sum(axis=1)
        return found

    def at(self, parameters: Parameters, fixed_eta: np.ndarray | None = None) -> AdaptiveState:
        """The criterion at these parameters."""
        eta = self.fixed_eta(parameters.beta) if fixed_eta is None else fixed_eta
        state = AdaptiveState(self, parameters, eta)
        if np.isfinite(state.value):
            self.warm = state.spherical
        return state


class AdaptiveState(LaplaceState):
    """The criterion by quadrature at one point, and its gradient."""

    problem: AdaptiveProblem
    by_level = False

    def _level_penalties(self, u: np.ndarray) -> np.ndarray:
        """Penalised deviance of every level at effects (q, k), and nothing else."""
        none = np.empty(0)
        rows = self.problem.respond(self._predictor((u, none)), self.parameters.log_extra)
        by_level = np.add.reduceat(rows.deviance, self.layout.start[:-1])
        return by_level + (u**2).sum(axis=1)

    @cached_property
    def spread(self) -> np.ndarray:
        """L^-T of every level, (q, k, k), H = L L'."""
        roots = self.factor._roots
        return np.linalg.inv(roots).transpose(0, 2, 1)

    def _node(self, m: int) -> np.ndarray:
        """Spherical effects at one node, (q, k)."""
        return self.spherical[0] + self.spread @ self.problem.nodes[m]

    @cached_property
    def _log_shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the nodes' terms, (M, q), and of their sums, (q,)."""
        problem = self.problem
        here = self._level_penalties(self.spherical[0])
        terms = np.empty((len(problem.nodes), self.layout.q))
        for m, log_weight in enumerate(problem.log_weights):
            terms[m] = log_weight + 0.5 * (here - self._level_penalties(self._node(m)))
        terms[np.isnan(terms)] = -np.inf
        top = terms.max(axis=0)
        return terms, top + np.log(np.exp(terms - top).sum(axis=0))

    def _criterion(self) -> float:
        value = super()._criterion() - 2.0 * float(self._log_shares[1].sum())
        return value if np.isfinite(value) else np.inf

    @cached_property
    def _averages(self) -> _Averages:
        """What the gradient needs of all nodes, by their shares."""
        problem, layout = self.problem, self.layout
        terms, sums = self._log_shares
        shares = np.exp(terms - sums)
        k = layout.k
        found = _Averages(layout.n_rows, layout.q, k)
        level = np.repeat(np.arange(layout.q), np.diff(layout.start))
        root = self.factors[0, :k, :k]
        for m, node in enumerate(problem.nodes):
            u, share = self._node(m), shares[m]
            eta = self._predictor((u, np.empty(0)))
            rows = problem.respond(eta, self.parameters.log_extra)
            found.residual += share[level] * rows.residual
            own, _ = problem.effect_sums(rows.residual)
            slope = (u - own @ root) * share[:, None]
            found.slope += slope
            found.outer += node[None, :, None] * slope[:, None, :]
            found.factor += (own * share[:, None]).T @ u
            found.deviance += float(share[level] @ rows.deviance)
            if rows.parameter_score is not None:
                found.score += float(share[level] @ rows.parameter_score)
        return found

    @cached_property
    def kappa(self) -> np.ndarray:
        """What stands for H^-1 in the gradient, (q, k, k)."""
        spread = self.spread
        product = self._averages.outer @ spread
        half = 0.5 * np.tril(product)
        k = self.layout.k
        index = np.arange(k)
        symmetric = half + half.transpose(0, 2, 1)
        symmetric[:, index, index] = half[:, index, index]
        return self.factor.inverse[0] - 2.0 * spread @ symmetric @ spread.transpose(0, 2, 1)

    def _determinant_inverse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.kappa, self.factor.inverse[1], self.factor.remainder_inverse

    def _extra_pull(self) -> np.ndarray:
        return 2.0 * self._averages.slope

    def _score_residual(self) -> np.ndarray:
        return self._averages.residual

    @cached_property
    def theta_gradient(self) -> np.ndarray:
        """Of the criterion, in theta."""
        problem, layout, k = self.problem, self.layout, self.layout.k
        own_pull, _, moved, pulled = self._pull
        products = self.factor.products.own
        root = self.factors[0, :k, :k]
        total = np.zeros_like(self.factors)
        # Of the determinant through Lambda itself, and through the predictors at the modes.
        total[0, :k, :k] = 2.0 * np.einsum("jad,dc,jcb->ab", products, root, self.kappa)
        at_modes, _ = problem.effect_sums(pulled - self.rows.observed * moved)
        total[0, :k, :k] += at_modes.T @ self.spherical[0]
        at_residual, _ = problem.effect_sums(self.rows.residual)
        total[0, :k, :k] += at_residual.T @ own_pull
        total[0, :k, :k] -= 2.0 * self._averages.factor
        return layout.chain(self.parameters.theta, total)

    def _score_sums(self) -> tuple[float, float]:
        return self._averages.deviance, self._averages.score


class _Averages:
    """Sums over nodes by their shares."""

    def __init__(self, n: int, q: int, k: int):
        self.residual = np.zeros(n)
        self.slope = np.zeros((q, k))
        self.outer = np.zeros((q, k, k))
        self.factor = np.zeros((k, k))
        self.deviance = self.score = 0.0


def adaptive(problem: LaplaceProblem, nagq: int) -> LaplaceProblem:
    """The problem by `nagq` nodes; itself for one."""
    return problem if nagq == 1 else cast("LaplaceProblem", AdaptiveProblem.of(problem, nagq))
