"""The optimum where linear predictors meet an end of what the link allows: an active-set search.

Fisher scoring stalls there: the weight of a row whose response lies at the end too (a count of 0, a
probability of 1) grows without bound as its mean comes near, though its log-likelihood has hardly
any curvature. Here every step maximises the quadratic approximation by observed weights among the
linear predictors that are allowed, so that rows are held at their ends, and released, by the signs
of their multipliers. Where such a step promises no rise, the Karush-Kuhn-Tucker conditions hold.
Nocedal & Wright (2006), *Numerical Optimization*, chapter 18.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy

from fastglm.design.matrix.parts import Dense, Design
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.kernels.blocks.row_buffers import DEVIANCE, MEAN, PRIOR_WEIGHT, RESIDUAL, WEIGHT
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.solve.constrained_step import NoStepError, constrained_step
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.qr_refinement import factor_with_qr, finalize_aliased, standardized_rows

__all__ = ["ends_at_boundary", "settle_at_boundary"]

#: Values of X that are written out at most.
MOST_VALUES = 20_000_000
MAX_STEPS, MAX_HALVINGS = 100, 40
#: Room, in units of the largest at the start: where derivatives of a row at its end are taken, what
#: counts as being there, and what the solution is kept from it.
HAIR, AT_END, AWAY = 1e-12, 1e-9, np.logspace(-15.0, -9.0, 7)
#: Rise of the log-likelihood that a step may still promise, as a share of the deviance.
NOTHING_LEFT = 1e-13
#: Share of the deviance that may be missing of that of the optimum where a run stays as it stands.
AS_GOOD = 1e-10
#: Distance of the scores whose difference is the curvature, as a share of the room.
DIFFERENCE, LEAST_ROOM = 1e-4, 1e-4
#: What keeps steps finite where rows have no curvature: shares of the largest, and of the score.
DAMPING, DAMPING_BY_SCORE = 1e-10, 1e-6
#: Share of the promised rise that a step must gain.
SUFFICIENT = 1e-4
#: A score times the distance from the end falls by less than this from 100 hairs to one where the
#: likelihood falls for ever there.
BARRIER = 0.9


def ends_at_boundary(run: Run, family: Family) -> bool:
    """Whether a run stopped where the optimum may lie on the boundary of the domain."""
    if family.is_unbounded or not math.isfinite(run.state[at.DEVIANCE]):
        return False
    last = run.state[at.LEFT_DOMAIN_AT]
    shortened = last > 0.0 and last >= run.state[at.N_ITERATIONS] - 1.0
    stopped = run.status in (Status.BOUNDARY, Status.STEP_TOO_SHORT)
    seems_done = run.status == Status.CONVERGED and last > 0.0
    return stopped or seems_done or (shortened and run.status == Status.MAX_ITERATIONS)


def settle_at_boundary(run: Run, family: Family, options: SolverOptions) -> None:
    """Leads a run to the optimum on the boundary, or inside; sets its status and factor.

    Without an optimum the run ends as `Status.STEP_TOO_SHORT` where it stands, be it because there
    are too many values of X to write out.
    """
    ends, size = family.predictor_range, run.row_table.n_rows * run.row_table.n_columns
    if ends is not None and size <= MOST_VALUES:
        stood = _Stood.of(run)
        finalize_aliased(run, options.n_threads)
        search = _Search(run, family, ends, options)
        is_optimum = search.reaches_optimum()
        if is_optimum and any(
            _stands_at(run, family, options, coefficients, search.is_at_boundary)
            for coefficients in search.inside()
        ):
            return
        stood.restore(run)
        missing = run.state[at.DEVIANCE] - search.deviance
        if is_optimum and missing <= AS_GOOD * (abs(search.deviance) + 0.1):
            # Where it stands is closer than what is kept from the ends.
            if run.status != Status.CONVERGED:
                run.state[at.STATUS] = Status.BOUNDARY
            return
    if run.status == Status.BOUNDARY:
        run.state[at.STATUS] = Status.STEP_TOO_SHORT


class _Stood(NamedTuple):
    """What a run has found before the search, and which columns it has left out."""

    state: np.ndarray
    vectors: np.ndarray
    kept: np.ndarray | None

    @classmethod
    def of(cls, run: Run) -> _Stood:
        return cls(run.state.copy(), run.vectors.copy(), run.kept)

    def restore(self, run: Run) -> None:
        run.state[:], run.vectors[:], run.kept = self


def _stands_at(
    run: Run,
    family: Family,
    options: SolverOptions,
    coefficients: np.ndarray,
    at_boundary: bool,
) -> bool:
    """Evaluates the run at an optimum, with the factor of a QR factorisation there, if it can.

    Rows may be outside by rounding, which differs by how linear predictors are added up.
    """
    state, kept = run.state, run.kept
    counts, before = state[[at.N_ITERATIONS, at.N_SWEEPS]].copy(), float(state[at.DEVIANCE])
    (mean, weight, prior) = evaluate_rows(
        run.row_table,
        family,
        run.scaling.to_params(coefficients, run.row_table),
        (MEAN, WEIGHT, PRIOR_WEIGHT),
        n_threads=options.n_threads,
    )
    present = prior > 0.0
    if not (family.domain.contains(mean[present]).all() and np.isfinite(weight[present]).all()):
        return False
    run.start_from(coefficients)
    run.expect(options)
    run.sweep_and_step(options.n_threads)
    deviance = float(state[at.DEVIANCE])
    state[[at.N_ITERATIONS, at.N_SWEEPS]] = counts
    if not deviance <= before + NOTHING_LEFT * (abs(before) + 0.1):
        state[at.DEVIANCE] = before
        return False
    run.vectors[at.COEFFICIENTS], run.kept = coefficients, kept
    state[at.WEIGHT_CHANGE] = state[at.DECREMENT] = state[at.LAST_DECREMENT] = 0.0
    state[at.STATUS] = Status.BOUNDARY if at_boundary else Status.CONVERGED
    factor_with_qr(run, weight, options)
    return True


class _Search:
    """Coordinates in which columns are orthonormal, and the rows of positive weight in them."""

    def __init__(self, run: Run, family: Family, ends: tuple[float, float], options: SolverOptions):
        self.run, self.family, self.ends, self.options = run, family, ends, options
        row_table = run.row_table
        weights, offset = row_table.weights, row_table.offset
        present = np.arange(row_table.n_rows) if weights is None else np.flatnonzero(weights > 0.0)
        self.response = np.asarray(row_table.response)[present].astype(np.float64)
        self.weights = None if weights is None else np.asarray(weights)[present]
        self.offset = np.zeros(present.size) if offset is None else np.asarray(offset)[present]
        assert run.kept is not None
        columns = standardized_rows(run, present)[:, run.kept]
        self.columns, self.triangle = np.linalg.qr(columns)
        self.place = self.triangle @ run.vectors[at.COEFFICIENTS][run.kept]
        eta = self.predictor(self.place)
        rooms = [np.abs(end - eta) for end in ends if math.isfinite(end)]
        self.unit = float(max((room.max(initial=0.0) for room in rooms), default=0.0)) or 1.0
        self.reachable = [self._is_reachable(side) for side in (0, 1)]
        self._bound_rows()

    def _bound_rows(self) -> None:
        """Rows of the inequalities that hold predictors at the ends that they can reach."""
        low, high = self.reachable
        self.rows = np.vstack([-self.columns[low], self.columns[high]])

    def predictor(self, place: np.ndarray) -> np.ndarray:
        """Linear predictors, (n,)."""
        return self.offset + self.columns @ place

    def _evaluate(self, eta: np.ndarray, *which: int) -> np.ndarray:
        """Row buffers at linear predictors."""
        design = Design((Dense(eta[:, None]),), eta.size, ("eta",), None, None, ())
        row_table: RowTable = build_row_table(design, self.response, self.weights)
        return evaluate_rows(
            row_table, self.family, np.ones(1), which, n_threads=self.options.n_threads
        )

    def _is_reachable(self, side: int) -> np.ndarray:
        """Rows whose likelihood does not fall for ever towards an end, (n,) bool."""
        end, sign = self.ends[side], 1.0 - 2.0 * side
        if not math.isfinite(end):
            return np.zeros(self.response.size, dtype=bool)
        near, far = (
            factor * np.abs(self._evaluate(self._inward(end, sign, factor), RESIDUAL)[0])
            for factor in (1.0, 100.0)
        )
        return near <= BARRIER * far

    def _inward(self, end: float, sign: float, hairs: float) -> np.ndarray:
        return np.full(self.response.size, end + sign * hairs * HAIR * self.unit)

    def clipped(self, eta: np.ndarray) -> np.ndarray:
        """Predictors a hair inside, where rows are at ends that they can reach."""
        hair = HAIR * self.unit
        low, high = self.ends
        eta = np.where(self.reachable[0], np.maximum(eta, low + hair), eta)
        return np.where(self.reachable[1], np.minimum(eta, high - hair), eta)

    def room(self, eta: np.ndarray) -> np.ndarray:
        """Of the inequalities; below 0 where rounding has led beyond an end."""
        low, high = self.reachable
        return np.concatenate([eta[low] - self.ends[0], self.ends[1] - eta[high]])

    def deviance_at(self, eta: np.ndarray) -> float:
        """Of all rows; infinite where one is outside."""
        rows, mean = self._evaluate(self.clipped(eta), DEVIANCE, MEAN)
        inside = self.family.domain.contains(mean).all()
        total = float(rows.sum())
        return total if inside and math.isfinite(total) else math.inf

    def derivatives(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and curvature of each row's log-likelihood, the curvature at least 0."""
        low, high = self.ends
        eta = self.clipped(eta)
        room = np.minimum(np.minimum(eta - low, high - eta), 1.0 + np.abs(eta))
        reachable = self.reachable[0] | self.reachable[1]
        room = np.where(reachable, np.maximum(room, LEAST_ROOM * self.unit), room)
        step = DIFFERENCE * room
        before, after = self.clipped(eta - step), self.clipped(eta + step)
        score, left, right = (
            self._evaluate(at_eta, RESIDUAL)[0] for at_eta in (eta, before, after)
        )
        return score, np.maximum((left - right) / (after - before), 0.0)

    def _step(self, eta: np.ndarray) -> tuple[np.ndarray, float]:
        """A step, and the rise of the log-likelihood that it promises."""
        score, curvature = self.derivatives(eta)
        score = self.columns.T @ score
        hessian = self.columns.T @ (curvature[:, None] * self.columns)
        size = max(float(np.linalg.norm(self.place)), self.unit)
        damping = DAMPING * float(hessian.diagonal().max(initial=0.0))
        damping += DAMPING_BY_SCORE * float(np.linalg.norm(score)) / size
        hessian[np.diag_indices_from(hessian)] += damping or 1.0
        try:
            root = scipy.linalg.cholesky(hessian)
        except (np.linalg.LinAlgError, ValueError):
            raise NoStepError from None
        step = constrained_step(root, score, self.rows, self.room(eta), self.unit)
        return step, float(score @ step - 0.5 * np.sum((root @ step) ** 2))

    def reaches_optimum(self) -> bool:
        """Whether steps lead to where none promises a rise: `place`."""
        eta = self.predictor(self.place)
        self.deviance = self.deviance_at(eta)
        try:
            for _ in range(MAX_STEPS):
                step, promise = self._step(eta)
                is_last = self._leaves_nothing(step, promise)
                found = self._shortened(step, promise, is_last)
                if found is not None:
                    self.place, self.deviance = found
                    eta = self.predictor(self.place)
                if is_last or found is None:
                    return is_last
        except NoStepError:
            pass
        return False

    def _leaves_nothing(self, step: np.ndarray, promise: float) -> bool:
        """Whether a step promises no rise, or one that is lost within a hair of the ends."""
        share = promise / (abs(self.deviance) + 0.1)
        moved = np.abs(self.columns @ step).max(initial=0.0)
        return share <= (AS_GOOD if moved <= HAIR * self.unit else NOTHING_LEFT)

    def _shortened(
        self, step: np.ndarray, promise: float, is_last: bool
    ) -> tuple[np.ndarray, float] | None:
        """The largest share of a step that gains enough, and the deviance there."""
        length = 1.0
        for _ in range(1 if is_last else MAX_HALVINGS):
            place = self.place + length * step
            there = self.deviance_at(self.predictor(place))
            gain = -NOTHING_LEFT * (abs(self.deviance) + 0.1) if is_last else SUFFICIENT * promise
            if there <= self.deviance - 2.0 * length * gain:
                return place, there
            length *= 0.5
        return None

    @property
    def is_at_boundary(self) -> bool:
        """Whether rows are at their ends."""
        return bool((self.room(self.predictor(self.place)) <= AT_END * self.unit).any())

    def inside(self) -> Iterator[np.ndarray]:
        """Standardised coefficients, (p,), ever further inside, by what rounding may need."""
        room = self.room(self.predictor(self.place))
        one, still = np.eye(self.place.size), np.zeros(self.place.size)
        for away in AWAY * self.unit:
            try:
                move = constrained_step(one, still, self.rows, room - away, self.unit)
            except NoStepError:
                return
            coefficients = np.zeros(self.run.row_table.n_columns)
            coefficients[self.run.kept] = scipy.linalg.solve_triangular(
                self.triangle, self.place + move
            )
            yield coefficients
