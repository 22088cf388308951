"""From a model of streamed rows to the record of its fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from fastglm.errors import (
    DataError,
    SeparationWarning,
    StartError,
    Status,
    few_of,
    warn,
)
from fastglm.families import Family
from fastglm.fit.estimate import (
    Estimates,
    FitOptions,
    record_of,
    require_a_mean,
    runs_away,
    warn_of,
    with_separation,
)
from fastglm.fit.free_parameters.estimators import ESTIMATORS
from fastglm.fit.free_parameters.streamed_problem import StreamedProblem
from fastglm.fit.record import Fit
from fastglm.passes.checkpoint import Checkpoint
from fastglm.passes.source import StreamedRows
from fastglm.rows.cluster import DaskWorkers
from fastglm.rows.streamed import KEPT
from fastglm.rows.streamed_model import LeftOut
from fastglm.solve.indistinct import IndistinctColumnsError
from fastglm.solve.newton.run import SolverOptions
from fastglm.solve.solution import Solution
from fastglm.solve.streamed import StreamedSolution, solve_streamed
from fastglm.solve.streamed_levels import find_streamed_levels, solve_beside_streamed_levels

__all__ = ["RowsNeededError", "fit_streamed"]

F = TypeVar("F", bound=Fit)

_ADVICE = (
    " Leave the rows of such levels out, or fit a data frame, which has separation= and "
    "bias_reduction= for them."
)


class RowsNeededError(Exception):
    """Estimates seem infinite or on the boundary, which a fit of the rows in memory can tell."""


def fit_streamed(
    model: Any,
    fit_options: FitOptions,
    kind: type[F],
    checkpoint: str | Path | None = None,
    client: Any = None,
) -> F:
    """Fit a model of streamed rows as planned; see `fastglm.streamed.StreamedGLM.fit`.

    Raises
    ------
    RowsNeededError
        If all rows fit into memory, and must be there for separation, or an optimum on the boundary
        of the domain, to be looked for.
    """
    begin, rows, family = perf_counter(), model.rows.swept, model.family
    source = rows.row_source(fit_options.options.n_threads)
    seconds = source.seconds
    saved = None if checkpoint is None else Checkpoint(checkpoint, _what_is_fitted(model))
    found, beside = None, None
    if family.free_parameter is not None:
        estimates, growing = _estimate_parameter(model, fit_options, client, saved)
    else:
        beside = _beside_levels(model, fit_options, client, saved)
        if beside is None:
            solution, growing = _solve(model, source, fit_options, client, saved)
        else:
            solution, found, growing = *beside, ()
        estimates = Estimates(solution, family, fit_options.scale)
    solution = estimates.solution
    if rows is not model.rows:
        # That which found the distinct rows.
        solution = replace(solution, n_sweeps=1)
    _require_a_start(model, solution.status)
    asks = fit_options.separation != "ignore"
    if asks and (growing or runs_away(solution)) and model.rows.fits:
        raise RowsNeededError
    if _may_end_at_boundary(solution, family) and model.rows.fits:
        raise RowsNeededError
    if asks and runs_away(solution):
        solution = replace(solution, status=Status.MAX_ITERATIONS)
    solution.timings["fit"] = perf_counter() - begin
    for name, now in source.seconds.items():
        solution.timings[name] = now - seconds[name]
    if rows is not model.rows:
        solution.timings["compress"] = model.compress_seconds
    fit = record_of(model, estimates._replace(solution=solution), fit_options, kind)
    if saved is not None:
        saved.remove()
    if found is not None:
        fit = with_separation(fit, *found)
    if growing and fit_options.separation == "warn":
        _warn_of_growing([fit.names[j] for j in growing])
    warn_of(fit, _ADVICE)
    return fit


def _may_end_at_boundary(solution: Solution, family: Family) -> bool:
    """Whether the optimum may lie where linear predictors end, which sums alone cannot tell."""
    shortened = solution.n_sweeps > 2 * solution.n_iter
    stopped = solution.status == Status.STEP_TOO_SHORT
    return not family.is_unbounded and (stopped or shortened)


def _require_a_start(model: Any, status: Status) -> None:
    """Raise if nothing was fitted because no coefficients gave a valid mean."""
    if status in (Status.NOT_FINITE, Status.NO_START):
        require_a_mean(model)
    if status == Status.NO_START:
        raise StartError(status.advice[0].upper() + status.advice[1:])


def _beside_levels(
    model: Any, fit_options: FitOptions, client: Any, saved: Checkpoint | None
) -> tuple[Solution, tuple[np.ndarray, int]] | None:
    """The maximum where levels are all that is separated, their direction and number of rows."""
    rows, n_threads = model.rows.swept, fit_options.options.n_threads
    if fit_options.separation == "ignore" or fit_options.start_params is not None:
        return None
    found = find_streamed_levels(rows)
    if found is None:
        return None

    def solve(source: StreamedRows) -> StreamedSolution:
        return _solve(model, source, fit_options, client, saved)

    try:
        beside = solve_beside_streamed_levels(found, model.family, n_threads, solve)
    except IndistinctColumnsError:
        return None
    if beside is None:
        return None
    solution, n_separated, n_passes = beside
    solution, direction = found.as_given(solution)
    return replace(solution, n_sweeps=n_passes), (direction, n_separated)


def _solve(
    model: Any,
    source: StreamedRows,
    fit_options: FitOptions,
    client: Any,
    saved: Checkpoint | None,
) -> StreamedSolution:
    """The maximum, from sweeps by the workers of a client if there is one."""
    start = _checked_start(fit_options, source.row_table.n_columns)
    with _solver(model, source, client, saved, fit_options.options) as solve:
        return solve(model.family, fit_options.options, start)


def _estimate_parameter(
    model: Any, fit_options: FitOptions, client: Any, saved: Checkpoint | None
) -> tuple[Estimates, tuple[int, ...]]:
    """Estimates with that of the family's free parameter, and columns that grow without end."""
    rows, family, options = model.rows.swept, model.family, fit_options.options
    source = rows.row_source(options.n_threads)
    start, passes = _checked_start(fit_options, source.row_table.n_columns), source.n_passes
    with _solver(model, source, client, saved, options) as solve:
        problem = StreamedProblem(rows, source, family, options, solve)
        found = ESTIMATORS[family.free_parameter](problem, start)
    solution = replace(found.solution, n_sweeps=source.n_passes - passes)
    scale = found.scale if fit_options.scale is None else fit_options.scale
    return Estimates(solution, found.family, scale, found.standard_error), problem.growing


@contextmanager
def _solver(
    model: Any, source: StreamedRows, client: Any, saved: Checkpoint | None, options: SolverOptions
) -> Iterator[Callable[[Family, SolverOptions, Any], StreamedSolution]]:
    """What maximises the likelihood of a family, with options and coefficients to start from."""
    rows, others, n_threads = model.rows.swept, list[StreamedRows](), options.n_threads
    # Distinct rows are few, and here.
    client = client if rows is model.rows else None
    with ExitStack() as stack:

        def prepared(source: StreamedRows) -> StreamedRows:
            source.tell = getattr(options.progress, "rows", None)
            stack.callback(setattr, source, "tell", None)
            source.checkpoint = saved
            stack.callback(setattr, source, "checkpoint", None)
            if client is not None:
                source.workers = DaskWorkers(client, source, rows.memory // KEPT)
                stack.callback(source.workers.close)
                stack.callback(setattr, source, "workers", None)
            return source

        def without(columns: np.ndarray) -> StreamedRows:
            others.append(rows.source_without(LeftOut((), columns), n_threads))
            return prepared(others[-1])

        def solve(family: Family, options: SolverOptions, start: Any) -> StreamedSolution:
            passes = sum(some.n_passes for some in (source, *others))
            found = solve_streamed(
                source,
                family,
                options,
                binary=rows.summary.binary,
                start_params=start,
                safe_mean=lambda: rows.mean_response,
                offset_range=rows.totals.offset_range,
                without=without if source is rows.row_source(n_threads) else None,
            )
            passes = sum(some.n_passes for some in (source, *others)) - passes
            return found._replace(solution=replace(found.solution, n_sweeps=passes))

        prepared(source)
        yield solve


def _warn_of_growing(names: list[str]) -> None:
    warn(
        f"The estimates of {few_of(names)} go on growing when all else has settled, as those of "
        "levels without events do: they seem to be infinite, and their standard errors mean "
        "nothing. Leave the rows of such levels out, or fit a data frame, which tells which rows "
        "are separated.",
        SeparationWarning,
    )


def _what_is_fitted(model: Any) -> dict[str, Any]:
    """What tells the fit of a model from others, of plain JSON types."""
    streamed = model.rows.streamed
    return {
        "version of fastglm": version("fastglm"),
        "formula": model.formula,
        "family": model.family.to_dict(),
        "missing": streamed.missing,
        "compressed": model.rows.cells is not None,
        "columns": {name: value for name, value in streamed.columns.items() if value is not None},
        "source": model.rows.source.fingerprint(),
    }


def _checked_start(fit_options: FitOptions, p: int) -> Any:
    start = fit_options.start_params
    if start is not None and start.shape != (p,):
        raise DataError(f"start_params has shape {start.shape}, but there are {p} columns.")
    return start
