"""What the last step, after which no sweep has been, changes of the variances.

The Gram matrix of a result is that before its last step. Its diagonal does not show few rows that
determine much: those of a level that others are compared with have no column of their own, and when
such a level has few events, all variances of the others hang on them. So the inverse decides.
"""

from __future__ import annotations

import math

import numpy as np

from fastglm.kernels.math.cholesky import factorize_and_solve, invert
from fastglm.solve.coded_aliases import coded_columns
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run

__all__ = ["change_left", "remaining_change"]


def remaining_change(run: Run, allowed: float, is_corrected: bool = False) -> float:
    """Estimate of the largest relative change of any contrast's variance by the last step.

    With the last two Gram matrices A and A + D it is the largest eigenvalue of A^-1 D, which is
    what the step before has changed, times the ratio of the last two steps; or its square, which
    is what Newton's method leaves where few rows converge by themselves. After a factor of a
    sample there is but one: then a variance, whose information is at least that of one event of
    so many, changes by a step's length, in standard errors, over the square root of their number.

    Parameters
    ----------
    run
        That has converged.
    allowed
        Less than this does not count: 0 is returned where a step is shorter.
    is_corrected
        True after a step that chunks have corrected, and whose remainder they will settle: then it
        is shorter than Newton's, and the square tells nothing.
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
        return change_left(now, before, ratio, allowed, is_corrected)
    except np.linalg.LinAlgError:
        # Not positive definite in double precision: the QR that follows judges the weights itself.
        return 0.0


def change_left(
    information: np.ndarray,
    last: np.ndarray,
    ratio: float,
    allowed: float,
    is_corrected: bool = False,
) -> float:
    """Estimate of the largest relative change of any contrast's variance by a step to come.

    Parameters
    ----------
    information, last
        (p, p) matrices before the step and before the one that led there; lower triangles.
    ratio
        Length of the step over that of the one before.
    allowed, is_corrected
        As of `remaining_change`.

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
    """Numbers, among those that are not eliminated, of the columns that are not aliased."""
    pivot = run.vectors[at.PIVOT]
    if run.eliminated is not None:
        pivot = pivot[run.eliminated.kept_column]
    return np.flatnonzero(pivot > 0.0)


def _inverse_root(information: np.ndarray) -> np.ndarray:
    """L^-1 of L L', of which the lower triangle is given.

    By this package's kernels: LAPACK's threads wait for one another where others use the cores.
    """
    p, (scale, pivot, right, step) = len(information), np.zeros((4, len(information)))
    factor, inverse, root = np.zeros((3, p, p))
    information = np.ascontiguousarray(information)
    if factorize_and_solve(information, right, factor, scale, pivot, 0.0, step) != 0:
        raise np.linalg.LinAlgError
    invert(factor, scale, pivot, inverse, root)
    return root.T


def _largest_move_of_levels(run: Run, length: float) -> float:
    """What the last step, of this length, may move linear predictors of rows of a level by.

    Without categoricals these are the rows at the constant, be it of centred columns or where all
    dense levels are 0, of which the step itself tells more than its length.
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
    """Design columns that may be dense levels of 0 and 1, and where 0 is, in standardised units.

    Shifts are means to within a spread: other columns between 0 and 1 are among them.
    """
    stored, design_column = run.row_table.direct_columns
    shift, scale = run.scaling.shift[stored], run.scaling.scale[stored]
    levels = np.flatnonzero((shift > 0.0) & (shift <= 1.0) & (scale >= 1.0))
    return design_column[levels], (shift * scale)[levels]


def _largest_error(run: Run, columns: np.ndarray) -> float:
    """Largest standard error, without dispersion, of the constant and of levels."""
    # Those of eliminated levels among themselves, and of others given these.
    errors, known = run.vectors[at.COLUMN_SCALE].copy(), _told_apart(run)
    root = _inverse_root(run.information[np.ix_(known, known)])
    kept = known if run.eliminated is None else run.eliminated.kept_column[known]
    errors[kept] = np.sqrt(np.square(root).sum(axis=0))
    return float(errors[columns].max(initial=0.0))
