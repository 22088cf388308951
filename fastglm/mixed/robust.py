"""What single levels do to a linear mixed model: robust covariance by level, and leaving one out.

Given theta, the scores of the coefficients add up over rows as X' V^-1 (y - X beta): sums over the
levels of a factor are those of White's sandwich for clusters (Liang & Zeger 1986), and with the
level's own information they tell what the coefficients are without it (Demidenko & Stukel 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.rendering import RenderedFrame
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.record import MixedFit

__all__ = ["LevelInfluence", "cluster_covariance", "level_influence"]


def _linear_estimate(fit: MixedFit, what: str) -> LinearEstimate:
    fit._model_with_data(what)
    if not isinstance(fit.estimate, LinearEstimate):
        raise ModelError(f"{what} is for linear mixed models.")
    return fit.estimate


def _row_scores(fit: MixedFit) -> np.ndarray:
    """W (y - X beta - Z b) / sigma**2, (n,)."""
    estimate, given = fit.estimate, fit.model.rows
    weight = 1.0 if given.prior_weights is None else given.prior_weights
    # The identity link: the response less what is fitted, offset included.
    fitted = predict_rows(fit, None, "conditional", "mean", "raise", {})
    left = given.response - np.asarray(fitted)
    return np.asarray(weight * left / estimate.state.sigma2)


def cluster_covariance(fit: MixedFit, group: str | None, use_correction: bool) -> np.ndarray:
    """Covariance of the coefficients from the scores of levels, (all columns, all columns).

    By default of the factor with the fewest levels, inside which all others should be.
    """
    estimate = _linear_estimate(fit, "the covariance by clusters")
    blocks = {block.group: block for block in fit.model.mixed_rows.blocks}
    name = min(blocks, key=lambda g: blocks[g].q) if group is None else group
    if name not in blocks:
        raise ModelError(f"there is no grouping factor {name!r}; there is {', '.join(blocks)}.")
    block = blocks[name]
    scores = estimate.fixed.by_level(_row_scores(fit)[None], block.codes, block.q)[:, 0]
    bread = estimate.fixed.from_standardized @ estimate.covariance
    matrix = bread @ (scores.T @ scores) @ bread.T
    factor = block.q / (block.q - 1.0) if use_correction else 1.0
    return estimate.fixed.spread_out(factor * matrix)


@dataclass(frozen=True, eq=False, repr=False)
class LevelInfluence(RenderedFrame):
    """What a fit would be without each level, its variances given.

    Attributes
    ----------
    group : str
    levels : tuple
    names : tuple of str
        Of the coefficients.
    params : ndarray, shape (q, all columns)
        Coefficients without each level.
    cooks_distance : ndarray, shape (q,)
    """

    group: str
    levels: tuple
    names: tuple[str, ...]
    params: np.ndarray
    cooks_distance: np.ndarray

    def summary_frame(self) -> Any:
        """Coefficients and Cook's distance, a pandas DataFrame of one row a level."""
        import pandas as pd

        index = pd.Index(list(self.levels), name=self.group)
        frame = pd.DataFrame(self.params, index=index, columns=list(self.names))
        return frame.assign(cooks_distance=self.cooks_distance)


def level_influence(fit: MixedFit) -> LevelInfluence:
    """Coefficients without each level of the one grouping factor, theta and sigma as they are.

    Raises
    ------
    ModelError
        If there are several factors, whose levels depend on each other.
    """
    estimate = _linear_estimate(fit, "influence by level")
    layout, fixed, state = estimate.layout, estimate.fixed, estimate.state
    if len(layout.blocks) > 1:
        raise ModelError("influence by level needs a single grouping factor.")
    given, p = fit.model.rows, fixed.p
    x = given.design.to_dense()[:, fixed.kept] @ fixed.from_standardized
    x, residual = x[layout.order], _row_scores(fit)[layout.order]
    weight = np.ones(len(x)) if given.prior_weights is None else given.prior_weights
    weight = weight[layout.order]
    C, B = state.factor.level_covariances(0), state.problem.columns.own[:, :, :p]
    params, distance = np.empty((layout.q, p)), np.empty(layout.q)
    metric = np.linalg.inv(estimate.covariance)
    for j in range(layout.q):
        rows = slice(layout.start[j], layout.start[j + 1])
        own = x[rows]
        information = own.T @ (weight[rows, None] * own) - B[j].T @ C[j] @ B[j]
        score = own.T @ residual[rows] * state.sigma2
        change = -np.linalg.solve(state.information - information, score)
        params[j] = fixed.from_standardized @ (estimate.beta + change)
        distance[j] = change @ metric @ change / p
    whole = np.full((layout.q, fixed.kept.size), np.nan)
    whole[:, fixed.kept] = params
    block = layout.blocks[0]
    return LevelInfluence(block.group, block.levels, fit.names, whole, distance)
