"""Timings under pytest-benchmark, and the ratios that the project promises.

Run with ``pytest benchmarks --benchmark-only`` on a quiet machine.
"""

import pytest

from benchmarks.adapters import ADAPTERS
from benchmarks.measure import Effort
from benchmarks.problems import Problem
from benchmarks.report import check_targets
from benchmarks.runner import compare
from benchmarks.suite import COMPARED

EFFORT = Effort(runs=3, budget=10.0)


def _name(problem: Problem) -> str:
    return problem.name


@pytest.mark.parametrize("problem", COMPARED, ids=_name)
def test_fit(benchmark, problem):
    variant = "formula" if problem.kind == "fremtpl2" else "C order"
    job = ADAPTERS["fit", f"fastglm {variant}"].prepare(problem.build(), None)
    job.run()
    result = benchmark(job.run)
    assert result.converged


@pytest.mark.parametrize("problem", COMPARED, ids=_name)
def test_targets(benchmark, problem):
    result = benchmark.pedantic(compare, (problem, EFFORT, lambda text: None))
    missed = [
        f"{figure:.4g} {text} (target {bound:g})"
        for text, figure, bound, met in check_targets(result, COMPARED[problem])
        if not met
    ]
    assert not missed
