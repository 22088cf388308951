"""The table, the targets, and the sections of README and page, from the JSON of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.suite import COLD_SECONDS, MEGABYTE, TABLES, WARM_SECONDS, Target

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

#: Columns of the table: heading, library, and whether the fit must end with standard errors.
GROUPS: tuple[tuple[str, str, bool], ...] = (
    ("statsmodels", "statsmodels", True),
    ("glum", "glum", False),
    ("glum with standard errors", "glum", True),
    ("scikit-learn", "scikit-learn", False),
    ("R", "R", True),
    ("loop of fits", "loop of fits", False),
    ("built-in family", "built-in family", False),
    ("without checks", "without checks", False),
)
_PEERS_FOR_FASTEST = ("glum", "scikit-learn")


def comparable(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The fits of a result that found the common optimum."""
    return [fit for fit in result["fits"] if fit.get("same_optimum")]


def ours(result: dict[str, Any]) -> dict[str, Any] | None:
    """Our own fit in the layout that arrays come in: the first one registered."""
    return next((fit for fit in comparable(result) if fit["library"] == "fastglm"), None)


def fastest(
    result: dict[str, Any], libraries: Iterable[str], with_errors: bool = False
) -> dict[str, Any] | None:
    """The fastest comparable fit of these libraries."""
    among = tuple(libraries)
    fits = [
        fit
        for fit in comparable(result)
        if fit["library"] in among and (fit["gives_standard_errors"] or not with_errors)
    ]
    return min(fits, key=lambda fit: fit["median"], default=None)


def ratio(result: dict[str, Any], peer: dict[str, Any] | None) -> float | None:
    """Seconds of a peer over fastglm's."""
    mine = ours(result)
    return None if mine is None or peer is None else peer["median"] / mine["median"]


def seconds_text(seconds: float) -> str:
    """A duration to three digits, in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        # What three digits round up to a whole unit is told in it.
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def check_targets(result: dict[str, Any], target: Target) -> list[tuple[str, float, float, bool]]:
    """What is asked of a problem: description, figure, bound, and whether it is met."""
    mine = ours(result)
    if mine is None:
        return [("fastglm reaches the common optimum", 0.0, 1.0, False)]
    checks = []
    at_least = (
        *((f"× {name}", bound, fastest(result, [name])) for name, bound in target.peers.items()),
        ("× the fastest peer", target.fastest, fastest(result, _PEERS_FOR_FASTEST)),
        ("× glum with standard errors", target.with_errors, fastest(result, ["glum"], True)),
    )
    for text, bound, peer in at_least:
        figure = ratio(result, peer)
        if bound is not None and figure is not None:
            checks.append((text, figure, bound, figure >= bound))
    at_most = (
        ("reads of X", target.reads, result["read"] and mine["median"] / result["read"]),
        ("MB beyond the data", target.megabytes, megabytes(mine)),
        ("s per call", target.seconds, mine["median"]),
        ("sweeps of a fit", target.sweeps, sweeps(result)),
    )
    for text, bound, figure in at_most:
        if bound is not None and figure is not None:
            checks.append((text, figure, bound, figure <= bound))
    return checks


def sweeps(result: dict[str, Any]) -> float | None:
    """Our own time in sweeps of a fit."""
    mine, sweep = ours(result), result.get("sweep")
    return None if mine is None or sweep is None else mine["median"] / sweep


def megabytes(fit: dict[str, Any]) -> float | None:
    """Peak memory of a fit beyond its data."""
    return None if fit.get("peak_bytes") is None else fit["peak_bytes"] / MEGABYTE


def table(results: list[dict[str, Any]]) -> str:
    """The comparison in markdown: seconds, and in brackets how many times fastglm's."""
    groups = [group for group in GROUPS if any(_peer(result, group) for result in results)]
    costs = [cost for cost in _COSTS if any(cost[1](result) for result in results)]
    heads = ["problem", "fastglm", *(head for head, *_ in (*groups, *costs))]
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for result in results:
        mine = ours(result)
        cells = [result["title"], "not the same optimum"]
        if mine is not None:
            cells[1] = f"**{seconds_text(mine['median'])}**"
        cells += [_cell(result, group) for group in groups]
        cells += [cost(result) or "–" for _, cost in costs]
        lines.append(_row(cells))
    return "\n".join(lines)


def tables(results: list[dict[str, Any]]) -> str:
    """The tables, one under each heading of the suite that there are results for."""
    parts = []
    for heading, problems in TABLES.items():
        titles = {problem.name: problem for problem in problems}
        under = [result for result in results if result["asked"] in titles]
        if under:
            parts.append(f"**{heading}**\n\n{table(under)}")
    return "\n\n".join(parts)


def _reads_text(result: dict[str, Any]) -> str:
    mine = ours(result)
    # For a hundred rows it would be the cost of starting threads that is compared.
    if mine is None or (result["read"] or 0.0) < 1e-4:
        return ""
    return f"{mine['median'] / result['read']:.0f}"


def _sweeps_text(result: dict[str, Any]) -> str:
    count = sweeps(result)
    return "" if count is None else f"{count:.2g}"


def _memory_text(result: dict[str, Any]) -> str:
    mine = ours(result)
    used = None if mine is None else megabytes(mine)
    return "" if used is None else f"{used:.0f} MB"


#: Further columns: heading, and the text of a cell, empty where it says nothing.
_COSTS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("reads of X", _reads_text),
    ("sweeps of a fit", _sweeps_text),
    ("peak memory", _memory_text),
)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _peer(result: dict[str, Any], group: tuple[str, str, bool]) -> dict[str, Any] | None:
    return fastest(result, [group[1]], group[2])


def _cell(result: dict[str, Any], group: tuple[str, str, bool]) -> str:
    peer = _peer(result, group)
    if peer is None:
        tried = [fit for fit in result["fits"] if fit["library"] == group[1]]
        if not tried:
            return "–"
        return "failed" if all("failure" in fit for fit in tried) else "not the same optimum"
    times = ratio(result, peer)
    text = seconds_text(peer["median"])
    return text if times is None else f"{text} ({times:.3g}×)"


def first_fit_text(first: dict[str, Any]) -> str:
    """A sentence about new processes."""
    others = ", ".join(
        f"{name.split()[0]} {first_of['total']:.2f} s" for name, first_of in first["others"].items()
    )
    return (
        f"Import and first fit in a new process ({first['title']}): "
        f"{first['warm']['total']:.2f} s with compiled code cached, "
        f"{first['cold']['total']:.1f} s when it is compiled first (once per installation); "
        f"{others}."
    )


def check_first_fit(first: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """The bounds on new processes, as `check_targets` gives them."""
    bounds = (("warm", WARM_SECONDS), ("cold", COLD_SECONDS))
    totals = [(name, first[name]["total"], bound) for name, bound in bounds]
    return [(f"s, {name} process", total, bound, total <= bound) for name, total, bound in totals]


def section(
    results: list[dict[str, Any]], first: dict[str, Any] | None, pictures: Iterable[tuple[str, str]]
) -> str:
    """The section of the benchmarks' page, from the whole run."""
    parts = [f"![{text}]({path})" for path, text in pictures]
    parts.append(tables(results))
    if first is not None:
        parts.append(first_fit_text(first))
    parts.append(f"{_MEDIANS} {_CONDITIONS} {_machine_text(results)}")
    return "\n\n".join(parts)


def short_section(
    results: list[dict[str, Any]], first: dict[str, Any] | None, pictures: Iterable[tuple[str, str]]
) -> str:
    """The section of the README: the first picture, and the table of fits."""
    titles = {problem.name for problem in TABLES["Fits"]}
    fits = [result for result in results if result["asked"] in titles]
    parts = [f"![{text}]({path})" for path, text in list(pictures)[:1]]
    parts.append(table(fits))
    if first is not None:
        parts.append(first_fit_text(first))
    parts.append(f"{_MEDIANS} {_machine_text(results)}")
    return "\n\n".join(parts)


_MEDIANS = (
    "Medians of the whole call: data in, coefficients out, and standard errors for fastglm, "
    "statsmodels, R and where it says so; in brackets the multiple of fastglm's time."
)
_CONDITIONS = (
    "glum and scikit-learn are their fastest solver and memory layout, at the loosest tolerance "
    "whose deviance is within 1e-8 of the optimum. R's time is that of glm.fit or glm.nb inside R. "
    "After the fit only the answer is timed, and only answers that agree are compared. Calls "
    "of more than three seconds are timed once. Peak memory is fastglm's beyond the data; "
    "reads of X are its time over that of one parallel read of X, sweeps of a fit over that "
    "of a fit from its own estimates divided by its passes over the rows."
)


def _machine_text(results: list[dict[str, Any]]) -> str:
    machine = results[0]["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['date']}; {versions}. "
        "Made by `python -m benchmarks`."
    )


def write_section(path: Path, text: str) -> None:
    """Put a section between the markers of a Markdown file, at its end if it has none."""
    old = path.read_text() if path.exists() else ""
    new = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in old and END in old:
        before, rest = old.split(BEGIN, 1)
        path.write_text(before + new + rest.split(END, 1)[1])
    else:
        path.write_text(f"{old.rstrip()}\n\n{new}\n".lstrip())
