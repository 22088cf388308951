"""Coordinates in which nearly collinear columns are orthonormal.

Sums of products square the condition number of the columns, so that coefficients of columns that
hardly differ, and their standard errors, would lose all digits. A QR factorisation does not square
it: the model is fitted to its orthonormal columns, and the solution led back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from fastglm.design.matrix.parts import Dense, Design
from fastglm.responses.record import PredictorBlock
from fastglm.solve.conditioning import qr_error
from fastglm.solve.several_predictors import PredictorSolution

__all__ = ["Coordinates", "OrthogonalDesign", "orthogonal_design"]

#: Values of X that are written out at most.
MOST_VALUES = 20_000_000
#: Condition number of columns of equal length up to which sums of products keep their digits.
MOST_CONDITION = 1e3


@dataclass(frozen=True, eq=False)
class OrthogonalDesign:
    """Columns of a design in other coordinates.

    Attributes
    ----------
    design : Design
        Constant columns as they are, aliased ones zero, the others orthonormal but for their means.
    transform : ndarray, shape (p, p)
        From coefficients of these columns to those of the columns as they came.
    condition : float
        Condition number of the columns as they came, centred and of equal length.
    constant : int or None
    """

    design: Design
    transform: np.ndarray
    condition: float
    constant: int | None


def orthogonal_design(
    design: Design, weights: np.ndarray | None, aliased: np.ndarray, constant: int | None
) -> OrthogonalDesign | None:
    """Other columns for those of a design; None where they are too many, or far from collinear.

    Parameters
    ----------
    design
        Of n rows and p columns.
    weights
        (n,) prior weights; None for all ones.
    aliased
        (p,) bool.
    constant
        The column, kept, that is constant; -1 where it is no column, but thresholds.
    """
    if design.n_rows * design.n_columns > MOST_VALUES:
        return None
    columns = design.to_dense()
    own = None if constant is None or constant < 0 else constant
    moves = ~aliased
    if own is not None:
        moves[own] = False
    kept = columns[:, moves]
    root = np.ones(design.n_rows) if weights is None else np.sqrt(np.asarray(weights, np.float64))
    center = np.zeros(kept.shape[1])
    if constant is not None:
        # Twice: the mean of what is left corrects that of large numbers.
        for _ in range(2):
            center += np.average(kept - center, axis=0, weights=root * root)
    centered = kept - center
    size = float(np.linalg.norm(root))
    length = np.asarray(np.linalg.norm(root[:, None] * centered, axis=0)) / size
    if not (kept.shape[1] and (length > 0.0).all()):
        return None
    triangle = np.asarray(np.linalg.qr(root[:, None] * (centered / length), mode="r")) / size
    condition = float(np.linalg.cond(triangle))
    if not condition > MOST_CONDITION:
        return None
    back = scipy.linalg.solve_triangular(triangle, np.eye(kept.shape[1]))
    columns[:, aliased] = 0.0
    columns[:, moves] = (
        scipy.linalg.solve_triangular(triangle, (centered / length).T, trans=1).T
        + (center / length) @ back
    )
    transform = np.eye(design.n_columns)
    transform[np.ix_(moves, moves)] = back / length[:, None]
    others = Design((Dense(columns),), design.n_rows, design.names, None, design.constant, ())
    return OrthogonalDesign(others, transform, condition, own)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """From the m coefficients of orthogonal designs to those of the columns as they came.

    Attributes
    ----------
    transform : ndarray, shape (m, m)
    condition : float
        The largest of all designs.
    """

    transform: np.ndarray
    condition: float

    @classmethod
    def of(
        cls, blocks: Sequence[PredictorBlock], designs: Sequence[OrthogonalDesign | None], m: int
    ) -> Coordinates:
        """Of blocks of coefficients, in some of which thresholds have taken a constant's place."""
        transform = np.eye(m)
        for block in blocks:
            design = designs[block.design]
            if design is None:
                continue
            own = design.transform
            if len(own) > block.stop - block.start:
                assert design.constant is not None
                for axis in (0, 1):
                    own = np.delete(own, design.constant, axis=axis)
            transform[block.start : block.stop, block.start : block.stop] = own
        return cls(transform, max(design.condition for design in designs if design is not None))

    def given(self, solution: PredictorSolution) -> PredictorSolution:
        """The solution in coefficients of the columns as they came; NaN where aliased."""
        known = ~np.isnan(solution.params)
        transform = self.transform[np.ix_(known, known)]
        params, covariance = solution.params.copy(), solution.covariance.copy()
        params[known] = transform @ params[known]
        both = np.ix_(known, known)
        covariance[both] = transform @ covariance[both] @ transform.T
        error = max(solution.numerical_error, qr_error(self.condition**2))
        return replace(solution, params=params, covariance=covariance, numerical_error=error)

    def orthogonal(self, params: np.ndarray) -> np.ndarray:
        """Coefficients, (m,), of the orthogonal designs; those that are aliased stay NaN."""
        known = ~np.isnan(params)
        found = params.copy()
        found[known] = np.linalg.solve(self.transform[np.ix_(known, known)], params[known])
        return found
