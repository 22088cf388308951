"""One measurement in a process of its own: `python -m benchmarks.worker '{"mode": ...}'`.

The last line of its standard output is the answer, in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

# Nothing but the standard library may be imported above: the mode "first" times the imports.

TINY_ROWS = 2000
#: Fits whose deviances differ by more than this, relatively, are not the same optimum.
SAME_OPTIMUM = 1e-8


def measure_first(module: str, problem: str, adapter: str) -> dict[str, Any]:
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
    return {"import": imported, "first_call": perf_counter() - begin}


def measure_steady(
    problem: str, adapters: list[str], target: float | None, effort: dict[str, Any]
) -> list[dict[str, Any]]:
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
    answers: list[dict[str, Any]] = []
    for name in adapters:
        how = ADAPTERS[chosen.task, name]
        try:
            answer = _measure_variant(how, tiny, data, target, effort)
        except Exception as error:
            answers.append({"failure": f"{type(error).__name__}: {error}"})
            continue
        answers.append(answer)
        target = answer["certificate"] if target is None else target
    return answers


def _measure_variant(
    how: Any, tiny: Any, data: Any, target: float | None, effort: dict[str, Any]
) -> dict[str, Any]:
    from benchmarks.measure import Effort, run_watched, time_job

    # Imports, compiled code and thread pools are not part of a call's memory.
    how.prepare(tiny, None).run()
    peak = None
    for index, tolerance in enumerate(how.tolerances):
        job = how.prepare(data, tolerance)
        if index == 0:
            result, peak = run_watched(job.run)
        else:
            result = job.run()
        outcome = job.inspect(result)
        del result
        if target is None or abs(outcome.certificate - target) <= SAME_OPTIMUM * abs(target):
            break
    errors = outcome.standard_errors
    return {
        "seconds": time_job(job, Effort(**effort)),
        "peak_bytes": peak,
        "certificate": outcome.certificate,
        "tolerance": tolerance,
        "standard_errors": None if errors is None else [float(value) for value in errors],
    }


def measure_read(problem: str, effort: dict[str, Any]) -> dict[str, Any]:
    """Seconds of reading X once on all threads."""
    from benchmarks.measure import Effort, time_read
    from benchmarks.problems import find

    return {"seconds": time_read(find(problem).build().dense, Effort(**effort))}


MODES: dict[str, Callable[..., Any]] = {
    "first": measure_first,
    "steady": measure_steady,
    "read": measure_read,
}


def main() -> None:
    request = json.loads(sys.argv[1])
    print(json.dumps(MODES[request.pop("mode")](**request)))


if __name__ == "__main__":
    main()
