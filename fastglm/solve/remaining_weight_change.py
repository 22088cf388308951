"""Change of the variances by the last step of a fit, which no sweep follows.

The Gram matrix of a result is that before its last step. Whether the step still changes variances
is judged by the inverse of that matrix, not by its diagonal, which hides influential rows. Those of
a reference level, for example, have no column of their own, but if the level has few events, the
variances of all other levels depend on them.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels.math.cholesky import factorize_and_solve, invert
from fastglm.solve.coded_aliases import coded_columns
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run

__all__ = ["remaining_change", "variance_change"]


def remaining_change(run: Run, allowed: float, is_corrected: bool = False) -> float:
    """Estimate of the largest relative change of any contrast's variance by the last step.

    Let A and A + D be the last two Gram matrices. The step before the last changed variances by at
    most the largest eigenvalue of A^-1 D. The last one changes them by that times the ratio of the
    lengths of the two steps, or by the square of the eigenvalue, which is what Newton's method
    leaves where few rows converge by themselves; the larger counts. After a start with the factor
    of a sample there is only one Gram matrix. The estimate is then the largest move of the linear
    predictor of a level, to which the change of its weights is proportional.

    Parameters
    ----------
    run
        A converged run.
    allowed
        Largest negligible change: 0 is returned for a step of at most this many standard errors.
    is_corrected
        True after a step corrected by chunks (`fastglm.solve.starting.sampled_correction`), which
        will correct its remainder too: it is shorter than Newton's, so that the square is not used.
    """
    state = run.state
    decrement, last = float(state[at.DECREMENT]), float(state[at.LAST_DECREMENT])
    if run.has_constant_weights or not decrement > allowed * allowed:
        return 0.0
    try:
        if not run.last_information.any():
            return _largest_move_of_levels(run, math.sqrt(decrement))
        known = _told_apart(run)
        now, before = (m[np.ix_(known, known)] for m in (run.information, run.last_information))
        ratio = math.sqrt(decrement / last) if math.isfinite(last) else 1.0
        return variance_change(now, before, ratio, allowed, is_corrected)
    except np.linalg.LinAlgError:
        # Not positive definite in double precision: a QR factorisation follows, with its own check.
        return 0.0


def variance_change(
    information: np.ndarray,
    last: np.ndarray,
    ratio: float,
    allowed: float,
    is_corrected: bool = False,
) -> float:
    """Estimate of the largest relative change of any contrast's variance by the next step.

    Parameters
    ----------
    information, last
        Information matrices, (p, p), before the step and before the previous one; lower triangles.
    ratio
        Length of the step divided by that of the previous one.
    allowed, is_corrected
        As for `remaining_change`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the information is not positive definite.
    """
    information, last = np.tril(information), np.tril(last)
    change = information - last
    change += np.tril(change, -1).T
    # L^-1 D L^-T with the factor L of the information and its change D.
    root, left = _inverse_root(information), 0.0
    change = root @ change @ root.T
    # A bound on the eigenvalue, and the eigenvalue itself where that is not enough.
    for norm in (np.linalg.norm, _largest_eigenvalue):
        moved = float(norm(change))
        left = moved * (ratio if is_corrected else max(ratio, moved))
        if left <= allowed:
            break
    return left


def _largest_eigenvalue(change: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvalsh(change)).max(initial=0.0))


def _told_apart(run: Run) -> np.ndarray:
    """Numbers of the columns that are not aliased, counted among those that are not eliminated."""
    pivot = run.vectors[at.PIVOT]
    if run.eliminated is not None:
        pivot = pivot[run.eliminated.kept_column]
    return np.flatnonzero(pivot > 0.0)


def _inverse_root(information: np.ndarray) -> np.ndarray:
    """L^-1 of a matrix L L' given by its lower triangle.

    Computed by this package's kernels: LAPACK's threads are slow when other work uses the cores.
    """
    p, (scale, pivot, right, step) = len(information), np.zeros((4, len(information)))
    factor, inverse, root = np.zeros((3, p, p))
    information = np.ascontiguousarray(information)
    if factorize_and_solve(information, right, factor, scale, pivot, 0.0, step) != 0:
        raise np.linalg.LinAlgError
    invert(factor, scale, pivot, inverse, root)
    return root.T


def _largest_move_of_levels(run: Run, length: float) -> float:
    """Bound on the move of any level's linear predictor by the last step, of the given length.

    The length is in standard errors. Without categoricals the levels are two: the row at the means
    of the columns, and the row where all dense 0/1 columns are 0; their moves are computed from the
    step itself, which is sharper.
    """
    coded, constant = coded_columns(run.row_table), run.scaling.constant
    if constant >= 0:
        constant = run.row_table.design_column_of[constant]
    if coded.size:
        columns = coded if constant < 0 else np.union1d(coded, constant)
        return length * _largest_error(run, columns)
    if constant < 0:
        return 0.0
    step = run.vectors[at.COEFFICIENTS] - run.vectors[at.TRIAL]
    columns, moves = _dense_levels(run)
    return float(max(abs(step[constant]), abs(step[constant] - moves @ step[columns])))


def _dense_levels(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Design columns that may be dense 0/1 indicators, and the position of 0 in standard units.

    They are recognised by shift and scale, so that other columns within 0 and 1 may be among them.
    """
    stored, design_column = run.row_table.direct_columns
    shift, scale = run.scaling.shift[stored], run.scaling.scale[stored]
    levels = np.flatnonzero((shift > 0.0) & (shift <= 1.0) & (scale >= 1.0))
    return design_column[levels], (shift * scale)[levels]


def _largest_error(run: Run, columns: np.ndarray) -> float:
    """Largest standard error, at dispersion 1, of some columns."""
    # Eliminated levels first: their standard errors with all other coefficients fixed.
    errors, known = run.vectors[at.COLUMN_SCALE].copy(), _told_apart(run)
    root = _inverse_root(run.information[np.ix_(known, known)])
    kept = known if run.eliminated is None else run.eliminated.kept_column[known]
    errors[kept] = np.sqrt(np.square(root).sum(axis=0))
    return float(errors[columns].max(initial=0.0))
