"""Estimation in models with several predictors: from rows to the maximum of the likelihood."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.design.matrix.arrays import array_names
from fastglm.design.matrix.parts import Design
from fastglm.errors import Status
from fastglm.families import Gaussian
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.row_table import build_row_table
from fastglm.passes.several_predictors import LinearPredictors, PredictorMaps
from fastglm.responses.designs import linear_predictor
from fastglm.responses.orthogonal import Coordinates, orthogonal_design
from fastglm.responses.parameter_space import ParameterSpace
from fastglm.responses.record import PredictorBlock
from fastglm.responses.row_scores import RowScores
from fastglm.responses.separation import Part
from fastglm.rows.model_rows import ModelRows, side_by_side
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.rank_and_scaling import Columns, rank_and_scaling
from fastglm.solve.several_predictors import PredictorSolution, newton_maximize

__all__ = ["Estimation"]

#: Samples that are fitted first where there are many rows, each from the maximum of the one before:
#: one row in so many, and how well. Their own error is far larger: the last takes a single step.
SAMPLE_SHARES = (64, 8)
SAMPLE_TOLERANCES = (0.01, 0.1)
SAMPLE_FROM = 1024
SAMPLE_ROWS_PER_PARAMETER = 64
#: In the place of a coefficient of -inf, the logarithm of a parameter that is zero.
LOG_OF_NOTHING = -50.0


class Estimation:
    """Estimation in a model with several linear predictors.

    A model defines the design of each of its blocks of coefficients, what the response gives for
    a row (a row block, `fastglm.kernels.passes.several_predictors`), and where to start.
    """

    rows: ModelRows

    # -- what a model defines

    def _predictors(self) -> list[tuple[str, int]]:
        """Name and design of every linear predictor, in the order of the row block."""
        raise NotImplementedError

    def _respond(self) -> RowBlock:
        raise NotImplementedError

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """Coefficients, (m,), inside the domain; `column_info` as from `_rank_and_scaling`."""
        raise NotImplementedError

    def _extra(self) -> np.ndarray | None:
        """Further numbers of the rows that the row block reads, (r, n)."""
        return None

    def _shape(self) -> Sequence[float]:
        return ()

    def _boundary_of_rows(
        self, blocks: Sequence[PredictorBlock], solution: PredictorSolution, n_threads: int
    ) -> str:
        """Of a fit without a maximum, what goes to the end of its range in some rows, and where."""
        return ""

    def _etas(
        self, blocks: Sequence[PredictorBlock], params: np.ndarray, n_threads: int
    ) -> np.ndarray:
        """Linear predictors, (K, n), of (m,) coefficients, each with the offset of its design."""
        rows, etas = self.rows, []
        finite = np.nan_to_num(params, neginf=LOG_OF_NOTHING)
        for block in blocks:
            own = finite[block.start : block.stop]
            eta = linear_predictor(rows.designs[block.design], own, n_threads)
            offset = rows.offsets[block.design]
            etas.append(eta if offset is None else eta + offset)
        return np.stack(etas)

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        """The parts of the model whose rows regressors may separate."""
        return iter(())

    def _settings(self) -> dict[str, Any]:
        return {}

    def _design(self) -> Design:
        """All columns that any predictor reads, the model's designs first."""
        return side_by_side(self.rows.designs)

    def _code(self) -> np.ndarray | None:
        """The response as one number a row, (n,), where it is that."""
        return self.rows.response if self.rows.response.ndim == 1 else None

    def _maps(self, blocks: Sequence[PredictorBlock]) -> list[scipy.sparse.csr_array]:
        """For every predictor the (columns of `_design`, m) matrix of its coefficients."""
        m = blocks[-1].stop
        first = np.cumsum([0, *(design.n_columns for design in self.rows.designs)])
        maps = []
        for block in blocks:
            n = block.stop - block.start
            place = first[block.design] + np.arange(n), block.start + np.arange(n)
            maps.append(scipy.sparse.csr_array((np.ones(n), place), shape=(int(first[-1]), m)))
        return maps

    def _names(
        self, blocks: Sequence[PredictorBlock], columns: Sequence[Sequence[str]]
    ) -> list[str]:
        """Names of all m coefficients, given those of the columns of every design."""
        return [f"{block.name}{name}" for block in blocks for name in columns[block.design]]

    # -- estimating

    def _blocks(self) -> list[PredictorBlock]:
        blocks: list[PredictorBlock] = []
        for name, design in self._predictors():
            first = blocks[-1].stop if blocks else 0
            stop = first + self.rows.designs[design].n_columns
            blocks.append(PredictorBlock(name, design, first, stop))
        return blocks

    def _rank_and_scaling(self, n_threads: int) -> list[Columns]:
        """Rank, shifts and scales of the columns of every design."""
        rows = self.rows
        return [rank_and_scaling(design, rows.prior_weights, n_threads) for design in rows.designs]

    def _column_names(self, column_info: Sequence[Columns]) -> list[tuple[str, ...]]:
        """Names of the columns of every design."""
        names = []
        for design, fitted_formula, columns in zip(
            self.rows.designs, self.rows.fitted_formulas, column_info, strict=True
        ):
            of_array = fitted_formula is None and design.constant is None
            names.append(
                array_names(design.n_columns, columns.constant) if of_array else design.names
            )
        return names

    def _aliased(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """Which of the m coefficients stay out, (m,)."""
        return np.concatenate([column_info[block.design].aliased for block in blocks])

    def _from_standardized(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """The (m, m) matrix from coefficients of standardised columns to coefficients."""
        return scipy.linalg.block_diag(
            *(column_info[block.design].from_standardized for block in blocks)
        )

    def _estimate(
        self,
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> PredictorSolution:
        """The solution in all m coefficients, NaN where aliased.

        From `start`, or the maximum for a sample of the rows, if that leads anywhere.
        """
        orthogonal = self._orthogonal(blocks, column_info)
        if orthogonal is not None:
            other, coordinates = orthogonal
            of_other = other._rank_and_scaling(options.n_threads)
            if start is not None:
                start = coordinates.orthogonal(start)
            return coordinates.given(other._maximum_from(blocks, of_other, start, options))
        return self._maximum_from(blocks, column_info, start, options)

    def _orthogonal(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> tuple[Estimation, Coordinates] | None:
        """The same model of orthogonal columns; None where those that came are far from collinear.

        Also None where they are too many to be written out.
        """
        if not any(columns.is_collinear for columns in column_info):
            return None
        rows, aliased = self.rows, self._aliased(blocks, column_info)
        designs = [
            orthogonal_design(design, rows.prior_weights, *self._rank_of_design(k, column_info))
            if column_info[k].is_collinear
            else None
            for k, design in enumerate(rows.designs)
        ]
        if all(design is None for design in designs):
            return None
        other = copy.copy(self)
        used = (
            given if design is None else design.design
            for given, design in zip(rows.designs, designs, strict=True)
        )
        other.rows = replace(rows, designs=tuple(used))
        return other, Coordinates.of(blocks, designs, aliased.size)

    def _rank_of_design(
        self, design: int, column_info: Sequence[Columns]
    ) -> tuple[np.ndarray, int | None]:
        """Which columns of a design are aliased, (p,), and its constant, as `orthogonal_design`."""
        columns = column_info[design]
        constant = columns.constant
        is_kept = constant is not None and not columns.aliased[constant]
        return columns.aliased, constant if is_kept else None

    def _maximum_from(
        self,
        blocks: Sequence[PredictorBlock],
        column_info: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> PredictorSolution:
        """As `_estimate`, by the columns as they are."""
        space = self._parameter_space(blocks, column_info, ~self._aliased(blocks, column_info))
        by_sample = start is None
        if by_sample:
            start = self._sample_maximum(space, options)
        if start is not None:
            solution = self._solve(space, start, options, by_sample)
            if solution.status in (Status.CONVERGED, Status.MAX_ITERATIONS):
                return solution
        return self._solve(space, self._start(blocks, column_info), options)

    def _parameter_space(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns], kept: np.ndarray
    ) -> ParameterSpace:
        """For those of the m standardised coefficients that are `kept`."""
        from_standardized = self._from_standardized(blocks, column_info)[np.ix_(kept, kept)]
        maps = PredictorMaps.of(build_row_table(self._design()), self._maps(blocks), kept)
        return ParameterSpace(blocks, column_info, kept, from_standardized, maps)

    def _sample_maximum(self, space: ParameterSpace, options: SolverOptions) -> np.ndarray | None:
        """Coefficients of evenly spaced rows where there are many; None where that is no start."""
        n_rows, m = self.rows.n_rows, space.kept.size
        start = None
        for share, tol in zip(SAMPLE_SHARES, SAMPLE_TOLERANCES, strict=True):
            wanted = max(n_rows // share, SAMPLE_ROWS_PER_PARAMETER * m, SAMPLE_FROM)
            if wanted * SAMPLE_SHARES[-1] > n_rows:
                continue
            sample = copy.copy(self)
            sample.rows = self.rows.take(np.arange(0, n_rows, n_rows // wanted))
            if start is None:
                with np.errstate(all="ignore"):
                    start = sample._start(space.blocks, space.column_info)
            if not np.isfinite(start).all():
                return None
            quick = SolverOptions(tol, max_iter=15, n_threads=options.n_threads)
            solution = sample._solve(space, start, quick)
            if solution.status != Status.CONVERGED:
                return None
            start = np.nan_to_num(solution.params)
        return start

    def _solve(
        self,
        space: ParameterSpace,
        start: np.ndarray,
        options: SolverOptions,
        abort_on_halving: bool = False,
    ) -> PredictorSolution:
        """The maximum from (m,) `start`, by standardised columns."""
        kept, from_standardized = space.kept, space.from_standardized
        system = self._system(space, options.n_threads)
        solution = newton_maximize(
            system, np.linalg.solve(from_standardized, start[kept]), options, abort_on_halving
        )
        params, covariance = np.full(kept.size, np.nan), np.full((kept.size, kept.size), np.nan)
        params[kept] = from_standardized @ solution.params
        covariance[np.ix_(kept, kept)] = (
            from_standardized @ solution.covariance @ from_standardized.T
        )
        return replace(solution, params=params, covariance=covariance)

    def _system(
        self, space: ParameterSpace, n_threads: int, fixed: np.ndarray | None = None
    ) -> LinearPredictors:
        """What is maximised; `fixed` is added to the offsets of the predictors, (K, n)."""
        offsets = self._offsets()
        if fixed is not None:
            offsets = fixed if offsets is None else offsets + fixed
        scalings = [each.standard.scaling for each in space.column_info]
        return LinearPredictors(
            build_row_table(self._design(), self._code(), self.rows.prior_weights),
            space.maps,
            self._respond(),
            extra=self._extra(),
            offsets=offsets,
            shape=self._shape(),
            shift=np.concatenate([scaling.shift for scaling in scalings]),
            scale=np.concatenate([scaling.scale for scaling in scalings]),
            n_threads=n_threads,
        )

    def row_scores(self, params: np.ndarray, n_threads: int, second: bool = False) -> RowScores:
        """Scores of the rows at (m,) coefficients, NaN where aliased.

        `second` for those that can be adjusted for leverage.
        """
        blocks, column_info = self._blocks(), self._rank_and_scaling(n_threads)
        finite = np.nan_to_num(params, neginf=LOG_OF_NOTHING)
        orthogonal = self._orthogonal(blocks, column_info)
        if orthogonal is not None:
            other, coordinates = orthogonal
            found = other.row_scores(coordinates.orthogonal(finite), n_threads, second)
            return replace(found, back=coordinates.transform @ found.back)
        space = self._parameter_space(blocks, column_info, np.ones(params.size, dtype=bool))
        back = space.from_standardized
        standardized = np.linalg.solve(back, finite)
        values = self._system(space, n_threads).row_derivatives(standardized, second)
        return RowScores(self._design(), self._maps(blocks), back, back, values)

    def _offsets(self) -> np.ndarray | None:
        """Offsets of the predictors, (K, n): each has that of its design."""
        of_designs = self.rows.offsets
        if all(offset is None for offset in of_designs):
            return None
        offsets = np.zeros((len(self._predictors()), self.rows.n_rows))
        for k, (_, design) in enumerate(self._predictors()):
            if of_designs[design] is not None:
                offsets[k] = of_designs[design]
        return offsets

    def _constant_on(self, design: int, value: float, column_info: Sequence[Columns]) -> np.ndarray:
        """Coefficients of a design whose linear predictor comes nearest to a constant."""
        constant, offset = column_info[design].constant_at(value), self.rows.offsets[design]
        if constant is not None and offset is None:
            return constant
        row_table = self.rows.row_table(design, np.full(self.rows.n_rows, value))
        return np.nan_to_num(solve(row_table, Gaussian(), SolverOptions()).params)
