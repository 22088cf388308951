"""Which problems are compared, at which size, and what fastglm must reach."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure import Effort
from benchmarks.problems import FREMTPL2_ROWS, Problem

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Target:
    """What fastglm is to reach on a problem; None where nothing is asked.

    Attributes
    ----------
    statsmodels, fastest, with_errors : float or None
        Least ratio of seconds to statsmodels, to the fastest of glum and scikit-learn, and to the
        fastest of glum's fits that end with standard errors.
    reads : float or None
        Most seconds, in parallel reads of X.
    megabytes : float or None
        Most memory beyond the data.
    seconds : float or None
        Most seconds per fit.
    """

    statsmodels: float | None = None
    fastest: float | None = None
    with_errors: float | None = None
    reads: float | None = None
    megabytes: float | None = None
    seconds: float | None = None


_DENSE = Target(statsmodels=200, fastest=8, reads=15, megabytes=60)

#: The comparison, in the order of the table.
COMPARED: dict[Problem, Target] = {
    Problem("logistic", 1_000_000, 20): _DENSE,
    Problem("poisson", 1_000_000, 20): _DENSE,
    Problem("gamma", 1_000_000, 20): _DENSE,
    Problem("logistic", 1_000_000, 100): Target(statsmodels=120, fastest=2, with_errors=8),
    Problem("fremtpl2", FREMTPL2_ROWS, 53): Target(statsmodels=120, with_errors=8, megabytes=60),
    Problem("logistic", 100, 5): Target(statsmodels=5, fastest=5, seconds=100e-6),
}

#: Import and first fit in a new process: most seconds with compiled code cached, and without.
FIRST_FIT = Problem("logistic", 1_000_000, 20)
WARM_SECONDS, COLD_SECONDS = 0.8, 12.0

_SCALING_N = (10_000, 100_000, 1_000_000, 10_000_000)
_SCALING_P = (5, 10, 20, 50, 100, 200, 500)
#: Rows of the problems that differ in columns, and columns of those that differ in rows.
SCALING_ROWS, SCALING_COLUMNS = 100_000, 20

SCALING: tuple[Problem, ...] = (
    *(Problem("logistic", n, SCALING_COLUMNS) for n in _SCALING_N),
    *(Problem("logistic", SCALING_ROWS, p) for p in _SCALING_P if p != SCALING_COLUMNS),
)

FULL = Effort(runs=7, budget=40.0)
QUICK = Effort(runs=3, budget=1.0, shortest=0.02)
QUICK_DIVISOR = 20


def quick(problem: Problem) -> Problem:
    """The same in small, for a look in passing."""
    return problem.resized(max(100, problem.n // QUICK_DIVISOR))
