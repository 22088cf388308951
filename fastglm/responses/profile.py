"""Profile likelihoods of fits of several predictors: one coefficient held, the others refitted.

Venzon & Moolgavkar (1988), *Applied Statistics* 37.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.linalg

from fastglm.errors import ConvergenceWarning, ModelError, Status, warn
from fastglm.passes.several_predictors import PredictorMaps
from fastglm.responses.designs import linear_predictor
from fastglm.responses.record import ResponseFit
from fastglm.solve.fit import SolverOptions
from fastglm.solve.several_predictors import newton_maximize

__all__ = ["profile_intervals"]

#: Where a root of twice the fall of the log-likelihood is found, relative to its size.
CLOSE = 1e-7
#: Most refits for one end, and the longest step in standard errors.
MOST_REFITS = 30
LONGEST_STEP = 4.0


def profile_intervals(fit: ResponseFit, alpha: float) -> np.ndarray:
    """Where twice the log-likelihood falls by the chi-squared quantile, (m, 2).

    Raises
    ------
    ModelError
        If an estimate is infinite or on the boundary of its range.

    Warns
    -----
    ConvergenceWarning
        If the likelihood does not fall that far, or a refit does not converge: that end is NaN.
    """
    target = fit.critical_value(alpha)
    if fit.infinite or fit.status == Status.BOUNDARY:
        raise ModelError(
            "a profile needs estimates that are finite, and not on the boundary: "
            f"{fit.boundary or ', '.join(fit.infinite)}."
        )
    room = _Profile(fit)
    limits = np.full((fit.estimates.size, 2), np.nan)
    for k in np.flatnonzero(~np.isnan(fit.estimates)):
        for side, sign in enumerate((-1.0, 1.0)):
            limits[k, side] = room.end(int(k), sign, target)
    lost = [fit.names[k] for k in np.flatnonzero(np.isnan(limits).any(axis=1))]
    lost = [name for name in lost if name not in fit.aliased]
    if lost:
        warn(
            f"The profiles of {', '.join(lost)} do not reach this level, or a refit did not "
            "converge: such ends are NaN.",
            ConvergenceWarning,
        )
    return limits


class _Profile:
    """Refits of a model with one coefficient held."""

    def __init__(self, fit: ResponseFit):
        self.fit, self.model = fit, fit._model_with_data("a profile likelihood")
        blocks = self.model._blocks()
        info = self.model._rank_and_scaling(fit.n_threads)
        kept = ~np.isnan(fit.estimates)
        self.space = self.model._parameter_space(blocks, info, kept)
        self.kept, self.matrices = np.flatnonzero(kept), self.model._maps(blocks)
        self.design = self.model._design()
        self.errors = np.sqrt(np.diag(fit.information_inverse))
        self.options = SolverOptions(1e-10, max_iter=100, n_threads=fit.n_threads)

    def end(self, k: int, sign: float, target: float) -> float:
        """Where the signed root of twice the fall is `target` on one side; NaN if nowhere."""
        fit, error = self.fit, float(self.errors[k])
        estimate = float(fit.estimates[k])
        below, above = (0.0, 0.0), None
        distance = target * error
        for _ in range(MOST_REFITS):
            root = self._root(k, estimate + sign * distance)
            if np.isnan(root):
                return float("nan")
            if abs(root - target) <= CLOSE * target:
                return estimate + sign * distance
            if root < target:
                below = (distance, root)
            else:
                above = (distance, root)
            farther = _next_distance(below, above, target, error)
            if farther is None:
                return float("nan")
            distance = farther
        return float("nan")

    def _root(self, k: int, value: float) -> float:
        """Root of twice the fall of the log-likelihood, with a coefficient held at a value."""
        fit, model = self.fit, self.model
        # In standardised coefficients it is one linear equation: what is left free is its null
        # space, from the point of the equation nearest to the fit.
        row = self.space.from_standardized[np.searchsorted(self.kept, k)]
        here = np.linalg.solve(self.space.from_standardized, fit.estimates[self.kept])
        point = here + row * ((value - row @ here) / (row @ row))
        free = scipy.linalg.null_space(row[None, :])
        maps = [
            (np.arange(free.shape[1]), np.asarray(matrix @ free[own]))
            for own, matrix in self.space.maps.of_predictors
        ]
        params = np.zeros(fit.estimates.size)
        params[self.kept] = self.space.from_standardized @ point
        fixed = np.stack(list(self._predictors(params)))
        held = replace(self.space, maps=PredictorMaps(free.shape[1], maps))
        system = model._system(held, fit.n_threads, fixed)
        solution = newton_maximize(system, np.zeros(free.shape[1]), self.options)
        if solution.status != Status.CONVERGED:
            return float("nan")
        return float(np.sqrt(max(2.0 * (fit.llf - solution.log_likelihood), 0.0)))

    def _predictors(self, params: np.ndarray) -> Iterator[np.ndarray]:
        """What coefficients of all columns add to each predictor of the row block, (n,)."""
        for matrix in self.matrices:
            yield linear_predictor(self.design, matrix @ params, self.fit.n_threads)


def _next_distance(
    below: tuple[float, float], above: tuple[float, float] | None, target: float, error: float
) -> float | None:
    """The distance where a line through what is known meets the target; None if out of reach."""
    if above is None:
        distance, root = below
        if root <= 0.0:
            return None
        step = distance * (target / root - 1.0)
        return distance + min(step, LONGEST_STEP * error)
    (low, low_root), (high, high_root) = below, above
    share = (target - low_root) / (high_root - low_root)
    # Well inside, so that both ends close in.
    return low + (high - low) * min(max(share, 0.01), 0.99)
