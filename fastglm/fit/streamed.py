"""From a model of streamed rows to the record of its fit."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any, TypeVar

from fastglm.errors import DataError, ModelError, StartError, Status
from fastglm.fit.estimate import (
    Estimates,
    FitOptions,
    record_of,
    require_a_mean,
    runs_away,
    warn_of,
)
from fastglm.fit.record import Fit
from fastglm.solve.streamed import solve_streamed

__all__ = ["fit_streamed"]

F = TypeVar("F", bound=Fit)


def fit_streamed(model: Any, plan: FitOptions, kind: type[F]) -> F:
    """Fit a model of streamed rows as planned; see `fastglm.streamed.StreamedGLM.fit`."""
    begin, rows, family = perf_counter(), model.rows, model.family
    if family.free_parameter is not None:
        raise ModelError(
            f"the family's {family.free_parameter} cannot be estimated from streamed rows: give "
            "its value, such as one that a sample in memory estimates."
        )
    source = rows.row_source(plan.options.n_threads)
    passes = source.n_passes
    solution = solve_streamed(
        source,
        family,
        plan.options,
        binary=rows.summary.binary,
        start_params=_checked_start(plan, source.row_table.n_columns),
        safe_mean=lambda: rows.mean_response,
        offset_range=rows.totals.offset_range,
    )
    if solution.status in (Status.NOT_FINITE, Status.NO_START):
        require_a_mean(model)
    if solution.status == Status.NO_START:
        advice = solution.status.advice
        raise StartError(advice[0].upper() + advice[1:])
    if plan.separation != "ignore" and runs_away(solution):
        solution = replace(solution, status=Status.MAX_ITERATIONS)
    solution.timings["fit"] = perf_counter() - begin
    solution.timings.update(source.seconds)
    solution = replace(solution, n_sweeps=source.n_passes - passes)
    fit = record_of(model, Estimates(solution, family, plan.scale), plan, kind)
    warn_of(fit)
    return fit


def _checked_start(plan: FitOptions, p: int) -> Any:
    start = plan.start_params
    if start is not None and start.shape != (p,):
        raise DataError(f"start_params has shape {start.shape}, but there are {p} columns.")
    return start
