"""One measurement in a process of its own: `python -m benchmarks.worker '{"mode": ...}'`.

Each line of its standard output is an answer, in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

# Nothing but the standard library may be imported above: the mode "first" times the imports.

TINY_ROWS = 2000
#: Fits whose deviances differ by more than this, relatively, are not the same optimum.
SAME_OPTIMUM = 1e-8


def measure_first(module: str, problem: str, adapter: str) -> Iterator[dict[str, Any]]:
    """Seconds of the import and of the first call in this process; building data is left out."""
    import importlib

    begin = perf_counter()
    importlib.import_module(module)
    imported = perf_counter() - begin

    from benchmarks.adapters import ADAPTERS
    from benchmarks.problems import find

    chosen = find(problem)
    job = ADAPTERS[chosen.task, adapter].prepare(chosen.build(), None)
    begin = perf_counter()
    job.run()
    yield {"import": imported, "first_call": perf_counter() - begin}


def measure_steady(
    problem: str, adapters: list[str], target: float | None, effort: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Variants of one library in turn: seconds per call once all is loaded, memory, outcome.

    Parameters
    ----------
    problem, adapters
        Names.
    target
        Certificate to reach; None takes that of the first variant.
    effort
        Fields of `benchmarks.measure.Effort`.
    """
    from benchmarks.adapters import ADAPTERS
    from benchmarks.problems import find

    chosen = find(problem)
    tiny = chosen.resized(min(TINY_ROWS, chosen.n)).build()
    data = chosen.build()
    for name in adapters:
        how = ADAPTERS[chosen.task, name]
        try:
            answer = _measure_variant(how, tiny, data, target, effort)
        except Exception as error:
            answer = {"failure": f"{type(error).__name__}: {error}"}
        yield answer
        if target is None:
            target = answer.get("certificate")


def _measure_variant(
    how: Any, tiny: Any, data: Any, target: float | None, effort: dict[str, Any]
) -> dict[str, Any]:
    from benchmarks.measure import Effort, run_watched, time_job

    # Imports, compiled code and thread pools are not part of a call's memory.
    how.prepare(tiny, None).run()
    peak = None
    for index, tolerance in enumerate(how.tolerances):
        job = how.prepare(data, tolerance)
        begin = perf_counter()
        if index == 0:
            result, peak = run_watched(job.run)
        else:
            result = job.run()
        first = job.seconds(result) if job.seconds else perf_counter() - begin
        outcome = job.inspect(result)
        del result
        if target is None or abs(outcome.certificate - target) <= SAME_OPTIMUM * abs(target):
            break
    wanted = Effort(**effort)
    return {
        "seconds": [first] if first > wanted.longest else time_job(job, wanted),
        "peak_bytes": peak,
        "certificate": outcome.certificate,
        "tolerance": tolerance,
        "standard_errors": _as_list(outcome.standard_errors),
        "values": _as_list(outcome.values),
    }


def _as_list(values: Any) -> list[float] | None:
    return None if values is None else [float(value) for value in values]


def measure_read(problem: str, effort: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of reading X once on all threads."""
    from benchmarks.measure import Effort, time_read
    from benchmarks.problems import find

    yield {"seconds": time_read(find(problem).build().dense, Effort(**effort))}


def measure_sweep(problem: str, effort: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of one whole sweep: of our own fit from its own estimates, divided by its passes.

    From anywhere else the first passes go without a Gram matrix, or over a sample of the rows.
    """
    from benchmarks.adapters.after_fit import fit
    from benchmarks.adapters.registry import Job
    from benchmarks.measure import Effort, time_job
    from benchmarks.problems import find

    data = find(problem).build()
    estimates = fit(data).params
    n_sweeps = fit(data, start_params=estimates).n_sweeps
    job = Job(lambda: fit(data, start_params=estimates), lambda result: result)
    seconds = time_job(job, Effort(**effort))
    yield {"seconds": [each / n_sweeps for each in seconds], "n_sweeps": n_sweeps}


MODES: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "first": measure_first,
    "steady": measure_steady,
    "read": measure_read,
    "sweep": measure_sweep,
}


def main() -> None:
    request = json.loads(sys.argv[1])
    for answer in MODES[request.pop("mode")](**request):
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
