"""Runs are counted, repeated and watched as they should be."""

import numpy as np
import pytest

from benchmarks.adapters import Job
from benchmarks.measure import Effort, run_watched, time_job


def _slow_job(calls, seconds):
    return Job(lambda: calls.append(1), lambda result: result, lambda result: seconds)


def test_as_many_runs_as_asked_for():
    calls: list[int] = []
    assert time_job(_slow_job(calls, 2.0), Effort(runs=4)) == [2.0] * 4
    assert len(calls) == 4


def test_a_budget_ends_the_runs():
    assert time_job(_slow_job([], 2.0), Effort(runs=4, budget=1.0)) == [2.0]


def test_short_calls_are_repeated():
    calls: list[int] = []
    job = Job(lambda: calls.append(1), lambda result: result)
    seconds = time_job(job, Effort(runs=3, shortest=0.001))
    assert len(seconds) == 3
    assert len(calls) > 30
    assert max(seconds) < 0.001


def test_peak_memory_sees_what_is_freed_again():
    _, peak = run_watched(lambda: np.ones(5_000_000).sum())
    if peak is None:
        pytest.skip("the system does not report peak memory")
    assert 39e6 < peak < 60e6
