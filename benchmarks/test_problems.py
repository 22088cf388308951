"""The problems are the same every time, and every library finds their optimum."""

from dataclasses import asdict

import numpy as np
import pytest
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance

from benchmarks.adapters import ADAPTERS
from benchmarks.problems import (
    FREMTPL2,
    FREMTPL2_ROWS,
    TASKS,
    Data,
    Problem,
    _synthetic_portfolio,
    find,
)
from benchmarks.runner import SAME_VALUES, SAME_VALUES_ELSE, adapters_for, judge
from benchmarks.suite import COMPARED

PROBLEMS = [problem.resized(min(problem.n, 3000)) for problem in COMPARED]


@pytest.mark.parametrize("problem", COMPARED, ids=lambda problem: problem.name)
def test_name_finds_problem(problem):
    assert find(problem.name) == problem


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no problem"):
        find("probit-10x2")


def test_unknown_task_is_refused():
    with pytest.raises(ValueError, match="no task"):
        find("poisson-10x2-HC9")


def test_every_task_has_an_adapter_of_ours():
    assert {task for task, name in ADAPTERS if name.startswith("fastglm")} == set(TASKS)


def test_data_are_the_same_every_time():
    first, second = (find("gamma-200x4").build() for _ in range(2))
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.response, second.response)


@pytest.mark.parametrize(
    ("family", "reference"), [("poisson", mean_poisson_deviance), ("gamma", mean_gamma_deviance)]
)
def test_deviance_is_scikit_learns(family, reference):
    generator = np.random.default_rng(0)
    response, mean = generator.gamma(2.0, 1.0, 50), generator.gamma(2.0, 1.0, 50)
    if family == "poisson":
        response = np.floor(response)
    deviance = Data(family, response).deviance(mean)
    assert deviance == pytest.approx(50 * reference(response, mean), rel=1e-13)


def test_synthetic_portfolio_has_the_tariffs_shape():
    frame = _synthetic_portfolio(20_000)
    levels = [
        column.cat.categories.size for _, column in frame.items() if column.dtype == "category"
    ]
    # An intercept, one coefficient per level but the first, and two numbers.
    assert 1 + sum(levels) - len(levels) + 2 == 53
    assert set(frame) == set(Problem("fremtpl2", 100, 53).build().table)


@pytest.mark.skipif(not FREMTPL2.exists(), reason="freMTPL2 is not beside the project")
def test_whole_tariff_has_the_published_deviance():
    problem = Problem("fremtpl2", FREMTPL2_ROWS, 53)
    job = ADAPTERS["fit", "fastglm formula"].prepare(problem.build(), None)
    outcome = job.inspect(job.run())
    assert outcome.certificate == pytest.approx(problem.published_deviance, abs=6e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_every_library_finds_the_same_answer(problem):
    data = problem.build()
    fits = []
    for adapter in adapters_for(problem):
        job = adapter.prepare(
            data, adapter.tolerances[-1] if adapter.library != "fastglm" else None
        )
        outcome = job.inspect(job.run())
        fits.append({"name": adapter.name, "library": adapter.library} | asdict(outcome))
    judge(fits, same_values=SAME_VALUES.get(problem.task, SAME_VALUES_ELSE))
    assert all(fit["same_optimum"] for fit in fits), fits
