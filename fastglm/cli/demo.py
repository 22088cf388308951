"""The demonstration of `scripts/demo`: late flights by logistic regression, beside statsmodels."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fastglm.data import load_flights
from fastglm.kernels.compiler.cache import cache_folder
from fastglm.kernels.threads.threads import usable_threads
from fastglm.results import Results
from fastglm.shorthand import glm

FORMULA = "late ~ carrier + origin + C(month) + hour + bs(distance, df=4) + bs(departure, df=4)"
#: A smaller model that compiles the same kernels; its rows are enough for the parallel path.
SMALL_FORMULA = "late ~ origin + bs(distance, df=4)"
FEW_ROWS = slice(None, None, 10)

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Fit late arrivals in 2013 with fastglm and statsmodels, and print both."""
    clock = {}
    begin = perf_counter()
    frame = load_flights()
    clock["read the Parquet file"] = perf_counter() - begin
    _heading(f"{len(frame):,} flights from New York City in 2013: which arrive over 30 min late?")
    # Both libraries get complete rows only: patsy's splines refuse missing values, and fastglm
    # would take knots from every row in which the variable itself is present.
    complete = frame.dropna()
    console.print(f'glm("{FORMULA}",\n    flights.dropna(), family="binomial")\n', markup=False)
    kernels, seconds = _ready_kernels(frame)
    begin = perf_counter()
    fit = glm(FORMULA, complete, family="binomial")
    total = perf_counter() - begin
    console.print(str(fit.summary()), markup=False)
    _heading("Where the time went")
    clock[kernels] = seconds
    console.print(_time_table(clock, _stages(fit, total), total, fit))
    _heading("The same fit by statsmodels")
    _compare(fit, total, complete)


def _heading(text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]\n")


def _ready_kernels(frame: Any) -> tuple[str, float]:
    """Fit a few rows, which compiles or loads the kernels; returns which of these, and seconds."""
    before = set(cache_folder().glob("*.nbc"))
    begin = perf_counter()
    few = glm(SMALL_FORMULA, frame.iloc[FEW_ROWS], family="binomial", missing="drop")
    assert np.isfinite([few.llf, few.null_deviance]).all()
    seconds = perf_counter() - begin
    compiled = set(cache_folder().glob("*.nbc")) != before
    how = "compile the kernels, this once" if compiled else "load the compiled kernels"
    return how, seconds


def _stages(fit: Results, total: float) -> dict[str, float]:
    """Seconds by stage of one fit, in order."""
    laps = dict(fit.timings)
    in_fit = laps.pop("fit")
    stages = {"columns of the formula": total - in_fit}
    stages |= laps
    stages["the rest of fit()"] = in_fit - sum(laps.values())
    return stages


def _time_table(
    before: dict[str, float], stages: dict[str, float], total: float, fit: Results
) -> Table:
    threads = f"{usable_threads(None)} threads"
    whole = {f"the whole fit: {fit.n_sweeps} sweeps over the rows, {threads}": total}
    table = Table("stage", show_edge=False)
    table.add_column("seconds", justify="right")
    for clock in (before, stages, whole):
        table.add_section()
        for stage, seconds in clock.items():
            table.add_row(stage, f"{seconds:.4f}")
    return table


def _compare(fit: Results, total: float, complete: Any) -> None:
    """Fit the same formula to the same rows with statsmodels and print the differences."""
    try:
        import statsmodels.api as sm
        from statsmodels.formula.api import glm as statsmodels_glm
    except ImportError:
        console.print("statsmodels is not installed: nothing to compare with.")
        return
    begin = perf_counter()
    theirs = statsmodels_glm(FORMULA, complete, family=sm.families.Binomial()).fit()
    errors = np.asarray(theirs.bse)
    seconds = perf_counter() - begin
    gap = np.abs(np.asarray(fit.params) - np.asarray(theirs.params))
    table = Table("", show_edge=False)
    for heading in ("fastglm", "statsmodels"):
        table.add_column(heading, justify="right")
    table.add_row("seconds of the whole fit", f"{total:.3f}", f"{seconds:.3f}")
    table.add_row("deviance", f"{fit.deviance:.6f}", f"{theirs.deviance:.6f}")
    table.add_row("log-likelihood", f"{fit.llf:.6f}", f"{theirs.llf:.6f}")
    console.print(table)
    error_gap = np.max(np.abs(np.asarray(fit.bse) / errors - 1.0))
    console.print(
        f"\nfastglm took 1/{seconds / total:.0f} of the time. Largest difference between the "
        f"{gap.size} estimates: {gap.max():.1e},\nor {np.max(gap / errors):.1e} standard errors; "
        f"between the standard errors themselves: {error_gap:.1e} of their size."
    )


if __name__ == "__main__":
    main()
