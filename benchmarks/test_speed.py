"""Timings under pytest-benchmark, and the ratios that the project promises.

Run with ``pytest benchmarks --benchmark-only`` on a quiet machine. The environment variable
``BENCHMARK_ROWS`` limits the rows of all problems: whether everything runs and agrees is then
tested, but no ratio.
"""

import os

import pytest

from benchmarks.measure import Effort
from benchmarks.problems import Problem
from benchmarks.report import check_targets, ours
from benchmarks.runner import adapters_for, compare
from benchmarks.suite import COMPARED

EFFORT = Effort(runs=3, budget=3.0)
MOST_ROWS = int(os.environ.get("BENCHMARK_ROWS", "10000000"))
PROBLEMS = {problem.resized(min(problem.n, MOST_ROWS)): problem for problem in COMPARED}


# A few thousand policies have levels without claims.
pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.SeparationWarning")


def _name(problem: Problem) -> str:
    return problem.name


@pytest.mark.parametrize("problem", PROBLEMS, ids=_name)
def test_call(benchmark, problem):
    how = adapters_for(problem)[0]
    assert how.library == "fastglm"
    job = how.prepare(problem.build(), None)
    job.run()
    job.inspect(benchmark(job.run))


@pytest.mark.parametrize("problem", PROBLEMS, ids=_name)
def test_targets(benchmark, problem):
    asked = PROBLEMS[problem]
    result = benchmark.pedantic(compare, (problem, EFFORT, lambda text: None, asked))
    assert ours(result) is not None
    if problem != asked:
        failures = [fit["failure"] for fit in result["fits"] if "failure" in fit]
        assert not failures
        return
    missed = [
        f"{figure:.4g} {text} (target {bound:g})"
        for text, figure, bound, met in check_targets(result, COMPARED[asked])
        if not met
    ]
    assert not missed
