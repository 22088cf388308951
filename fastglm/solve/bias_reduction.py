"""Bias-reduced estimates: the score is adjusted so that the estimate is less biased, and finite.

The mean bias-reducing adjustment replaces each response by ``y + dispersion * q * d / 2``, where q
is the row's quadratic form in the inverse information and d the second derivative of its mean in
the linear predictor; the score of these pseudo-responses is set to zero by quasi Fisher scoring.
For canonical links that maximises the likelihood times Jeffreys' prior. Firth (1993), *Biometrika*
80; Kosmidis & Firth (2009), *Biometrika* 96; Kosmidis, Kenne Pagui & Sartori (2020), *Statistics
and Computing* 30, for median bias and for the dispersion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastglm.design.layout import Layout, lay_out
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.families.dispersion import DispersionEvidence
from fastglm.kernels import planes
from fastglm.solve.conditioning import cholesky_error, inflation_of_factor
from fastglm.solve.fit import Solution, SolverOptions, solve
from fastglm.solve.products import Products, information, inverse_factor
from fastglm.solve.rows import evaluate_rows
from fastglm.solve.scaling import Centring

if TYPE_CHECKING:
    from fastglm.inputs import ModelRows

__all__ = ["BIAS_REDUCTIONS", "BiasProblem", "Reduced", "reduce_bias"]

BIAS_REDUCTIONS = ("firth", "median")

#: The estimate is within this share of `tol` standard errors of the root: steps shrink by a
#: constant factor only, and so say less about what is left than Newton's.
SHARE_OF_TOLERANCE = 0.01
#: Most halvings of a step that does not bring the adjusted score closer to zero.
MAX_HALVINGS = 12
#: Distance of the points from which a variance function is differentiated, as a share of the mean.
RELATIVE_STEP = 0.005


@dataclass(frozen=True, eq=False)
class BiasProblem:
    """What is to be fitted with less bias.

    Attributes
    ----------
    rows : ModelRows
        Design, response, weights and offset.
    family : Family
        With its link, and its parameter.
    kind : {"firth", "median"}
        Which bias is reduced: of the mean, or of the median.
    dispersion : float or None
        Dispersion that is given; None to estimate it with less bias, or as 1 where it is known.
    """

    rows: ModelRows
    family: Family
    kind: str = "firth"
    dispersion: float | None = None


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


class _Rows(NamedTuple):
    """Quantities of the rows at one vector of coefficients, each (n,)."""

    eta: np.ndarray
    mean: np.ndarray
    slope: np.ndarray
    weight: np.ndarray
    quadratic: np.ndarray
    deviance: np.ndarray
    pearson: np.ndarray


_PLANES = (
    planes.LINEAR_PREDICTOR,
    planes.MEAN,
    planes.SLOPE,
    planes.WEIGHT,
    planes.QUADRATIC_FORM,
    planes.DEVIANCE,
    planes.PEARSON,
)


@dataclass(frozen=True, eq=False)
class _Point:
    """One vector of coefficients, and the step from there."""

    params: np.ndarray
    factor: np.ndarray
    root: np.ndarray
    centring: Centring
    dispersion: float
    rows: _Rows
    step: np.ndarray
    decrement: float
    inflation: float


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
        Also where it did not converge: the solution's status says so.
    """
    begin = perf_counter()
    search = _Search(problem, options, fixed)
    params, start = search.start(start_params)
    point = search.evaluate(params) if start.status != Status.NOT_FINITE else None
    n_iter, last, status = 0, math.inf, Status.RUNNING
    while point is not None and status == Status.RUNNING:
        if point.decrement <= (SHARE_OF_TOLERANCE * options.tol) ** 2:
            status = Status.CONVERGED
        elif n_iter >= options.max_iter:
            status = Status.MAX_ITERATIONS
        else:
            last = point.decrement
            point, n_iter = search.advance(point), n_iter + 1
    if point is None:
        return Reduced(replace(start, status=Status.NOT_FINITE), math.nan, math.nan)
    kept = search.kept
    inverse = point.factor @ point.factor.T
    solution = Solution(
        params=np.where(kept, point.params, np.nan),
        information_inverse=np.where(np.outer(kept, kept), inverse, np.nan),
        information_root=point.root,
        centring=point.centring,
        deviance=float(point.rows.deviance.sum()),
        pearson_chi2=float(point.rows.pearson.sum()),
        n_iter=n_iter,
        n_sweeps=search.n_sweeps,
        status=status,
        decrement=point.decrement,
        gain=point.decrement / last if math.isfinite(last) else 1.0,
        weight_change=0.0,
        constant=start.constant,
        numerical_error=cholesky_error(point.inflation),
        orthogonal=False,
        combinations=start.combinations,
        timings={"bias reduction": perf_counter() - begin},
    )
    determinant = np.linalg.slogdet(inverse[np.ix_(kept, kept)])[1]
    return Reduced(solution, point.dispersion, -0.5 * float(determinant))


class _Search:
    """Quasi Fisher scoring on the adjusted scores of one model."""

    def __init__(self, problem: BiasProblem, options: SolverOptions, fixed: np.ndarray | None):
        self.problem = problem
        self.options = options
        self.fixed = np.zeros(problem.rows.design.n_columns, bool) if fixed is None else fixed
        self.layout = self._layout(problem.rows.response)
        self.columns = lay_out(problem.rows.design)
        self.kept = np.ones(problem.rows.design.n_columns, bool)
        self.shifted = False
        self.n_sweeps = 0

    def _layout(self, response: np.ndarray, weights: np.ndarray | None = None) -> Layout:
        problem = self.problem
        weights = problem.rows.prior_weights if weights is None else weights
        return lay_out(problem.rows.design, response, weights, problem.rows.offset)

    def start(self, start_params: np.ndarray | None) -> tuple[np.ndarray, Solution]:
        """Coefficients to start from, and the fit that says which columns are aliased."""
        problem = self.problem
        response, weights = _off_the_boundary(problem)
        quick = self.options._replace(tol=1e-4, progress=None)
        mean = float(np.average(response, weights=weights))
        layout = self._layout(response, weights)
        solution = solve(layout, problem.family, quick, safe_mean=lambda: mean)
        self.kept = ~np.isnan(solution.params)
        constant = solution.constant
        self.shifted = constant is not None and constant not in solution.combinations
        self.n_sweeps += solution.n_sweeps
        params = solution.params if start_params is None else start_params
        return np.where(self.kept, params, 0.0), solution

    def advance(self, point: _Point) -> _Point | None:
        """The next point: a whole step, or the first half of a half that comes closer."""
        length, nearest = 1.0, None
        for _ in range(MAX_HALVINGS):
            found = self.evaluate(point.params + length * point.step)
            if found is not None:
                if self.options.progress is not None:
                    self.options.progress(self.n_sweeps, float(found.rows.deviance.sum()))
                nearest = found
                if found.decrement <= point.decrement:
                    break
            length *= 0.5
        return nearest

    def evaluate(self, params: np.ndarray) -> _Point | None:
        """The adjusted score's step at these coefficients; None outside the family's domain."""
        problem, family = self.problem, self.problem.family
        products = self._information(self.layout, params)
        try:
            standardised = inverse_factor(products.gram, self.kept)
        except np.linalg.LinAlgError:
            return None
        root, centring = products.standard.scaling.to_centred(standardised, self.layout)
        factor = centring.to_given(root)
        rows = _Rows(
            *evaluate_rows(
                self.layout,
                family,
                params,
                _PLANES,
                factor=root.T,
                centring=centring,
                n_threads=self.options.n_threads,
            )
        )
        dispersion = self._dispersion(rows)
        curvature = np.where(rows.weight > 0.0, family.link.inverse_deriv2(rows.eta), 0.0)
        pseudo_response = problem.rows.response + 0.5 * dispersion * rows.quadratic * curvature
        score = self._information(self._layout(pseudo_response), params, False).score
        self.n_sweeps += 3
        step = factor @ (standardised.T @ score)
        if problem.kind == "median":
            step += dispersion * self._median_shift(factor, rows, curvature)
        if self.fixed.any():
            step -= _what_moves(factor @ factor.T, self.fixed, step)
        moved = products.standard.lift(step[:, None])[:, 0]
        decrement = float(moved @ products.gram @ moved) / dispersion
        if not math.isfinite(decrement):
            return None
        inflation = inflation_of_factor(standardised, products.gram)
        return _Point(params, factor, root, centring, dispersion, rows, step, decrement, inflation)

    def _information(self, layout: Layout, params: np.ndarray, with_gram: bool = True) -> Products:
        return information(
            layout,
            self.problem.family,
            params,
            shifted=self.shifted,
            n_threads=self.options.n_threads,
            with_gram=with_gram,
        )

    def _median_shift(self, factor: np.ndarray, rows: _Rows, curvature: np.ndarray) -> np.ndarray:
        """What the median adds to the step for the mean at dispersion 1, (p,)."""
        family, present = self.problem.family, rows.weight > 0.0
        bend = np.divide(curvature, rows.slope, out=np.zeros_like(curvature), where=present)
        skewness = rows.slope * _log_variance_slope(family, rows.mean) / 6.0 - 0.5 * bend
        weight = np.where(present, rows.weight * skewness, 0.0)
        inverse = factor @ factor.T
        shift = np.zeros(inverse.shape[0])
        for j in np.flatnonzero(self.kept):
            moved = evaluate_rows(
                self.columns,
                family,
                inverse[j],
                (planes.LINEAR_PREDICTOR,),
                n_threads=self.options.n_threads,
            )[0]
            shift[j] = (weight @ moved**3) / inverse[j, j]
        return shift

    def _dispersion(self, rows: _Rows) -> float:
        """The dispersion given, 1 where it is known, or an estimate at these coefficients."""
        problem, rank = self.problem, int(self.kept.sum())
        if problem.dispersion is not None:
            return problem.dispersion
        weights, counts = _dispersion_weights(problem.rows)
        found = DispersionEvidence(
            float(rows.deviance.sum()),
            float(rows.pearson.sum()),
            problem.rows.nobs - rank,
            rank,
            problem.kind == "median",
            weights,
            counts,
        )
        return problem.family.bias_reduced_dispersion(found)


def _dispersion_weights(rows: ModelRows) -> tuple[np.ndarray, np.ndarray]:
    """Weights that divide the dispersion, and how many observations have each."""
    counts = np.ones(rows.response.size) if rows.frequencies is None else rows.frequencies
    if rows.variance_weights is None:
        return np.ones(1), np.array([counts.sum()])
    return rows.variance_weights, counts


def _off_the_boundary(problem: BiasProblem) -> tuple[np.ndarray, np.ndarray]:
    """Responses, and weights, for which the maximum of the likelihood exists."""
    y, domain = problem.rows.response.astype(np.float64), problem.family.domain
    n, p = y.size, problem.rows.design.n_columns
    weights = np.ones(n) if problem.rows.prior_weights is None else problem.rows.prior_weights
    present = weights > 0.0
    if math.isfinite(domain.upper):
        heavier = weights + np.where(present, p / n, 0.0)
        middle = 0.5 * (domain.lower + domain.upper) * (p / n)
        return np.where(present, (weights * y + middle) / (weights + p / n), y), heavier
    if math.isfinite(domain.lower) and domain.includes_lower:
        return np.where(present, y + 0.5 * p / n, y), weights
    return y, weights


def _what_moves(inverse: np.ndarray, fixed: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What to take from a step so that fixed coefficients stay and the others take their place."""
    return inverse[:, fixed] @ np.linalg.solve(inverse[np.ix_(fixed, fixed)], step[fixed])


def _log_variance_slope(family: Family, mean: np.ndarray) -> np.ndarray:
    """Derivative of the logarithm of the variance function in the mean; 0 where the variance is.

    By central differences of the sixth order, so that it holds for any family. The relative error
    is about 1e-13, and for a probability that over the distance from 1, where weights are as small.
    """
    room = np.abs(mean)
    if math.isfinite(family.domain.upper):
        room = np.minimum(room, family.domain.upper - mean)
    h = RELATIVE_STEP * np.where(room > 0.0, room, 1.0)
    slope = sum(
        coefficient * (family.variance(mean + k * h) - family.variance(mean - k * h))
        for k, coefficient in ((1, 45.0), (2, -9.0), (3, 1.0))
    )
    variance = family.variance(mean)
    return np.divide(slope, 60.0 * h * variance, out=np.zeros_like(mean), where=variance > 0.0)
