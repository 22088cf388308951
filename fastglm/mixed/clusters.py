"""Cluster-robust covariance of generalized linear mixed models, and fits without one level.

If every level of a random effect lies in one cluster, the criterion is a sum over clusters, and so
are its derivatives in coefficients, covariance parameters and the family's parameter. Their outer
products are the meat of the sandwich: Liang & Zeger (1986); for mixed models by maximum likelihood
White (1982), R's ``merDeriv`` and ``clubSandwich``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np

from fastglm.errors import DataError, FastGLMWarning, ModelError
from fastglm.mixed.blocks import Block
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.laplace import LaplaceProblem
from fastglm.mixed.normaliser import normaliser_of
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.record import MixedFit
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.sampling import take_blocks, take_rows_of
from fastglm.mixed.search import Search
from fastglm.mixed.simulation import lifted_theta

__all__ = ["generalized_cluster_covariance", "refit_without"]


def generalized_cluster_covariance(fit: MixedFit, block: Block) -> np.ndarray:
    """Sandwich covariance of the standardised coefficients, (p, p), clustered by a factor.

    Raises
    ------
    ModelError
        If the criterion is not a sum over the levels, or not stationary in the coefficients.
    """
    estimate: GeneralizedEstimate = fit.estimate
    if fit.fit_options.get("nagq", 1) == 0:
        raise ModelError(
            "with nagq=0 the coefficients do not maximise the likelihood, which the covariance by "
            "clusters is derived from: fit with nagq=1."
        )
    if estimate.profiled is not None:
        raise ModelError(
            "the covariance by clusters needs derivatives in the family's parameter, which "
            f"{fit.family!r} does not give: fit with the parameter at a value of its own."
        )
    rows = fit.model.mixed_rows
    _require_nested(rows, block)
    scores = _ClusterScores(estimate, rows).of(block)
    # Bread is the inverse Hessian of the log-likelihood; the criterion is -2 log-likelihood.
    bread = np.nan_to_num(estimate.joint_covariance)[: estimate.fixed.p]
    left = bread @ (-0.5 * scores.T)
    return np.asarray(left @ left.T)


def _require_nested(rows: MixedRows, block: Block) -> None:
    """Raise if a level of another factor has rows in several clusters."""
    for other in rows.blocks:
        pairs = np.unique(other.codes * np.int64(block.q) + block.codes)
        if np.unique(pairs // block.q).size != pairs.size:
            raise ModelError(
                f"levels of '{other.group}' meet several levels of '{block.group}', which are not "
                "independent clusters then: choose a factor that all others are nested in."
            )


class _ClusterScores:
    """Derivatives of the criterion at the estimates, from the rows of one cluster at a time."""

    def __init__(self, estimate: GeneralizedEstimate, rows: MixedRows):
        self.estimate, self.rows = estimate, rows
        self.problem, self.at = estimate.problem, estimate.state.parameters
        self.eta = self.problem.fixed_eta(self.at.beta)
        self.y, self.prior = map(self.problem.as_given, (self.problem.y, self.problem.prior))
        self.theta_of = dict(zip(estimate.layout.theta_names(), self.at.theta, strict=True))

    def of(self, block: Block) -> np.ndarray:
        """Derivatives of the criterion by cluster, (q, parameters)."""
        fixed, search = self.problem.fixed, Search(self.problem, np.zeros(self.at.theta.size, bool))
        residual = np.empty(self.eta.shape)
        others = np.zeros((block.q, self.at.theta.size + search.has_extra))
        order = np.argsort(block.codes, kind="stable")
        ends = np.cumsum(np.bincount(block.codes, minlength=block.q))[:-1]
        for cluster, rows in enumerate(np.split(order, ends)):
            problem, place = self._problem(rows)
            theta = np.array([self.theta_of[name] for name in problem.layout.theta_names()])
            at = Parameters(self.at.beta, theta, self.at.log_extra)
            state = problem.at(at, self.eta[..., rows])
            residual[..., rows] = problem.as_given(state.fixed_residual)
            own = search.extra(state.extra_gradient if search.has_extra else 0.0)
            others[cluster] = np.concatenate([state.theta_gradient[place], own])
        of_beta = fixed.by_level(residual[None], block.codes, block.q)[:, 0]
        return np.hstack([of_beta, others])

    def _problem(self, rows: np.ndarray) -> tuple[LaplaceProblem, np.ndarray]:
        """The problem of some rows, and the positions of their parameters in the full theta."""
        problem = self.problem
        # The columns of all rows are kept, though they may be collinear in these.
        kept = take_rows_of(self.rows, rows) if problem.extra != "none" else None
        blocks = take_blocks(self.rows.blocks, rows) if kept is None else kept.blocks
        layout = problem.layout_of(blocks)
        names = layout.theta_names()
        place = np.array([names.index(name) for name in self.theta_of], dtype=np.intp)
        own = copy(problem)
        own.layout, own.n_threads = layout, 1
        own.y, own.prior = own.in_order(self.y[rows]), own.in_order(self.prior[rows])
        own.warm, own.warm_factor, own.spare = None, None, []
        if kept is not None:
            own.normaliser = normaliser_of(kept, problem.derivatives.family, problem.extra, False)
        return own, place


def refit_without(fit: MixedFit, block: Block, n_threads: int) -> np.ndarray:
    """Coefficients of the fits without each level of a factor, (q, all columns).

    NaN where the model cannot be fitted without the level.
    """
    model = fit.model
    options = dict(fit.fit_options) | {"start_theta": lifted_theta(fit), "n_threads": 1}

    def without(level: int) -> np.ndarray:
        again = copy(model)
        try:
            again.mixed_rows = take_rows_of(model.mixed_rows, block.codes != level)
            return np.asarray(again.fit(**options).estimates)
        except (DataError, ModelError, np.linalg.LinAlgError):
            return np.full(len(fit.names), np.nan)

    return np.array(_each_quietly(without, block.q, n_threads))


def _each_quietly(
    function: Callable[[int], np.ndarray], n: int, n_threads: int
) -> list[np.ndarray]:
    """Results of a function for 0 to n - 1, on threads; warnings of fits are suppressed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastGLMWarning)
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(function, range(n)))
