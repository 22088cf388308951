"""Paths beside the plain fit, each against its yardstick: `python -m benchmarks.paths`.

What is asked of each path is a multiple of the yardstick, mostly the plain fit, so that it can be
judged on a busy machine too; calls of both, and of peers that are installed, take turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

import fastglm as fg
from benchmarks.path import OURS, YARDSTICK, Path, Run, by_arrays, by_formula, dense
from benchmarks.paths_of_data import PATHS_OF_DATA
from benchmarks.paths_of_storage import PATHS_OF_STORAGE


def _scikit_learn(y: np.ndarray, X: np.ndarray) -> dict[str, Run]:
    if importlib.util.find_spec("sklearn") is None:
        return {}
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-6)
    return {"scikit-learn, no standard errors": lambda: model.fit(X, y)}


def _middle(n: int, p: int) -> dict[str, Run]:
    X, y = dense(n, p)
    fit = by_arrays(y, X)
    # Without scikit-learn the fit is its own yardstick, and misses what is asked.
    return {OURS: fit, YARDSTICK: next(iter(_scikit_learn(y, X).values()), fit)}


def _aliased(n: int) -> dict[str, Run]:
    X, y = dense(n)
    more = np.column_stack([X, 2.0 * X[:, 3] + X[:, 4]])
    return {OURS: by_arrays(y, more), YARDSTICK: by_arrays(y, X)} | _scikit_learn(y, more)


def _nearly_collinear(n: int) -> dict[str, Run]:
    X, y = dense(n)
    near = X.copy()
    near[:, 7] = X[:, 6] + 1e-5 * X[:, 7]
    return {OURS: by_arrays(y, near), YARDSTICK: by_arrays(y, X)} | _scikit_learn(y, near)


def _categories(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    g, h, x = rng.integers(0, 12, n), rng.integers(0, 6, n), rng.normal(size=n)
    y = rng.random(n) < 1.0 / (1.0 + np.exp(0.5 - 0.3 * x + 0.05 * g))
    codes = {"g": g, "h": h, "coarse": g // 3}
    frame = {name: pd.Categorical(values) for name, values in codes.items()}
    return pd.DataFrame({"y": y.astype(float), "x": x, **frame})


def _aliased_codes(n: int) -> dict[str, Run]:
    frame = _categories(n)
    full = by_formula("y ~ g * h + x", frame)
    return {OURS: by_formula("y ~ g * h + coarse + x", frame), YARDSTICK: full}


def _separated(n: int) -> dict[str, Run]:
    frame = _categories(n)
    codes = frame.g.cat.codes.to_numpy().copy()
    codes[:: n // 20] = 12
    frame["g"] = pd.Categorical(codes)
    apart = frame.assign(y=np.where(codes == 12, 0.0, frame.y))
    mixed = frame.assign(y=np.where(codes == 12, np.arange(n) // (n // 20) % 2, frame.y))
    return {OURS: by_formula("y ~ g + x", apart), YARDSTICK: by_formula("y ~ g + x", mixed)}


def _glum(y: np.ndarray, frame: pd.DataFrame, formula: str) -> dict[str, Run]:
    if importlib.util.find_spec("glum") is None:
        return {}
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="binomial", alpha=0.0, formula=formula, drop_first=True, gradient_tol=1e-6
    )
    return {"glum, no standard errors": lambda: model.fit(frame, y)}


def _many_levels(n: int, n_levels: int) -> dict[str, Run]:
    rng = np.random.default_rng(3)
    X, y = dense(n)
    g = np.concatenate([np.arange(n_levels), rng.integers(0, n_levels, n - n_levels)])
    columns = {"y": y, "g": pd.Categorical(g), "x1": X[:, 1], "x2": X[:, 2]}
    frame = pd.DataFrame(columns)
    runs = {OURS: by_formula("y ~ g + x1 + x2", frame), YARDSTICK: by_arrays(y, X)}
    return runs | _glum(y, frame, "g + x1 + x2")


def _interaction(n: int) -> dict[str, Run]:
    X, y = dense(n)
    # Every cell has rows: as many levels as a quick look at few rows can fill.
    n_levels = min(50, max(2, int((n / 40) ** 0.5)))
    a, b = np.arange(n) % n_levels, np.arange(n) // n_levels % n_levels
    frame = pd.DataFrame({"y": y, "a": pd.Categorical(a), "b": pd.Categorical(b), "x": X[:, 1]})
    runs = {OURS: by_formula("y ~ a * b + x", frame), YARDSTICK: by_arrays(y, X)}
    return runs | _glum(y, frame, "a * b + x")


def _bases(n: int, basis: str, whole: bool = False) -> dict[str, Run]:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 1_000, (n, 10)) * 1.0 if whole else rng.normal(size=(n, 10))
    eta = 0.3 * np.sin(x[:, :5] / x.std()).sum(axis=1)
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    frame = pd.DataFrame(x, columns=[f"x{k}" for k in range(10)]).assign(y=y)
    right = " + ".join(basis.format(name) for name in frame.columns[:10])
    design = fg.GLM.from_formula(f"y ~ {right}", frame, family="binomial").exog
    runs = {OURS: by_formula(f"y ~ {right}", frame), YARDSTICK: by_arrays(y, design)}
    return runs | _glum(y, frame, right)


def _spline_prediction(n: int, with_intervals: bool) -> dict[str, Run]:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["y"] = (rng.random(n) < 1.0 / (1.0 + np.exp(-np.sin(frame.x)))).astype(float)
    fit = fg.glm("y ~ bs(x, df=5) + z", frame, "binomial")
    design = fit.model.exog
    plain = fg.GLM(frame.y.to_numpy(), design, family="binomial").fit()

    def asked(of: Any, rows: Any) -> Run:
        if with_intervals:
            return lambda: of.get_prediction(rows).summary_frame()
        return lambda: of.predict(rows)

    return {OURS: asked(fit, frame), YARDSTICK: asked(plain, design)}


def _summary(n: int) -> dict[str, Run]:
    X, y = dense(n)
    model = fg.GLM(y, X, family="binomial")
    fits = []

    def fit() -> None:
        fits.append(model.fit())

    fit()
    # A fit keeps its likelihoods: each summary is of a new one.
    return {YARDSTICK: fit, OURS: lambda: str(fits[-1].summary())}


def _prediction(n: int) -> dict[str, Run]:
    X, y = dense(n)
    fit = fg.GLM(y, X, family="binomial").fit()
    runs: dict[str, Run] = {
        OURS: lambda: fit.get_prediction(X).summary_frame(),
        YARDSTICK: lambda: fit.predict(X),
    }
    if importlib.util.find_spec("statsmodels") is not None:
        import statsmodels.api as sm

        theirs = sm.GLM(y, X, family=sm.families.Binomial()).fit()
        runs["statsmodels, means only"] = lambda: theirs.get_prediction(X).summary_frame()
    return runs


def _profile(n: int) -> dict[str, Run]:
    X, y = dense(n)
    fit = fg.GLM(y, X, family="binomial").fit()
    return {OURS: lambda: fit.conf_int(method="profile"), YARDSTICK: by_arrays(y, X)}


def _dropped_terms(n: int) -> dict[str, Run]:
    X, y = dense(n, 9)
    frame = pd.DataFrame(X[:, 1:], columns=[f"x{k}" for k in range(8)]).assign(y=y)
    fit = fg.glm("y ~ " + " + ".join(frame.columns[:8]), frame, "binomial")
    return {OURS: fit.drop1, YARDSTICK: fit.model.fit}


def _tweedie(n: int) -> dict[str, Run]:
    X, _ = dense(n)
    rng = np.random.default_rng(3)
    number = rng.poisson(np.exp(0.3 * X[:, 1:6].sum(axis=1)))
    y = np.where(number > 0, rng.gamma(2.0 * np.maximum(number, 1), 0.5), 0.0)

    def fit(power: float | None) -> Run:
        return lambda: fg.GLM(y, X, family=fg.families.Tweedie(var_power=power)).fit()

    return {OURS: fit(None), YARDSTICK: fit(1.5)}


_PROCESS = """
import numpy as np, fastglm as fg
X = np.random.default_rng(1).normal(size=({n}, 5))
str(fg.GLM((X[:, 0] > 0.5 * X[:, 1]) * (X[:, 2] < 1.0) * 1.0, X, family="binomial").fit().summary())
"""
_R_PROCESS = """
X <- matrix(rnorm({n} * 5), {n}); y <- (X[, 1] > 0.5 * X[, 2]) * (X[, 3] < 1)
print(summary(glm(y ~ X - 1, family = binomial)))
"""


def _new_process(n: int) -> dict[str, Run]:
    def program(*command: str) -> Run:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return lambda: subprocess.run(command, check=True, env=os.environ, **quiet)

    runs = {
        OURS: program(sys.executable, "-c", _PROCESS.format(n=n)),
        YARDSTICK: program(sys.executable, "-c", "import numba"),
    }
    if shutil.which("Rscript") is not None:
        runs["R"] = program("Rscript", "-e", _R_PROCESS.format(n=n))
    return runs


#: What is measured, and what is asked of it.
PATHS = (
    Path("aliased column, 1e6 x 20", "the fit without it", 1.5, 1_000_000, _aliased),
    Path("columns 1e-5 apart, 1e6 x 20", "columns apart", 6.0, 1_000_000, _nearly_collinear),
    Path(
        "1e4 x 500",
        "scikit-learn's newton-cholesky, no standard errors",
        0.25,
        10_000,
        lambda n: _middle(n, min(500, n // 20)),
    ),
    Path(
        "2e4 x 1,000",
        "scikit-learn's newton-cholesky, no standard errors",
        0.33,
        20_000,
        lambda n: _middle(n, min(1_000, n // 20)),
    ),
    Path("g * h and a coarser g, 1e6 rows", "g * h", 1.5, 1_000_000, _aliased_codes),
    Path("a separated level, 1e6 rows", "with a success in it", 1.5, 1_000_000, _separated),
    Path(
        "a factor of 1,000 levels + 2, 1e6 rows",
        "1e6 x 20 dense",
        2.7,
        1_000_000,
        lambda n: _many_levels(n, min(1_000, n // 20)),
    ),
    Path(
        "a factor of 3,000 levels + 2, 1e6 rows",
        "1e6 x 20 dense",
        3.6,
        1_000_000,
        lambda n: _many_levels(n, min(3_000, n // 20)),
    ),
    Path("levels of a * b, 50 x 50, 1e6 rows", "1e6 x 20 dense", 6.8, 1_000_000, _interaction),
    Path(
        "ten bs(df=5), columns of 1e6 rows",
        "their columns, written out",
        2.0,
        1_000_000,
        lambda n: _bases(n, "bs({}, df=5)"),
    ),
    Path(
        "ten cr(df=5), columns of 1e6 rows",
        "their columns, written out",
        2.0,
        1_000_000,
        lambda n: _bases(n, "cr({}, df=5, constraints='center')"),
    ),
    Path(
        "ten poly(3), columns of 1e6 rows",
        "their columns, written out",
        2.0,
        1_000_000,
        lambda n: _bases(n, "poly({}, 3)"),
    ),
    Path(
        "ten poly(3) of whole numbers, columns of 1e6 rows",
        "their columns, written out",
        2.0,
        1_000_000,
        lambda n: _bases(n, "poly({}, 3)", whole=True),
    ),
    Path(
        "1e6 predictions with a spline",
        "with its columns written out",
        2.0,
        1_000_000,
        lambda n: _spline_prediction(n, with_intervals=False),
    ),
    Path(
        "intervals of 1e6 predictions with a spline",
        "with its columns written out",
        2.0,
        1_000_000,
        lambda n: _spline_prediction(n, with_intervals=True),
    ),
    Path("summary() after a fit, 1e6 x 20", "the fit", 0.2, 1_000_000, _summary),
    Path("intervals of 1e6 predictions", "predictions", 5.0, 1_000_000, _prediction),
    Path("profile intervals, 1e6 x 20", "the fit", 35.0, 1_000_000, _profile),
    Path("drop1 of 8 terms, 1e6 rows", "the fit", 6.0, 1_000_000, _dropped_terms),
    Path("Tweedie with its power, 1e6 x 20", "the power given", 3.0, 1_000_000, _tweedie),
    Path("a new process, 20,000 x 5", "importing numba", 2.0, 20_000, _new_process),
    *PATHS_OF_DATA,
    *PATHS_OF_STORAGE,
)


def measure(path: Path, n: int, rounds: int) -> dict[str, float]:
    """Least seconds of each program, in turns; the first call of each is not counted."""
    runs = path.prepare(n)
    seconds: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(rounds + 1):
            for program, run in runs.items():
                begin = time.perf_counter()
                run()
                spent = time.perf_counter() - begin
                if number:
                    seconds[program] = min(spent, seconds.get(program, spent))
    return seconds


def lines(path: Path, seconds: dict[str, float]) -> list[str]:
    """A line of the table for each program: seconds, and over the yardstick's."""
    unit = seconds[YARDSTICK]
    kept = seconds[OURS] <= path.asked * unit
    found = []
    for program, spent in sorted(seconds.items(), key=lambda item: item[0] != OURS):
        name = f"{YARDSTICK}: {path.yardstick}" if program == YARDSTICK else program
        verdict = ("met" if kept else "MISSED") if program == OURS else ""
        asked = f"{path.asked:g}" if program == OURS else ""
        found.append(
            f"| {path.title} | {name} | {1e3 * spent:.4g} ms | {spent / unit:.3g} | {asked} | "
            f"{verdict} |"
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paths", description=__doc__)
    parser.add_argument("--only", default="", help="paths with this text in their titles")
    parser.add_argument("--divisor", type=int, default=1, help="of the rows, for a quick look")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(
        "| path | program | least time | in yardsticks | asked |  |\n|---|---|---:|---:|---:|---|"
    )
    for path in PATHS:
        if arguments.only in path.title:
            n = min(path.n, max(1_000, path.n // arguments.divisor))
            print("\n".join(lines(path, measure(path, n, arguments.rounds))), flush=True)


if __name__ == "__main__":
    main()
