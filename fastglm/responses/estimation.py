"""Estimation in models with several predictors: from rows to the maximum of the likelihood."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.design.matrix.arrays import array_names
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Design
from fastglm.errors import Status
from fastglm.families import Gaussian
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.passes.layout import lay_out
from fastglm.passes.several_predictors import JointSystem, PredictorMaps
from fastglm.responses.designs import linear_predictor
from fastglm.responses.record import Block
from fastglm.responses.separation import Part
from fastglm.responses.setting import Setting
from fastglm.rows.model_rows import ModelRows, side_by_side
from fastglm.solve.collinear_columns import Columns, examine_columns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.several_predictors import JointSolution, maximize

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
    """What is estimated, and how, in a model with several linear predictors.

    A model says which design each of its blocks of coefficients is on, what the response gives for
    a row (a row block, `fastglm.kernels.passes.several_predictors`), and where to start.
    """

    rows: ModelRows

    # -- what a model defines

    def _predictors(self) -> list[tuple[str, int]]:
        """Name and design of every linear predictor, in the order of the row block."""
        raise NotImplementedError

    def _respond(self) -> RowBlock:
        raise NotImplementedError

    def _start(self, blocks: Sequence[Block], found: Sequence[Columns]) -> np.ndarray:
        """Coefficients, (m,), inside the domain; `found` as from `_examine`."""
        raise NotImplementedError

    def _extra(self) -> np.ndarray | None:
        """Further numbers of the rows that the row block reads, (r, n)."""
        return None

    def _shape(self) -> Sequence[float]:
        return ()

    def _boundary_of_rows(
        self, blocks: Sequence[Block], solution: JointSolution, n_threads: int
    ) -> str:
        """Of a fit without a maximum, what goes to the end of its range in some rows, and where."""
        return ""

    def _etas(self, blocks: Sequence[Block], params: np.ndarray, n_threads: int) -> np.ndarray:
        """Linear predictors, (K, n), of (m,) coefficients, each with the offset of its design."""
        rows, etas = self.rows, []
        finite = np.nan_to_num(params, neginf=LOG_OF_NOTHING)
        for block in blocks:
            own = finite[block.start : block.stop]
            eta = linear_predictor(rows.designs[block.design], own, n_threads)
            offset = rows.offsets[block.design]
            etas.append(eta if offset is None else eta + offset)
        return np.stack(etas)

    def _separable_parts(self, blocks: Sequence[Block], n_threads: int) -> Iterator[Part]:
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

    def _maps(self, blocks: Sequence[Block]) -> list[scipy.sparse.csr_array]:
        """For every predictor the (columns of `_design`, m) matrix of its coefficients."""
        m = blocks[-1].stop
        first = np.cumsum([0, *(design.n_columns for design in self.rows.designs)])
        maps = []
        for block in blocks:
            n = block.stop - block.start
            place = first[block.design] + np.arange(n), block.start + np.arange(n)
            maps.append(scipy.sparse.csr_array((np.ones(n), place), shape=(int(first[-1]), m)))
        return maps

    def _names(self, blocks: Sequence[Block], columns: Sequence[Sequence[str]]) -> list[str]:
        """Names of all m coefficients, given those of the columns of every design."""
        return [f"{block.name}{name}" for block in blocks for name in columns[block.design]]

    # -- estimating

    def _blocks(self) -> list[Block]:
        blocks: list[Block] = []
        for name, design in self._predictors():
            first = blocks[-1].stop if blocks else 0
            stop = first + self.rows.designs[design].n_columns
            blocks.append(Block(name, design, first, stop))
        return blocks

    def _examine(self, n_threads: int) -> list[Columns]:
        """What there is to know of the columns of every design."""
        rows = self.rows
        return [examine_columns(design, rows.prior_weights, n_threads) for design in rows.designs]

    def _column_names(self, found: Sequence[Columns]) -> list[tuple[str, ...]]:
        """Names of the columns of every design."""
        names = []
        for design, recipe, columns in zip(
            self.rows.designs, self.rows.recipes, found, strict=True
        ):
            of_array = recipe is None and design.constant is None
            names.append(
                array_names(design.n_columns, columns.constant) if of_array else design.names
            )
        return names

    def _aliased(self, blocks: Sequence[Block], found: Sequence[Columns]) -> np.ndarray:
        """Which of the m coefficients stay out, (m,)."""
        return np.concatenate([found[block.design].aliased for block in blocks])

    def _back(self, blocks: Sequence[Block], found: Sequence[Columns]) -> np.ndarray:
        """The (m, m) matrix from coefficients of standardised columns to coefficients."""
        return scipy.linalg.block_diag(*(found[block.design].back for block in blocks))

    def _estimate(
        self,
        blocks: Sequence[Block],
        found: Sequence[Columns],
        start: np.ndarray | None,
        options: SolverOptions,
    ) -> JointSolution:
        """The solution in all m coefficients, NaN where aliased.

        From `start`, or the maximum for a sample of the rows, if that leads anywhere.
        """
        setting = self._setting(blocks, found, ~self._aliased(blocks, found))
        by_sample = start is None
        if by_sample:
            start = self._sample_maximum(setting, options)
        if start is not None:
            solution = self._solve(setting, start, options, by_sample)
            if solution.status in (Status.CONVERGED, Status.MAX_ITERATIONS):
                return solution
        return self._solve(setting, self._start(blocks, found), options)

    def _setting(
        self, blocks: Sequence[Block], found: Sequence[Columns], kept: np.ndarray
    ) -> Setting:
        """For those of the m standardised coefficients that are `kept`."""
        back = self._back(blocks, found)[np.ix_(kept, kept)]
        maps = PredictorMaps.of(lay_out(self._design()), self._maps(blocks), kept)
        return Setting(blocks, found, kept, back, maps)

    def _sample_maximum(self, setting: Setting, options: SolverOptions) -> np.ndarray | None:
        """Coefficients of evenly spaced rows where there are many; None where that is no start."""
        n_rows, m = self.rows.n_rows, setting.kept.size
        start = None
        for share, tol in zip(SAMPLE_SHARES, SAMPLE_TOLERANCES, strict=True):
            wanted = max(n_rows // share, SAMPLE_ROWS_PER_PARAMETER * m, SAMPLE_FROM)
            if wanted * SAMPLE_SHARES[-1] > n_rows:
                continue
            sample = copy.copy(self)
            sample.rows = self.rows.take(np.arange(0, n_rows, n_rows // wanted))
            if start is None:
                with np.errstate(all="ignore"):
                    start = sample._start(setting.blocks, setting.found)
            if not np.isfinite(start).all():
                return None
            quick = SolverOptions(tol, max_iter=15, n_threads=options.n_threads)
            solution = sample._solve(setting, start, quick)
            if solution.status != Status.CONVERGED:
                return None
            start = np.nan_to_num(solution.params)
        return start

    def _solve(
        self, setting: Setting, start: np.ndarray, options: SolverOptions, on_trial: bool = False
    ) -> JointSolution:
        """The maximum from (m,) `start`, by standardised columns."""
        kept, back = setting.kept, setting.back
        system = self._system(setting, options.n_threads)
        solution = maximize(system, np.linalg.solve(back, start[kept]), options, on_trial)
        params, covariance = np.full(kept.size, np.nan), np.full((kept.size, kept.size), np.nan)
        params[kept] = back @ solution.params
        covariance[np.ix_(kept, kept)] = back @ solution.covariance @ back.T
        return replace(solution, params=params, covariance=covariance)

    def _system(self, setting: Setting, n_threads: int) -> JointSystem:
        scalings = [each.standard.scaling for each in setting.found]
        return JointSystem(
            lay_out(self._design(), self._code(), self.rows.prior_weights),
            setting.maps,
            self._respond(),
            extra=self._extra(),
            offsets=self._offsets(),
            shape=self._shape(),
            shift=np.concatenate([scaling.shift for scaling in scalings]),
            scale=np.concatenate([scaling.scale for scaling in scalings]),
            n_threads=n_threads,
        )

    def row_scores(
        self, params: np.ndarray, n_threads: int
    ) -> tuple[np.ndarray, Iterator[tuple[slice, np.ndarray]]]:
        """Scores of the rows in standardised coefficients, weights included.

        Parameters
        ----------
        params : ndarray, shape (m,)
            Coefficients; NaN where aliased.
        n_threads : int

        Returns
        -------
        back : ndarray, shape (m, m)
            From standardised coefficients to coefficients.
        scores : iterator of tuple of slice and ndarray
            Some rows and their scores, (c, m).
        """
        blocks, found = self._blocks(), self._examine(n_threads)
        setting = self._setting(blocks, found, np.ones(params.size, dtype=bool))
        system, back = self._system(setting, n_threads), setting.back
        finite = np.nan_to_num(params, neginf=LOG_OF_NOTHING)
        of_predictors = system.row_scores(np.linalg.solve(back, finite))
        maps, design = self._maps(blocks), self._design()

        def slices() -> Iterator[tuple[slice, np.ndarray]]:
            for numbers, columns in dense_slices(design):
                scores = sum(
                    (columns * each[numbers, None]) @ matrix
                    for each, matrix in zip(of_predictors, maps, strict=True)
                )
                yield numbers, np.asarray(scores) @ back

        return back, slices()

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

    def _constant_on(self, design: int, value: float, found: Sequence[Columns]) -> np.ndarray:
        """Coefficients of a design whose linear predictor comes nearest to a constant."""
        constant, offset = found[design].constant_at(value), self.rows.offsets[design]
        if constant is not None and offset is None:
            return constant
        layout = self.rows.layout(design, np.full(self.rows.n_rows, value))
        return np.nan_to_num(solve(layout, Gaussian(), SolverOptions()).params)
