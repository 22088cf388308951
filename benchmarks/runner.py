"""Measures every library on every problem, each in a process of its own, and judges the results."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import numpy as np

from benchmarks import rscript
from benchmarks.adapters import ADAPTERS, Adapter
from benchmarks.measure import Effort
from benchmarks.problems import ROOT, Problem
from benchmarks.worker import SAME_OPTIMUM, TINY_ROWS

#: Seconds for a process that no problem's limit is set for.
TIMEOUT = 180.0
OURS = "fastglm"
#: Standard errors this far apart, relatively, are pointed out: a library that stops as early as the
#: deviance allows has them at slightly other coefficients, a different formula shows more.
SAME_ERRORS = 1e-4
#: What else was asked for may differ so far, in units of its largest number; replicates of a
#: bootstrap are random.
SAME_VALUES = {"bootstrap": 0.15}
SAME_VALUES_ELSE = 1e-5
#: Tasks whose time is told in sweeps of the fit.
IN_SWEEPS = ("HC1", "HC3", "cluster")

Say = Callable[[str], None]


class WorkerError(RuntimeError):
    """A measuring process failed; the text is the last line it wrote."""


def ask_worker(
    request: dict[str, Any], environment: dict[str, str] | None = None, timeout: float = TIMEOUT
) -> Any:
    """The one answer of `benchmarks.worker` to a request."""
    answers, failure = ask_for_all(request, environment, timeout)
    if failure is not None:
        raise WorkerError(failure)
    return answers[-1]


def ask_for_all(
    request: dict[str, Any], environment: dict[str, str] | None = None, timeout: float = TIMEOUT
) -> tuple[list[Any], str | None]:
    """All answers of `benchmarks.worker` to a request, and why there are no more, if it failed."""
    command = [sys.executable, "-m", "benchmarks.worker", json.dumps(request)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as stopped:
        # What was written until then is in bytes, whatever was asked for.
        written = stopped.stdout or b""
        failure = f"not finished after {timeout:.0f} seconds"
        return _read_lines(written.decode() if isinstance(written, bytes) else written), failure
    failure = None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        failure = lines[-1]
    return _read_lines(done.stdout), failure


def _read_lines(text: str) -> list[Any]:
    """Answers, one a line; a last line without an end was not finished."""
    return [json.loads(line) for line in text.split("\n")[:-1] if line.startswith("{")]


def adapters_for(problem: Problem) -> list[Adapter]:
    """Who can do this problem, fastglm first: its optimum is what the others are tuned to reach."""
    sample = problem.resized(min(TINY_ROWS, problem.n)).build()
    able = [a for a in ADAPTERS.values() if a.task == problem.task and a.accepts(sample)]
    return sorted(able, key=lambda a: (a.library != OURS, a.library))


def compare(
    problem: Problem, effort: Effort, say: Say, asked: Problem | None = None
) -> dict[str, Any]:
    """All libraries on one problem, or on a small version of the one `asked`.

    Returns
    -------
    dict
        JSON-able: "fits", each with its median seconds and whether it may be compared; "read", the
        seconds of one parallel read of X; "sweep", those of a whole sweep of a fit.
    """
    fits: list[dict[str, Any]] = []
    target = None
    for library, variants in itertools.groupby(adapters_for(problem), lambda a: a.library):
        # Our own may have to compile; the limit is for the others.
        timeout = TIMEOUT if library == OURS else effort.limit
        found = _fit_with(list(variants), problem, target, effort, timeout, say)
        if library == OURS:
            target = found[0].get("certificate")
        fits += found
    judge(fits, problem.published_deviance, SAME_VALUES.get(problem.task, SAME_VALUES_ELSE))
    reads = problem.task == "fit" and problem.kind != "fremtpl2"
    return {
        "problem": problem.name,
        "asked": (asked or problem).name,
        "title": problem.title,
        "fits": fits,
        "read": _seconds("read", problem, effort, say) if reads else None,
        "sweep": _seconds("sweep", problem, effort, say) if problem.task in IN_SWEEPS else None,
        "machine": describe_machine(),
    }


def _fit_with(
    variants: list[Adapter],
    problem: Problem,
    target: float | None,
    effort: Effort,
    timeout: float,
    say: Say,
) -> list[dict[str, Any]]:
    """All variants of one library, in one process; what failed says why."""
    request = {
        "mode": "steady",
        "problem": problem.name,
        "adapters": [adapter.name for adapter in variants],
        "target": target,
        "effort": effort.as_dict(),
    }
    answers, failure = ask_for_all(request, timeout=timeout)
    answers += [{"failure": failure}] * (len(variants) - len(answers))
    fits = []
    for adapter, answer in zip(variants, answers, strict=True):
        fit = {
            "name": adapter.name,
            "library": adapter.library,
            "gives_standard_errors": adapter.standard_errors,
        } | answer
        if "failure" in fit:
            say(f"  {adapter.name}: failed: {fit['failure']}")
        else:
            fit["median"] = median(fit["seconds"])
            say(f"  {adapter.name}: {fit['median']:.4g} s")
        fits.append(fit)
    return fits


def _seconds(mode: str, problem: Problem, effort: Effort, say: Say) -> float | None:
    request = {"mode": mode, "problem": problem.name, "effort": effort.as_dict()}
    try:
        return median(ask_worker(request)["seconds"])
    except WorkerError as error:
        say(f"  {mode}: failed: {error}")
        return None


def judge(
    fits: list[dict[str, Any]],
    published: float | None = None,
    same_values: float = SAME_VALUES_ELSE,
) -> None:
    """Write into each fit that ran whether it found the common optimum, and how its errors differ.

    An answer to a further question is held to fastglm's as well: another one is not compared.

    Parameters
    ----------
    fits
        As `compare` makes them.
    published
        Deviance known from elsewhere, rounded to four decimals.
    same_values
        How far other answers may differ, in units of the largest.
    """
    done = [fit for fit in fits if "failure" not in fit]
    best = min((fit["certificate"] for fit in done), default=np.nan)
    own: dict[str, Any] = next((dict(fit) for fit in done if fit["library"] == OURS), {})
    reference = own.get("standard_errors")
    for fit in done:
        excess = (fit["certificate"] - best) / abs(best)
        fit["excess"] = excess
        fit["same_optimum"] = bool(excess <= SAME_OPTIMUM)
        if published is not None:
            # Half a unit of the last published digit, beside what is allowed between libraries.
            slack = 5e-5 + SAME_OPTIMUM * published
            fit["same_optimum"] &= abs(fit["certificate"] - published) <= slack
        values = fit.pop("values", None)
        if values is not None and own.get("values") is not None:
            distance = np.abs(np.subtract(values, own["values"])).max()
            fit["value_difference"] = float(distance / np.abs(own["values"]).max())
            fit["same_optimum"] &= bool(fit["value_difference"] <= same_values)
        errors = fit.pop("standard_errors")
        if errors is not None and reference is not None:
            # Libraries order columns differently.
            ours, theirs = np.sort(reference), np.sort(errors)
            fit["standard_error_difference"] = float(np.abs(theirs / ours - 1.0).max())


def measure_first_fits(problem: Problem, say: Say) -> dict[str, Any]:
    """Import and first fit in new processes: cold and warm for fastglm, and the others once."""
    name = f"{OURS} C order"
    names = (name, "statsmodels", "glum irls-ls, C order, with standard errors")
    adapters = [ADAPTERS[problem.task, each] for each in names]
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        cold = _first(adapters[0], problem, environment)
        warm = [_first(adapters[0], problem, environment) for _ in range(3)]
    others = {adapter.name: _first(adapter, problem) for adapter in adapters[1:]}
    say(f"  first fit: cold {cold['total']:.2f} s, warm {_median_total(warm):.2f} s")
    return {
        "problem": problem.name,
        "title": problem.title,
        "cold": cold,
        "warm": sorted(warm, key=lambda first: first["total"])[1],
        "others": others,
        "machine": describe_machine(),
    }


def _median_total(firsts: Iterable[dict[str, float]]) -> float:
    return median(first["total"] for first in firsts)


def _first(
    adapter: Adapter, problem: Problem, environment: dict[str, str] | None = None
) -> dict[str, float]:
    request = {
        "mode": "first",
        "module": adapter.module,
        "problem": problem.name,
        "adapter": adapter.name,
    }
    answer = ask_worker(request, environment)
    return answer | {"total": answer["import"] + answer["first_call"]}


def measure_scaling(problems: Iterable[Problem], effort: Effort, say: Say) -> dict[str, Any]:
    """Our own time, over problems that differ in rows or in columns."""
    points = []
    for problem in problems:
        request = {
            "mode": "steady",
            "problem": problem.name,
            "adapters": [f"{OURS} C order"],
            "target": None,
            "effort": effort.as_dict(),
        }
        try:
            answer = ask_worker(request)
        except WorkerError as error:
            answer = {"failure": str(error)}
        if "failure" in answer:
            say(f"  {problem.name}: failed: {answer['failure']}")
            continue
        seconds = median(answer["seconds"])
        say(f"  {problem.name}: {seconds:.4g} s")
        points.append({"n": problem.n, "p": problem.p, "seconds": seconds})
    return {"points": points, "machine": describe_machine()}


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    packages = ("fastglm", "numba", "numpy", "statsmodels", "glum", "scikit-learn")
    return {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: found for name in packages if (found := _version(name))}
        | ({"R": found} if (found := rscript.version()) else {}),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
