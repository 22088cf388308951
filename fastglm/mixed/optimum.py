"""Minimum of a smooth function with an exact gradient: quasi-Newton steps, then Newton's.

Nocedal & Wright (2006), *Numerical Optimization*, 2nd edition: BFGS of section 6.1 with steps that
satisfy the weak Wolfe conditions, and Newton steps with differences of the gradient, section 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastglm.kernels.compiler.decorators import entry

__all__ = [
    "NEAR",
    "ROUNDING",
    "Minimum",
    "difference_columns",
    "difference_hessian",
    "minimise",
]

#: Decrement below which quasi-Newton steps end and Newton steps begin, and the share of the value
#: below which rounding would hide it.
NEAR, ROUNDING = 1e-10, 1e-13
#: Relative change on the last step that a Hessian may have, of which standard errors have half.
SAME_HESSIAN = 2e-7
#: Decrement of a step so short that the Hessian before it is that behind it, to six digits.
SAME = 1e-13
#: Steps of differences, in units of the inverse root of the curvature: errors of both kinds are
#: about 1e-8 of it.
DIFFERENCE = 2e-4
#: Most Newton steps.
MOST_POLISHING = 8
LEAST_STEP = 1e-10
#: Least share of a step that failed to be tried next.
SHORTEST = 0.02
#: Longest first step where nothing is known of the curvature.
FIRST_STEP = 0.45

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Minimum:
    """Where a search ended.

    Attributes
    ----------
    x : ndarray, shape (m,)
    value : float
    gradient : ndarray, shape (m,)
    hessian : ndarray, shape (m, m)
    converged : bool
    n_evaluations : int
        With their gradient.
    n_iter : int
        Steps.
    decrement : float
        Half the squared length of the last Newton step, in the metric of the Hessian.
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    converged: bool
    n_evaluations: int
    n_iter: int
    decrement: float


@entry
def update_inverse(inverse, moved, change, scaled):
    """The inverse Hessian after a step of BFGS, in place; whether it was changed.

    `moved` is the step, `change` that of the gradient. Where the inverse is not `scaled` yet, it
    gets the size that the step says first. In one call: as NumPy's it would take longer than the
    function of a small model.
    """
    m = moved.size
    inner, squared, other = 0.0, 0.0, 0.0
    for i in range(m):
        inner += moved[i] * change[i]
        squared += moved[i] * moved[i]
        other += change[i] * change[i]
    if not inner > 1e-12 * math.sqrt(squared * other):
        return False
    pulled, form = np.zeros(m), 0.0
    for i in range(m):
        for j in range(m):
            pulled[i] += inverse[i, j] * change[j]
        form += change[i] * pulled[i]
    size = 1.0 if scaled else inner / form
    scale = (1.0 + size * form / inner) / inner
    for i in range(m):
        for j in range(m):
            crossed = size * (pulled[i] * moved[j] + pulled[j] * moved[i]) / inner
            inverse[i, j] = size * inverse[i, j] - crossed + scale * moved[i] * moved[j]
    return True


class _Counted:
    """A function that counts its calls."""

    def __init__(self, function: Function):
        self.function, self.n = function, 0

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.n += 1
        return self.function(x)


def difference_hessian(function: Function, x: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Central differences of the gradient.

    Parameters
    ----------
    function
        Of (m,), giving value and gradient.
    x : ndarray, shape (m,)
    curvature : ndarray, shape (m,)
        About the diagonal of the Hessian, for the steps.
    """

    def change(up: np.ndarray, down: np.ndarray) -> np.ndarray:
        return np.asarray(function(up)[1] - function(down)[1])

    hessian = difference_columns(change, x, curvature, range(x.size))
    return 0.5 * (hessian + hessian.T)


def difference_columns(
    change: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    curvature: np.ndarray,
    which: range,
) -> np.ndarray:
    """Central differences of a gradient in some of the parameters, a row each.

    `change` is by how much the gradient at one point is more than that at another.
    """
    steps = DIFFERENCE / np.sqrt(np.maximum(np.abs(curvature), 1e-12))
    steps = np.minimum(steps, DIFFERENCE * np.maximum(1.0, np.abs(x)) * 10.0)
    columns = np.empty((len(which), x.size))
    for row, i in enumerate(which):
        up, down = x.copy(), x.copy()
        up[i] += steps[i]
        down[i] -= steps[i]
        columns[row] = change(up, down) / (up[i] - down[i])
    return columns


def minimise(
    function: Function,
    start: np.ndarray,
    metric: np.ndarray | None = None,
    *,
    max_iter: int = 200,
    hessian_of: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    polish: bool = True,
    near: float = NEAR,
    rounding: float = ROUNDING,
    same: float = SAME_HESSIAN,
) -> Minimum:
    """Find a local minimum.

    Parameters
    ----------
    function
        Of (m,), giving value and exact gradient; the value may be infinite or NaN outside.
    start : ndarray, shape (m,)
    metric : ndarray, shape (m, m), optional
        About the Hessian at the start; by default scaled from the first gradient.
    max_iter : int
        Most quasi-Newton steps.
    hessian_of
        Exact Hessian at a point, given an approximate one; by default differences.
    polish : bool
        False to stop where the quasi-Newton decrement is small.
    near, rounding : float
        How small, and the share of the value below which it is not asked to be.
    same : float
        Relative change on the last step that the Hessian may have.
    """
    counted = _Counted(function)
    x, value, gradient, inverse, n_iter = _quasi_newton(
        counted, start, metric, max_iter, near, rounding
    )
    if not polish:
        hessian = _inverse(inverse)
        decrement = float(0.5 * gradient @ inverse @ gradient)
        return Minimum(x, value, gradient, hessian, n_iter < max_iter, counted.n, n_iter, decrement)
    return _newton(counted, x, value, gradient, inverse, n_iter, hessian_of, same)


def _quasi_newton(
    function: _Counted,
    start: np.ndarray,
    metric: np.ndarray | None,
    max_iter: int,
    near: float,
    rounding: float,
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray, int]:
    x = start.astype(np.float64)
    value, gradient = function(x)
    if metric is None:
        # Shorter than one: from Lambda the identity a step of one would end where it is zero.
        inverse = FIRST_STEP * np.eye(x.size) / max(1.0, float(np.abs(gradient).max(initial=0.0)))
    else:
        inverse = np.linalg.inv(positive_definite(metric))
    scaled = metric is not None
    for n_iter in range(1, max_iter + 1):
        step = -inverse @ gradient
        slope = float(gradient @ step)
        if -0.5 * slope <= max(near, rounding * abs(value)) or not np.isfinite(slope):
            return x, value, gradient, inverse, n_iter
        length, new_value, new_gradient = _line_search(function, x, value, slope, step)
        if length == 0.0:
            return x, value, gradient, inverse, n_iter
        moved, change = length * step, new_gradient - gradient
        x, value, gradient = x + moved, new_value, new_gradient
        scaled |= update_inverse(inverse, moved, change, scaled)
    return x, value, gradient, inverse, max_iter


def _line_search(
    function: _Counted, x: np.ndarray, value: float, slope: float, step: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """A step length that satisfies the weak Wolfe conditions, by bisection; 0 where none does."""
    low, high, length = 0.0, np.inf, 1.0
    best: tuple[float, float, np.ndarray] = (0.0, value, np.zeros_like(x))
    noise = 1e-13 * (1.0 + abs(value))
    for _ in range(40):
        new_value, new_gradient = function(x + length * step)
        if not np.isfinite(new_value) or new_value > value + 1e-4 * length * slope + noise:
            high = length
            if np.isfinite(new_value) and low == 0.0 and length > LEAST_STEP:
                # The minimum of the parabola through both values, as far as it can be trusted.
                bend = new_value - value - length * slope
                length *= min(max(-0.5 * slope * length / bend, SHORTEST), 0.5)
                continue
        elif float(new_gradient @ step) < 0.9 * slope and length < 64.0:
            best = (length, new_value, new_gradient)
            low = length
        else:
            return length, new_value, new_gradient
        length = 2.0 * low if np.isinf(high) else 0.5 * (low + high)
        if length < LEAST_STEP:
            break
    return best


def _newton(
    function: _Counted,
    x: np.ndarray,
    value: float,
    gradient: np.ndarray,
    inverse: np.ndarray,
    n_iter: int,
    hessian_of: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
    same: float,
) -> Minimum:
    """Newton steps; where the Hessian is indefinite, its eigenvalues count by their size.

    A Hessian serves for another step, and is that of the minimum, if the gradient that a step
    leaves says that it has hardly changed on the way.
    """
    hessian, drift = _inverse(inverse), np.inf
    converged, decrement = False, np.inf
    for _ in range(MOST_POLISHING):
        if drift > same:
            if hessian_of is not None:
                hessian = hessian_of(x, hessian)
            else:
                hessian = difference_hessian(function, x, np.diag(hessian))
            definite = positive_definite(hessian)
        step = -np.linalg.solve(definite, gradient)
        decrement = float(-0.5 * gradient @ step)
        n_iter += 1
        new, new_value, new_gradient = x, value, gradient
        for n_halved in range(30):
            new = x + step
            new_value, new_gradient = function(new)
            if new_value <= value + 1e-12 * (1.0 + abs(value)):
                is_whole = n_halved == 0
                break
            step *= 0.5
        else:
            break
        x, value, gradient = new, new_value, new_gradient
        # With T the third derivatives along a step s, what is left of the gradient is T s / 2, and
        # the Hessian has changed by T.
        left = float(0.5 * gradient @ np.linalg.solve(definite, gradient))
        drift = 2.0 * float(np.sqrt(left / decrement)) if is_whole and decrement > 0.0 else np.inf
        small = max(SAME, 1e-3 * SAME * abs(value))
        if decrement <= small or (drift <= same and left <= small):
            converged = True
            break
    return Minimum(x, value, gradient, hessian, converged, function.n, n_iter, decrement)


def _inverse(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(matrix)


def positive_definite(matrix: np.ndarray) -> np.ndarray:
    """The matrix with eigenvalues by their size, none below a small share of the largest."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    sizes = np.abs(values)
    sizes = np.maximum(sizes, 1e-10 * max(float(sizes.max(initial=0.0)), 1e-300))
    return (vectors * sizes) @ vectors.T
