"""Responses drawn from a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import ModelError

if TYPE_CHECKING:
    from fastglm.results import Results

__all__ = ["draw_responses"]


def draw_responses(
    results: Results, mean: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """One response for each row, with the dispersion of the fit.

    Parameters
    ----------
    results
        The fit; its family and dispersion.
    mean, weights
        (n,) fitted means, and weights that divide the variance; trials for the binomial family.
        The response of a row of weight 0 is its mean.
    generator
        Of random numbers.

    Raises
    ------
    ModelError
        If the family says nothing about distributions, or cannot be drawn from.
    """
    if (weights > 0.0).all():
        return _draw(results, mean, weights, generator)
    present, response = weights > 0.0, mean.copy()
    response[present] = _draw(results, mean[present], weights[present], generator)
    return response


def _draw(
    results: Results, mean: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    family, dispersion = results.family, results.response_dispersion
    if family.custom:
        raise ModelError(f"no responses can be drawn from {family!r}: it gives no distribution.")
    if family.name == "gaussian":
        return generator.normal(mean, np.sqrt(dispersion / weights))
    if family.name == "poisson":
        return generator.poisson(weights * mean) / weights
    if family.name == "binomial":
        trials = np.rint(weights)
        if (trials != weights).any():
            raise ModelError("binomial responses can be drawn only for whole numbers of trials.")
        if (trials == 1.0).all():
            return (generator.random(mean.size) < mean).astype(np.float64)
        return generator.binomial(trials.astype(np.int64), mean) / weights
    if family.name == "gamma":
        shape = weights / dispersion
        return generator.gamma(shape, mean / shape)
    if family.name == "inverse_gaussian":
        return generator.wald(mean, weights / dispersion)
    if family.name == "negative_binomial":
        return generator.poisson(generator.gamma(1.0 / family.parameter, family.parameter * mean))
    if family.name == "tweedie" and 1.0 < family.parameter < 2.0:
        return _compound_poisson(family.parameter, dispersion / weights, mean, generator)
    raise ModelError(f"no responses can be drawn from {family!r}: it gives no distribution.")


def _compound_poisson(
    power: float, dispersion: np.ndarray, mean: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Sums of a Poisson number of gamma jumps; Jørgensen (1987), *JRSS B* 49."""
    jumps = generator.poisson(mean ** (2.0 - power) / (dispersion * (2.0 - power)))
    shape = jumps * (2.0 - power) / (power - 1.0)
    return generator.gamma(shape, dispersion * (power - 1.0) * mean ** (power - 1.0))
