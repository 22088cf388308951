"""Responses drawn from a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError, require_seed
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["draw_responses", "simulate", "spawned_generators"]


def draw_responses(
    fit: Fit, mean: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """One response for each row, with the dispersion of the fit.

    Parameters
    ----------
    fit
        The fit; its family and dispersion.
    mean, weights
        (n,) fitted means, and weights that divide the variance; trials for the binomial family.
        The response of a row of weight 0 is its mean.
    generator
        Of random numbers.

    Raises
    ------
    ModelError
        If the family defines no distribution, or cannot be drawn from.
    """
    family, dispersion = fit.family, fit.response_dispersion
    present = weights > 0.0
    if present.all():
        return family.draw(mean, weights, dispersion, generator)
    response = mean.copy()
    response[present] = family.draw(mean[present], weights[present], dispersion, generator)
    return response


def spawned_generators(n: int, seed: Any) -> list[np.random.Generator]:
    """Of random numbers, one for each draw, so that further draws leave the first as they are.

    Raises
    ------
    ModelError
        If `n` is no number of draws, or `seed` no seed.
    """
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise ModelError(f"n must be a whole number from 1 on, not {n!r}.")
    require_seed(seed)
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(int(n))]


def simulate(fit: Any, n: int, seed: Any) -> np.ndarray:
    """Responses of the fitted rows, (rows, n draws); see `PredictorMethods.simulate`."""
    generators = spawned_generators(n, seed)
    rows = fit._model_with_data("simulations").rows
    if rows.frequencies is not None:
        raise ModelError(
            "simulate draws a response for each observation: repeat the rows instead of counting "
            "them by freq_weights."
        )
    if fit.has_several_predictors:
        _, etas = fit._fitted_rows("simulations")
        draws = [fit._draw(etas, generator) for generator in generators]
    else:
        (mean,) = fit.row_values(row_buffers.MEAN)
        weights = np.ones(mean.size) if rows.variance_weights is None else rows.variance_weights
        draws = [draw_responses(fit, mean, weights, generator) for generator in generators]
    return np.stack(draws, axis=-1)
