"""Mixed models against lme4, glmmTMB and statsmodels: `python -m benchmarks.mixed_models`.

Every fit is timed in its own program, after the program has started and read its data. A peer's
criterion is printed beside ours: a time is worth nothing without the optimum that it reached.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastglm as fg

#: Fits of ours, of which the quickest counts; peers fit once.
REPEATS = 3

_LME4 = """
suppressMessages(library(lme4)); d <- read.csv("{path}")
t <- proc.time()[["elapsed"]]
{fit}
cat(sprintf("%.4f %.9f\\n", proc.time()[["elapsed"]] - t, {criterion}))
"""


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


def ours(data: dict[str, Any], family: str) -> tuple[float, float]:
    """Seconds and criterion, standard errors included."""
    options: dict[str, Any] = {"reml": False} if family == "gaussian" else {}
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        model = fg.MixedGLM(data["y"], data["X"], groups=data["g"], Z=data["Z"], family=family)
        fit = model.fit(**options)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]), fit.criterion


def glm(data: dict[str, Any], family: str) -> float:
    """Seconds of the model without random effects."""
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        fg.GLM(data["y"], data["X"], family=family).fit()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def in_r(data: dict[str, Any], fit: str, criterion: str) -> tuple[float, float] | None:
    """Seconds and criterion of a fit in R; None without R or the package."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        names = [f"x{i}" for i in range(1, 20)]
        columns = np.column_stack([data["y"], data["g"], data["X"][:, 1:]])
        header = ",".join(["y", "g", *names])
        np.savetxt(path, columns, delimiter=",", header=header, comments="", fmt="%.17g")
        script = _LME4.format(path=path, fit=fit, criterion=criterion)
        done = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, check=False
        )
    if done.returncode:
        return None
    seconds, value = done.stdout.split()[-2:]
    return float(seconds), float(value)


def in_statsmodels(data: dict[str, Any]) -> tuple[float, float] | None:
    """Seconds and criterion of statsmodels' linear mixed model."""
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError:
        return None
    start = time.perf_counter()
    fit = MixedLM(data["y"], data["X"], data["g"], exog_re=data["Z"]).fit(reml=False)
    return time.perf_counter() - start, -2.0 * fit.llf


FIXED = " + ".join(f"x{i}" for i in range(1, 20))
BOBYQA = "glmerControl(optimizer = 'bobyqa', calc.derivs = FALSE)"
PEERS: dict[str, dict[str, Callable[[dict[str, Any]], tuple[float, float] | None]]] = {
    "binomial": {
        "lme4, bobyqa": lambda d: in_r(
            d, f"m <- glmer(y ~ {FIXED} + (1 | g), d, binomial, control = {BOBYQA})",
            "-2 * as.numeric(logLik(m))",
        ),
        "glmmTMB": lambda d: in_r(
            d, f"m <- glmmTMB::glmmTMB(y ~ {FIXED} + (1 | g), d, family = binomial)",
            "-2 * as.numeric(logLik(m))",
        ),
    },
    "gaussian": {
        "lme4": lambda d: in_r(
            d, f"m <- lmer(y ~ {FIXED} + (x1 | g), d, REML = FALSE)", "-2 * as.numeric(logLik(m))"
        ),
        "statsmodels": in_statsmodels,
    },
}  # fmt: skip
PROBLEMS = {
    "logistic 20,069 x 20, 200 groups": (20_069, 200, "binomial", False, True),
    "linear 20,069 x 20, 200 groups, slope": (20_069, 200, "gaussian", True, True),
    "logistic 1e6 x 20, 1e4 groups": (1_000_000, 10_000, "binomial", False, False),
    "logistic 1e6 x 20, 1e4 groups, slope": (1_000_000, 10_000, "binomial", True, False),
    "logistic 1e6 x 20, 1e5 groups": (1_000_000, 100_000, "binomial", False, False),
    "linear 1e6 x 20, 1e4 groups, slope": (1_000_000, 10_000, "gaussian", True, False),
    "linear 180 x 20, 18 groups, slope": (180, 18, "gaussian", True, True),
}


def main() -> None:
    """Print a line for every problem and program; peers that are not installed are skipped."""
    print("problem | program | seconds | over our time | -2 log-likelihood")
    for name, (n, q, family, slope, with_peers) in PROBLEMS.items():
        data = simulate(n, q, family, slope)
        seconds, value = ours(data, family)
        print(f"{name} | fastglm | {seconds:.4g} | 1 | {value:.6f}", flush=True)
        own = glm(data, family)
        print(f"{name} | fastglm.GLM | {own:.4g} | {own / seconds:.2g} | -", flush=True)
        for peer, run in PEERS[family].items() if with_peers else ():
            found = run(data)
            text = "skipped: not installed"
            if found:
                text = f"{found[0]:.4g} | {found[0] / seconds:.0f} | {found[1]:.6f}"
            print(f"{name} | {peer} | {text}", flush=True)


if __name__ == "__main__":
    main()
