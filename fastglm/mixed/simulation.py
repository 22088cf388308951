"""New responses from a fitted mixed model, and the parametric bootstrap by refitting them."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ConvergenceWarning, ModelError, require_level
from fastglm.families import summarize
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.rows.simulate import draw_responses, spawned_generators
from fastglm.mixed.effects import GroupEffects
from fastglm.mixed.prediction import new_rows
from fastglm.mixed.record import MixedFit
from fastglm.responses.designs import linear_predictor

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Bootstrap", "bootstrap", "draw_effects", "lifted_theta", "simulate"]

#: Least standard deviation to start another fit from.
LIFTED = 0.1


def simulate(fit: MixedFit, n: int, seed: Any, use_u: bool) -> np.ndarray:
    """Responses of the fitted rows, (n rows, n draws).

    With `use_u` at the conditional modes; otherwise each draw has random effects of its own.
    """
    generators = spawned_generators(n, seed)
    rows = new_rows(fit, None, {})
    fixed = linear_predictor(rows.design, fit.estimates, fit.n_threads)
    fixed = fixed if rows.offset is None else fixed + rows.offset
    weights = fit._model_with_data("simulations").rows.variance_weights
    weights = np.ones(fixed.size) if weights is None else weights
    drawn = np.empty((fixed.size, n))
    for k, generator in enumerate(generators):
        eta = fixed.copy()
        for group, codes, columns in zip(fit.groups, rows.codes, rows.columns, strict=True):
            effects = draw_effects(group, use_u, generator)
            eta += (effects[codes] * columns).sum(axis=1)
        mean = fit.family.link.inverse(eta)
        drawn[:, k] = draw_responses(fit, mean, weights, generator)  # type: ignore[arg-type]
    return drawn


def draw_effects(group: GroupEffects, use_u: bool, generator: np.random.Generator) -> np.ndarray:
    """The modes of the levels of a factor, (q, k), or effects drawn; these may be singular."""
    if use_u:
        return group.modes
    values, vectors = np.linalg.eigh(group.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return generator.standard_normal((len(group.levels), len(values))) @ root.T


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(RenderedFrame):
    """Estimates from responses that a fit generated.

    Attributes
    ----------
    names : tuple of str
        Fixed coefficients, then standard deviations and correlations.
    estimates : ndarray, shape (m,)
        Of the fit.
    replicates : ndarray, shape (n, m)
        NaN where a refit failed.
    """

    names: tuple[str, ...]
    estimates: np.ndarray
    replicates: np.ndarray

    def __repr__(self) -> str:
        return f"<Bootstrap: {len(self.replicates)} replicates of {len(self.names)} parameters>"

    def _heading(self) -> str:
        return repr(self).strip("<>")

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Estimates, standard errors and percentile intervals, a pandas DataFrame."""
        frame = self.conf_int(alpha)
        frame.insert(0, "estimate", self.estimates)
        frame.insert(1, "std err", self.bse)
        return frame

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Percentile intervals, a pandas DataFrame of one row a parameter."""
        import pandas as pd

        require_level(alpha)
        limits = np.nanquantile(self.replicates, [alpha / 2.0, 1.0 - alpha / 2.0], axis=0)
        return pd.DataFrame(limits.T, index=list(self.names), columns=["lower", "upper"])

    @property
    def bse(self) -> np.ndarray:
        """Standard deviations of the replicates, (m,)."""
        return np.asarray(np.nanstd(self.replicates, axis=0, ddof=1))


def component_names(fit: MixedFit) -> tuple[str, ...]:
    """Names of the standard deviations and correlations."""
    return tuple(
        "sigma"
        if c.group == "Residual"
        else f"cor({c.term1}, {c.term2} | {c.group})"
        if c.term2
        else f"sd({c.term1} | {c.group})"
        for c in fit.components
    )


def bootstrap(fit: MixedFit, n: int, seed: Any, n_threads: int) -> Bootstrap:
    """NestedRefit `n` simulated responses; the same numbers for any number of threads."""
    model = fit._model_with_data("the bootstrap")
    responses = fit.simulate(n, seed)  # type: ignore[attr-defined]
    options = dict(fit.fit_options) | {"start_theta": lifted_theta(fit), "n_threads": 1}

    def refit(k: int) -> np.ndarray:
        again = copy(model)
        y = responses[:, k].astype(model.rows.response.dtype)
        fixed = replace(model.rows, response=y, summary=summarize(y))
        again.mixed_rows = replace(model.mixed_rows, fixed=fixed)
        try:
            found = again.fit(**options)
        except (ModelError, np.linalg.LinAlgError):
            return np.full(len(names), np.nan)
        if found.names != fit.names:  # a category that no simulated row has
            return np.full(len(names), np.nan)
        return np.concatenate([found.estimates, [c.sd for c in found.components]])

    names = (*fit.names, *component_names(fit))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(n_threads) as pool:
            replicates = np.array(list(pool.map(refit, range(n))))
    estimates = np.concatenate([fit.estimates, [c.sd for c in fit.components]])
    return Bootstrap(names, estimates, replicates)


def lifted_theta(fit: MixedFit) -> np.ndarray:
    """Theta to start from, off the boundary: zero is stationary, and so is the end of a t."""
    estimate = fit.estimate
    if estimate is None:
        return np.where(np.abs(fit.theta) < LIFTED, LIFTED, fit.theta)
    layout = estimate.layout
    units = layout.theta_units()
    return np.asarray(layout.lifted(fit.theta / units, LIFTED) * units)
