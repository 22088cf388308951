"""Bias-reduced estimates: adjusted scores, whose root is less biased and finite.

The mean bias-reducing adjustment replaces each response by ``y + dispersion * q * d / 2``, where q
is the row's quadratic form in the inverse information and d the second derivative of its mean in
the linear predictor; the score of these pseudo-responses is set to zero by quasi Fisher scoring,
accelerated by differences of earlier steps. For canonical links it maximises the likelihood times
Jeffreys' prior. Firth (1993), *Biometrika* 80; Kosmidis & Firth (2009), *Biometrika* 96; Kosmidis,
Kenne Pagui & Sartori (2020), *Statistics and Computing* 30, for median bias and for the dispersion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from fastglm.errors import Status
from fastglm.solve.bias_problem import BiasProblem
from fastglm.solve.bias_search import BiasSearch
from fastglm.solve.conditioning import cholesky_error
from fastglm.solve.fit import SolverOptions
from fastglm.solve.solution import Solution

__all__ = ["BiasProblem", "Reduced", "reduce_bias"]


@dataclass(frozen=True, eq=False)
class Reduced:
    """A root of the adjusted scores.

    Attributes
    ----------
    solution : Solution
        Its `decrement` is the squared distance from the root, in standard errors.
    dispersion : float
    half_log_determinant : float
        Of the information: half its logarithm, Jeffreys' penalty.
    """

    solution: Solution
    dispersion: float
    half_log_determinant: float


def reduce_bias(
    problem: BiasProblem,
    options: SolverOptions,
    start_params: np.ndarray | None = None,
    fixed: np.ndarray | None = None,
) -> Reduced:
    """Solve the adjusted score equations.

    Parameters
    ----------
    problem
        The model.
    options
        Tolerance in standard errors, most iterations, threads.
    start_params
        (p,) coefficients to start from; by default the estimate from responses that have been
        moved off the boundary.
    fixed
        (p,) bool, coefficients that stay as they are in `start_params`; the adjustment of the
        others is that of the whole model (Heinze & Schemper, 2002, *Statistics in Medicine* 21).

    Returns
    -------
    Reduced
        Also without convergence, which the status of the solution reports.
    """
    begin = perf_counter()
    search = BiasSearch(problem, options, fixed)
    params, start = search.start(start_params)
    if start.status == Status.NOT_FINITE:
        params = np.full_like(params, np.nan)
    point, n_iter, last, status = search.highest(params)
    if point is None:
        return Reduced(replace(start, status=Status.NOT_FINITE), math.nan, math.nan)
    kept = search.kept
    inverse = point.factor @ point.factor.T
    solution = Solution(
        params=np.where(kept, point.params, np.nan),
        information_inverse=np.where(np.outer(kept, kept), inverse, np.nan),
        inverse_information_factor=point.root,
        centering=point.centering,
        deviance=float(point.rows.deviance.sum()),
        pearson_chi2=float(point.rows.pearson.sum()),
        n_iter=n_iter,
        n_sweeps=search.n_sweeps,
        status=status,
        decrement=point.decrement,
        contraction=point.decrement / last if math.isfinite(last) else 1.0,
        weight_change=0.0,
        constant=start.constant,
        numerical_error=cholesky_error(point.inflation),
        orthogonal=False,
        combinations=start.combinations,
        timings={"bias reduction": perf_counter() - begin},
    )
    determinant = np.linalg.slogdet(inverse[np.ix_(kept, kept)])[1]
    return Reduced(solution, point.dispersion, -0.5 * float(determinant))
