"""What the models with several predictors share: from rows to a fit."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.arrays import array_names
from fastglm.design.layout import lay_out
from fastglm.design.parts import Design
from fastglm.design.slices import dense_slices
from fastglm.entry import entry_points
from fastglm.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    DataError,
    ModelError,
    RankWarning,
    SeparationError,
    SeparationWarning,
    Status,
    warn,
)
from fastglm.families import Gaussian
from fastglm.kernels.jit import RowBlock
from fastglm.pointers import Pointing
from fastglm.responses.prediction import linear_predictor
from fastglm.responses.results import Block, ResponseResults
from fastglm.responses.rows import JointRows, side_by_side
from fastglm.responses.separation import Part, looks_separated, require_choice, separation_of
from fastglm.responses.setting import Setting
from fastglm.solve.ascent import JointSolution, maximize
from fastglm.solve.examine import Columns, examine_columns
from fastglm.solve.fit import Progress, SolverOptions, solve
from fastglm.solve.joint import JointSystem, PredictorMaps
from fastglm.solve.separation import Separation, infinite_text
from fastglm.solve.threads import usable_threads

__all__ = ["ResponseModel"]

#: Samples that are fitted first where there are many rows, each from the maximum of the one before:
#: one row in so many, and how well. Their own error is far larger: the last takes a single step.
SAMPLE_SHARES = (64, 8)
SAMPLE_TOLERANCES = (0.01, 0.1)
SAMPLE_FROM = 1024
SAMPLE_ROWS_PER_PARAMETER = 64
#: In the place of a coefficient of -inf, the logarithm of a parameter that is zero.
LOG_OF_NOTHING = -50.0


class ResponseModel(Pointing):
    """Base of models with several linear predictors.

    A model says which design each of its blocks of coefficients is on, what the response gives for
    a row (a row block, `fastglm.kernels.joint`), and where to start.
    """

    results_class: ClassVar[type[ResponseResults]]
    rows: JointRows
    formula: str | None = None

    def __init_subclass__(cls) -> None:
        """Make its methods entry points."""
        entry_points(cls)

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

    def _with_boundary(
        self, blocks: Sequence[Block], solution: JointSolution, n_threads: int
    ) -> JointSolution:
        """The solution, said to be on the boundary if something goes to the end of its range."""
        if solution.status == Status.BOUNDARY or not looks_separated(solution):
            return solution
        boundary = self._boundary_of_rows(blocks, solution, n_threads)
        return (
            replace(solution, status=Status.BOUNDARY, boundary=boundary) if boundary else solution
        )

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

    # -- fitting

    def fit(
        self,
        tol: float = 1e-8,
        max_iter: int = 100,
        start_params: Any = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
        cov_type: str = "nonrobust",
        cov_kwds: Mapping[str, Any] | None = None,
        separation: str = "warn",
    ) -> Any:
        """Maximise the likelihood by Newton's method.

        Parameters
        ----------
        tol : float, default 1e-8
            Half the Newton decrement is brought below ``tol**2`` times twice the log-likelihood,
            or as far as rounding lets.
        max_iter : int, default 100
            Most steps.
        start_params : array_like, shape (m,), optional
            Coefficients to start from.
        n_threads : int, optional
            Threads to use. The results do not depend on it, to the last bit.
        progress : callable, optional
            Called as ``progress(n_sweeps, deviance)`` after each step.
        cov_type : str, default "nonrobust"
            Covariance of the estimates; see `ResponseResults.with_covariance`.
        cov_kwds : dict, optional
            What that covariance needs.
        separation : str, default "warn"
            What to do where regressors separate the responses, so that estimates are infinite
            (`check_separation`). A fit that shows no symptom of it is not searched.

            - "warn": warn, naming the coefficients and counting the rows.
            - "raise": raise `SeparationError`.
            - "check": as "warn", but search every fit.
            - "ignore": never search.

        Returns
        -------
        ResponseResults

        Warns
        -----
        ConvergenceWarning
            If the fit stopped early; ``results.status`` says why.
        RankWarning
            If columns are combinations of earlier ones; their coefficients are NaN.
        SeparationWarning
            If estimates are infinite.
        BoundaryWarning
            If another parameter lies at the end of its range.

        Raises
        ------
        SeparationError
            With ``separation="raise"``.
        ModelError
            If an option is out of range.
        """
        require_choice(separation)
        if not tol > 0 or not max_iter > 0:
            raise ModelError(f"tol and max_iter must be positive, not {tol!r} and {max_iter!r}")
        options = SolverOptions(tol, int(max_iter), usable_threads(n_threads), progress)
        blocks, found = self._blocks(), self._examine(options.n_threads)
        names = self._names(blocks, self._column_names(found))
        if start_params is not None:
            start_params = np.asarray(start_params, dtype=np.float64)
            if start_params.shape != (len(names),) or not np.isfinite(start_params).all():
                raise DataError(f"start_params must be {len(names)} finite numbers.")
        solution = self._estimate(blocks, found, start_params, options)
        separated = self._search(blocks, solution, separation, options.n_threads)
        if separated is None and separation != "ignore":
            solution = self._with_boundary(blocks, solution, options.n_threads)
        results = self._results(blocks, names, solution, options.n_threads)
        if separated is not None:
            signs = zip(names, np.sign(separated.direction).astype(int), strict=True)
            infinite = {name: int(sign) for name, sign in signs if sign}
            if separation == "raise":
                raise SeparationError(infinite_text(infinite, separated.n_rows))
            results = replace(results, n_separated=separated.n_rows, infinite=infinite)
        self._warn(solution, results)
        if cov_type == "nonrobust":
            return results
        return results.with_covariance(cov_type, **(cov_kwds or {}))

    def _search(
        self, blocks: Sequence[Block], solution: JointSolution, separation: str, n_threads: int
    ) -> Separation | None:
        """What is separated, if a search is called for and finds anything."""
        if separation == "ignore" or (separation != "check" and not looks_separated(solution)):
            return None
        found = self._separation(blocks, n_threads)
        return found if found.exists else None

    def _separation(self, blocks: Sequence[Block], n_threads: int) -> Separation:
        parts, rows = self._separable_parts(blocks, n_threads), self.rows
        m = self._maps(blocks)[0].shape[1]
        return separation_of(parts, m, rows.n_rows, rows.prior_weights)

    def check_separation(self, n_threads: int | None = None) -> Separation:
        """Search for rows that regressors separate from the others, whatever a fit looks like.

        Parameters
        ----------
        n_threads : int, optional
            As for `fit`.

        Returns
        -------
        Separation
            With ``exists``, ``rows``, (n,) bool, and ``direction``, (m,).

        Notes
        -----
        A row is separated if a probability of its response that the likelihood reads goes to 0 or
        1 on the way to the supremum. By linear programming, as `fastglm.GLM.check_separation`;
        Albert & Anderson (1984) for several categories.
        """
        return self._separation(self._blocks(), usable_threads(n_threads))

    def null_log_likelihood(self, n_threads: int) -> float:
        """Log-likelihood of the model whose predictors are constants."""
        null = copy.copy(self)
        null.rows = self.rows.without_columns()
        options = SolverOptions(max_iter=100, n_threads=n_threads)
        solution = null._estimate(null._blocks(), null._examine(n_threads), None, options)
        if solution.status != Status.BOUNDARY:
            null._warn(solution)
        return solution.log_likelihood

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

    def _results(
        self, blocks: Sequence[Block], names: Sequence[str], solution: JointSolution, n_threads: int
    ) -> ResponseResults:
        rows = self.rows
        for array in (solution.params, solution.covariance):
            array.setflags(write=False)
        rank = int(np.count_nonzero(~np.isnan(solution.params)))
        return self.results_class(
            names=tuple(names),
            blocks=tuple(blocks),
            estimates=solution.params,
            information_inverse=solution.covariance,
            covariance=solution.covariance,
            llf=solution.log_likelihood,
            nobs=rows.nobs,
            rank=rank,
            df_inference=rows.nobs - rank,
            status=solution.status,
            n_iter=solution.n_iter,
            n_sweeps=solution.n_sweeps,
            settings=self._settings(),
            recipes=rows.recipes,
            n_columns=tuple(design.n_columns for design in rows.designs),
            formula=self.formula,
            response_name=rows.response_name,
            has_offset=rows.offset_parts.offset is not None,
            has_exposure=rows.offset_parts.exposure is not None,
            column_names=rows.column_names,
            weights=rows.weights,
            labelled=rows.index is not None,
            n_dropped=rows.n_dropped,
            missing=rows.missing,
            n_threads=n_threads,
            boundary=solution.boundary,
            model=self,
        )

    def _warn(self, solution: JointSolution, results: ResponseResults | None = None) -> None:
        if solution.status == Status.BOUNDARY:
            warn(solution.boundary, BoundaryWarning)
        if results is not None and results.infinite:
            warn(infinite_text(results.infinite, results.n_separated), SeparationWarning)
        elif solution.status not in (Status.CONVERGED, Status.BOUNDARY):
            text = solution.status.advice
            warn(text[0].upper() + text[1:], ConvergenceWarning)
        if results is not None and results.aliased:
            warn(
                "These columns are combinations of earlier ones, and their coefficients are NaN: "
                f"{', '.join(results.aliased)}.",
                RankWarning,
            )

    def __repr__(self) -> str:
        what = f"formula={self.formula!r}" if self.formula else ""
        return f"<{type(self).__name__}, {self.rows.n_rows} rows{', ' * bool(what)}{what}>"
