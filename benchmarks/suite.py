"""Which problems are compared, at which size, and what fastglm must reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.measure import Effort
from benchmarks.problems import FREMTPL2_ROWS, Problem

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Target:
    """What fastglm is to reach on a problem; None where nothing is asked.

    Attributes
    ----------
    peers : mapping of str to float
        Least ratio of seconds to the fastest variant of each of these libraries.
    fastest, with_errors : float or None
        Least ratio of seconds to the fastest of glum and scikit-learn, and to the fastest of glum's
        fits that end with standard errors.
    reads : float or None
        Most seconds, in parallel reads of X.
    megabytes : float or None
        Most memory beyond the data.
    seconds : float or None
        Most seconds per call.
    sweeps : float or None
        Most time, in whole sweeps of a fit.
    """

    peers: Mapping[str, float] = field(default_factory=dict)
    fastest: float | None = None
    with_errors: float | None = None
    reads: float | None = None
    megabytes: float | None = None
    seconds: float | None = None
    sweeps: float | None = None


_DENSE = Target({"statsmodels": 200}, fastest=8, reads=15, megabytes=60)
_ONE_SWEEP = Target(sweeps=1.0)

_FITS: dict[Problem, Target] = {
    Problem("logistic", 1_000_000, 20): _DENSE,
    Problem("poisson", 1_000_000, 20): _DENSE,
    Problem("gamma", 1_000_000, 20): _DENSE,
    Problem("logistic", 1_000_000, 100): Target({"statsmodels": 120}, fastest=2, with_errors=8),
    Problem("fremtpl2", FREMTPL2_ROWS, 53): Target(
        {"statsmodels": 120}, with_errors=8, megabytes=60
    ),
    Problem("logistic", 100, 5): Target({"statsmodels": 5}, fastest=5, seconds=100e-6),
}

#: The checks for separation must cost nothing that can be measured: 3 % is noise.
_CHECKS: dict[Problem, Target] = {
    Problem("logistic", 1_000_000, 20, "checks"): Target({"without checks": 0.97}),
}

_AFTER_FIT: dict[Problem, Target] = {
    Problem("poisson", 1_000_000, 20, "HC1"): _ONE_SWEEP,
    Problem("poisson", 1_000_000, 20, "HC3"): _ONE_SWEEP,
    Problem("poisson", 1_000_000, 20, "cluster"): _ONE_SWEEP,
    Problem("logistic", 1_000_000, 20, "influence"): Target({"statsmodels": 50}),
    Problem("poisson", 1_000_000, 20, "prediction"): Target({"statsmodels": 10}),
    Problem("logistic", 100_000, 10, "bootstrap"): Target({"loop of fits": 20}),
}

_RESPONSES: dict[Problem, Target] = {
    Problem("negative_binomial", 1_000_000, 20, "alpha"): Target({"statsmodels": 50, "R": 10}),
    Problem("multinomial", 200_000, 20, "classes"): Target({"statsmodels": 20, "scikit-learn": 3}),
    Problem("beta", 100_000, 10, "shares"): Target({"statsmodels": 20}),
    Problem("gamma", 1_000_000, 20, "user_family"): Target({"built-in family": 1 / 1.5}),
}

#: The comparison by headings of its tables, in their order.
TABLES: dict[str, dict[Problem, Target]] = {
    "Fits": _FITS,
    "Checks for hard cases": _CHECKS,
    "After the fit": _AFTER_FIT,
    "Other responses": _RESPONSES,
}
COMPARED: dict[Problem, Target] = {
    problem: target for table in TABLES.values() for problem, target in table.items()
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

FULL = Effort()
QUICK = Effort(runs=3, budget=0.5, shortest=0.02, longest=0.2, limit=4.0)
QUICK_DIVISOR = 50


def quick(problem: Problem) -> Problem:
    """The same in small, for a look in passing."""
    return problem.resized(max(100, problem.n // QUICK_DIVISOR))
