"""Seconds and memory of one call."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.adapters import Job

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Effort:
    """How often to measure.

    Attributes
    ----------
    runs : int
        Most timed runs; the median of them is reported.
    budget : float
        Seconds after which no further run is begun.
    shortest : float
        A run repeats its call until it takes about this long, in seconds.
    longest : float
        A call that takes longer, in seconds, is not run again: its first run counts.
    limit : float
        Seconds that each other library may take for a problem, with all preparations.
    """

    runs: int = 7
    budget: float = 10.0
    shortest: float = 0.1
    longest: float = 3.0
    limit: float = 120.0

    def as_dict(self) -> dict[str, float]:
        """For handing to a worker."""
        return asdict(self)


def time_job(job: Job, effort: Effort) -> list[float]:
    """Seconds per call, one figure a run, of a job that has run before."""
    begin = perf_counter()
    first = _seconds_of(job)
    repeats = 1 if job.seconds else max(1, round(effort.shortest / first))
    # A call too short for the clock only says how often to repeat it.
    seconds = [first] if repeats == 1 else []
    while len(seconds) < effort.runs and (
        not seconds or perf_counter() - begin + first < effort.budget
    ):
        seconds.append(_seconds_of(job, repeats))
    return seconds


def _seconds_of(job: Job, repeats: int = 1) -> float:
    if job.seconds is not None:
        return job.seconds(job.run())
    begin = perf_counter()
    for _ in range(repeats):
        job.run()
    return (perf_counter() - begin) / repeats


def run_watched(run: Callable[[], Any]) -> tuple[Any, int | None]:
    """A call's result, and the bytes that memory in use rose by at its highest (Linux)."""
    gc.collect()
    if not _CLEAR.exists():
        return run(), None
    # What earlier work has freed but not returned would hide what the call takes.
    ctypes.CDLL(None).malloc_trim(0)
    before = _memory("VmRSS")
    _CLEAR.write_text("5")
    result = run()
    return result, max(0, _memory("VmHWM") - before)


def _memory(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no field {field}")


def time_read(X: np.ndarray, effort: Effort) -> list[float]:
    """Seconds of reading every value of X once, on all threads: what no fit can beat."""
    flat = X.reshape(-1)
    read_sum = _compile_read()
    read_sum(flat)
    return time_job(Job(lambda: read_sum(flat), lambda total: total), effort)


def _compile_read() -> Callable[[np.ndarray], float]:
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def read_sum(values):
        total = 0.0
        for i in numba.prange(values.size):
            total += values[i]
        return total

    return read_sum
