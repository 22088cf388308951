"""`python -m benchmarks`: the same problems by every library; writes table and pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import plots, report, runner, suite
from benchmarks.problems import ROOT

RESULTS = Path(__file__).resolve().parent / "results"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Fit the same problems with fastglm and its peers; write results, table and "
        "pictures. About twenty minutes on a quiet machine.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, few runs and no first fit, some two minutes; only prints, unless "
        "--output is given",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help="only what has TEXT in its name (a problem, 'first' or 'scaling'); may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where results and pictures go; README and page are then left alone",
    )
    return parser.parse_args()


def _measure(wanted: list[str] | None, quick: bool, folder: Path | None) -> dict[str, Any]:
    """Run what is wanted; each result is written, table and all, as soon as it is there."""
    effort = suite.QUICK if quick else suite.FULL
    found: dict[str, Any] = {}

    def is_wanted(name: str) -> bool:
        return wanted is None or any(text in name for text in wanted)

    def keep(name: str, result: dict[str, Any]) -> None:
        found[name] = result
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
            _write(folder)

    for problem in suite.COMPARED:
        if is_wanted(problem.name):
            sized = suite.quick(problem) if quick else problem
            _say(sized.title)
            keep(problem.name, runner.compare(sized, effort, _say, problem))
    # To compile everything once takes longer than all else that a quick look does.
    if is_wanted("first") and (wanted is not None or not quick):
        sized = suite.quick(suite.FIRST_FIT) if quick else suite.FIRST_FIT
        keep("first", runner.measure_first_fits(sized, _say))
    if is_wanted("scaling"):
        sizes = [suite.quick(problem) for problem in suite.SCALING[::2]] if quick else suite.SCALING
        keep("scaling", runner.measure_scaling(sizes, effort, _say))
    return found


def _load(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _print(found: dict[str, Any]) -> None:
    """Table and targets on standard output."""
    results = [found[problem.name] for problem in suite.COMPARED if problem.name in found]
    if results:
        print(report.tables(results))
    checks = []
    for problem, target in suite.COMPARED.items():
        if problem.name in found:
            result = found[problem.name]
            _print_refused(result)
            # The targets are for the full size.
            if result["problem"] == problem.name:
                judged = report.check_targets(result, target)
                checks += [(result["title"], *check) for check in judged]
    if "first" in found:
        title = f"first fit, {found['first']['title']}"
        checks += [(title, *check) for check in report.check_first_fit(found["first"])]
    for title, text, figure, bound, met in checks:
        print(f"{'met   ' if met else 'MISSED'} {title}: {figure:.4g} {text} (target {bound:g})")


def _print_refused(result: dict[str, Any]) -> None:
    """Fits that are not compared, and standard errors that differ."""
    for fit in result["fits"]:
        if "failure" in fit:
            print(f"failed {result['title']}: {fit['name']}: {fit['failure']}")
            continue
        if not fit["same_optimum"]:
            print(
                f"not the same answer, {result['title']}: {fit['name']}, optimum "
                f"{fit['certificate']:.10g}, {fit['excess']:.1e} above the best, values "
                f"{fit.get('value_difference', 0.0):.1e} from fastglm's"
            )
        difference = fit.get("standard_error_difference", 0.0)
        if difference > runner.SAME_ERRORS:
            print(f"standard errors differ by {difference:.1e}, {result['title']}: {fit['name']}")


#: The site's page of benchmarks.
_PAGE = ROOT / "scripts" / "docs" / "pages" / "benchmarks.md"

#: Pictures by file name, and what they show.
_PICTURES = {
    "speed.png": "Seconds per fit by library, logarithmic",
    "scaling.png": "Time against rows and columns",
}


def _draw(folder: Path) -> None:
    """Pictures of all results in a folder."""
    found = _load(folder)
    fits = [found[problem.name] for problem in suite.TABLES["Fits"] if problem.name in found]
    if fits:
        plots.draw_speed(fits, folder / "speed.png")
    if "scaling" in found:
        plots.draw_scaling(found["scaling"], folder / "scaling.png")


def _write(folder: Path) -> None:
    """The sections of README and page of all results in the folder of results, whole or not."""
    if folder != RESULTS:
        return
    found = _load(folder)
    results = [found[problem.name] for problem in suite.COMPARED if problem.name in found]
    drawn = {name: text for name, text in _PICTURES.items() if (folder / name).exists()}
    for path, made in ((ROOT / "README.md", report.short_section), (_PAGE, report.section)):
        inside = os.path.relpath(folder, path.parent)
        linked = [(f"{inside}/{name}", text) for name, text in drawn.items()]
        if results:
            report.write_section(path, made(results, found.get("first"), linked))


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    folder = arguments.output
    if folder is None and not arguments.quick:
        folder = RESULTS
    found = _measure(arguments.only, arguments.quick, folder)
    _print(found)
    if folder is not None:
        _draw(folder)
        _write(folder)


if __name__ == "__main__":
    main()
