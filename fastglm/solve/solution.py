"""The solution that the solver returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.errors import Status
from fastglm.passes.scaling import Centering
from fastglm.records import fast_init

__all__ = ["Solution"]


@fast_init
@dataclass(frozen=True, eq=False)
class Solution:
    """One maximum of the likelihood, or the best point reached.

    Attributes
    ----------
    params : ndarray, shape (p,)
        Coefficients of the model's columns; NaN where aliased.
    information_inverse : ndarray, shape (p, p)
        Inverse of X'WX at `params`; rows and columns of aliased coefficients are NaN.
    inverse_information_factor : ndarray, shape (p, p)
        F with F F' that inverse for centred columns; rows of aliased coefficients are 0.
    centering : Centering
        Which these are.
    deviance, pearson_chi2 : float
    n_iter, n_sweeps : int
        Accepted steps, and passes over all rows.
    status : Status
    decrement : float
        Last step' score: at convergence, the squared distance to the optimum in standard errors.
    contraction : float
        The decrement over the one before it, 1 if there was none: near a maximum, close to 0.
    weight_change : float
        Largest relative change of a diagonal entry of X'WX in the last step, 0 if that is not
        known: near a maximum, close to 0 as well.
    constant : int or None
        Model column that is constant, if there is one: the intercept.
    numerical_error : float
        Bound on what rounding may have changed of any standard error, relative.
    orthogonal : bool
        Whether the inverse is that of a QR factorisation: sums of products of columns of this
        design would have lost too many digits, or none were to be lost.
    combinations : dict of int to ndarray, shape (p,)
        For each aliased column, the coefficients of the earlier columns that add up to it.
    timings : dict of str to float
        Seconds spent in each stage.
    """

    params: np.ndarray
    information_inverse: np.ndarray
    inverse_information_factor: np.ndarray
    centering: Centering
    deviance: float
    pearson_chi2: float
    n_iter: int
    n_sweeps: int
    status: Status
    decrement: float
    contraction: float
    weight_change: float
    constant: int | None
    numerical_error: float
    orthogonal: bool
    combinations: dict[int, np.ndarray]
    timings: dict[str, float]
