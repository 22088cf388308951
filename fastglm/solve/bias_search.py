"""Search for coefficients at which adjusted scores are zero.

Quasi Fisher scoring converges at a constant rate, close to 1 for separated responses; combinations
of a few earlier steps accelerate it. Walker & Ni (2011), "Anderson acceleration for
fixed-point iterations", *SIAM Journal on Numerical Analysis* 49. Where the root maximises a
penalised likelihood, every step raises it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastglm.errors import Status
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.products import CrossProducts, information, inverse_factor
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering
from fastglm.solve.bias_problem import BiasProblem, log_variance_slope, off_the_boundary
from fastglm.solve.conditioning import inflation_of_factor
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.solution import Solution

__all__ = ["BiasSearch", "Climb", "Point"]

#: Distance of the estimate from the root, as a share of `tol` standard errors: steps contract by a
#: constant factor only, and bound the remaining distance less tightly than Newton's.
SHARE_OF_TOLERANCE = 0.01
#: Most halvings of a step that does not bring the adjusted score closer to zero.
MAX_HALVINGS = 12
#: Number of earlier steps that are kept for the acceleration.
MEMORY = 8
#: Share of the predicted decrease, of the penalised deviance or without a likelihood of the
#: decrement, that a step must reach.
SUFFICIENT = 1e-4
#: Share of the penalised deviance below which a change is rounding.
ROUNDING = 1e-13
#: Quantiles of the rows that further starts move to a linear predictor of zero, the largest weight.
START_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Multiples of the first estimate that further searches start from.
START_FACTORS = (0.0, 2.5, 5.0)
#: Size of the design, in values, up to which other maxima are searched for.
FEW_VALUES = 100_000


class _Rows(NamedTuple):
    """Quantities of the rows at one vector of coefficients, each (n,)."""

    eta: np.ndarray
    mean: np.ndarray
    slope: np.ndarray
    weight: np.ndarray
    quadratic: np.ndarray
    deviance: np.ndarray
    pearson: np.ndarray


_BUFFERS = (
    row_buffers.LINEAR_PREDICTOR,
    row_buffers.MEAN,
    row_buffers.SLOPE,
    row_buffers.WEIGHT,
    row_buffers.QUADRATIC_FORM,
    row_buffers.DEVIANCE,
    row_buffers.PEARSON,
)


@dataclass(frozen=True, eq=False)
class Point:
    """One vector of coefficients, and the step from there.

    Attributes
    ----------
    params, step : ndarray, shape (p,)
    factor, root : ndarray, shape (p, p)
        F with F F' the inverse information, of columns as they are and of centred ones.
    centering : Centering
    dispersion : float
    rows : _Rows
    decrement : float
        Squared length of the step in standard errors.
    penalised_deviance : float
        Over the dispersion, with the log-determinant of the information of standardised columns.
    metric : ndarray, shape (k, p)
        Maps a step to a vector whose Euclidean length is that of the step in the information.
    inflation : float
        By which the inverse magnifies errors of the information.
    """

    params: np.ndarray
    factor: np.ndarray
    root: np.ndarray
    centering: Centering
    dispersion: float
    rows: _Rows
    step: np.ndarray
    decrement: float
    penalised_deviance: float
    metric: np.ndarray
    inflation: float


class Climb(NamedTuple):
    """End of a search.

    Attributes
    ----------
    point : Point or None
        The last one; None where there is none in the family's domain.
    n_iter : int
        Steps that led there.
    last : float
        The decrement before it.
    status : Status
    """

    point: Point | None
    n_iter: int
    last: float
    status: Status


class BiasSearch:
    """Quasi Fisher scoring on the adjusted scores of one model."""

    def __init__(self, problem: BiasProblem, options: SolverOptions, fixed: np.ndarray | None):
        self.problem = problem
        self.options = options
        self.fixed = np.zeros(problem.rows.design.n_columns, bool) if fixed is None else fixed
        self.row_table = self._build_row_table(problem.rows.response)
        self.columns = build_row_table(problem.rows.design)
        self.kept = np.ones(problem.rows.design.n_columns, bool)
        self.shifted = False
        self.constant: int | None = None
        self.unit = 1.0
        self.to_standardized: np.ndarray | None = None
        self.n_sweeps = 0
        self.earlier: list[Point] = []

    def _build_row_table(self, response: np.ndarray, weights: np.ndarray | None = None) -> RowTable:
        problem = self.problem
        weights = problem.rows.prior_weights if weights is None else weights
        return build_row_table(problem.rows.design, response, weights, problem.rows.offset)

    def start(self, start_params: np.ndarray | None) -> tuple[np.ndarray, Solution]:
        """Coefficients to start from, and the fit, with its aliased columns."""
        problem = self.problem
        response, weights = off_the_boundary(problem)
        quick = self.options._replace(tol=1e-4, progress=None)
        mean = float(np.average(response, weights=weights))
        row_table = self._build_row_table(response, weights)
        solution = solve(row_table, problem.family, quick, safe_mean=lambda: mean)
        self.kept = ~np.isnan(solution.params)
        constant = solution.constant
        self.shifted = constant is not None and constant not in solution.combinations
        self.constant, self.unit = (
            (constant, solution.centering.value) if self.shifted else (None, 1.0)
        )
        self.n_sweeps += solution.n_sweeps
        params = solution.params if start_params is None else start_params
        return np.where(self.kept, params, 0.0), solution

    def highest(self, params: np.ndarray) -> Climb:
        """End of the search from these coefficients, or the highest of searches from other starts.

        A higher end has further starts of its own, until none of them leads higher.
        """
        best = self.climb(params)
        if not self._may_have_several_maxima():
            return best
        around = None
        while best.point is not None and best.point is not around:
            around = best.point
            for start in self._other_starts(around):
                found = self.climb(start)
                if found.status == Status.CONVERGED and self._is_higher(found.point, best.point):
                    best = found
        return best

    def climb(self, params: np.ndarray) -> Climb:
        """A search from these coefficients."""
        self.earlier.clear()
        point = self.evaluate(params) if np.isfinite(params).all() else None
        n_iter, last, status = 0, math.inf, Status.RUNNING
        while point is not None and status == Status.RUNNING:
            if point.decrement <= (SHARE_OF_TOLERANCE * self.options.tol) ** 2:
                status = Status.CONVERGED
            elif n_iter >= self.options.max_iter:
                status = Status.MAX_ITERATIONS
            else:
                last, before = point.decrement, point
                point, n_iter = self.advance(point), n_iter + 1
                if point is before:
                    status = Status.STEP_TOO_SHORT
        return Climb(point, n_iter, last, status)

    def _may_have_several_maxima(self) -> bool:
        """Whether the penalised likelihood may have several maxima, so that it takes other starts.

        Jeffreys' penalty can have a maximum for each group of rows whose offsets, or fixed parts,
        are far from those of others. Where there are many rows, the concave likelihood of a
        canonical link outweighs it.
        """
        design = self.problem.rows.design
        return self.problem.has_likelihood and design.n_rows * design.n_columns <= FEW_VALUES

    def _other_starts(self, point: Point) -> Iterator[np.ndarray]:
        """Multiples of the coefficients, and some with a middle mean in one row after another."""
        for factor in START_FACTORS:
            yield np.where(self.fixed, point.params, factor * point.params)
        if self.constant is None or self.fixed[self.constant]:
            return
        for share in START_QUANTILES:
            start = point.params.copy()
            start[self.constant] -= np.quantile(point.rows.eta, share) / self.unit
            yield start

    def _is_higher(self, found: Point | None, than: Point) -> bool:
        """Whether a point has a higher penalised likelihood, by more than rounding."""
        if found is None:
            return False
        return than.penalised_deviance - found.penalised_deviance > self._rounding(than)

    def _rounding(self, point: Point) -> float:
        """Rounding error of a penalised deviance: of its sum and of the determinant."""
        of_determinant = np.finfo(np.float64).eps * point.inflation * np.count_nonzero(self.kept)
        return ROUNDING * (abs(point.penalised_deviance) + 1.0) + float(of_determinant)

    def advance(self, point: Point) -> Point | None:
        """The next point: by acceleration, by a whole step, or by the first acceptable halving."""
        by_secants = self._by_secants(point) if self.earlier else None
        self.earlier = [point, *self.earlier][:MEMORY]
        if by_secants is not None:
            found = self._try(point.params + by_secants)
            if found is not None and self._is_better(found, point, 1.0):
                return found
            # Earlier steps that mislead are dropped.
            del self.earlier[1:]
        length, nearest = 1.0, None
        for _ in range(MAX_HALVINGS):
            found = self._try(point.params + length * point.step)
            nearest = nearest if found is None else found
            if found is not None and self._is_better(found, point, length):
                return found
            length *= 0.5
        if self.problem.has_likelihood and not self._is_alike(nearest, point):
            # No point nearby has a higher likelihood, although this one is no maximum.
            return point
        return nearest

    def _is_alike(self, found: Point | None, point: Point) -> bool:
        """Whether the penalised likelihoods differ by rounding alone."""
        if found is None:
            return False
        fall = point.penalised_deviance - found.penalised_deviance
        return abs(fall) <= self._rounding(point)

    def _try(self, params: np.ndarray) -> Point | None:
        found = self.evaluate(params)
        if found is not None and self.options.progress is not None:
            self.options.progress(self.n_sweeps, float(found.rows.deviance.sum()))
        return found

    def _is_better(self, found: Point, point: Point, length: float) -> bool:
        if not self.problem.has_likelihood:
            return found.decrement <= point.decrement
        if self._is_alike(found, point):
            return found.decrement <= point.decrement
        fall = point.penalised_deviance - found.penalised_deviance
        return fall >= SUFFICIENT * length * point.decrement / point.dispersion

    def _by_secants(self, point: Point) -> np.ndarray:
        """Step of Anderson acceleration: to the combination of points whose own steps cancel.

        Least squares in the metric of the information at this point.
        """
        moves = np.column_stack([point.params - other.params for other in self.earlier])
        changes = np.column_stack([point.step - other.step for other in self.earlier])
        shares = np.linalg.lstsq(point.metric @ changes, point.metric @ point.step, rcond=1e-8)[0]
        return point.step - (moves + changes) @ shares

    def evaluate(self, params: np.ndarray) -> Point | None:
        """Step by the adjusted score at these coefficients; None outside the family's domain."""
        # Means may overflow at the end of a step, which is then outside the domain.
        with np.errstate(all="ignore"):
            return self._evaluate(params)

    def _evaluate(self, params: np.ndarray) -> Point | None:
        problem = self.problem
        products = self._information(self.row_table, params)
        try:
            standardized = inverse_factor(products.gram, self.kept)
        except np.linalg.LinAlgError:
            return None
        root, centering = products.standard.scaling.to_centered(standardized, self.row_table)
        factor = centering.to_given(root)
        rows = self._rows_at(params, root, centering)
        dispersion = problem.dispersion_at(
            float(rows.deviance.sum()), float(rows.pearson.sum()), int(self.kept.sum())
        )
        step = self._step(params, rows, standardized, factor, dispersion)
        self.n_sweeps += 3
        if self.to_standardized is None:
            self.to_standardized = products.standard.to_standardized(np.eye(params.size))
        kept = standardized[np.ix_(self.kept, self.kept)]
        moved = products.standard.to_standardized(step[:, None])[:, 0]
        decrement = float(moved @ products.gram @ moved) / dispersion
        if not math.isfinite(decrement):
            return None
        penalised = float(rows.deviance.sum()) / dispersion
        penalised += 2.0 * float(np.log(np.diag(kept)).sum())
        if problem.has_likelihood and not math.isfinite(penalised):
            return None
        return Point(
            params=params,
            factor=factor,
            root=root,
            centering=centering,
            dispersion=dispersion,
            rows=rows,
            step=step,
            decrement=decrement,
            penalised_deviance=penalised,
            metric=np.linalg.solve(kept, self.to_standardized[self.kept]),
            inflation=inflation_of_factor(standardized, products.gram),
        )

    def _rows_at(self, params: np.ndarray, root: np.ndarray, centering: Centering) -> _Rows:
        quantities = evaluate_rows(
            self.row_table,
            self.problem.family,
            params,
            _BUFFERS,
            factor=root.T,
            centering=centering,
            n_threads=self.options.n_threads,
        )
        return _Rows(*quantities)

    def _step(
        self,
        params: np.ndarray,
        rows: _Rows,
        standardized: np.ndarray,
        factor: np.ndarray,
        dispersion: float,
    ) -> np.ndarray:
        """Step of quasi Fisher scoring, (p,), by the score of the pseudo-responses."""
        problem, link = self.problem, self.problem.family.link
        curvature = np.where(rows.weight > 0.0, link.inverse_deriv2(rows.eta), 0.0)
        pseudo_response = problem.rows.response + 0.5 * dispersion * rows.quadratic * curvature
        score = self._information(self._build_row_table(pseudo_response), params, False).score
        step: np.ndarray = factor @ (standardized.T @ score)
        if problem.kind == "median":
            step += dispersion * self._median_shift(factor, rows, curvature)
        if self.fixed.any():
            step -= _what_moves(factor @ factor.T, self.fixed, step)
        return step

    def _information(
        self, row_table: RowTable, params: np.ndarray, with_gram: bool = True
    ) -> CrossProducts:
        return information(
            row_table,
            self.problem.family,
            params,
            shifted=self.shifted,
            n_threads=self.options.n_threads,
            with_gram=with_gram,
        )

    def _median_shift(self, factor: np.ndarray, rows: _Rows, curvature: np.ndarray) -> np.ndarray:
        """Step for median bias less that for mean bias at dispersion 1, (p,)."""
        family, present = self.problem.family, rows.weight > 0.0
        bend = np.divide(curvature, rows.slope, out=np.zeros_like(curvature), where=present)
        skewness = rows.slope * log_variance_slope(family, rows.mean) / 6.0 - 0.5 * bend
        weight = np.where(present, rows.weight * skewness, 0.0)
        inverse = factor @ factor.T
        shift = np.zeros(inverse.shape[0])
        for j in np.flatnonzero(self.kept):
            moved = evaluate_rows(
                self.columns,
                family,
                inverse[j],
                (row_buffers.LINEAR_PREDICTOR,),
                n_threads=self.options.n_threads,
            )[0]
            shift[j] = (weight @ moved**3) / inverse[j, j]
        return shift


def _what_moves(inverse: np.ndarray, fixed: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Correction of a step that holds fixed coefficients and lets the others compensate."""
    return inverse[:, fixed] @ np.linalg.solve(inverse[np.ix_(fixed, fixed)], step[fixed])
