"""Singular fits: variances of zero and perfect correlations, found, held there and named.

The criterion is even in every standard deviation, so that zero is always stationary: whether it is
a minimum there, the curvature decides. Lambda is brought to the one form of its covariance whose
columns without a pivot are zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastglm.mixed.covariances import Correlated, Diagonal, Unstructured
from fastglm.mixed.layout import Layout

__all__ = ["describe_singular", "hold_at_boundary", "semidefinite_theta"]

#: Pivots of Lambda below this share of its largest, or of one, are taken for zero if the criterion
#: is no worse for it.
SMALL_PIVOT = 1e-3
#: Reported as singular, as by lme4's ``isSingular``.
SINGULAR = 1e-4
#: From the boundary inwards: where the gradient tells the curvature, and how far the criterion is
#: tried.
CURVATURE_STEP = 1e-3
INWARDS = (0.03, 0.1, 0.3, 1.0)


def semidefinite_theta(
    layout: Layout, theta: np.ndarray, small: float = SMALL_PIVOT
) -> tuple[np.ndarray, np.ndarray]:
    """Theta with small pivots at zero, and which of its entries that holds there, (m,) bool."""
    parts, held = [], []
    for (_, term), part in zip(layout.theta_order, layout.split(theta), strict=True):
        structure = term.structure
        if isinstance(structure, Unstructured):
            new, stays = _zero_pivots(structure, part, small)
        elif isinstance(structure, Diagonal):
            stays = np.abs(part) < small
            new = np.where(stays, 0.0, part)
        else:
            assert isinstance(structure, Correlated)
            new, stays = structure.semidefinite(part, small)
        parts.append(new)
        held.append(stays)
    return np.concatenate(parts), np.concatenate(held)


def _zero_pivots(
    structure: Unstructured, part: np.ndarray, small: float
) -> tuple[np.ndarray, np.ndarray]:
    """The semidefinite Cholesky factor of the same covariance, by columns."""
    factor = structure.factor(part)
    covariance = factor @ factor.T
    k = structure.k
    limit = small * max(1.0, float(np.abs(factor).max()))
    root, zero = np.zeros((k, k)), np.zeros((k, k), dtype=bool)
    for j in range(k):
        pivot = covariance[j, j] - root[j, :j] @ root[j, :j]
        if pivot <= limit * limit:
            zero[j:, j] = True
            continue
        root[j, j] = np.sqrt(pivot)
        for i in range(j + 1, k):
            root[i, j] = (covariance[i, j] - root[i, :j] @ root[j, :j]) / root[j, j]
    row, column = structure._places()
    return root[row, column], zero[row, column]


def describe_singular(layout: Layout, factors: np.ndarray) -> dict[str, str]:
    """By grouping factor, the combination of effects that does not vary."""
    found = {}
    for number, block in enumerate(layout.blocks):
        for term in block.terms:
            place = slice(term.start, term.stop)
            units = block.units[place]
            factor = factors[number, place, place] / units[:, None]
            lengths = np.sqrt((factor**2).sum(axis=1))
            if lengths.max() == 0.0:
                found[block.group] = ", ".join(term.columns)
                continue
            left, sizes, _ = np.linalg.svd(factor)
            if sizes[-1] > SINGULAR * max(1.0, sizes[0]) and np.diag(factor).min() >= SINGULAR:
                continue
            largest = np.argmax(np.abs(left[:, -1]))
            direction = left[:, -1] / left[largest, -1]
            weights = direction * (units[largest] / units)
            pieces = [
                name if abs(weight - 1.0) < 1e-12 else f"{weight:.3g} {name}"
                for name, weight, own in zip(term.columns, weights, direction, strict=True)
                if abs(own) > 1e-6
            ]
            found[block.group] = " + ".join(pieces).replace("+ -", "- ")
    return found


def hold_at_boundary(
    layout: Layout,
    theta: np.ndarray,
    value: float,
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Theta in canonical form, with singular covariances exactly on the boundary.

    Parameters
    ----------
    layout : Layout
    theta : ndarray, shape (m,)
        Where the search ended.
    value : float
        The criterion there.
    function
        Criterion and gradient at given theta.

    Returns
    -------
    theta : ndarray, shape (m,)
    held : ndarray of bool, shape (m,)
        Which of them lie on the boundary.
    is_minimum : bool
        False if the criterion falls from the boundary inwards: theta is then inside, at a lower
        value, for the search to go on from.
    """
    canonical = layout.canonical(theta)
    moved, held = semidefinite_theta(layout, canonical)
    nothing = np.zeros(theta.size, dtype=bool)
    if not held.any():
        return canonical, nothing, True
    at_boundary, _ = function(moved)
    if at_boundary > value + 1e-8 * (1.0 + 1e-3 * abs(value)):
        return canonical, nothing, True
    inside = _inside(moved, held, at_boundary, function)
    if inside is not None:
        return inside, nothing, False
    return moved, held, True


def _inside(
    theta: np.ndarray,
    held: np.ndarray,
    value: float,
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
) -> np.ndarray | None:
    """A point off the boundary with a lower criterion; None if there is none nearby.

    Zero is stationary, so that a search may end there by chance: the curvature of the criterion in
    what is held says where it falls, if it does.
    """
    # A correlation at its end has been searched for from inside.
    places = np.flatnonzero(held & (theta == 0.0))
    if not places.size:
        return None
    curvature = np.empty((places.size, places.size))
    for row, place in enumerate(places):
        step = theta.copy()
        step[place] = CURVATURE_STEP
        curvature[row] = function(step)[1][places] / CURVATURE_STEP
    if not np.isfinite(curvature).all():
        return None
    _, directions = np.linalg.eigh(0.5 * (curvature + curvature.T))
    best = None
    for length in INWARDS:
        step = theta.copy()
        step[places] = length * directions[:, 0]
        found, _ = function(step)
        if found < value - 1e-8 * (1.0 + 1e-3 * abs(value)):
            best, value = step, found
    return best
