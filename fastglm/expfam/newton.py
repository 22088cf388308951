"""Natural parameters from mean parameters: Newton's method on the log partition function."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.errors import FastGLMError

Array = np.ndarray[Any, Any]

_MAX_ITERATIONS = 500
_MAX_HALVINGS = 60
# Squared Newton decrements: below the first nothing is left to gain, below the second a step
# that no longer shrinks has met rounding.
_NEGLIGIBLE = 1e-26
_SMALL = 1e-8


def natural_from_mean(
    family: type[Any], mean: Array, start: Array, fixed: dict[str, Array]
) -> Array:
    """Solve ∇a(η) = mean by Newton's method with step halving.

    The problem is the minimum of the convex function a(η) - η'mean, so a step is accepted when
    the slope along it has not turned clearly positive, and halved otherwise or when it leaves
    the natural parameter space (Boyd & Vandenberghe 2004, section 9.5).

    `mean` (…, k) must lie inside the mean parameter space and `start` (…, k) inside the natural
    one; `fixed` holds the known parameters. Returns η, (…, k). Raises FastGLMError when some
    element of the batch has not converged after 500 steps.
    """
    eta = start
    previous = np.full(mean.shape[:-1], np.inf)
    for _ in range(_MAX_ITERATIONS):
        member = family._member(eta, fixed)
        residual = mean - member.mean_parameter
        step = _solve_scaled(member.fisher_information, residual)
        decrement = (residual * step).sum(-1)
        done = decrement <= _NEGLIGIBLE
        done |= (decrement <= _SMALL) & (decrement > previous / 4)
        if done.all():
            return eta
        previous = decrement
        step = np.where(done[..., None], 0.0, step)
        eta = eta + _accepted(family, mean, eta, step, fixed)[..., None] * step
    raise FastGLMError(
        f"{family.__name__}: Newton's method did not match the mean parameter in "
        f"{_MAX_ITERATIONS} steps; the mean may lie too close to its boundary: try a prior"
    )


def _accepted(
    family: type[Any], mean: Array, eta: Array, step: Array, fixed: dict[str, Array]
) -> Array:
    """Return the length (…), a power of 1/2, at which each element may take its step."""
    length = np.ones(mean.shape[:-1])
    slope = ((mean - family._member(eta, fixed).mean_parameter) * step).sum(-1)
    for _ in range(_MAX_HALVINGS):
        trial = eta + length[..., None] * step
        inside = family._natural_domain(trial, **fixed)
        trial = np.where(inside[..., None], trial, eta)
        end = ((family._member(trial, fixed).mean_parameter - mean) * step).sum(-1)
        good = inside & (end <= 0.1 * slope)
        if good.all():
            break
        length = np.where(good, length, length / 2)
    return length


def _solve_scaled(matrix: Array, vector: Array) -> Array:
    """Solve matrix x = vector after scaling the matrix to unit diagonal."""
    scale = 1 / np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))
    unit = matrix * scale[..., None] * scale[..., None, :]
    return scale * np.linalg.solve(unit, (vector * scale)[..., None])[..., 0]
