"""Fits of files larger than memory: `python -m benchmarks.streams --folder SCRATCH`.

Every fit runs in a process of its own, after its imports: processor seconds of all its processes,
as the machine may be busy, and its largest resident memory, imports included. The rows are made
once and kept in the folder: 9 GB at full size; `--divide 100` makes a hundredth of all rows, for a
quick look. `--only` names some of `PROBLEMS`. Peers are asked with a tenth of the rows, as they
hold them in memory, by the interpreter given with `--python`, and skipped where they are not
installed. Beside a time stands how far estimates are from ours, in standard errors, and by which
share standard errors differ. With `--write` the table goes to the site's page of benchmarks.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PAGE = Path(__file__).parents[1] / "scripts" / "docs" / "pages" / "benchmarks.md"
BEGIN, END = "<!-- streams: begin -->", "<!-- streams: end -->"
#: Rows made at a time, and of a row group.
BLOCK = 2**18
SEED = 20261129
DENSE, TARIFF, WIDE = 20_000_000, 20_000_000, 100_000_000
#: Peers hold their rows in memory.
SHARE_OF_PEERS = 10
#: Longest time of a fit, in seconds of the clock.
PATIENCE = 3600.0
DENSE_COLUMNS = [f"x{j}" for j in range(1, 21)]
DENSE_FORMULA = "y ~ " + " + ".join(DENSE_COLUMNS)
WIDE_COLUMNS, WIDE_LEVELS = [f"x{j}" for j in range(1, 11)], {"a": 5, "b": 10, "c": 20}
WIDE_FORMULA = "y ~ " + " + ".join([*WIDE_COLUMNS, *WIDE_LEVELS])
#: Factors of the tariff and their numbers of levels, as in freMTPL2.
FACTORS = {"Area": 6, "VehPower": 12, "VehBrand": 11, "VehGas": 2, "Region": 22, "VehAgeClass": 5}
TARIFF_FORMULA = f"ClaimNb ~ {' + '.join(FACTORS)} + bs(DrivAge, df=4) + BonusMalus + log(Density)"


def dense_block(number: int, n: int) -> dict[str, Any]:
    """A binary response of 20 normal columns."""
    rng = np.random.default_rng([SEED, 1, number])
    slopes = np.random.default_rng([SEED, 0]).normal(0.0, 0.25, 20)
    X = rng.standard_normal((20, BLOCK))[:, :n]
    mean = 1.0 / (1.0 + np.exp(0.5 - slopes @ X))
    y = (rng.random(BLOCK)[:n] < mean).astype(np.int8)
    return {"y": y} | dict(zip(DENSE_COLUMNS, X, strict=True))


def wide_block(number: int, n: int) -> dict[str, Any]:
    """A binary response of 10 normal columns of single precision and 3 dictionaries."""
    rng = np.random.default_rng([SEED, 2, number])
    X = rng.standard_normal((10, n), dtype=np.float32)
    eta = np.full(n, -0.5) + np.linspace(-0.3, 0.3, 10) @ X
    coded = {}
    for k, (name, size) in enumerate(WIDE_LEVELS.items()):
        codes = rng.integers(0, size, n)
        eta += np.random.default_rng([SEED, 3, k]).normal(0.0, 0.2, size)[codes]
        coded[name] = _dictionary(codes, [f"{name}{level:02}" for level in range(size)])
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(np.int8)
    return {"y": y} | dict(zip(WIDE_COLUMNS, X, strict=True)) | coded


def tariff_block(number: int, n: int) -> dict[str, Any]:
    """Claims of motor policies: levels become rarer by a quarter each."""
    rng = np.random.default_rng([SEED, 4, number])
    eta, columns = np.full(n, -2.6), {}
    for k, (name, size) in enumerate(FACTORS.items()):
        share = 0.75 ** np.arange(size)
        codes = rng.choice(size, n, p=share / share.sum())
        eta += np.random.default_rng([SEED, 5, k]).normal(0.0, 0.2, size)[codes]
        columns[name] = _dictionary(codes, [f"{name}{level:02}" for level in range(size)])
    age, bonus = rng.integers(18, 95, n), np.maximum(50, rng.normal(55.0, 15.0, n).astype(int))
    density = np.exp(rng.normal(6.0, 1.8, n)).astype(int) + 1
    exposure = np.round(rng.uniform(0.01, 1.0, n), 2)
    eta += 0.01 * (bonus - 60) + 0.05 * np.log(density) - 0.004 * (age - 45)
    numbers = {"DrivAge": age, "BonusMalus": bonus, "Density": density, "Exposure": exposure}
    claims = rng.poisson(exposure * np.exp(eta)).astype(np.int8)
    return {"ClaimNb": claims} | columns | {k: v.astype(np.float64) for k, v in numbers.items()}


def _dictionary(codes: np.ndarray, levels: list[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(levels))


def make(path: Path, rows: int, block: Callable[[int, int], dict[str, Any]]) -> Path:
    """A Parquet file of so many rows, unless it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return path
    # Noise does not compress, and costs decoding where one tries.
    noisy = block is not tariff_block
    kind = {"compression": "none", "use_dictionary": list(WIDE_LEVELS)} if noisy else {}
    begun, writer = path.with_suffix(".begun"), None
    for number, first in enumerate(range(0, rows, BLOCK)):
        table = pa.table(block(number, min(BLOCK, rows - first)))
        writer = writer or pq.ParquetWriter(begun, table.schema, **kind)
        writer.write_table(table, row_group_size=BLOCK)
    assert writer is not None
    writer.close()
    return begun.rename(path)


class Run(NamedTuple):
    """What a fit in a process of its own has taken and found."""

    cpu: float
    megabytes: float
    notes: str = ""
    params: list[float] | None = None
    bse: list[float] | None = None


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _run(fit: Callable[[], tuple[Any, Any, str]], processes: bool = False) -> Run:
    """Takes the measure of a fit, whose estimates, standard errors and notes it returns.

    Peers with processes that outlive the fit read those themselves, as notes that begin with "=".
    """
    begin = _cpu()
    params, bse, notes = fit()
    cpu, peak = _cpu() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0
    if notes.startswith("="):
        others, _, notes = notes[1:].partition(" ")
        cpu += float(others)
    if bse is None:
        return Run(cpu, peak, notes, np.asarray(params).tolist())
    return Run(cpu, peak, notes, np.asarray(params).tolist(), np.asarray(bse).tolist())


def _ours(path: Path, formula: str, **options: Any) -> Run:
    """A streamed fit; its stages are measured in processor seconds of their threads."""
    import fastglm as fg

    # Whoever has threads wait for processors would count that, too.
    time.perf_counter = time.thread_time  # type: ignore[assignment]
    client = options.pop("client", None)

    def fit() -> tuple[Any, Any, str]:
        if client is None:
            res = fg.glm(formula, fg.scan(path), **options)
        else:
            res = fg.glm(formula, fg.scan(path), client=client, **options)
        t, bse = res.timings, np.asarray(res.bse)
        stages = ", ".join(f"{name} {t[name]:.1f}" for name in ("decode", "columns", "sweep"))
        of_passes = sum(t[name] for name in ("decode", "columns", "sweep"))
        notes = f"{res.n_passes} passes; {stages}; the whole is {{:.2f}} times these"
        return np.asarray(res.params), bse, f"{notes}|{of_passes}"

    run = _run(fit)
    notes, _, of_passes = run.notes.partition("|")
    return run._replace(notes=notes.format(run.cpu / max(float(of_passes), 1e-9)))


def streamed_dense(path: Path) -> Run:
    """fastglm, 20 columns of doubles."""
    return _ours(path, DENSE_FORMULA, family="binomial", memory="400MB")


def streamed_tariff(path: Path) -> Run:
    """fastglm, a tariff by formula with a spline."""
    options = {"family": "poisson", "exposure": "Exposure", "memory": "400MB", "compress": False}
    return _ours(path, TARIFF_FORMULA, **options)


def streamed_wide(path: Path) -> Run:
    """fastglm, 10 columns of single precision and 3 dictionaries."""
    return _ours(path, WIDE_FORMULA, family="binomial", memory="400MB", compress=False)


def decoded(path: Path) -> Run:
    """One pass of decoding by pyarrow alone."""
    import pyarrow.parquet as pq

    def fit() -> tuple[Any, Any, str]:
        with pq.ParquetFile(path) as file:
            rows = sum(b.num_rows for b in file.iter_batches(BLOCK, use_threads=False))
        return [], None, f"{rows:,} rows decoded"

    return _run(fit)


def by_dask(path: Path) -> Run:
    """fastglm, two workers of Dask in processes of their own."""
    from dask.distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(memory_limit="2GB", **options) as cluster, Client(cluster) as client:
        before = sum(client.run(_cpu).values())
        run = _ours(path, DENSE_FORMULA, family="binomial", memory="400MB", client=client)
        workers = sum(client.run(_cpu).values()) - before
    notes = f"{run.notes.partition(';')[0]}; here {run.cpu:.1f}, workers {workers:.1f}"
    return run._replace(cpu=run.cpu + workers, notes=notes)


def glum_dense(path: Path) -> Run:
    """glum, in memory."""
    import pandas as pd
    from glum import GeneralizedLinearRegressor

    def fit() -> tuple[Any, Any, str]:
        rows = pd.read_parquet(path)
        y, X = rows.pop("y").to_numpy(np.float64), rows
        model = GeneralizedLinearRegressor(family="binomial", alpha=0.0, gradient_tol=1e-6)
        model.fit(X, y)
        bse = model.std_errors(X, y, robust=False)
        return np.r_[model.intercept_, model.coef_], bse, f"{model.n_iter_} iterations"

    return _run(fit)


def glum_tariff(path: Path) -> Run:
    """A scan by polars, and glum in memory by formula."""
    import polars as pl
    from glum import GeneralizedLinearRegressor

    right = TARIFF_FORMULA.partition("~")[2]

    def fit() -> tuple[Any, Any, str]:
        rows = pl.scan_parquet(path).collect().to_pandas()
        years = rows.pop("Exposure").to_numpy()
        y = rows.pop("ClaimNb").to_numpy() / years
        for name in FACTORS:
            kept = sorted(rows[name].unique())
            rows[name] = rows[name].astype(str).astype("category").cat.set_categories(kept)
        model = GeneralizedLinearRegressor(
            family="poisson", alpha=0.0, formula=right, drop_first=True, gradient_tol=1e-7
        )
        model.fit(rows, y, sample_weight=years)
        bse = model.std_errors(rows, y, sample_weight=years, robust=False, dispersion=1.0)
        return np.r_[model.intercept_, model.coef_], bse, f"{model.n_iter_} iterations"

    return _run(fit)


def dask_ml(path: Path) -> Run:
    """dask-ml's logistic regression by Newton's method, in threads."""
    import dask.dataframe as dd
    from dask_ml.linear_model import LogisticRegression

    def fit() -> tuple[Any, Any, str]:
        rows = dd.read_parquet(path)
        X = rows[DENSE_COLUMNS].to_dask_array(lengths=True)
        y = rows["y"].to_dask_array(lengths=True)
        model = LogisticRegression(solver="newton", penalty="l2", C=1e15, max_iter=20)
        model.fit(X, y)
        return np.r_[model.intercept_, np.ravel(model.coef_)], None, "no standard errors"

    return _run(fit)


def spark(path: Path) -> Run:
    """Spark's generalized linear regression."""
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import GeneralizedLinearRegression
    from pyspark.sql import SparkSession

    def fit() -> tuple[Any, Any, str]:
        session = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
        session = session.config("spark.ui.enabled", "false").getOrCreate()
        rows = VectorAssembler(inputCols=DENSE_COLUMNS, outputCol="features").transform(
            session.read.parquet(str(path))
        )
        model = GeneralizedLinearRegression(family="binomial", labelCol="y", tol=1e-8).fit(rows)
        bse = model.summary.coefficientStandardErrors
        params = np.r_[model.intercept, model.coefficients.toArray()]
        notes = f"={_java()} {model.summary.numIterations} iterations"
        session.stop()
        return params, np.r_[bse[-1], bse[:-1]], notes

    return _run(fit)


def h2o(path: Path) -> Run:
    """H2O's GLM, rows in the memory of its server."""
    import h2o as library
    from h2o.estimators import H2OGeneralizedLinearEstimator

    def fit() -> tuple[Any, Any, str]:
        library.init(nthreads=2, max_mem_size="6g", port=54_901)
        library.no_progress()
        rows = library.import_file(str(path))
        rows["y"] = rows["y"].asfactor()
        model = H2OGeneralizedLinearEstimator(
            family="binomial", lambda_=0.0, compute_p_values=True, solver="irlsm", standardize=False
        )
        model.train(DENSE_COLUMNS, "y", rows)
        found = model._model_json["output"]["coefficients_table"].as_data_frame()
        notes = f"={_java()} IRLSM"
        library.cluster().shutdown()
        return found["coefficients"], found["std_error"], notes

    return _run(fit)


def _java() -> float:
    """Processor seconds so far of the Java processes that this one has started."""
    total, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after = (folder / "stat").read_text().rpartition(")")[2].split()
            ours = (folder / "stat").read_text().split("(")[1].startswith("java")
        except (OSError, IndexError):
            continue
        if ours and os.getsid(int(folder.name)) == os.getsid(0):
            total += (int(after[11]) + int(after[12])) / ticks
    return total


class Problem(NamedTuple):
    """Rows, and the fits of them by name: ours of all, others of a tenth."""

    rows: int
    block: Callable[[int, int], dict[str, Any]]
    ours: dict[str, Callable[[Path], Run]]
    peers: dict[str, Callable[[Path], Run]]


PROBLEMS = {
    "logistic, 20 columns": Problem(
        DENSE, dense_block,
        {"fastglm": streamed_dense, "fastglm, 2 workers of Dask": by_dask},
        {"glum": glum_dense, "dask_ml": dask_ml, "pyspark": spark, "h2o": h2o},
    ),
    "tariff, 59 columns": Problem(
        TARIFF, tariff_block, {"fastglm": streamed_tariff}, {"glum": glum_tariff}
    ),
    "logistic, float32 and dictionaries": Problem(
        WIDE, wide_block, {"fastglm": streamed_wide, "pyarrow, one pass": decoded}, {}
    ),
}  # fmt: skip


def measured(python: str, problem: str, program: str, path: Path) -> Run | None:
    """A fit in a process of its own; None if it fails."""
    command = [python, "-m", "benchmarks.streams", "--run", problem, program, str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=PAGE.parents[3], start_new_session=True, **pipes) as fit:
        try:
            found, told = fit.communicate(timeout=PATIENCE)
        finally:
            # Servers that a fit has started, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(fit.pid, signal.SIGKILL)
    if fit.returncode:
        print(f"{problem} | {program} | skipped: {told.strip().splitlines()[-1:]}")
        return None
    return Run(**json.loads(found.splitlines()[-1]))


def lines_of(name: str, folder: Path, divide: int, python: str) -> Iterator[str]:
    """Lines of the table for one problem."""
    problem = PROBLEMS[name]
    ours = dict([next(iter(problem.ours.items()))])
    asked = [(problem.rows // divide, problem.ours)]
    if problem.peers:
        asked.append((problem.rows // divide // SHARE_OF_PEERS, ours | problem.peers))
    for rows, fits in asked:
        path = make(folder / f"{problem.block.__name__}-{rows}.parquet", rows, problem.block)
        optimum = None
        for program in fits:
            own = program in problem.ours
            run = measured(sys.executable if own else python, name, program, path)
            if run is not None:
                optimum = optimum or run
                yield _line(name, rows, program, run, optimum)


def _line(name: str, rows: int, peer: str, run: Run, optimum: Run) -> str:
    away = "-"
    if run.params and optimum.params and optimum.bse and run is not optimum:
        moved = (np.array(run.params) - optimum.params) / np.array(optimum.bse)
        away = f"{np.abs(moved).max():.1g}"
        if run.bse:
            ratio = np.array(run.bse) / np.array(optimum.bse) - 1.0
            away += f", {np.abs(ratio).max():.1g}"
    per = run.cpu / rows * 1e6
    cells = [name, f"{rows:.3g}", peer, f"{run.cpu:.3g}", f"{per:.3g}", f"{run.megabytes:,.0f}"]
    return " | ".join([*cells, away, run.notes])


HEAD = (
    "| problem | rows | program | CPU seconds | of 1e6 rows | MB | from the optimum | notes |\n"
    "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |"
)


def main() -> None:
    """Print a line for each fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--divide", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--run", nargs=3)
    asked = parser.parse_args()
    if asked.run:
        problem, program, path = asked.run
        fits = PROBLEMS[problem].ours | PROBLEMS[problem].peers
        if program not in PROBLEMS[problem].ours and importlib.util.find_spec(program) is None:
            sys.exit("not installed")
        print(json.dumps(fits[program](Path(path))._asdict()))
        return
    lines = []
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        for line in lines_of(name, asked.folder, asked.divide, asked.python):
            print(line, flush=True)
            lines.append(f"| {line} |")
    if asked.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text("\n".join([f"{before}{BEGIN}", HEAD, *lines, f"{END}{after}"]))


if __name__ == "__main__":
    main()
