"""Mixed models against lme4, glmmTMB, GPBoost and statsmodels: `python -m benchmarks.mixed_models`.

Every fit is timed in its own program, after the program has started and read its data: processor
seconds of all threads, as the machine may be busy, and R has one thread. A peer's criterion is
printed beside ours: a time is worth nothing without the optimum that it reached. Where lme4
takes too long for a fit, one evaluation of its criterion at our estimates stands in the table.
`--only TEXT` takes the problems with TEXT in their names; with `--write` the table goes to the
site's page of benchmarks.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastglm as fg

#: Fits of ours, of which the quickest counts; peers fit once.
REPEATS = 3
#: Seconds in all below which fits are repeated on.
SHORT = 0.5
PAGE = Path(__file__).parents[1] / "scripts" / "docs" / "pages" / "benchmarks.md"
BEGIN, END = "<!-- mixed models: begin -->", "<!-- mixed models: end -->"
#: Longest time of a peer, in seconds of the clock.
PATIENCE = 1500.0

_R = """
suppressMessages(library(lme4)); d <- {data}
t <- proc.time()
{fit}
t <- proc.time() - t
cat(sprintf("%.4f %.9f\\n", t[["user.self"]] + t[["sys.self"]], {criterion}))
"""
_LOGLIK = "-2 * as.numeric(logLik(m))"

Found = tuple[float, float] | None


class Row(NamedTuple):
    """A line of the table: processor seconds, and the criterion that was reached."""

    problem: str
    program: str
    seconds: float | None
    over_ours: float | None
    criterion: float | None

    def __str__(self) -> str:
        if self.seconds is None or self.over_ours is None:
            return f"{self.problem} | {self.program} | skipped: not installed, or too slow"
        value = "-" if self.criterion is None else f"{self.criterion:.6f}"
        return (
            f"{self.problem} | {self.program} | {self.seconds:.4g} | {self.over_ours:.3g} | {value}"
        )


def simulate(n: int, q: int, family: str, slope: bool) -> dict[str, Any]:
    """Rows with 20 columns, an intercept first, and effects of q levels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20))
    X[:, 0] = 1.0
    g = rng.integers(0, q, n)
    effects = rng.normal(size=(q, 2)) * [0.8, 0.4]
    eta = X @ np.r_[-0.5, rng.normal(size=19) * 0.2] + effects[g, 0]
    eta += effects[g, 1] * X[:, 1] if slope else 0.0
    logistic = rng.random(n) < 1.0 / (1.0 + np.exp(-eta))
    y = logistic * 1.0 if family == "binomial" else eta + rng.normal(size=n)
    return {"X": X, "y": y, "g": g, "Z": X[:, :2] if slope else None}


def seconds_of(fit: Callable[[], Any]) -> tuple[float, Any]:
    """Least processor seconds of some fits after a first one, and the last fit.

    Short ones are repeated more often.
    """
    found, seconds = fit(), [0.0]
    while len(seconds) <= REPEATS or (sum(seconds) < SHORT and len(seconds) < 100 * REPEATS):
        start = time.process_time()
        found = fit()
        seconds.append(time.process_time() - start)
    return min(seconds[1:]), found


def ours(data: dict[str, Any], family: str) -> tuple[float, float]:
    """Seconds and criterion, standard errors included."""
    options: dict[str, Any] = {"reml": False} if family == "gaussian" else {}
    seconds, found = seconds_of(
        lambda: fg.MixedGLM(data["y"], data["X"], groups=data["g"], Z=data["Z"], family=family).fit(
            **options
        )
    )
    return seconds, found.criterion


def glm(data: dict[str, Any], family: str) -> float:
    """Seconds of the model without random effects."""
    return seconds_of(lambda: fg.GLM(data["y"], data["X"], family=family).fit())[0]


def in_r(data: str, fit: str, criterion: str = _LOGLIK) -> Found:
    """Seconds and criterion of a fit in R; None without R or the package."""
    if shutil.which("Rscript") is None:
        return None
    script = _R.format(data=data, fit=fit, criterion=criterion)
    return _printed_by(["Rscript", "-e", script])


def _printed_by(command: list[str]) -> Found:
    """Seconds and criterion, the last two words that a program prints; None if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    seconds, value = done.stdout.split()[-2:]
    return float(seconds), float(value)


def fit_in_r(fit: str) -> Callable[[dict[str, Any]], Found]:
    """A fit in R of simulated rows."""

    def run(data: dict[str, Any]) -> Found:
        if shutil.which("Rscript") is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.csv"
            columns = np.column_stack([data["y"], data["g"], data["X"][:, 1:]])
            header = ",".join(["y", "g", *(f"x{i}" for i in range(1, 20))])
            np.savetxt(path, columns, delimiter=",", header=header, comments="", fmt="%.17g")
            return in_r(f'read.csv("{path}")', fit)

    return run


def in_statsmodels(data: dict[str, Any]) -> Found:
    """Seconds and criterion of statsmodels' linear mixed model."""
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError:
        return None
    start = time.process_time()
    fit = MixedLM(data["y"], data["X"], data["g"], exog_re=data["Z"]).fit(reml=False)
    return time.process_time() - start, -2.0 * fit.llf


FIXED = " + ".join(f"x{i}" for i in range(1, 20))
BOBYQA = "glmerControl(optimizer = 'bobyqa', calc.derivs = FALSE)"
PEERS: dict[str, dict[str, Callable[[dict[str, Any]], Found]]] = {
    "binomial": {
        "lme4, bobyqa": fit_in_r(
            f"m <- glmer(y ~ {FIXED} + (1 | g), d, binomial, control = {BOBYQA})"
        ),
        "glmmTMB": fit_in_r(f"m <- glmmTMB::glmmTMB(y ~ {FIXED} + (1 | g), d, family = binomial)"),
    },
    "gaussian": {
        "lme4": fit_in_r(f"m <- lmer(y ~ {FIXED} + (x1 | g), d, REML = FALSE)"),
        "statsmodels": in_statsmodels,
    },
}
PROBLEMS = {
    "logistic 20,069 x 20, 200 groups": (20_069, 200, "binomial", False, True),
    "linear 20,069 x 20, 200 groups, slope": (20_069, 200, "gaussian", True, True),
    "linear 1e5 x 20, 1e3 groups, slope": (100_000, 1_000, "gaussian", True, True),
    "logistic 1e6 x 20, 1e4 groups": (1_000_000, 10_000, "binomial", False, False),
    "logistic 1e6 x 20, 1e4 groups, slope": (1_000_000, 10_000, "binomial", True, False),
    "logistic 1e6 x 20, 1e5 groups": (1_000_000, 100_000, "binomial", False, False),
    "linear 1e6 x 20, 1e4 groups, slope": (1_000_000, 10_000, "gaussian", True, False),
}


class Factors(NamedTuple):
    """Rows, levels of each factor (the coarse one last), whether nested, and the family."""

    n: int
    levels: tuple[int, ...]
    nested: bool
    family: str

    @property
    def terms(self) -> str:
        """Random terms of the formula."""
        return " + ".join(f"(1 | g{i})" for i in range(len(self.levels)))


SEVERAL_FACTORS = {
    "logistic 1e6 x 20, 1e5 groups, an evaluation": Factors(
        1_000_000, (100_000,), False, "binomial"
    ),
    "logistic 1e6 x 20, crossed 1e4 x 1e3": Factors(1_000_000, (10_000, 1_000), False, "binomial"),
    "linear 1e6 x 20, crossed 1e4 x 1e3": Factors(1_000_000, (10_000, 1_000), False, "gaussian"),
    "logistic 1e6 x 20, nested 2e4 in 500": Factors(1_000_000, (20_000, 500), True, "binomial"),
    "linear 1e6 x 20, nested 2e4 in 500": Factors(1_000_000, (20_000, 500), True, "gaussian"),
}

_GPBOOST = """
import sys, time
import gpboost
import numpy as np
data = np.load(sys.argv[1])
start = time.process_time()
model = gpboost.GPModel(group_data=data["groups"], likelihood=sys.argv[2])
model.fit(y=data["y"], X=data["X"])
model.get_coef(std_err=True)
print(time.process_time() - start, 2.0 * model.get_current_neg_log_likelihood())
"""


def simulate_factors(problem: Factors) -> dict[str, Any]:
    """Rows with 20 columns, an intercept first, and effects of each factor's levels."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(problem.n, 20))
    X[:, 0] = 1.0
    groups = [rng.integers(0, q, problem.n) for q in problem.levels]
    if problem.nested:
        groups[1:] = [groups[0] % q for q in problem.levels[1:]]
    eta = X @ np.r_[-0.5, rng.normal(size=19) * 0.2]
    for codes, q, spread in zip(groups, problem.levels, (0.8, 0.5), strict=False):
        eta += rng.normal(size=q)[codes] * spread
    happens = rng.random(problem.n) < 1.0 / (1.0 + np.exp(-eta))
    y = happens * 1.0 if problem.family == "binomial" else eta + rng.normal(size=problem.n)
    return {"X": X, "y": y, "groups": np.column_stack(groups)}


def frame_of(data: dict[str, Any]) -> Any:
    """The rows as a pandas frame, for formulas and for R."""
    import pandas as pd

    groups = {f"g{i}": codes for i, codes in enumerate(data["groups"].T)}
    columns = {f"x{i}": data["X"][:, i] for i in range(1, 20)}
    return pd.DataFrame({"y": data["y"], **groups, **columns})


def evaluation_in_lme4(problem: Factors, frame: Any, theta: np.ndarray) -> Found:
    """Seconds and value of one evaluation of lme4's criterion (nAGQ = 0) at given parameters."""
    family = "binomial, nAGQ = 0, " if problem.family == "binomial" else "REML = FALSE, "
    call = "glmer" if problem.family == "binomial" else "lmer"
    formula = f"y ~ {FIXED} + {problem.terms}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        frame.to_csv(path, index=False)
        read = f'd <- read.csv("{path}")'
        made = f"f <- {call}({formula}, d, {family}devFunOnly = TRUE)"
        values = ", ".join(f"{value:.17g}" for value in theta)
        return in_r(f"{{ {read}; {made}; d }}", f"v <- f(c({values}))", "v")


def in_gpboost(problem: Factors, data: dict[str, Any]) -> Found:
    """Seconds and criterion of GPBoost, standard errors included; None where it is not there."""
    if importlib.util.find_spec("gpboost") is None:
        return None
    likelihood = "bernoulli_logit" if problem.family == "binomial" else "gaussian"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        return _printed_by([sys.executable, "-c", _GPBOOST, str(path), likelihood])


def factor_rows(name: str) -> list[Row]:
    """Lines of a problem with several factors."""
    problem = SEVERAL_FACTORS[name]
    data = simulate_factors(problem)
    frame = frame_of(data)
    formula = f"y ~ {FIXED} + {problem.terms}"
    options: dict[str, Any] = {"reml": False} if problem.family == "gaussian" else {}
    seconds, found = seconds_of(lambda: fg.mixed(formula, frame, problem.family, **options))
    own = glm(data, problem.family)
    return [
        Row(name, "fastglm", seconds, 1.0, found.criterion),
        Row(name, "fastglm.GLM", own, own / seconds, None),
        _row(
            name, "lme4, one evaluation", evaluation_in_lme4(problem, frame, found.theta), seconds
        ),
        _row(name, "GPBoost", in_gpboost(problem, data), seconds),
    ]


class Known(NamedTuple):
    """Data of lme4: what R makes of them, both formulas, the family and the peers' calls."""

    data: str
    formula: str
    family: str
    peers: dict[str, str]


_CROSSED = "z ~ 1 + (1 | s) + (1 | d) + (1 | dept)"
KNOWN = {
    "sleepstudy": Known(
        "lme4::sleepstudy", "Reaction ~ Days + (Days | Subject)", "gaussian",
        {"lme4": "m <- lmer(Reaction ~ Days + (Days | Subject), d)"},
    ),
    "InstEval, logistic, three factors": Known(
        "transform(lme4::InstEval, z = as.integer(y >= 4))", _CROSSED, "binomial",
        {"lme4, nAGQ = 0": f"m <- glmer({_CROSSED}, d, binomial, nAGQ = 0)"},
    ),
}  # fmt: skip


def simulated_rows(name: str) -> list[Row]:
    """Lines of a simulated problem."""
    n, q, family, slope, with_peers = PROBLEMS[name]
    data = simulate(n, q, family, slope)
    seconds, value = ours(data, family)
    own = glm(data, family)
    rows = [
        Row(name, "fastglm", seconds, 1.0, value),
        Row(name, "fastglm.GLM", own, own / seconds, None),
    ]
    for peer, run in PEERS[family].items() if with_peers else ():
        rows.append(_row(name, peer, run(data), seconds))
    return rows


def known_rows(name: str) -> list[Row]:
    """Lines of a problem of lme4's own; none without R."""
    import pandas as pd

    known = KNOWN[name]
    if shutil.which("Rscript") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        script = f'write.csv({known.data}, "{path}", row.names = FALSE)'
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, check=False)
        if done.returncode:
            return []
        frame = pd.read_csv(path)
    seconds, found = seconds_of(lambda: fg.mixed(known.formula, frame, known.family))
    rows = [Row(name, "fastglm", seconds, 1.0, found.criterion)]
    for peer, call in known.peers.items():
        rows.append(_row(name, peer, in_r(known.data, call), seconds))
    return rows


def _row(problem: str, peer: str, found: Found, seconds: float) -> Row:
    if found is None:
        return Row(problem, peer, None, None, None)
    return Row(problem, peer, found[0], found[0] / seconds, found[1])


def table(rows: list[Row]) -> str:
    """The lines as Markdown."""
    lines = ["| problem | program | CPU seconds | over ours | -2 log-likelihood |"]
    lines.append("| --- | --- | ---: | ---: | ---: |")
    return "\n".join([*lines, *(f"| {row} |" for row in rows if row.seconds is not None)])


def main() -> None:
    """Print a line for every problem and program; peers that are not installed are skipped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_models", description=__doc__)
    parser.add_argument("--only", default="", help="problems with this text in their names")
    parser.add_argument("--write", action="store_true", help="the table goes to the site's page")
    arguments = parser.parse_args()
    print("problem | program | CPU seconds | over our time | -2 log-likelihood")
    rows: list[Row] = []
    makers: tuple[tuple[Callable[[str], list[Row]], Any], ...] = (
        (known_rows, KNOWN),
        (simulated_rows, PROBLEMS),
        (factor_rows, SEVERAL_FACTORS),
    )
    for make, names in makers:
        for name in (name for name in names if arguments.only in name):
            for row in make(name):
                print(row, flush=True)
                rows.append(row)
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}")


if __name__ == "__main__":
    main()
