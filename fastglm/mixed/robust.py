"""What single levels do to a mixed model: robust covariance by level, and leaving one out.

In a linear one, given theta, the scores of the coefficients add up over rows as
X' V^-1 (y - X beta): sums over the levels of a factor are those of White's sandwich for clusters
(Liang & Zeger 1986), and with the level's own information they tell what the coefficients are
without it (Demidenko & Stukel 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.rendering import RenderedFrame
from fastglm.mixed.blocks import Block
from fastglm.mixed.clusters import generalized_cluster_covariance, refit_without
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LevelInfluence", "cluster_covariance", "level_influence"]


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
    fit._model_with_data("the covariance by clusters")
    estimate, block = fit.estimate, _block_of(fit, group)
    back = estimate.fixed.from_standardized
    if isinstance(estimate, LinearEstimate):
        scores = estimate.fixed.by_level(_row_scores(fit)[None], block.codes, block.q)[:, 0]
        bread = back @ estimate.covariance
        matrix = bread @ (scores.T @ scores) @ bread.T
    else:
        matrix = back @ generalized_cluster_covariance(fit, block) @ back.T
    factor = block.q / (block.q - 1.0) if use_correction else 1.0
    return estimate.fixed.spread_out(factor * matrix)


def _block_of(fit: MixedFit, group: str | None) -> Block:
    """The factor of this name, by default that of the fewest levels."""
    blocks = {block.group: block for block in fit.model.mixed_rows.blocks}
    name = min(blocks, key=lambda g: blocks[g].q) if group is None else group
    if name not in blocks:
        raise ModelError(f"there is no grouping factor {name!r}; there is {', '.join(blocks)}.")
    return blocks[name]


@dataclass(frozen=True, eq=False, repr=False)
class LevelInfluence(RenderedFrame):
    """What the coefficients of a fit would be without each level.

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

    def summary_frame(self) -> pd.DataFrame:
        """Coefficients and Cook's distance, a pandas DataFrame of one row a level."""
        import pandas as pd

        index = pd.Index(list(self.levels), name=self.group)
        frame = pd.DataFrame(self.params, index=index, columns=list(self.names))
        return frame.assign(cooks_distance=self.cooks_distance)


def level_influence(
    fit: MixedFit, group: str | None, refit: bool | None, n_threads: int
) -> LevelInfluence:
    """Coefficients without each level of a factor.

    Of a linear model with one factor by default at its variances, otherwise by fits of the rest.

    Raises
    ------
    ModelError
        If variances are to stay where coefficients are no linear functions given them, or where
        levels depend on each other; or if there is no coefficient.
    """
    fit._model_with_data("influence by level")
    block, estimate = _block_of(fit, group), fit.estimate
    if not estimate.fixed.p:
        raise ModelError("influence by level is on coefficients, and the model estimates none.")
    is_closed = isinstance(estimate, LinearEstimate) and len(estimate.layout.blocks) == 1
    if refit is False and not is_closed:
        raise ModelError(
            "refit=False needs a linear model with a single grouping factor: leave it out."
        )
    fixed = estimate.fixed
    if is_closed and not refit:
        params = _at_given_variances(fit)
    else:
        params = refit_without(fit, block, n_threads)
    metric = np.linalg.inv(fit.covariance[np.ix_(fixed.kept, fixed.kept)])
    change = (params - fit.estimates)[:, fixed.kept]
    distance = np.einsum("ja,ab,jb->j", change, metric, change) / fixed.p
    return LevelInfluence(block.group, block.levels, fit.names, params, distance)


def _at_given_variances(fit: MixedFit) -> np.ndarray:
    """Coefficients without each level, theta and sigma as they are, (q, all columns)."""
    estimate: LinearEstimate = fit.estimate
    layout, fixed, state = estimate.layout, estimate.fixed, estimate.state
    given, p = fit.model.rows, fixed.p
    x = given.design.to_dense()[:, fixed.kept] @ fixed.from_standardized
    x, residual = x[layout.order], _row_scores(fit)[layout.order]
    weight = np.ones(len(x)) if given.prior_weights is None else given.prior_weights
    weight = weight[layout.order]
    C, B = state.factor.level_covariances(0), state.problem.columns.own[:, :, :p]
    whole = np.full((layout.q, fixed.kept.size), np.nan)
    for j in range(layout.q):
        rows = slice(layout.start[j], layout.start[j + 1])
        own = x[rows]
        information = own.T @ (weight[rows, None] * own) - B[j].T @ C[j] @ B[j]
        score = own.T @ residual[rows] * state.sigma2
        change = -np.linalg.solve(state.information - information, score)
        whole[j, fixed.kept] = fixed.from_standardized @ (estimate.beta + change)
    return whole
