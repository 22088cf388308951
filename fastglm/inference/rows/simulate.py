"""Responses drawn from a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["draw_responses"]


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
