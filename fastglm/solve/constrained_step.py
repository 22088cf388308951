"""A Newton step among linear inequalities: a small convex quadratic program.

Goldfarb & Idnani (1983), "A numerically stable dual method for solving strictly convex quadratic
programs", *Mathematical Programming* 27: from the free step on, violated rows are met one by one,
and let go where their multipliers come to 0.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

__all__ = ["NoStepError", "constrained_step"]

#: Exchanges of rows, as a multiple of the columns, before the search is given up.
MOST_EXCHANGES = 50
#: Room, in its unit, by which rounding may exceed it.
SLACK = 1e-14
#: Share of a row that lies outside the span of those held, below which it lies inside.
INSIDE_SPAN = 1e-9


class NoStepError(Exception):
    """No step meets the inequalities, or none was found."""


def constrained_step(
    root: np.ndarray, score: np.ndarray, rows: np.ndarray, room: np.ndarray, unit: float = 1.0
) -> np.ndarray:
    """The step d, (p,), with the largest ``score'd - |root d|^2 / 2`` and ``rows d <= room``.

    Parameters
    ----------
    root
        (p, p) upper triangle without zeros on its diagonal.
    score
        (p,).
    rows, room
        (m, p) and (m,).
    unit
        Size of room that counts as one, for what rounding may exceed it by.

    Raises
    ------
    NoStepError
        If no step meets the inequalities, or none was found.
    """
    held = _Held(root)
    for _ in range(MOST_EXCHANGES * (len(root) + 1)):
        step = _step_along(root, score, rows[held.places], room[held.places])
        excess = rows @ step - room
        excess[held.places] = -math.inf
        worst = int(np.argmax(excess)) if excess.size else -1
        if worst < 0 or not excess[worst] > SLACK * unit:
            return step
        held.meet(worst, rows[worst], excess[worst])
    raise NoStepError


def _step_along(
    root: np.ndarray, score: np.ndarray, rows: np.ndarray, room: np.ndarray
) -> np.ndarray:
    """The best step, (p,), that meets these rows exactly: in coordinates of what they leave free.

    As the free step may be so much longer that their difference would have no digits.
    """
    onto = np.linalg.lstsq(rows, room, rcond=None)[0] if len(rows) else np.zeros(score.size)
    along = np.linalg.qr(rows.T, mode="complete")[0][:, len(rows) :]
    if not along.shape[1]:
        return onto
    reduced = root @ along
    triangle = np.linalg.qr(reduced, mode="r")
    rest = along.T @ score - reduced.T @ (root @ onto)
    half = scipy.linalg.solve_triangular(triangle, rest, trans=1)
    return onto + along @ scipy.linalg.solve_triangular(triangle, half)


class _Held:
    """The rows held at their ends, with multipliers, in coordinates where the Hessian is one."""

    def __init__(self, root: np.ndarray):
        self.inverse = scipy.linalg.solve_triangular(root, np.eye(len(root)))
        self.places: list[int] = []
        self.normals = np.zeros((0, len(root)))
        self.multipliers = np.zeros(0)

    def meet(self, place: int, row: np.ndarray, excess: float) -> None:
        """Moves until a violated row is met; rows whose multipliers come to 0 are let go."""
        normal, own = row @ self.inverse, 0.0
        while True:
            share = np.linalg.lstsq(self.normals.T, normal, rcond=None)[0]
            outside = normal - self.normals.T @ share
            size = float(outside @ outside)
            falls = np.flatnonzero(share > 0.0)
            lengths = self.multipliers[falls] / share[falls]
            until_free = float(lengths.min(initial=math.inf))
            is_inside = size <= INSIDE_SPAN**2 * float(normal @ normal)
            until_met = math.inf if is_inside else excess / size
            length = min(until_free, until_met)
            if not math.isfinite(length):
                raise NoStepError
            self.multipliers -= length * share
            own += length
            if not is_inside:
                excess -= length * size
            if until_met <= until_free:
                break
            self._let_go(int(falls[np.argmin(lengths)]))
        self.places.append(place)
        self.normals = np.vstack([self.normals, normal])
        self.multipliers = np.append(self.multipliers, own)

    def _let_go(self, k: int) -> None:
        del self.places[k]
        self.normals = np.delete(self.normals, k, axis=0)
        self.multipliers = np.delete(self.multipliers, k)
