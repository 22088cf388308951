"""The linear program behind separation: directions along which some rows gain and none lose."""

from __future__ import annotations

import numpy as np
import scipy

from fastglm.errors import FastGLMError
from fastglm.solve.qr_refinement import eliminate

__all__ = ["ZERO", "null_space", "separating_direction"]

#: Share of a direction's largest entry, on standardised columns, below which a number is zero.
ZERO = 1e-9


def null_space(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis, (p, d), of the directions that move no row of (m, p)."""
    _, values, vectors = np.linalg.svd(np.linalg.qr(matrix, mode="r"), full_matrices=True)
    rank = int(np.count_nonzero(values > ZERO * values[0])) if values.size else 0
    return vectors[rank:].T


def separating_direction(matrix: np.ndarray, side: np.ndarray) -> np.ndarray | None:
    """The direction that separates most of these rows, (p,): each moves by 1 or more.

    `matrix`, (m, p), has columns of about unit size. None where no row can be separated.
    """
    bounded = side != 0
    if not bounded.any():
        return None
    # Combinations of earlier columns are left to these.
    independent = _independent_columns(matrix)
    gains = matrix[bounded][:, independent] * side[bounded, None]
    fixed = matrix[~bounded][:, independent]
    found = _solve_program(np.unique(gains, axis=0), np.unique(fixed, axis=0))
    separated = gains @ found > 0.5
    if not separated.any():
        return None
    # The program meets its constraints to its own tolerance: the rows that stand still give exactly
    # where they do.
    still = np.concatenate([gains[~separated], fixed])
    if still.shape[0]:
        found = found - np.linalg.lstsq(still, still @ found, rcond=None)[0]
    size = float(np.abs(found).max())
    found[np.abs(found) <= ZERO * size] = 0.0
    is_exact = np.abs(still @ found).max(initial=0.0) <= 10.0 * ZERO * max(1.0, size)
    if not (is_exact and (gains[separated] @ found > 0.25).all()):
        return None
    direction = np.zeros(matrix.shape[1])
    direction[independent] = found
    return direction


def _independent_columns(matrix: np.ndarray) -> np.ndarray:
    """Numbers of the columns of (m, p) that are no combination of earlier ones."""
    triangle = np.linalg.qr(matrix, mode="r")
    norms = np.linalg.norm(triangle, axis=0)
    padded = np.zeros((matrix.shape[1], matrix.shape[1]))
    padded[: len(triangle)] = triangle / np.where(norms > 0.0, norms, 1.0)
    return np.flatnonzero(eliminate(padded)[1] > 0.0)


def _solve_program(gains: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Direction that maximises ``sum(min(gains @ direction, 1))`` where none is negative.

    As directions may be as long as they need, at the maximum every row that can gain gains 1.
    """
    from scipy.optimize import linprog

    m, p = gains.shape
    unit = scipy.sparse.eye_array(m, format="csr")
    empty = scipy.sparse.csr_array((fixed.shape[0], m))
    # Tolerances that are hard to meet with ill-conditioned columns; the caller checks the solution.
    for tolerance in (1e-10, 1e-7):
        program = linprog(
            np.concatenate([np.zeros(p), -np.ones(m)]),
            A_ub=scipy.sparse.hstack([scipy.sparse.csr_array(-gains), unit], format="csr"),
            b_ub=np.zeros(m),
            A_eq=scipy.sparse.hstack([scipy.sparse.csr_array(fixed), empty], format="csr"),
            b_eq=np.zeros(fixed.shape[0]),
            bounds=[(None, None)] * p + [(0.0, 1.0)] * m,
            method="highs",
            options={
                "primal_feasibility_tolerance": tolerance,
                "dual_feasibility_tolerance": tolerance,
            },
        )
        if program.status == 0:
            return np.asarray(program.x)[:p]
    raise FastGLMError(
        f"the check for separation could not be completed: {program.message} Leave it out with "
        'separation="ignore", or use bias_reduction="firth", which needs none.'
    )
